"""The types in the comments of the browser client hold, and find mistakes of its users."""

from __future__ import annotations

import functools
import importlib.resources
import os
from pathlib import Path

import trio

from tests.programs import find_program, miss

COMPILER = "typescript@5.9.3"
"""`@import` in comments came with 5.5."""

OPTIONS = [
    *("--allowJs", "--checkJs", "--noEmit", "--strict", "--noUncheckedIndexedAccess"),
    *("--noUnusedLocals", "--noUnusedParameters", "--noImplicitReturns"),
    *("--target", "es2022", "--module", "esnext", "--moduleResolution", "bundler"),
    *("--lib", "es2023,dom,dom.iterable"),
]

CLIENT = importlib.resources.files("trio_agent_rt.panel") / "static" / "client.js"


async def complaints(folder: Path, script: Path) -> str:
    """What the compiler has to say of a script, and of all that it imports."""
    npx = find_program("npx", package="npm")
    run = functools.partial(
        trio.run_process,
        check=False,
        capture_stdout=True,
        capture_stderr=True,
        cwd=folder,
        env={**os.environ, "NPM_CONFIG_UPDATE_NOTIFIER": "false"},
    )
    compiler = [npx, "--yes", f"--package={COMPILER}", "tsc"]
    with trio.fail_after(50):
        found = await run([*compiler, "--version"])
        if found.returncode:
            miss(f"this needs {COMPILER}, which npx cannot get: {found.stderr.decode()[-300:]}")
        return (await run([*compiler, *OPTIONS, str(script)])).stdout.decode()


async def test_the_client_is_typed_throughout(tmp_path: Path) -> None:
    assert await complaints(tmp_path, Path(str(CLIENT))) == ""


USES = {
    'new AgentClient({ transport: "smoke" });': '"smoke"',
    "new AgentClient({ websocketURL: '/ws' });": "websocketURL",
    "client.confirm({ stepId: 's', approved: true });": "approved",
    "client.submit(7);": "'number'",
    "client.state === 'opened';": "no overlap",
    "(await client.cancel()).receipt.cleanup;": "possibly 'undefined'",
}


async def test_wrong_uses_of_it_are_found(tmp_path: Path) -> None:
    script = tmp_path / "page.js"
    lines = [
        f'import {{ AgentClient }} from "{CLIENT}";',
        'const client = new AgentClient({ websocketUrl: "/ws", token: async () => "t" });',
        *USES,
        "export {};",
    ]
    script.write_text("\n".join(lines), encoding="utf-8")
    told = await complaints(tmp_path, script)
    found = [line for line in told.splitlines() if line.startswith("page.js(")]
    assert [line.partition("(")[2].partition(",")[0] for line in found] == [
        str(number) for number in range(3, 3 + len(USES))
    ]
    for line, part in zip(found, USES.values(), strict=True):
        assert part in line
