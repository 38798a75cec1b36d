"""Two hundred cuts at random places: the client ends up with what an uncut one was told.

Everything goes through a proxy that cuts each connection after a random number of bytes,
one way or the other, with a reset or without: in the handshake, in a frame, in the middle
of an answer. Meanwhile the client submits, asks, confirms and cancels, and a second client
that nobody cuts watches the same session.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trio

from trio_agent_rt.agent import TaskRun
from trio_agent_rt.clients import AgentClient, ClientTask, Reconnect
from trio_agent_rt.events import SessionView
from trio_agent_rt.protocol import (
    ConfirmationRequested,
    Event,
    GapOccurred,
    PlanStep,
    Position,
    TaskCompleted,
)
from trio_agent_rt.testing import Cut, CuttingProxy, random_cuts

from .serving import Over

SEEDS = 10
CUTS_PER_SEED = 20
"""While the agent talks; up to three more come while it asks and is cancelled."""
CUTS_PLANNED = CUTS_PER_SEED + 3
FAST = Reconnect(base=0.002, cap=0.01)


class Chatter:
    """An agent that goes on talking until its proxy has made all its cuts."""

    def __init__(self) -> None:
        self.proxy: CuttingProxy | None = None
        self.starts: list[str] = []

    async def __call__(self, task: str, run: TaskRun) -> object:
        self.starts.append(run.task_id)
        run.plan([PlanStep(id=each, name=each) for each in ("talk", "ask", "end")])
        async with run.step("talk") as step:
            count = 0
            while True:
                step.output(f"{count} 早上好 ")
                step.progress(100 - 100 / (count + 1), "x" * (count % 70))
                if self.proxy is None or self.proxy.cuts_made >= CUTS_PER_SEED:
                    break
                count += 1
                await trio.sleep(0.002)
            step.result = count
        async with run.step("ask") as step:
            await step.confirm("Go on?")
        async with run.step("end"):
            if task == "cancel me":
                await trio.sleep_forever()
        return {"said": count}


def cuts(agent: Chatter, seed: int) -> Iterator[Cut]:
    """Until enough were made: over HTTP many connections end before they are cut."""
    # The first connection lives long enough to be entered; only then may it be lost.
    yield Cut(after_bytes=1500)
    for cut in random_cuts(seed, 10_000, to_client=(0, 3000), to_server=(0, 600)):
        if agent.proxy is not None and agent.proxy.cuts_made >= CUTS_PLANNED:
            return
        yield cut


@asynccontextmanager
async def cut_client(
    over: Over, agent: Chatter, seed: int, **options: Any
) -> AsyncIterator[tuple[AgentClient, str]]:
    """A client behind a proxy that cuts it, and the URL past the proxy."""
    async with over.served(agent, broadcast_interval=0, **options) as (_, address):
        proxy = agent.proxy = CuttingProxy("127.0.0.1", address.port, cuts=cuts(agent, seed))
        async with trio.open_nursery() as nursery:
            port = await nursery.start(proxy.serve)
            url = over.url(port)
            async with (
                over.open_client(url, reconnect=FAST) as client,
                trio.open_nursery() as asking,
            ):
                asking.start_soon(keep_asking, client)
                yield client, address.url
                asking.cancel_scope.cancel()
            nursery.cancel_scope.cancel()


async def keep_asking(client: AgentClient) -> None:
    """Commands all the time, so that cuts towards the server happen too."""
    while True:
        await client.tools()
        await trio.sleep(0.03)


async def until_completed(client: AgentClient, found: list[Event]) -> None:
    async for event in client.events():
        found.append(event)
        if isinstance(event, TaskCompleted):
            return


async def confirm_when_asked(task: ClientTask, outcomes: list[str]) -> list[Event]:
    """The task's events; its question is answered on the way."""
    events: list[Event] = []
    async for event in task:
        events.append(event)
        if isinstance(event, ConfirmationRequested) and not outcomes:
            outcomes.append(await task.confirm(event.step_id))
    return events


@pytest.mark.parametrize("seed", range(SEEDS))
async def test_a_client_that_is_cut_twenty_times_is_told_everything_once(
    over: Over, seed: int
) -> None:
    agent = Chatter()
    cancels = bool(seed % 2)
    uncut: list[Event] = []
    cut: list[Event] = []
    outcomes: list[str] = []
    with trio.fail_after(30):
        async with cut_client(over, agent, seed, buffer_size=50_000) as (client, url):
            position = client.position
            assert position is not None
            start = Position(position.epoch, 0)
            async with (
                over.open_client(url, session=client.session_id, last_position=start) as watcher,
                trio.open_nursery() as nursery,
            ):
                nursery.start_soon(until_completed, watcher, uncut)
                nursery.start_soon(until_completed, client, cut)
                task = await client.submit("cancel me" if cancels else "talk")
                if cancels:
                    nursery.start_soon(cancel_at_the_end, task)
                of_task = await confirm_when_asked(task, outcomes)
            assert agent.proxy is not None
            assert agent.proxy.cuts_made >= CUTS_PER_SEED

    offsets = [each.position.offset for each in uncut if each.position is not None]
    assert offsets == list(range(1, len(uncut) + 1)), "the watcher was told everything"
    assert cut == uncut
    assert of_task == [each for each in uncut if each.task_id == task.id]
    assert agent.starts == [task.id], "it was started once, however often it was submitted"
    assert outcomes == ["applied"]
    assert task.completed is not None
    assert task.completed.outcome == ("cancelled" if cancels else "succeeded")


async def cancel_at_the_end(task: ClientTask) -> None:
    async for event in task:
        if getattr(event, "step_id", None) == "end":
            receipt = await task.cancel("seen enough")
            assert receipt is not None
            assert receipt.task_id == task.id
            assert "seen enough" in receipt.reason
            return


@pytest.mark.parametrize("seed", range(3))
async def test_where_the_log_is_too_small_there_is_a_gap_and_then_the_right_state(
    over: Over,
    seed: int,
) -> None:
    agent = Chatter()
    cut: list[Event] = []
    outcomes: list[str] = []
    with trio.fail_after(30):
        async with (
            cut_client(over, agent, 100 + seed, buffer_size=4) as (client, _),
            trio.open_nursery() as nursery,
        ):
            nursery.start_soon(until_completed, client, cut)
            task = await client.submit("talk")
            of_task = await confirm_when_asked(task, outcomes)
            said = await task.result()

    assert agent.starts == [task.id]
    assert outcomes == ["applied"]
    view = SessionView()
    last = 0
    gaps = told_gap = 0
    for event in cut:
        view.apply(event)
        if isinstance(event, GapOccurred):
            gaps += 1
            told_gap = True
        elif event.position is not None:
            assert event.position.offset > last
            assert event.position.offset == last + 1 or told_gap, "a hole that nobody told of"
            last, told_gap = event.position.offset, False
    assert gaps, "the log of four events was too small"
    assert view.ended is not None
    assert view.ended.completed is not None
    assert view.ended.completed.output == said
    assert view.ended.plan is not None
    assert [each.status for each in view.ended.plan.steps] == ["success"] * 3
    results = [each.result for each in view.ended.plan.steps]
    assert results[0] is not None
    assert {"said": results[0].output} == said
    assert [each for each in of_task if isinstance(each, GapOccurred)], "the task's own events too"
