"""A panel that knows the first messages of the protocol alone is never left stuck.

It clears its screen when it submits, waits for no answer, and gives its answers for the
step whose start it was told last. It sends no ids but that one.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
import trio

from tests.realtime.viewing import Viewer, asking, stepping, viewer
from trio_agent_rt.agent import TaskRun
from trio_agent_rt.protocol import (
    CommandFailed,
    ConfirmationRequested,
    Event,
    PlanCreated,
    PlanUpdated,
    StatusChanged,
    StepStarted,
    TaskCompleted,
)
from trio_agent_rt.realtime import Action, Principal, RealtimeAgent, SessionInfo


class Panel:
    """What such a panel shows, and the frames that it sends."""

    def __init__(self, me: Viewer) -> None:
        self.state: str = "idle"
        self.asks_about: str | None = None
        """The step that its buttons answer for."""
        self.steps: tuple[str, ...] = ()
        self._me = me
        self._seen = 0

    def submit(self, task: object, **more: object) -> None:
        self.state, self.asks_about, self.steps = "planning", None, ()
        self._send({"type": "task:submit", "data": {"task": task, **more}})

    def cancel(self) -> None:
        self._send({"type": "task:cancel"})

    def answer(self, approved: bool) -> None:
        assert self.can_answer
        self._send(
            {"type": "step:confirm", "data": {"stepId": self.asks_about, "approved": approved}}
        )

    @property
    def can_answer(self) -> bool:
        return self.state == "waiting" and self.asks_about is not None

    @property
    def can_submit(self) -> bool:
        return self.state not in {"planning", "executing"}

    async def until(self, holds: Callable[[], object]) -> None:
        """Take in what comes until that holds."""
        with trio.fail_after(10):
            while True:
                self._take()
                if holds():
                    return
                assert await self._me.read(), "the connection is closed"

    async def rest(self) -> None:
        """Take in all that comes by itself."""
        await self._me.rest()
        self._take()

    def _send(self, frame: dict[str, Any]) -> None:
        self._me.connection.receive(json.dumps(frame))

    def _take(self) -> None:
        for event in self._me.events[self._seen :]:
            self._seen += 1
            self._apply(event)

    def _apply(self, event: Event) -> None:
        match event:
            case StatusChanged():
                self.state = event.state
            case PlanCreated() | PlanUpdated():
                self.steps = tuple(each.name for each in event.plan.steps)
            case StepStarted():
                self.asks_about = event.step_id
            case ConfirmationRequested():
                self.state = "waiting"
            case TaskCompleted():
                self.state, self.asks_about = "complete", None
            case _:
                pass


async def side_by_side(task: str, run: TaskRun) -> str:
    """Two steps at once; the first to start asks when the other has started, or ended."""
    run.plan(["asks", "beside"])
    started, ended = trio.Event(), trio.Event()

    async def beside() -> None:
        async with run.step("beside"):
            started.set()
            if task == "goes on":
                await ended.wait()

    async with trio.open_nursery() as nursery:
        async with run.step("asks") as step:
            nursery.start_soon(beside)
            await started.wait()
            await step.confirm("May I?")
        ended.set()
    return "done"


@pytest.mark.parametrize("task", ["goes on", "ends"])
async def test_the_step_that_asks_is_always_the_last_that_it_was_told_to_have_started(
    task: str,
) -> None:
    async with RealtimeAgent(side_by_side) as realtime, viewer(realtime) as me:
        panel = Panel(me)
        panel.submit(task)
        await panel.until(lambda: panel.can_answer)
        panel.answer(approved=True)
        completed = await me.until(TaskCompleted)
    assert completed.success


async def test_so_it_is_for_one_that_comes_while_a_question_is_open() -> None:
    async with RealtimeAgent(side_by_side) as realtime, viewer(realtime) as me:
        panel = Panel(me)
        panel.submit("goes on")
        await panel.until(lambda: panel.can_answer)
        async with viewer(realtime, session=me.connection.session_id) as late:
            other = Panel(late)
            await other.until(lambda: other.can_answer)
            other.answer(approved=True)
            assert (await late.until(TaskCompleted)).success


async def test_a_start_that_is_told_again_says_so_and_stands_in_no_log() -> None:
    async with RealtimeAgent(side_by_side) as realtime, viewer(realtime) as me:
        panel = Panel(me)
        panel.submit("goes on")
        await panel.until(lambda: panel.can_answer)
        starts = [each for each in me.events if isinstance(each, StepStarted)]
        assert [each.step_name for each in starts] == ["asks", "beside", "asks"]
        assert [each.replay for each in starts] == [False, False, True]
        assert starts[-1].position is None
        assert isinstance(me.events[me.events.index(starts[-1]) + 1], ConfirmationRequested)


async def test_a_question_of_the_last_step_to_start_has_its_start_told_once() -> None:
    async with RealtimeAgent(asking) as realtime, viewer(realtime) as me:
        panel = Panel(me)
        panel.submit("x")
        await panel.until(lambda: panel.can_answer)
        starts = [each for each in me.events if isinstance(each, StepStarted)]
        assert [each.step_name for each in starts] == ["First", "Ask"]


@pytest.mark.parametrize("busy", ["reject", "queue"])
async def test_a_submit_beside_an_open_question_does_not_take_the_question_away(busy: Any) -> None:
    async with RealtimeAgent(asking, busy=busy) as realtime, viewer(realtime) as me:
        panel = Panel(me)
        panel.submit("x")
        await panel.until(lambda: panel.can_answer)
        panel.submit("another")
        assert not panel.steps
        await panel.rest()
        assert panel.can_answer
        assert panel.steps == ("First", "Ask")
        panel.answer(approved=False)
        assert (await me.until(TaskCompleted)).outcome == "failed"


async def test_who_submits_with_a_request_id_knows_it_all_and_is_told_the_status_alone() -> None:
    async with RealtimeAgent(asking) as realtime, viewer(realtime) as me:
        panel = Panel(me)
        panel.submit("x")
        await panel.until(lambda: panel.can_answer)
        seen = len(me.events)
        me.connection.receive('{"type":"task:submit","data":{"task":"y"},"requestId":"r"}')
        await panel.rest()
    assert [type(each) for each in me.events[seen:]] == [CommandFailed, StatusChanged]


def watch_only(principal: Principal, action: Action, session: SessionInfo) -> bool:
    return action == "attach"


async def test_one_that_may_only_watch_can_submit_no_more_but_does_not_wait_for_ever() -> None:
    async with (
        RealtimeAgent(asking, authorize=watch_only) as realtime,
        viewer(realtime, session="room", create=True, principal=Principal("ann")) as me,
    ):
        panel = Panel(me)
        await panel.rest()
        panel.submit("x")
        await panel.rest()
        assert (await me.until(CommandFailed)).code == "forbidden"
        assert (panel.state, panel.can_submit) == ("idle", True)


@pytest.mark.parametrize(
    "submit",
    [{"task": 7}, {"task": "x", "context": "no object"}, {"task": " "}, {"task": "half \ud83d"}],
)
async def test_a_submit_that_breaks_the_contract_leaves_it_able_to_submit(
    submit: dict[str, Any],
) -> None:
    async with RealtimeAgent(stepping) as realtime, viewer(realtime) as me:
        panel = Panel(me)
        await panel.rest()
        panel.submit(**submit)
        assert not panel.can_submit
        await panel.rest()
        assert panel.can_submit
        panel.submit("x")
        assert (await me.until(TaskCompleted)).success


async def test_a_cancel_ends_its_task_and_lets_it_submit_the_next() -> None:
    async with RealtimeAgent(stepping) as realtime, viewer(realtime) as me:
        panel = Panel(me)
        panel.submit("hang")
        await panel.until(lambda: panel.asks_about)
        panel.cancel()
        await panel.until(lambda: panel.can_submit)
        assert (await me.until(TaskCompleted)).outcome == "cancelled"
        panel.submit("x")
        assert (await me.until(TaskCompleted)).success
