"""Sessions over the wire: whose events, catch-up, resume, gaps."""

from __future__ import annotations

import trio

from tests.conformance.peers import Serving
from trio_agent_rt import RealtimeAgent, TaskRun
from trio_agent_rt.protocol import (
    Connected,
    Event,
    GapOccurred,
    PlanCreated,
    StatusChanged,
    StepStarted,
    SubmitTask,
    TaskCompleted,
)


class Stages:
    """An agent whose tasks go on together when they are told to."""

    def __init__(self) -> None:
        self.go_on = trio.Event()

    async def __call__(self, task: str, run: TaskRun) -> object:
        run.plan(["First", "Second", "Third"])
        async with run.step("First") as step:
            step.result = task
        async with run.step("Second") as step:
            step.progress(40, "…")
            await self.go_on.wait()
        async with run.step("Third") as step:
            step.output(task * 3)
        return task


async def test_each_session_sees_its_own_and_a_latecomer_exactly_the_rest(
    serving: Serving,
) -> None:
    stages = Stages()
    async with (
        RealtimeAgent(stages) as realtime,
        serving(realtime) as connect,
        connect() as ann,
        connect() as bob,
    ):
        await ann.send(SubmitTask(task="甲", task_id="a"))
        await bob.send(SubmitTask(task="乙", task_id="b"))
        for peer in (ann, bob):
            await peer.until(StepStarted, step_name="Second")
        async with connect(session=ann.session_id) as late:
            await late.until(StatusChanged)
            told = list(late.events)
            stages.go_on.set()
            for peer in (ann, bob, late):
                await peer.until(TaskCompleted)
            live = late.events[len(told) :]
        assert [type(each) for each in told] == [
            Connected,
            PlanCreated,
            StepStarted,
            StatusChanged,
        ]
        assert all(each.replay and each.position is None for each in told[1:])
        assert live == ann.events[-len(live) :]
        assert {each.task_id for each in ann.events} == {None, "a"}
        assert {each.task_id for each in bob.events} == {None, "b"}


async def test_every_position_can_be_resumed_from(serving: Serving) -> None:
    stages = Stages()
    stages.go_on.set()
    async with RealtimeAgent(stages) as realtime, serving(realtime) as connect, connect() as peer:
        await peer.send(SubmitTask(task="x", task_id="t"))
        await peer.until(TaskCompleted)
        logged: list[Event] = [each for each in peer.events if each.position is not None]
        for index, event in enumerate(logged[:-1]):
            async with connect(session=peer.session_id, last=str(event.position)) as again:
                connected = again.events[0]
                assert isinstance(connected, Connected)
                assert connected.resumed
                await again.until(TaskCompleted)
                assert again.events[1:] == logged[index + 1 :]


async def test_a_lost_position_is_answered_with_a_gap_and_the_state(serving: Serving) -> None:
    stages = Stages()
    stages.go_on.set()
    async with RealtimeAgent(stages) as realtime, serving(realtime) as connect, connect() as peer:
        await peer.send(SubmitTask(task="x", task_id="t"))
        await peer.until(TaskCompleted)
        async with connect(session=peer.session_id, last="0000-7") as again:
            await again.until(StatusChanged)
            kinds = [type(each) for each in again.events]
            assert kinds == [Connected, GapOccurred, PlanCreated, TaskCompleted, StatusChanged]
