"""The tools of a server are tools like others: schema, confirmation, progress, errors, cancel."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trio
from mcp.client._memory import InMemoryTransport
from mcp.server import MCPServer
from mcp.server.mcpserver import Context
from mcp.shared.message import SessionMessage
from mcp.types import ToolAnnotations

from tests.agent.stage import Stage
from trio_agent_rt.agent import TaskRun
from trio_agent_rt.errors import ToolError
from trio_agent_rt.testing import Sweep, assert_cancel_safe

from .a_server import server
from .serving import Call, the_tools


def here(which: MCPServer = server) -> InMemoryTransport:
    """A transport to a server in this process."""
    return InMemoryTransport(which)


class Patient:
    """A server with one tool, which waits for something until it is told to stop."""

    def __init__(self) -> None:
        self.server = MCPServer("patient")
        self.begun = trio.Event()
        self.told = trio.Event()
        self.go_on = trio.Event()

        @self.server.tool(structured_output=False)
        async def wait(ctx: Context) -> str:
            """Wait."""
            self.begun.set()
            await ctx.report_progress(1, 4, "a quarter")
            try:
                await self.go_on.wait()
            except trio.Cancelled:
                self.told.set()
                raise
            return "done"


async def test_schema_description_and_category_are_carried_over() -> None:
    async with the_tools(here(), prefix="my_", category="sums") as tools:
        add = tools["my_add"]
    assert add.description == "Add two numbers."
    assert add.category == "sums"
    assert add.parameters["required"] == ["a", "b"]
    assert add.info.cancellation == "abandon"


async def test_a_person_is_asked_unless_a_trusted_server_says_that_it_only_reads() -> None:
    async with the_tools(here(), trust_hints=True) as tools:
        assert not tools["add"].needs_confirmation  # said to be read-only
        assert tools["remove"].needs_confirmation  # said to be destructive
        assert tools["fail"].needs_confirmation  # said to be nothing
    async with the_tools(here()) as tools:
        assert all(each.needs_confirmation for each in tools.values())


async def test_what_is_only_not_destructive_is_asked_for_too() -> None:
    sender = MCPServer("sender")
    hints = ToolAnnotations(read_only_hint=False, destructive_hint=False)

    @sender.tool(annotations=hints)
    def send() -> str:  # pyright: ignore[reportUnusedFunction]
        """Send a letter."""
        return "sent"

    async with the_tools(here(sender), trust_hints=True) as tools:
        assert tools["send"].needs_confirmation


async def test_results_and_arguments_pass() -> None:
    async with the_tools(here()) as tools:
        assert await tools["add"].run(Call(), {"a": 20, "b": 22}) == {"sum": 42}
        said = await tools["say_it__so_to_speak"].run(Call(), {"text": "hi", "times": 2})
        assert said == "hihi"
        shown = await tools["pictures"].run(Call(), {"count": 1})
        picture = {"type": "image", "mime_type": "image/png", "data": "AAAA"}
        assert shown == ["look", picture]


async def test_a_result_is_cut_where_it_is_too_long() -> None:
    async with the_tools(here(), max_result_chars=1000) as tools:
        said = await tools["say_it__so_to_speak"].run(Call(), {"text": "x", "times": 10**6})
        assert isinstance(said, str)
        assert len(said) < 1100


@pytest.mark.parametrize(
    ("name", "arguments", "text"),
    [("fail", {}, "fail: Error executing tool fail"), ("add", {"a": 1}, "add: .*required")],
)
async def test_what_the_server_calls_an_error_is_a_tool_error(
    name: str, arguments: Any, text: str
) -> None:
    async with the_tools(here()) as tools:
        with pytest.raises(ToolError, match=f"(?s){text}"):
            await tools[name].run(Call(), arguments)
        assert await tools["add"].run(Call(), {"a": 1, "b": 2}) == {"sum": 3}


async def test_progress_is_told_in_percent() -> None:
    patient, call = Patient(), Call()
    async with the_tools(here(patient.server)) as tools, trio.open_nursery() as nursery:
        nursery.start_soon(tools["wait"].run, call, {})
        await call.heard.wait()
        patient.go_on.set()
    assert call.told == [(25, "a quarter")]


async def test_a_cancelled_call_returns_at_once_and_the_server_is_told() -> None:
    patient = Patient()
    async with the_tools(here(patient.server)) as tools:
        with trio.CancelScope() as scope:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(tools["wait"].run, Call(), {})
                await patient.begun.wait()
                scope.cancel()
        await patient.told.wait()


async def test_the_receipt_says_that_the_server_may_go_on() -> None:
    patient = Patient()
    async with the_tools(here(patient.server)) as tools:
        stage = Stage(tools=tools.values())

        async def agent(task: str, run: TaskRun) -> object:
            async with run.step("look") as step:
                return await run.tools["wait"].run(step, {})

        async with trio.open_nursery() as nursery:

            async def cancel() -> None:
                await patient.begun.wait()
                stage.cancel()

            nursery.start_soon(cancel)
            completed = await stage.play(agent)
    assert completed.receipt is not None
    assert completed.receipt.interrupted == ("look",)
    assert completed.receipt.cleanup == "timed_out"
    assert completed.receipt.cleanup_detail == "look (the MCP server may go on with it)"


async def test_the_receipt_is_clean_when_the_task_has_ended_its_server_as_well() -> None:
    patient, stage = Patient(), Stage()

    async def agent(task: str, run: TaskRun) -> object:
        async with the_tools(here(patient.server)) as tools:
            async with run.step("look") as step:
                return await tools["wait"].run(step, {})

    async with trio.open_nursery() as nursery:

        async def cancel() -> None:
            await patient.begun.wait()
            stage.cancel()

        nursery.start_soon(cancel)
        completed = await stage.play(agent)
    assert completed.receipt is not None
    assert (completed.receipt.cleanup, completed.receipt.cleanup_detail) == ("clean", None)


async def test_when_everything_is_cancelled_the_server_is_still_told() -> None:
    patient, said = Patient(), list[str]()

    @asynccontextmanager
    async def overheard() -> AsyncGenerator[Any]:
        async with here(patient.server) as (read, write):

            class Overhearing:
                async def send(self, item: SessionMessage) -> None:
                    said.append(getattr(item.message, "method", ""))
                    await write.send(item)

            yield read, Overhearing()

    with trio.CancelScope() as scope:
        async with the_tools(overheard()) as tools, trio.open_nursery() as nursery:
            nursery.start_soon(tools["wait"].run, Call(), {})
            await patient.begun.wait()
            scope.cancel()
    assert said[-2:] == ["tools/call", "notifications/cancelled"]


async def test_a_tool_is_over_when_its_server_was_left() -> None:
    async with the_tools(here()) as tools:
        pass
    with pytest.raises(ToolError, match="it is closed"):
        await tools["add"].run(Call(), {"a": 1, "b": 2})


async def test_an_exception_of_the_block_comes_out_as_it_was_raised() -> None:
    with pytest.raises(KeyError, match="mine"):
        async with the_tools(here()):
            raise KeyError("mine")


def test_it_can_be_cancelled_at_every_checkpoint() -> None:
    async def scenario(sweep: Sweep) -> None:
        patient = Patient()
        with trio.CancelScope() as scope, sweep.cancelling(scope):
            async with the_tools(here(patient.server)) as tools, trio.open_nursery() as nursery:
                nursery.start_soon(tools["wait"].run, Call(), {})
                await patient.begun.wait()
                patient.go_on.set()

    result = assert_cancel_safe(scenario, seeds=2, stride=2)
    assert result.steps > 50
