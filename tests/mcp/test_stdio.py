"""A server that is run here: it ends with the block, with its children, whatever it is like."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import trio

from tests.agent.stage import Stage
from tests.agent.stopping.programs import HEARS_NOTHING, living
from trio_agent_rt.agent import TaskRun, Tool
from trio_agent_rt.errors import ToolError, ToolServerFailed
from trio_agent_rt.mcp import open_mcp_tools
from trio_agent_rt.protocol import StepProgressed
from trio_agent_rt.testing import assert_no_leaks

from .hostile import TOOL, declaring
from .serving import SERVER, Call, sh, the_tools

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc"),
    pytest.mark.hang_guard(60),
]

LEAVING = 4.0
"""Seconds that leaving may take here: its bound, and a machine that has other things to do."""


async def refused(server: Any, **options: Any) -> str:
    """What is said of a server that cannot be opened; nothing of it is left."""
    with assert_no_leaks(), trio.fail_after(30):
        with pytest.raises(ToolServerFailed) as caught:
            async with open_mcp_tools(server, **options):
                raise AssertionError("it was opened")
    return str(caught.value)


async def its_process(tools: Mapping[str, Tool], children: int = 0) -> int:
    """The id of the server's process, which has started so many more."""
    ids = await tools["children"].run(Call(), {"count": children})
    return int(ids[0] if isinstance(ids, list) else str(ids))


async def test_its_tools_are_called_and_it_ends_with_the_block_and_its_children() -> None:
    with trio.fail_after(50), assert_no_leaks():
        async with the_tools() as tools:
            assert await tools["add"].run(Call(), {"a": 1, "b": 2}) == {"sum": 3}
            server = await its_process(tools, children=2)
            assert len(living(server)) >= 3
            begun = trio.current_time()
        assert trio.current_time() - begun < LEAVING
        assert living(server) == []


async def test_it_ends_when_everything_is_cancelled_while_it_is_called(tmp_path: Path) -> None:
    call, mark, begun, server = Call(), tmp_path / "mark", 0.0, 0
    with trio.fail_after(50), assert_no_leaks():
        with trio.CancelScope() as scope:
            async with the_tools() as tools:
                server = await its_process(tools, children=1)
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(tools["work"].run, call, {"path": str(mark)})
                    await call.heard.wait()
                    scope.cancel()
                    begun = trio.current_time()
        assert trio.current_time() - begun < LEAVING
        assert living(server) == []
        assert mark.read_text() == "cancelled"  # it was told, and had the time to hear it


async def test_the_server_of_a_task_is_gone_when_its_cancel_is_told() -> None:
    stage, servers = Stage(), list[int]()

    async def agent(task: str, run: TaskRun) -> object:
        async with the_tools() as tools, run.step("work") as step:
            servers.append(await its_process(tools))
            return await tools["work"].run(step, {"path": os.devnull})

    with trio.fail_after(50):
        async with trio.open_nursery() as nursery:

            async def cancel() -> None:
                await stage.until(StepProgressed)
                stage.cancel()

            nursery.start_soon(cancel)
            completed = await stage.play(agent)
    assert living(servers[0]) == []
    assert completed.receipt is not None
    assert completed.receipt.cleanup == "clean"


