"""A view answers questions, takes prompts back, and cancels; here and over the wire."""

from __future__ import annotations

import functools
import io
import os
import signal
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import cast

import pytest
import trio
import trio.testing

from trio_agent_rt.agent import TaskRun
from trio_agent_rt.cli.endings import ExitCode
from trio_agent_rt.cli.interrupts import Interrupts
from trio_agent_rt.cli.view import (
    Answers,
    Followable,
    JsonScreen,
    Keyboard,
    PlainScreen,
    Policy,
    Stage,
    follow_session,
    follow_task,
)
from trio_agent_rt.clients import open_websocket_client
from trio_agent_rt.protocol import Event, TaskCompleted
from trio_agent_rt.realtime import RealtimeAgent
from trio_agent_rt.transports import serve_websocket

Agent = Callable[[str, TaskRun], Awaitable[object]]
Place = Callable[[Agent, str], AbstractAsyncContextManager[Followable]]


class _Typed(Keyboard):
    """A keyboard at which somebody types these lines, and then no more."""

    def __init__(self, *lines: str | None) -> None:
        super().__init__(-1)
        self.lines = list(lines)

    async def read_line(self) -> str | None:
        await trio.lowlevel.checkpoint()
        if self.lines:
            return self.lines.pop(0)
        await trio.sleep_forever()
        return None


class _Utf8(io.StringIO):
    encoding = "utf-8"


class _Remembering(PlainScreen):
    def __init__(self) -> None:
        self.stream = _Utf8()
        super().__init__(self.stream, self.stream)


class _Seen(Stage):
    """A stage that remembers what was shown."""

    def __init__(self, policy: Policy, *lines: str | None, remark: str = "") -> None:
        answers = Answers(policy, _Typed(*lines) if policy == "ask" else None, remark)
        super().__init__(_Remembering(), answers, Interrupts())

    @property
    def text(self) -> str:
        assert isinstance(self.screen, _Remembering)
        return self.screen.stream.getvalue()

    async def shows(self, text: str) -> None:
        """Wait until it shows a text."""
        while text not in self.text:
            await trio.testing.wait_all_tasks_blocked(0.01)


async def ask(task: str, run: TaskRun) -> str:
    expires = 5.0 if "soon" in task else None
    async with run.step("Write") as step:
        await step.confirm("May it?", expires_after=expires)
    return "written"


async def wait(task: str, run: TaskRun) -> None:
    async with run.step("Wait"):
        await trio.sleep_forever()


@asynccontextmanager
async def here(agent: Agent, text: str) -> AsyncGenerator[Followable]:
    async with RealtimeAgent(agent, linger=None) as realtime:
        yield realtime.submit(text)


@asynccontextmanager
async def over_the_wire(agent: Agent, text: str) -> AsyncGenerator[Followable]:
    async with RealtimeAgent(agent) as realtime, trio.open_nursery() as nursery:
        serve = functools.partial(serve_websocket, realtime, port=0)
        address = await nursery.start(serve)
        async with open_websocket_client(address.url) as client:
            yield await client.submit(text)
        nursery.cancel_scope.cancel()


PLACES = pytest.mark.parametrize("place", [here, over_the_wire])


@PLACES
@pytest.mark.parametrize(
    ("stage", "outcome", "told"),
    [
        (lambda: _Seen("approve", remark="why"), "succeeded", "approved: why"),
        (lambda: _Seen("reject", remark="how"), "failed", "rejected: how"),
        (lambda: _Seen("ask", "y"), "succeeded", "Approved: Write"),
        (lambda: _Seen("ask", "", "what?", " YES "), "succeeded", "Please type y"),
        (lambda: _Seen("ask", "n"), "failed", "rejected: the person at the terminal said no"),
        (lambda: _Seen("ask", None), "failed", "end of input, taken for a no"),
        (lambda: _Seen("ask", "是"), "succeeded", "Approved: Write"),
    ],
)
async def test_a_question_is_answered(
    place: Place,
    stage: Callable[[], _Seen],
    outcome: str,
    told: str,
) -> None:
    seen = stage()
    with trio.fail_after(10):
        async with place(ask, "write") as task:
            completed = await follow_task(task, stage=seen)
    assert completed.outcome == outcome
    assert told in seen.text
    assert seen.answers.refused == ("said no" in told or "end of input" in told)


async def ask_at_length(task: str, run: TaskRun) -> str:
    async with run.step("Write") as step:
        await step.confirm("\n".join(f"line {n}" for n in range(1400)))
    return "written"


