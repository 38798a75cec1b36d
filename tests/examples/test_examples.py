"""Every example runs, as its first lines say, and shows what it promises."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio

REPOSITORY = Path(__file__).parents[2]
EXAMPLES = REPOSITORY / "examples"
PATIENCE = 40.0
"""Seconds; for a machine that is busy with other things."""

ALONE: Mapping[str, list[str]] = {
    "embed.py": ["PlanCreated", "TaskCompleted", "'value': 42"],
    "own_agent.py": [
        "100 % turn 3 of 3",
        "succeeded: {'task': 'bread', 'gave': 'a loaf'}",
        "succeeded: {'task': 'bread in summer', 'gave': 'dough'}",
        "(the oven is off)",
        "cleanup: clean",
    ],
    "reconnect.py": ["(the cable is cut)", "nothing missing, nothing twice: True"],
}
"""What the examples that need no server show."""

CLIENTS: Mapping[str, list[str]] = {
    "client.py": ["plan: Read sales.csv → ", "asked: ", "sales_report.md", "in words: "],
    "client_cancel.py": ["interrupted: step_1", "cleanup: clean", "result() raises: cancelled"],
    "client_tools.py": ["table_describe(", "stops by: async", "'value': 27"],
}
"""What the examples show that are run against the one with the server."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a table, for the tools to work in."""
    shutil.copy(REPOSITORY / "trio_agent_rt" / "cli" / "demo" / "sales.csv", tmp_path)
    return tmp_path


def _environment(**more: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name != "OPENAI_API_KEY"}
    return {**kept, "PYTHONPATH": str(REPOSITORY), "PYTHONUTF8": "1", **more}


async def _run(name: str, folder: Path, **env: str) -> str:
    with trio.fail_after(PATIENCE):
        done = await trio.run_process(
            [sys.executable, "-W", "error", str(EXAMPLES / name)],
            cwd=folder,
            env=_environment(**env),
            check=False,
            capture_stdout=True,
            capture_stderr=True,
        )
    assert done.returncode == 0, done.stderr.decode()
    assert done.stderr == b""
    return done.stdout.decode()


@asynccontextmanager
async def _serving(folder: Path, **env: str) -> AsyncGenerator[str]:
    """The example server on a free port; it must end well when it is interrupted."""
    process = await trio.lowlevel.open_process(
        [sys.executable, "-W", "error", str(EXAMPLES / "server.py")],
        cwd=folder,
        env=_environment(PORT="0", **env),
        stdout=subprocess.PIPE,
    )
    assert process.stdout is not None
    shown = b""
    try:
        with trio.fail_after(PATIENCE):
            while b"\n" not in shown:
                data = await process.stdout.receive_some()
                assert data, "the server ended before it said where it listens"
                shown += data
        first = shown.decode().splitlines()[0]
        assert first.startswith("offline listens at ws://127.0.0.1:")
        yield first.split()[3].rstrip(";")
        process.send_signal(signal.SIGINT)
        with trio.fail_after(PATIENCE):
            assert await process.wait() == 0
    finally:
        with trio.CancelScope(shield=True):
            if process.poll() is None:
                process.kill()
            await process.wait()
            await process.stdout.aclose()


def test_every_example_is_run_here_and_says_how_to_run_it() -> None:
    names = {path.name for path in EXAMPLES.glob("*.py")}
    assert names == {"server.py", *ALONE, *CLIENTS}
    for name in names:
        assert f"\n    python examples/{name}" in (EXAMPLES / name).read_text(encoding="utf-8")


@pytest.mark.parametrize("name", ALONE)
async def test_an_example_that_needs_no_server_runs(name: str, folder: Path) -> None:
    shown = await _run(name, folder)
    for text in ALONE[name]:
        assert text in shown


async def test_the_clients_run_against_the_server(folder: Path) -> None:
    async with _serving(folder) as url:
        for name, texts in CLIENTS.items():
            shown = await _run(name, folder, AGENT_URL=url)
            for text in texts:
                assert text in shown, f"{name} did not show {text!r} but:\n{shown}"
    assert (folder / "sales_report.md").exists()


async def test_the_server_lets_in_whoever_has_the_token_and_nobody_else(folder: Path) -> None:
    async with _serving(folder, AGENT_TOKEN="s3cret") as url:
        await _run("client_tools.py", folder, AGENT_URL=url, AGENT_TOKEN="s3cret")
        with pytest.raises(AssertionError, match="401 a token is needed"):
            await _run("client_tools.py", folder, AGENT_URL=url, AGENT_TOKEN="wrong")
