"""Each event once and in order; and what a gap means for the tasks that were running."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import attrs
import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st
from trio.testing import wait_all_tasks_blocked

from trio_agent_rt.clients import AgentClient, ClientTask, Reconnect
from trio_agent_rt.errors import SessionLost, TaskFailed
from trio_agent_rt.protocol import (
    CustomEvent,
    Event,
    GapOccurred,
    Plan,
    PlanCreated,
    Position,
    StatusChanged,
    SubmitTask,
)

from ..fake_server import FakeLink, FakeServer, catch_up, completed, progressed, status

RESUMED = FakeServer().connected(resumed=True)
AT_ONCE = Reconnect(base=0)
GAP = GapOccurred(missed=7)


def plan(task_id: str) -> PlanCreated:
    return PlanCreated(plan=Plan(id="p"), task_id=task_id)


@asynccontextmanager
async def submitted(
    server: FakeServer, *task_ids: str, **options: Any
) -> AsyncIterator[tuple[AgentClient, list[ClientTask]]]:
    """A client that has submitted these tasks, each of which has made some progress."""
    async with server.client(reconnect=AT_ONCE, **options) as (client, link):
        tasks: list[ClientTask] = []

        async def submit(task_id: str) -> None:
            tasks.append(await client.submit(f"do {task_id}", task_id=task_id))

        for task_id in task_ids:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(submit, task_id)
                link.acknowledge(await link.hear(SubmitTask), "accepted")
            link.say(server.live(progressed(task_id, 1)))
        await wait_all_tasks_blocked()
        yield client, tasks


async def cut_with_gap(server: FakeServer, *present: Event) -> FakeLink:
    server.links[-1].cut()
    server.skip(7)
    link = await server.accept()
    link.say(RESUMED, GAP, *catch_up(*present))
    await wait_all_tasks_blocked()
    return link


async def test_duplicates_are_dropped() -> None:
    server = FakeServer()
    async with server.client() as (client, link):
        first, second = server.live(progressed("t", 1)), server.live(progressed("t", 2))
        link.say(first, first, second, first, second)
        link.say(server.live(completed("t")))
        assert [each.position.offset async for each in client.task("t") if each.position] == [
            2,
            3,
            4,
        ]


async def test_a_hole_is_not_passed_on_but_fetched() -> None:
    server = FakeServer()
    async with server.client(reconnect=AT_ONCE) as (client, link):
        first, second, third = (server.live(progressed("t", n)) for n in range(3))
        link.say(first, third)
        again = await server.accept()
        assert server.attachments[1].last_position == first.position
        again.say(RESUMED, second, third)
        events = client.events()
        assert [await anext(events) for _ in range(4)][1:] == [first, second, third]


async def test_another_epoch_without_a_gap_is_a_hole() -> None:
    server = FakeServer()
    async with server.client(reconnect=AT_ONCE) as (client, link):
        link.say(attrs.evolve(progressed("t", 1), position=Position("f", 2)))
        await server.accept()
        assert client.position == Position("e", 1)


@given(
    st.lists(st.tuples(st.integers(0, 12), st.integers(0, 12)), min_size=1, max_size=12),
    st.integers(1, 12),
)
async def test_however_it_is_cut_and_repeated_each_event_arrives_once(
    pieces: list[tuple[int, int]], count: int
) -> None:
    server = FakeServer()
    async with server.client(reconnect=AT_ONCE) as (client, link):
        log = [server.live(CustomEvent(type="n", data=n)) for n in range(count)]
        at = link
        for start, length in pieces:
            # As if answers overlapped and were cut: from anywhere, any number, in order.
            at.say(*log[start : start + length])
            at.cut()
            at = await server.accept()
            at.say(RESUMED)
        known = server.attachments[-1].last_position
        assert known is not None
        at.say(*log[known.offset - 1 :])
        events = client.events()
        await anext(events)
        assert [await anext(events) for _ in log] == log


async def test_after_a_gap_the_present_state_is_told_to_everybody() -> None:
    server = FakeServer()
    async with submitted(server, "a") as (client, [task]):
        present = catch_up(plan("a"))
        link = await cut_with_gap(server, plan("a"))
        later = server.live(progressed("a", 99)), server.live(completed("a"))
        link.say(*later)
        assert [each async for each in task][1:] == [GAP, present[0], *later]
        events = client.events()
        assert [await anext(events) for _ in range(7)][2:] == [GAP, *present, *later]
        assert not link.heard_more, "a task that was told of needs no question"


async def test_after_a_gap_holes_count_from_the_next_live_event() -> None:
    server = FakeServer()
    async with submitted(server, "a") as (client, _):
        link = await cut_with_gap(server, plan("a"))
        first = server.live(progressed("a", 50))
        link.say(first)
        server.skip(1)
        link.say(server.live(progressed("a", 60)))
        await server.accept()
        assert server.attachments[-1].last_position == first.position
        assert client.position == first.position


async def test_a_cut_in_the_middle_of_a_catch_up_leads_to_another_one() -> None:
    server = FakeServer()
    async with submitted(server, "a") as (client, [task]):
        known = client.position
        server.links[-1].cut()
        server.skip(7)
        link = await server.accept()
        link.say(RESUMED, GAP, attrs.evolve(plan("a"), replay=True))
        link.cut()
        again = await server.accept()
        assert server.attachments[-1].last_position == known
        again.say(RESUMED, GAP, *catch_up(completed("a")))
        assert await task.result() == "output of a"
        kinds = [type(each).__name__ async for each in task]
        assert kinds == [
            "StepProgressed",
            "GapOccurred",
            "PlanCreated",
            "GapOccurred",
            "TaskCompleted",
        ]


async def test_a_task_that_ended_in_a_gap_has_its_result_from_the_catch_up() -> None:
    server = FakeServer()
    async with submitted(server, "a") as (_, [task]):
        await cut_with_gap(server, completed("a", "failed"))
        with pytest.raises(TaskFailed, match="failed: a"):
            await task.result()


async def test_a_task_missing_from_the_catch_up_is_asked_for_and_may_still_wait() -> None:
    server = FakeServer()
    async with submitted(server, "a", "b") as (_, [running, waiting]):
        link = await cut_with_gap(server, plan("a"))
        again = await link.hear(SubmitTask)
        assert (again.task, again.task_id) == ("do b", "b")
        link.acknowledge(again, "queued")
        await wait_all_tasks_blocked()
        assert not waiting.over
        assert not running.over
        link.say(server.live(completed("a")), server.live(completed("b")))
        assert await waiting.result() == "output of b"


async def test_a_task_missing_from_the_catch_up_may_have_ended() -> None:
    server = FakeServer()
    async with submitted(server, "a", "b") as (client, [first, second]):
        link = await cut_with_gap(server, plan("b"))
        again = await link.hear(SubmitTask)
        link.say(attrs.evolve(completed("a"), replay=True))
        link.acknowledge(again, "already_accepted")
        assert await first.result() == "output of a"
        link.say(server.live(completed("b")))
        await second.wait()
        told = [each async for each in _until_ended(client, "b")]
        assert [each.task_id for each in told if each.replay] == ["b", None, "a"]


async def _until_ended(client: AgentClient, task_id: str) -> AsyncIterator[Event]:
    async for event in client.events():
        yield event
        if event.task_id == task_id and type(event).__name__ == "TaskCompleted":
            return


async def test_a_task_whose_result_is_forgotten_is_lost() -> None:
    server = FakeServer()
    async with submitted(server, "a") as (client, [task]):
        link = await cut_with_gap(server)
        link.acknowledge(await link.hear(SubmitTask), "already_accepted")
        with pytest.raises(SessionLost, match="its result is no longer known"):
            await task.result()
        assert client.connected, "the session itself goes on"


async def test_a_task_that_is_planning_shows_itself_by_its_status() -> None:
    server = FakeServer()
    async with submitted(server, "a") as (_, [task]):
        server.links[-1].cut()
        link = await server.accept()
        link.say(RESUMED, GAP, attrs.evolve(status("planning", "a"), replay=True))
        await wait_all_tasks_blocked()
        assert not link.heard_more
        assert not task.over


async def test_a_doubt_is_asked_again_after_another_cut() -> None:
    server = FakeServer()
    async with submitted(server, "a") as (_, [task]):
        link = await cut_with_gap(server)
        asked = await link.hear(SubmitTask)
        link.cut()
        again = await server.accept()
        again.say(RESUMED)
        assert await again.hear(SubmitTask) == asked
        again.say(attrs.evolve(completed("a"), replay=True))
        again.acknowledge(asked, "already_accepted")
        assert await task.result() == "output of a"


async def test_a_submit_that_is_refused_after_a_gap_loses_the_task() -> None:
    server = FakeServer()
    async with submitted(server, "a") as (_, [task]):
        link = await cut_with_gap(server)
        link.refuse(await link.hear(SubmitTask), "busy", "another task runs")
        with pytest.raises(SessionLost) as caught:
            await task.result()
        assert "another task runs" in str(caught.value)


async def test_an_unanswered_submit_is_not_sent_twice_because_of_a_gap() -> None:
    server = FakeServer()
    async with server.client(reconnect=AT_ONCE) as (client, first), trio.open_nursery() as nursery:
        nursery.start_soon(client.submit, "do it")
        await first.hear(SubmitTask)
        link = await cut_with_gap(server)
        again = await link.hear(SubmitTask)
        await wait_all_tasks_blocked()
        assert not link.heard_more
        link.acknowledge(again, "accepted")


async def test_an_unanswered_submit_whose_task_ended_in_a_gap_is_lost_if_its_result_is() -> None:
    server = FakeServer()
    async with server.client(reconnect=AT_ONCE) as (client, first), trio.open_nursery() as nursery:

        async def submit() -> None:
            task = await client.submit("do it")
            with pytest.raises(SessionLost, match="its result is no longer known"):
                await task.wait()

        nursery.start_soon(submit)
        await first.hear(SubmitTask)
        link = await cut_with_gap(server)
        link.acknowledge(await link.hear(SubmitTask), "already_accepted")


async def test_somebody_elses_task_that_vanished_in_a_gap_is_lost_not_started_again() -> None:
    server = FakeServer()
    async with server.client(reconnect=AT_ONCE) as (client, first):
        first.say(server.live(progressed("theirs", 1)))
        await wait_all_tasks_blocked()
        theirs, unseen = client.task("theirs"), client.task("unseen")
        link = await cut_with_gap(server)
        with pytest.raises(SessionLost, match="no longer known"):
            await theirs.wait()
        assert not unseen.over, "it may not have begun yet"
        assert not link.heard_more


async def test_a_completion_told_again_is_told_once() -> None:
    server = FakeServer()
    async with submitted(server, "a") as (client, [task]):
        link = server.links[-1]
        link.say(server.live(completed("a")), attrs.evolve(completed("a"), replay=True))
        last = server.live(CustomEvent(type="last", data=None))
        link.say(last)
        events = client.events()
        kinds: list[str] = []
        async for event in events:
            kinds.append(type(event).__name__)
            if event == last:
                break
        assert kinds == ["StatusChanged", "StepProgressed", "TaskCompleted", "CustomEvent"]
        assert task.completed is not None


async def test_the_status_that_answers_a_refusal_is_no_event_of_a_task() -> None:
    server = FakeServer()
    async with submitted(server, "a") as (client, [task]):
        link = server.links[-1]
        told: list[Event] = [status("executing", "a"), server.live(completed("a"))]
        link.say(*told)
        assert [type(each).__name__ async for each in task] == ["StepProgressed", "TaskCompleted"]
        events = client.events()
        found = [await anext(events) for _ in range(4)]
        assert [type(each) for each in found].count(StatusChanged) == 2


async def test_ended_tasks_can_be_asked_for_but_are_not_hoarded() -> None:
    server = FakeServer()
    async with server.client() as (client, link):
        for number in range(100):
            link.say(server.live(completed(f"t{number}")))
        await wait_all_tasks_blocked()
        assert await client.task("t99").result() == "output of t99"
        assert len(client._session._tasks) == 0
        assert len(client._session._ended) == 32
