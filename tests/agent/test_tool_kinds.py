"""A tool says how it stops, stops like that, and cannot claim to stop better than it does."""

from __future__ import annotations

import sys
import threading
from collections.abc import Awaitable, Callable, Sequence
from functools import partial, wraps
from pathlib import Path
from typing import Any

import pytest
import trio

from tests.agent.stage import Stage
from tests.realtime.viewing import viewer
from trio_agent_rt.agent import (
    AbandonTool,
    AsyncTool,
    Command,
    SubprocessTool,
    TaskRun,
    ThreadTool,
    Tool,
    ToolCall,
    check_cancelled,
    create_agent,
    run_abandoned,
    run_in_thread,
    run_process,
    tool,
)
from trio_agent_rt.agent.isolation import Ending, run_apart
from trio_agent_rt.agent.tools import default_tools
from trio_agent_rt.errors import ToolError
from trio_agent_rt.llm import OfflineClient
from trio_agent_rt.protocol import CancellationKind, GetTools, ToolsListed
from trio_agent_rt.realtime import RealtimeAgent

KINDS: Sequence[CancellationKind] = ("async", "subprocess", "thread", "abandon")


class Heard:
    """A `ToolCall` that keeps what it is told."""

    def __init__(self) -> None:
        self.told: list[object] = []

    def progress(self, percent: float, message: str = "") -> None:
        self.told.append((percent, message, in_event_loop()))

    def output(self, text: str) -> None:
        self.told.append((text, in_event_loop()))


def in_event_loop() -> bool:
    return trio.lowlevel.in_trio_run()


# --- plain functions stop as they are declared


@pytest.mark.parametrize("kind", ["thread", "abandon"])
async def test_a_plain_function_runs_in_a_thread_and_can_speak_from_there(
    kind: CancellationKind,
) -> None:
    @tool(cancellation=kind)
    def count(call: ToolCall, to: int, *, word: str = "of") -> str:
        """Count."""
        assert not in_event_loop()
        call.progress(50, "half")
        call.output("one")
        check_cancelled()
        return f"1 {word} {to}"

    heard = Heard()
    assert await count.run(heard, {"to": 3}) == "1 of 3"
    assert heard.told == [(50, "half", True), ("one", True)]
    assert count.info.cancellation == kind
    with pytest.raises(ToolError, match="Expected `int`, got `str` - at `to`"):
        await count.run(heard, {"to": "x"})


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX only")
async def test_a_plain_function_of_a_subprocess_tool_gives_the_program(tmp_path: Path) -> None:
    @tool(cancellation="subprocess")
    def greet(call: ToolCall, name: str, status: int = 0) -> Command:
        """Greet."""
        return Command(
            ["sh", "-c", 'pwd; echo "$1"; exit "$2"', "sh", name, str(status)], cwd=tmp_path
        )

    @tool(cancellation="subprocess")
    def echo(call: ToolCall, text: str) -> list[str]:
        """Say it again."""
        return ["echo", text]

    assert await greet.run(Heard(), {"name": "$HOME"}) == {
        "exit_status": 0,
        "stdout": f"{tmp_path}\n$HOME\n",
        "stderr": "",
        "truncated": False,
    }
    with pytest.raises(ToolError, match="ended with exit status 3"):
        await greet.run(Heard(), {"name": "a", "status": 3})
    said: Any = await echo.run(Heard(), {"text": "a b"})
    assert said["stdout"] == "a b\n"


async def test_cancelled_a_thread_is_waited_for_and_an_abandoned_one_is_not() -> None:
    go, polled = threading.Event(), threading.Event()

    @tool(cancellation="thread")
    def polls(call: ToolCall) -> None:
        """Poll."""
        call.output("begun")
        try:
            while True:
                check_cancelled()
        finally:
            polled.set()

    @tool(cancellation="abandon")
    def waits(call: ToolCall) -> None:
        """Wait."""
        call.output("begun")
        assert go.wait(20)

    for each in (polls, waits):
        begun = trio.Event()

        class Waiting(Heard):
            def output(self, text: str) -> None:
                begun.set()  # noqa: B023

        with trio.fail_after(10), trio.CancelScope() as scope:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(each.run, Waiting(), {})
                await begun.wait()
                scope.cancel()
    assert polled.is_set()
    assert not go.is_set()
    go.set()


def test_a_plain_function_that_would_hold_up_the_loop_is_refused() -> None:
    def busy(call: ToolCall) -> None:
        """Be busy."""

    make: Any = tool
    with pytest.raises(TypeError, match="declare how a plain one stops"):
        make()(busy)


# --- claims are held against what is done


async def use_program(call: ToolCall) -> object:
    return await run_process(call, ["true"])


async def use_thread(call: ToolCall) -> object:
    return await run_in_thread(call, len, "")


async def use_abandoned(call: ToolCall) -> object:
    return await run_abandoned(call, len, "")


@pytest.mark.parametrize("declared", KINDS)
@pytest.mark.parametrize(
    ("kind", "use"),
    [("subprocess", use_program), ("thread", use_thread), ("abandon", use_abandoned)],
)
async def test_a_tool_cannot_stop_less_well_than_it_has_declared(
    declared: CancellationKind, kind: CancellationKind, use: Callable[[ToolCall], Awaitable[object]]
) -> None:
    @tool(name="it", cancellation=declared)
    async def it(call: ToolCall) -> object:
        """Do it."""
        return await use(call)

    @tool(name="around", cancellation=declared)
    async def around(call: ToolCall) -> object:
        """Have it done."""
        return await Tool(
            name="inside", description="", parameters={}, function=inside, cancellation=kind
        ).run(call, {})

    async def inside(call: ToolCall, arguments: object) -> object:
        return await use(call)

    for each in (it, around):
        if KINDS.index(declared) >= KINDS.index(kind):
            await each.run(Heard(), {})
        else:
            with pytest.raises(RuntimeError) as caught:
                await each.run(Heard(), {})
            assert f"{each.name!r} has declared that it stops as {declared!r}" in str(caught.value)
            assert str(caught.value).endswith(f"declare cancellation={kind!r}")


