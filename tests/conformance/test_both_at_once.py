"""One session, followed over WebSocket and SSE at once."""

from __future__ import annotations

import pytest
import trio

from tests.conformance.http_peer import over_sse
from tests.conformance.peers import Connect, Peer, over_websocket
from trio_agent_rt import RealtimeAgent, TaskRun
from trio_agent_rt.protocol import (
    ConfirmationRequested,
    ConfirmStep,
    Connected,
    Event,
    SubmitTask,
    TaskCompleted,
)


async def talker(task: str, run: TaskRun) -> object:
    run.plan(["Talk", "Ask", "End"])
    async with run.step("Talk") as step:
        for number in range(30):
            step.output(f"{number} \u2028 早 ")
            step.progress(number * 3)
            await trio.sleep(0.001)
    async with run.step("Ask") as step:
        await step.confirm("Go on?")
    async with run.step("End") as step:
        step.result = task
    return task


def logged(peer: Peer) -> list[Event]:
    return [each for each in peer.events if each.position is not None]


@pytest.mark.parametrize("first", ["websocket", "sse"])
async def test_both_are_told_the_same_in_the_same_order(first: str) -> None:
    async with (
        RealtimeAgent(talker, broadcast_interval=0) as realtime,
        over_websocket(realtime) as websocket,
        over_sse(realtime) as sse,
    ):
        by_name = {"websocket": websocket, "sse": sse}
        opens, joins = by_name.pop(first), *by_name.values()
        async with opens() as one, joins(session=one.session_id, last=await start(one)) as two:
            await one.send(SubmitTask(task="from one", task_id="a"))
            question = await two.until(ConfirmationRequested)
            # Asked over one, answered over the other.
            await two.send(ConfirmStep(step_id=question.step_id, approved=True))
            await one.until(TaskCompleted)
            await two.send(SubmitTask(task="from two", task_id="b"))
            question = await one.until(ConfirmationRequested)
            await one.send(ConfirmStep(step_id=question.step_id, approved=True))
            for peer in (one, two):
                await peer.until(TaskCompleted, task_id="b")
            offsets = [each.position.offset for each in logged(one) if each.position is not None]
            assert offsets == list(range(1, len(offsets) + 1))
            # It was given the position of the first event.
            assert logged(two) == logged(one)[1:]


async def start(peer: Peer) -> str:
    """The position of a fresh session's first event."""
    event = await peer.read()
    return str(event.position)


@pytest.mark.parametrize("to", ["websocket", "sse"])
async def test_a_position_from_one_resumes_on_the_other(to: str) -> None:
    async with (
        RealtimeAgent(talker, broadcast_interval=0) as realtime,
        over_websocket(realtime) as websocket,
        over_sse(realtime) as sse,
    ):
        opens, resumes = (sse, websocket) if to == "websocket" else (websocket, sse)
        async with opens() as peer:
            await peer.send(SubmitTask(task="x", task_id="t"))
            await peer.until(ConfirmationRequested)
            told = logged(peer)
            for index, event in enumerate(told[:-1]):
                await _resume(resumes, peer.session_id, str(event.position), told[index + 1 :])


async def _resume(resumes: Connect, session: str, position: str, expected: list[Event]) -> None:
    async with resumes(session=session, last=position) as again:
        connected = again.events[0]
        assert isinstance(connected, Connected)
        assert connected.resumed
        await again.until(ConfirmationRequested)
        assert again.events[1:] == expected