@pytest.mark.parametrize(
    ("typed", "outcome"),
    [
        (("y", "v", "y", "v", "y"), "succeeded"),
        (("v", "view", "y"), "succeeded"),
        (("n",), "failed"),
        (("v", "n"), "failed"),
    ],
)
async def test_nobody_says_yes_to_what_was_not_shown(typed: tuple[str, ...], outcome: str) -> None:
    seen = _Seen("ask", *typed)
    async with here(ask_at_length, "write") as task:
        completed = await follow_task(task, stage=seen)
    assert completed.outcome == outcome
    assert ("line 1399\n" in seen.text) == (outcome == "succeeded")
    assert seen.text.count("  │ line 199\n") == 1
    first, _, _ = seen.text.partition("1,200 more lines hidden. Allow it? [v to see them, or n")
    assert first.endswith("│ line 199\n  ")
    if typed[0] == "y":
        assert "1,200 more lines of it are hidden: please type v" in seen.text
        assert "200 more lines of it are hidden: please type v" in seen.text
    assert seen.answers.keyboard is not None
    assert cast("_Typed", seen.answers.keyboard).lines == []


async def test_a_question_stands_where_it_is_asked_also_when_the_events_go_elsewhere() -> None:
    events, prompts = _Utf8(), _Utf8()
    stage = Stage(JsonScreen(events, prompts), Answers("ask", _Typed("n")), Interrupts())
    async with here(ask, "write") as task:
        await follow_task(task, stage=stage)
    assert prompts.getvalue().startswith("? Write\n  │ May it?\n  Allow it? [y/n")


async def test_a_prompt_is_taken_back_when_its_question_expires(
    autojump_clock: trio.testing.MockClock,
) -> None:
    seen = _Seen("ask")
    async with here(ask, "soon") as task:
        completed = await follow_task(task, stage=seen)
    assert completed.outcome == "failed"
    prompt, _, rest = seen.text.partition("Allow it? [y/n, within 5.0 s] ")
    assert prompt
    assert rest.startswith("\n")
    assert "expired" in rest


async def test_a_prompt_is_taken_back_when_somebody_else_answers() -> None:
    go_on = trio.Event()

    async def ask_and_go_on(task: str, run: TaskRun) -> None:
        await ask(task, run)
        await go_on.wait()

    seen = _Seen("ask")
    async with (
        RealtimeAgent(ask_and_go_on, linger=None) as realtime,
        trio.open_nursery() as nursery,
    ):
        task = realtime.submit("write")
        nursery.start_soon(functools.partial(follow_task, task, stage=seen))
        with trio.fail_after(5):
            await seen.shows("Allow it? [y/n] ")
            task.confirm("Write")
            # Long before the task ends, and with it all prompts.
            await seen.shows("Allow it? [y/n] \n")
            await seen.shows("✓ Write")
        go_on.set()


async def test_an_answer_that_comes_too_late_is_told() -> None:
    class Faster(_Typed):
        async def read_line(self) -> str | None:
            task.confirm("Write")
            return self.lines.pop(0)

    seen = _Seen("ask")
    seen.answers.keyboard = Faster("n")
    async with RealtimeAgent(ask, linger=None) as realtime:
        task = realtime.submit("write")
        completed = await follow_task(task, stage=seen)
    assert completed.outcome == "succeeded"
    assert "somebody else had answered already" in seen.text


async def test_who_only_watches_leaves_the_answer_to_others() -> None:
    seen = _Seen("leave", remark="not me")
    async with RealtimeAgent(ask, linger=None) as realtime, trio.open_nursery() as nursery:
        task = realtime.submit("write")

        def find(task_id: str) -> Followable:
            assert task_id == task.id
            return task

        nursery.start_soon(functools.partial(follow_session, task, find, stage=seen))
        with trio.fail_after(5):
            await seen.shows("not me")
        assert task.completed is None
        task.confirm("Write")
    assert "Succeeded" in seen.text


@PLACES
async def test_the_first_interrupt_cancels_and_shows_the_receipt(
    place: Place,
) -> None:
    seen = _Seen("ask")
    ended: list[TaskCompleted] = []

    async def command() -> ExitCode:
        async with place(wait, "wait") as task:
            ended.append(await follow_task(task, stage=seen))
        return ExitCode.TASK_CANCELLED

    async def interrupt() -> None:
        await seen.shows("▸ Wait")
        os.kill(os.getpid(), signal.SIGTERM)

    with trio.fail_after(10), seen.interrupts:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(interrupt)
            assert await seen.interrupts.run(command) == 4
    assert ended[0].outcome == "cancelled"
    assert "SIGTERM: cancelling the task; once more to leave at once" in seen.text
    assert "interrupted  Wait" in seen.text


async def test_what_ends_the_events_early_is_raised_as_it_is() -> None:
    class Broken(AsyncIterator[Event]):
        async def __anext__(self) -> Event:
            await trio.lowlevel.checkpoint()
            raise LookupError

    def find(task_id: str) -> Followable:
        raise AssertionError(task_id)

    with pytest.raises(LookupError):
        await follow_session(Broken(), find, stage=_Seen("ask"))