async def test_what_runs_on_behalf_of_another_task_is_not_held_against_the_tool() -> None:
    """A task that a tool submits, for example."""

    @tool()
    async def it(call: ToolCall) -> object:
        """Do it."""
        ending = Ending()
        await run_apart(trio.CancelScope(), partial(use_thread, call), ending)
        return ending.output

    assert await it.run(Heard(), {}) == 0
    assert await use_abandoned(Heard()) == 0


async def test_a_wrapped_call_and_a_step_within_hide_nothing() -> None:
    stage = Stage()

    @tool()
    async def wraps(call: ToolCall) -> object:
        """Do it for a call of its own."""
        return await use_thread(Heard())

    @tool()
    async def goes_deeper(call: ToolCall) -> object:
        """Do it in a step of its own."""
        async with stage.run.step("inner") as step:
            return await use_abandoned(step)

    async def agent(task: str, run: TaskRun) -> object:
        async with run.step("a") as step:
            with pytest.raises(RuntimeError, match="'wraps' has declared"):
                await wraps.run(step, {})
            with pytest.raises(RuntimeError, match="'goes_deeper' has declared"):
                await goes_deeper.run(step, {})
        return "done"

    assert (await stage.play(agent)).success


def blindly(function: Callable[..., Any]) -> Callable[..., Any]:
    """A decorator that knows nothing of async functions."""

    @wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        return function(*args, **kwargs)

    return call


@pytest.mark.parametrize("kind", ["thread", "abandon", "subprocess"])
async def test_an_async_function_behind_a_plain_wrapper_is_refused(
    kind: CancellationKind,
) -> None:
    @tool(cancellation=kind)
    @blindly
    async def save(call: ToolCall) -> str:
        """Save."""
        raise AssertionError("it is never run")

    with pytest.raises(TypeError, match="'save' is an async function behind a decorator"):
        await save.run(Heard(), {})


# --- classes


class Shout(AsyncTool):
    """Say it loudly."""

    category = "text"
    retryable = True

    def __init__(self, mark: str) -> None:
        self.mark = mark

    async def run(self, call: ToolCall, text: str) -> str:
        await trio.lowlevel.checkpoint()
        return text.upper() + self.mark


class SayAgain(SubprocessTool):
    """Say it again."""

    needs_confirmation = True

    def run(self, call: ToolCall, text: str) -> Sequence[str]:
        return ["echo", text]


class WordCount(ThreadTool):
    name = "wc"

    def run(self, call: ToolCall, text: str) -> int:
        """Count words."""
        assert not in_event_loop()
        check_cancelled()
        return len(text.split())


class LookUp(AbandonTool):
    """Look it up."""

    def run(self, call: ToolCall, text: str) -> int:
        assert not in_event_loop()
        return len(text)


@pytest.mark.parametrize(
    ("made", "name", "description", "kind", "gives"),
    [
        (Shout("!"), "shout", "Say it loudly.", "async", "A B!"),
        (SayAgain(), "say_again", "Say it again.", "subprocess", None),
        (WordCount(), "wc", "Count words.", "thread", 2),
        (LookUp(), "look_up", "Look it up.", "abandon", 3),
    ],
)
async def test_a_class_says_what_its_base_says(
    made: Any, name: str, description: str, kind: CancellationKind, gives: object
) -> None:
    info = made.tool.info
    assert (info.name, info.description, info.cancellation) == (name, description, kind)
    assert info.parameters["required"] == ["text"]
    gave: Any = await made.tool.run(Heard(), {"text": "a b"})
    assert gave["stdout"] == "a b\n" if gives is None else gave == gives


def test_a_class_gives_the_rest_as_well_and_refuses_what_the_decorator_refuses() -> None:
    assert (Shout("").tool.category, Shout("").tool.retryable) == ("text", True)
    assert SayAgain().tool.needs_confirmation

    class Nothing(ThreadTool):
        """Nothing."""

    class Blocking(AsyncTool):
        """Block."""

        def run(self, call: ToolCall) -> None: ...

    class Undocumented(AsyncTool):
        async def run(self, call: ToolCall) -> None: ...

    with pytest.raises(TypeError, match="Nothing has no method `run`"):
        _ = Nothing().tool
    with pytest.raises(TypeError, match="'blocking' must be an async function"):
        _ = Blocking().tool
    with pytest.raises(TypeError, match="'undocumented' needs a docstring"):
        _ = Undocumented().tool


# --- and clients are told


async def test_the_list_of_tools_says_how_each_stops() -> None:
    made = [Shout("!").tool, SayAgain().tool, WordCount().tool, LookUp().tool]
    agent = create_agent(llm=OfflineClient(), tools=[*made, *default_tools()])
    async with RealtimeAgent(agent) as realtime, viewer(realtime) as me:
        me.send(GetTools())
        listed = {each.name: each.cancellation for each in (await me.until(ToolsListed)).tools}
    assert [listed[each.name] for each in made] == list(KINDS)
    assert (listed["wait"], listed["file_read"]) == ("async", "thread")
