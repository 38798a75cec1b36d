"""Every example runs, as its first lines say, and shows what it promises."""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import subprocess
import sys
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest
import trio

from trio_agent_rt import ConnectionRejected, open_sse_client, open_websocket_client
from trio_agent_rt.errors import SessionLost

REPOSITORY = Path(__file__).parents[2]
EXAMPLES = REPOSITORY / "examples"
PATIENCE = 40.0
"""Seconds; for a machine that is busy with other things."""

ALONE: Mapping[str, list[str]] = {
    "embed.py": ["PlanCreated", "TaskCompleted", "'value': 42"],
    "jwt_auth.py": [
        "a question: done",
        "401 the token has expired",
        "401 the token is for another service",
        "401 the token is not valid\n" * 3,
        "401 a token is needed",
        "closed with 4500",
    ],
    "mcp_tools.py": [
        "time_convert_time: stops by abandon, runs without asking",
        "21:30:00+09:00",
        "cleanup: clean; the server lives: False",
    ],
    "own_agent.py": [
        "100 % turn 3 of 3",
        "succeeded: {'task': 'bread', 'gave': 'a loaf'}",
        "succeeded: {'task': 'bread in summer', 'gave': 'dough'}",
        "(the oven is off)",
        "cleanup: clean",
    ],
    "reconnect.py": ["(the cable is cut)", "nothing missing, nothing twice: True"],
    "tool_kinds.py": [
        "count_down stops by: async\n  interrupted: count_down\n  cleanup: clean",
        "stubborn stops by: subprocess\n  interrupted: stubborn\n  cleanup: clean",
        "count_primes stops by: thread\n  interrupted: count_primes\n  cleanup: clean",
        "ask_the_oracle stops by: abandon\n  the log says: left behind: ask_the_oracle",
        "cleanup: timed_out ask_the_oracle (its thread was left behind)",
    ],
}
"""What the examples that need no server show."""

CLIENTS: Mapping[str, list[str]] = {
    "client.py": ["plan: Read sales.csv → ", "asked: ", "sales_report.md", "in words: "],
    "client_cancel.py": ["interrupted: step_1", "cleanup: clean", "result() raises: cancelled"],
    "client_tools.py": ["table_describe(", "stops by: async", "'value': 27"],
}
"""What the examples show that are run against the one with the server."""

SERVERS = {"server.py": "offline listens at ", "quart_app.py": "open "}
"""What the servers say before they say where they are."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a table, for the tools to work in."""
    shutil.copy(REPOSITORY / "trio_agent_rt" / "cli" / "demo" / "sales.csv", tmp_path)
    return tmp_path


def _environment(**more: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("OPENAI_")}
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
async def _serving(folder: Path, name: str = "server.py", **env: str) -> AsyncGenerator[list[str]]:
    """The URLs of a server on free ports; it must end well when it is interrupted."""
    process = await trio.lowlevel.open_process(
        [sys.executable, "-W", "error", str(EXAMPLES / name)],
        cwd=folder,
        env=_environment(PORT="0", HTTP_PORT="0", **env),
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
        assert first.startswith(SERVERS[name])
        yield first.removeprefix(SERVERS[name]).partition(";")[0].split(" and ")
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
    assert names == {*SERVERS, *ALONE, *CLIENTS}
    for name in names:
        assert f"\n    python examples/{name}" in (EXAMPLES / name).read_text(encoding="utf-8")


@pytest.mark.parametrize("name", ALONE)
async def test_an_example_that_needs_no_server_runs(name: str, folder: Path) -> None:
    shown = await _run(name, folder)
    for text in ALONE[name]:
        assert text in shown


async def test_the_clients_run_against_the_server(folder: Path) -> None:
    async with _serving(folder) as (url, _):
        for name, texts in CLIENTS.items():
            shown = await _run(name, folder, AGENT_URL=url)
            for text in texts:
                assert text in shown, f"{name} did not show {text!r} but:\n{shown}"
    assert (folder / "sales_report.md").exists()


async def test_the_server_lets_in_whoever_has_the_token_and_nobody_else(folder: Path) -> None:
    token = secrets.token_urlsafe()
    async with _serving(folder, AGENT_TOKEN=token) as (url, sse_url):
        await _run("client_tools.py", folder, AGENT_URL=url, AGENT_TOKEN=token)
        with pytest.raises(AssertionError, match="401 This token is not valid"):
            await _run("client_tools.py", folder, AGENT_URL=url, AGENT_TOKEN="wrong")
        with pytest.raises(ConnectionRejected, match="401 This token is not valid"):
            async with open_sse_client(sse_url, token=secrets.token_urlsafe()):
                pass


async def test_the_server_shows_the_same_sessions_over_both_transports(folder: Path) -> None:
    token = secrets.token_urlsafe()
    async with _serving(folder, AGENT_TOKEN=token) as (url, sse_url):
        async with (
            open_sse_client(sse_url, token=token) as client,
            open_websocket_client(url, token=token, session=client.session_id) as watching,
        ):
            task = await client.submit("what is 6*7")
            assert (await watching.task(task.id).wait()).success


async def test_the_users_of_the_web_application_have_their_own_sessions(folder: Path) -> None:
    async with _serving(folder, "quart_app.py") as (url,):
        stream = f"{url}/agent/sse"
        with pytest.raises(ConnectionRejected, match="401 log in first"):
            async with open_sse_client(stream):
                pass
        ann, bo = [await _log_in(url, name) for name in ("ann", "bo")]
        async with open_sse_client(stream, headers=ann) as client:
            task = await client.submit("what is 6*7")
            assert (await task.wait()).success
            async with open_sse_client(stream, headers=ann, session=client.session_id) as again:
                assert again.session_id == client.session_id
            with pytest.raises(SessionLost):
                async with open_sse_client(stream, headers=bo, session=client.session_id):
                    pass


async def _log_in(url: str, name: str) -> Mapping[str, str]:
    """The headers of a browser that has logged in; its pages are looked at on the way."""
    async with httpx.AsyncClient(base_url=url) as browser:
        assert "your name" in (await browser.get("/")).text
        assert (await browser.post("/login", data={"user": name})).status_code == 302
        assert "/agent/sse" in (await browser.get("/")).text
        return {"Cookie": f"session={browser.cookies['session']}"}