async def test_one_that_ends_fails_its_calls_and_disturbs_nothing_else(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with trio.fail_after(50), assert_no_leaks():
        async with the_tools() as tools:
            for _ in range(2):
                with pytest.raises(ToolError, match=r"(?s)ended with status 3.*last words"):
                    await tools["die"].run(Call(), {"status": 3})
            await trio.lowlevel.checkpoint()  # the block is not cancelled
    assert "an MCP server has ended" in caplog.text


async def test_it_is_given_no_secrets_but_what_it_is_meant_to_have(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "secret")
    with trio.fail_after(50):
        async with the_tools(env={"FOR_IT": "1"}, cwd=tmp_path) as tools:
            names = await tools["environment"].run(Call(), {})
    assert isinstance(names, str)
    assert "FOR_IT" in names.split()
    assert "PATH" in names.split()
    assert "OPENAI_API_KEY" not in names.split()


# --- those that are no servers


async def test_a_program_that_is_not_there() -> None:
    assert await refused("no-such-program --stdio") == (
        "no-such-program: there is no such program here"
    )


async def test_one_that_ends_at_once() -> None:
    assert await refused(sh("echo bad luck >&2; exit 4")) == (
        "sh: it ended with status 4: bad luck"
    )


async def test_one_that_says_nothing_and_hears_nothing() -> None:
    assert await refused(sh(HEARS_NOTHING + "sleep 60 & wait"), connect_timeout=0.5) == (
        "sh: it did not tell its tools within 0.5 s"
    )


async def test_one_that_is_not_waited_for() -> None:
    with assert_no_leaks(), trio.move_on_after(0.5) as scope:
        async with open_mcp_tools(sh(HEARS_NOTHING + "sleep 60 & wait")):
            raise AssertionError("it was opened")
    assert scope.cancelled_caught


async def test_one_that_writes_what_is_no_message() -> None:
    assert await refused(sh("echo Welcome to the server; cat >/dev/null"), connect_timeout=0.5) == (
        "sh: it did not tell its tools within 0.5 s, and wrote what is no message: "
        "'Welcome to the server'"
    )


async def test_one_that_floods_while_others_go_on() -> None:
    beats = 0

    async def beat() -> None:
        nonlocal beats
        while True:
            await trio.sleep(0.02)
            beats += 1

    async with trio.open_nursery() as nursery:
        nursery.start_soon(beat)
        assert "did not tell its tools" in await refused(sh("yes"), connect_timeout=1)
        nursery.cancel_scope.cancel()
    assert beats > 10


async def test_one_whose_message_never_ends() -> None:
    assert await refused(sh("yes | tr -d '\\n'"), max_message_bytes=100_000) == (
        "sh: it sent a message of more than 100000 bytes, and was ended"
    )


async def test_what_it_prints_beside_its_messages_is_passed_over(
    caplog: pytest.LogCaptureFixture,
) -> None:
    noisy = sh(f"echo Welcome; exec {sys.executable} {SERVER[1]}")
    with trio.fail_after(50):
        async with the_tools(noisy) as tools:
            assert await tools["add"].run(Call(), {"a": 1, "b": 2}) == {"sum": 3}
    assert "writes to stdout what is no message: 'Welcome'" in caplog.text


async def test_cancels_do_not_wait_for_a_server_that_reads_no_more() -> None:
    with trio.fail_after(50):
        async with the_tools() as tools:
            server = await its_process(tools)
            os.kill(server, 19)  # SIGSTOP
            begun = trio.current_time()
            for _ in range(10):
                with trio.move_on_after(0.02):
                    await tools["say_it__so_to_speak"].run(Call(), {"text": "x" * 50_000})
            assert trio.current_time() - begun < 2
        assert trio.current_time() - begun < 2 + LEAVING
        assert living(server) == []


async def test_what_a_server_calls_a_server_error_is_told_at_once() -> None:
    # The SDK uses this code for connections that have ended; many servers use it for all else.
    answer = {"error": {"code": -32000, "message": "no such table"}}
    with trio.fail_after(30):
        async with the_tools(declaring(TOOL, answer=answer)) as tools:
            begun = trio.current_time()
            with pytest.raises(ToolError, match="t: no such table"):
                await tools["t"].run(Call(), {})
            assert trio.current_time() - begun < 4  # no end of the server is waited for


async def test_no_schema_of_a_servers_keeps_the_event_loop_busy() -> None:
    pattern = {"type": "object", "properties": {"a": {"type": "string", "pattern": "(a+)+$"}}}
    structured = {"a": "a" * 22 + "b"}  # a second or more, were it held against the pattern
    answer = {"result": {"content": [], "structuredContent": structured}}
    with trio.fail_after(30):
        async with the_tools(declaring({**TOOL, "outputSchema": pattern}, answer=answer)) as tools:
            assert await tools["t"].run(Call(), {}) == structured
