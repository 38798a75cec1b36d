"""What every scenario of the sweeps has: a server, a network in memory, and what must hold.

After a run, however it was disturbed: each session's log is without a gap and in order; of
each accepted task there is exactly one terminal message, its last; its receipt says what
happened; its cleanup is over. And as long as the server serves, it serves the next task.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any, Literal, TypeAlias

import trio
import trio.testing

from tests.contract import check_task_events
from trio_agent_rt import AgentClient, RealtimeAgent, RunningTask
from trio_agent_rt.events import Encoded
from trio_agent_rt.protocol import (
    CloseCode,
    Event,
    Position,
    StatusChanged,
    StepCompleted,
    StepFailed,
    TaskCompleted,
    decode_event,
)
from trio_agent_rt.realtime.session import Session
from trio_agent_rt.testing import FakeAgent, Fault

from .wires import WatchedNetwork

__all__ = ["LINGER", "Kind", "Stage", "check_task", "staged"]

Kind: TypeAlias = Literal["websocket", "sse"]

LINGER = 5.0

_CLOCKS_DIFFER = 0.2
"""Seconds between a request and its event in the log: none on a clock that jumps, where the
shortest time that an agent here takes is longer."""


class Stage:
    """A server whose every session is recorded."""

    def __init__(self, realtime: RealtimeAgent, network: WatchedNetwork, agent: object) -> None:
        self.realtime = realtime
        self.network = network
        self.agent = agent
        self.recorded: list[tuple[Session, list[Encoded]]] = []
        self.left_at = math.inf
        """When whoever uses it had no more use for it."""
        self.may_close_with: set[int] = set()
        """The codes with which it may close a WebSocket while it serves."""
        self._logged_at: dict[int, float] = {}
        """When an event entered a log, by the identity of its entry there."""
        network.codes = self._codes
        registry: Any = realtime._registry
        make: Callable[..., Session] = registry._make

        def made(*args: Any) -> Session:
            session = make(*args)
            log: Any = session.log
            entries = log.after(Position(log.position.epoch, 0))
            append: Callable[[Event, bytes | None], Encoded] = log.append

            def appended(event: Event, text: bytes | None = None) -> Encoded:
                entries.append(append(event, text))
                self._logged_at[id(entries[-1])] = trio.current_time()
                return entries[-1]

            log.append = appended
            self.recorded.append((session, entries))
            return session

        registry._make = made

    def client(self, kind: Kind, **options: Any) -> AgentClient:
        opened = getattr(self.network, f"open_{kind}_client")
        client: AgentClient = opened(**options)
        return client

    def _codes(self) -> set[int]:
        shuts_down = self.realtime.phase != "serving" or self.left_at < math.inf
        return self.may_close_with | ({CloseCode.GOING_AWAY} if shuts_down else set[int]())

    def only_task(self) -> RunningTask:
        (task,) = self.realtime.tasks
        return task

    async def serve_the_next(self, kind: Kind | None = None) -> None:
        """As long as it serves at all, it serves another one."""
        if self.realtime.phase != "serving":
            return
        if kind is None:
            assert (await self.realtime.submit("the next").wait()).success
        else:
            async with self.client(kind) as client:
                assert (await (await client.submit("the next")).wait()).success
        await trio.testing.wait_all_tasks_blocked()
        running = {each.name for each in self.realtime.nursery.child_tasks}
        assert not [each for each in running if "task " in each], f"outlive their task: {running}"

    def check(self) -> None:
        """What must hold when the server is closed."""
        realtime = self.realtime
        assert realtime.phase == "closed"
        self.network.check()
        took = trio.current_time() - self.left_at
        assert took <= realtime.drain_timeout + realtime.cleanup_timeout + 1, f"took {took} s"
        assert self.realtime.tasks == []
        for session, entries in self.recorded:
            events = [decode_event(each.json) for each in entries]
            offsets = [each.position.offset for each in events if each.position is not None]
            assert offsets == list(range(1, len(events) + 1)), f"the log has a gap: {offsets}"
            at = dict(
                zip(
                    offsets,
                    (self._logged_at.get(id(each), math.nan) for each in entries),
                    strict=True,
                )
            )
            by_task: defaultdict[str, list[Event]] = defaultdict(list)
            for each in events:
                if each.task_id is not None:
                    by_task[each.task_id].append(each)
            assert by_task.keys() == session._known_ids.keys()
            for its in by_task.values():
                check_duration(check_task(its), its, at)
        if isinstance(self.agent, FakeAgent):
            assert sorted(self.agent.started) == sorted(self.agent.ended)


def check_task(events: list[Event]) -> TaskCompleted:
    """The contract of one task, and the truth of its receipt."""
    check_task_events(events)
    (completed,) = [each for each in events if isinstance(each, TaskCompleted)]
    assert (completed.outcome == "cancelled") == (completed.receipt is not None)
    if completed.receipt is not None:
        receipt = completed.receipt
        # Others may have been cancelled before, by the failure of a step beside them.
        asked = [
            number
            for number, each in enumerate(events)
            if isinstance(each, StatusChanged) and each.cancelling
        ]
        interrupted = {
            each.step_id
            for each in events[asked[0] if asked else len(events) :]
            if isinstance(each, StepFailed) and each.error == "cancelled"
        }
        done = {
            each.step_id
            for each in events
            if isinstance(each, StepCompleted) and each.result.status == "success"
        }
        assert set(receipt.interrupted) == interrupted, (receipt, interrupted)
        assert set(receipt.completed) == done, (receipt, done)
        assert receipt.duration >= 0
    return completed


def check_duration(completed: TaskCompleted, events: list[Event], at: Mapping[int, float]) -> None:
    """A receipt's duration is the time from the request to the end, as the log had them."""
    if completed.receipt is None:
        return
    asked = [each for each in events if isinstance(each, StatusChanged) and each.cancelling]
    took = 0.0
    if asked and asked[0].position and completed.position:
        took = at[completed.position.offset] - at[asked[0].position.offset]
    told = completed.receipt.duration / 1000
    assert abs(told - took) <= _CLOCKS_DIFFER, f"it took {took} s: {completed.receipt}"


@asynccontextmanager
async def staged(
    agent: Any,
    *kinds: Kind,
    faults: tuple[Fault | None, ...] = (),
    network: WatchedNetwork | None = None,
    **options: Any,
) -> AsyncGenerator[Stage]:
    """A stage whose server is served over `kinds`, and checked when it is closed."""
    network = network or WatchedNetwork(faults=faults)
    realtime = RealtimeAgent(agent, **{"linger": LINGER, **options})
    stage = Stage(realtime, network, agent)
    try:
        async with realtime, _served(stage, kinds):
            try:
                yield stage
            finally:
                stage.left_at = min(stage.left_at, trio.current_time())
    finally:
        stage.check()


@asynccontextmanager
async def _served(stage: Stage, kinds: tuple[Kind, ...]) -> AsyncGenerator[None]:
    async with trio.open_nursery() as nursery:
        for kind in kinds:
            await nursery.start(getattr(stage.network, f"serve_{kind}"), stage.realtime)
        yield
        nursery.cancel_scope.cancel()
