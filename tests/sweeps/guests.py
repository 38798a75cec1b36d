"""The clients of a mixed load: what one of them does, and what it has heard.

What must hold for each: of its session's log it hears every event once and in order, as it
stands there, or a gap is told; each task that was accepted has one end for it, the same as
in the log; the receipt that it is given is the one that stands there.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import trio

from tests.contract import check_task_events
from trio_agent_rt import AgentClient, ClientTask, Reconnect
from trio_agent_rt.errors import AgentRTError, Busy, UnknownTask
from trio_agent_rt.protocol import (
    CommandFailed,
    ConfirmationRequested,
    Event,
    GapOccurred,
    Position,
    Receipt,
    TaskCompleted,
)
from trio_agent_rt.testing import MemoryLine
from trio_agent_rt.testing.cutting_proxy import Direction

from .stage import Kind
from .wires import WatchedNetwork

if TYPE_CHECKING:
    from .mixed_load import Load

__all__ = ["Guest"]

_RECONNECT = Reconnect(base=0.2, cap=1, give_up_after=30)
_PATIENCE = 120.0
"""Seconds after which a task that nobody asks anything must have ended."""


class Guest:
    """One client, which may leave and come back.

    Args:
        number: which one of the load.
        leader: whose session it shares, or None for one of its own.
        calm: whether its connections are left alone, so that nothing may go wrong for it.
        network: its own connections to the servers of the load.
    """

    def __init__(
        self,
        load: Load,
        number: int,
        kind: Kind,
        leader: Guest | None,
        network: WatchedNetwork,
        *,
        calm: bool,
    ) -> None:
        self.load = load
        self.number = number
        self.kind: Kind = kind
        self.leader = leader
        self.network = network
        self.calm = calm
        self.chance = random.Random(load.seed * 100 + number)
        self.slow: bool = not calm and self.chance.random() < 0.3
        """Whether it takes its time over each event."""
        self.session: str | None = None
        self.attached = trio.Event()
        self.heard: dict[Position, Event] = {}
        self.gaps = 0
        self.ends: dict[str, TaskCompleted] = {}
        self.accepted: list[str] = []
        """The tasks that the server has taken, and that it followed from then on."""
        self.receipts: list[Receipt] = []
        self._position: Position | None = None
        """Of the last event that it dealt with."""
        self._may_jump = False
        """Whether the next position need not follow the last: the first, or after a gap."""
        self._excusable = False

    def __str__(self) -> str:
        of = f" of {self.leader.number}" if self.leader else ""
        mood = "calm" if self.calm else "slow" if self.slow else "restless"
        return f"guest {self.number}{of} ({mood}, {self.kind})"

    def note(self, what: str) -> None:
        self.load.note(f"{self.number}: {what}")

    @contextmanager
    def _excusing(
        self, what: str, *expected: type[Exception], at_the_end: bool = True
    ) -> Generator[None]:
        """What may go wrong for this guest now; anything else is a fault of the library.

        Args:
            at_the_end: whether anything may once the server shuts down.
        """
        try:
            yield
        except AgentRTError as exc:
            self.note(f"{what}: {type(exc).__name__}: {exc}")
            fine = isinstance(exc, expected) or not self.calm or self.gaps or self._excusable
            if not (fine or (at_the_end and self.load.ending)):
                raise AssertionError(f"{self}, {what}: {exc!r}") from exc

    async def run(self) -> None:
        """Come, do this and that, perhaps leave and come back, and go."""
        try:
            if self.leader is not None:
                await self.leader.attached.wait()
                self.session = self.leader.session
                self._excusable = True  # the session may have ended until it comes
                if self.session is None:
                    return
            for life in range(self.chance.choice([1, 1, 2])):
                self._excusable = self._excusable or life > 0
                with self._excusing("visit"):
                    await self._visit()
                await trio.sleep(self.chance.uniform(0, 3))
        finally:
            self.attached.set()

    async def _visit(self) -> None:
        opened = getattr(self.network, f"open_{self.kind}_client")
        fresh = self.session is None
        self._may_jump = self._position is None and not fresh
        client: AgentClient = opened(
            session=self.session, last_position=self._position, reconnect=_RECONNECT
        )
        async with client:
            self.session = client.session_id
            self._excusable = False
            self.attached.set()
            self.note("is here")
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._watch, client, nursery)
                tasks: list[ClientTask] = []
                for _ in range(self.chance.randint(2, 5)):
                    await trio.sleep(self.chance.uniform(0, 2))
                    with self._excusing("act", Busy, UnknownTask):
                        await self._act(client, tasks, nursery)
                if self.chance.random() < 0.8:
                    for each in tasks:
                        await self._follow(each)
                nursery.cancel_scope.cancel(reason="the guest leaves")
        self.note("has left")

    async def _act(
        self, client: AgentClient, tasks: list[ClientTask], nursery: trio.Nursery
    ) -> None:
        kinds = ["submit"] * 5 + ["cancel"] * 2 + ["cancel all", "again", "tools", "give up"]
        if not self.calm:
            kinds += ["disturb"] * 4
        kind = self.chance.choice(kinds)
        if kind not in {"submit", "disturb"}:
            self.note(kind)
        match kind:
            case "submit":
                await self._submit(client, tasks)
            case "again" if tasks:
                await client.submit("again", task_id=self.chance.choice(tasks).id)
            case "cancel" if self.load.accepted:
                nursery.start_soon(self._cancel, client, self.chance.choice(self.load.accepted))
            case "cancel all":
                self.receipts += await client.cancel(f"all, says {self.number}")
            case "give up" if tasks:
                with trio.move_on_after(self.chance.uniform(0, 0.3)):
                    await self.chance.choice(tasks).cancel("nobody waits for the answer")
            case "tools":
                await client.tools()
            case "disturb":
                self._disturb(nursery)
            case _:
                pass

    async def _submit(self, client: AgentClient, tasks: list[ClientTask]) -> None:
        number = len(self.load.submitted)
        what = self.chance.choice(self.load.repertoire)
        self.load.submitted.append(f"{number}")
        self.note(f"submits {number}: {what}")
        task = await client.submit(f"{what} {number}", task_id=f"{number}")
        self.note(f"{number} is accepted")
        self.load.accepted.append(task.id)
        self.accepted.append(task.id)
        tasks.append(task)

    async def _cancel(self, client: AgentClient, task_id: str) -> None:
        with self._excusing(f"cancel {task_id}", UnknownTask):
            receipt = await client.task(task_id).cancel(f"says {self.number}")
            self.note(f"{task_id} is cancelled: {receipt is not None}")
            if receipt is not None:
                assert receipt.task_id == task_id
                self.receipts.append(receipt)

    async def _follow(self, task: ClientTask) -> None:
        # A shutdown sends every terminal message, unless the transports are cancelled alone.
        lost = self.load.end == "left"
        with self._excusing(f"follow {task.id}", at_the_end=lost):
            with trio.fail_after(_PATIENCE * 10):
                completed = await task.wait()
            self.note(f"{task.id} has {completed.outcome}")
            events = [each async for each in task]
            assert events[-1] == completed
            assert sum(isinstance(each, TaskCompleted) for each in events) == 1
            if not any(each.replay or isinstance(each, GapOccurred) for each in events):
                told_again = completed.position is None and len(events) == 1
                if not told_again:
                    check_task_events(events)
            # Told once by the log, and once by an answer, it has two envelopes.
            known = self.ends.setdefault(task.id, completed)
            assert _same_end(known, completed), f"{self}: {known}, {completed}"

    def _disturb(self, nursery: trio.Nursery) -> None:
        lines = self.network.lines
        line = lines[-self.chance.randint(1, min(3, len(lines)))]
        directions: tuple[Direction, ...] = ("to_client", "to_server")
        direction = self.chance.choice(directions)
        ways: dict[str, Callable[[], object]] = {
            "reset": line.reset,
            "cut": line.cut,
            "half open": lambda: line.half_open(direction),
            "drop": lambda: line.drop(direction),
            "stall": lambda: nursery.start_soon(self._stall, line, self.chance.uniform(0, 30)),
        }
        way = self.chance.choice(sorted(ways))
        self.note(f"{way} {direction} of connection {lines.index(line)}")
        ways[way]()

    async def _stall(self, line: MemoryLine, seconds: float) -> None:
        line.stall()
        try:
            await trio.sleep(seconds)
        finally:
            line.resume()

    async def _watch(self, client: AgentClient, nursery: trio.Nursery) -> None:
        with self._excusing("watch"):
            async for event in client.events():
                self._take(event)
                if isinstance(event, ConfirmationRequested):
                    nursery.start_soon(self._answer, client, event)
                if self.slow:
                    await trio.sleep(self.chance.uniform(0, 0.5))

    async def _answer(self, client: AgentClient, event: ConfirmationRequested) -> None:
        if event.task_id is None or self.chance.random() < 0.3:
            return
        await trio.sleep(self.chance.uniform(0, 2))
        task = client.task(event.task_id)
        say = self.chance.choice([task.confirm, task.confirm, task.reject])
        with self._excusing("answer", UnknownTask):
            outcome = await say(event.step_id)
            self.note(f"{say.__name__} {event.task_id}/{event.step_id}: {outcome}")
            assert outcome in {"applied", "already_decided", "expired", "unknown"}
            if outcome == "applied" and self.calm:
                self.load.applied(event.task_id, event.step_id)

    def _take(self, event: Event) -> None:
        if event.position is not None:
            assert not event.replay, f"{self}: told again, with a position: {event}"
            last = self._position
            if last is None and not self._may_jump:
                assert event.position.offset == 1, f"{self}: the first one is {event}"
            elif last is not None:
                assert last.epoch == event.position.epoch
                step = event.position.offset - last.offset
                fine = step >= 1 if self._may_jump else step == 1
                assert fine, f"{self}: after {last} comes {event}"
            self._position, self._may_jump = event.position, False
            self.heard[event.position] = event
            if isinstance(event, TaskCompleted) and event.task_id is not None:
                known = self.ends.setdefault(event.task_id, event)
                assert _same_end(known, event), f"{self}: it has ended twice: {known}, {event}"
        elif isinstance(event, GapOccurred):
            self.gaps += 1
            self._may_jump = True
        else:
            told_again = event.replay or isinstance(event, TaskCompleted | CommandFailed)
            assert told_again, f"{self}: not of the log: {event}"

    def check(self, log: Sequence[Event] | None) -> None:
        """Compare with the log of its session, when all is over."""
        if log is None:
            assert not self.heard, f"{self} heard of a session that never was"
            return
        in_log: dict[Any, Event] = {each.position: each for each in log}
        for position, event in self.heard.items():
            assert in_log.get(position) == event, f"{self}: {event} is not {in_log.get(position)}"
        ends = {each.task_id: each for each in log if isinstance(each, TaskCompleted)}
        for task_id in self.accepted:
            assert task_id in ends, f"{self}: {task_id} was accepted, but is not in the log"
        for task_id, completed in self.ends.items():
            assert _same_end(completed, ends[task_id]), f"{self}: {completed}, {ends[task_id]}"
        for receipt in self.receipts:
            assert receipt == ends[receipt.task_id].receipt, f"{self}: {receipt}"


def _same_end(one: TaskCompleted, other: TaskCompleted) -> bool:
    told = [(each.outcome, each.output, each.error, each.receipt) for each in (one, other)]
    return told[0] == told[1]
