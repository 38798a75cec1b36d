"""A session: one ordered stream of events, the tasks that write to it, its viewers.

```
 tasks ──publish──▶ log ──▶ connections      view: the present state, for a catch-up

 alive ──last connection leaves──▶ lingering ──time over──▶ expired ──tasks ended──▶ gone
   ▲                                  │                        │
   └──────────a connection comes──────┴────────────────────────┘
```

Every change of state here is synchronous: nothing can happen between a decision and what
follows from it. What waits, waits in Trio tasks of the server's nursery.
"""

from __future__ import annotations

import uuid
from collections import OrderedDict
from collections.abc import AsyncIterator, Mapping
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import attrs
import trio

from ..agent.confirming import Decision
from ..errors import Busy, SessionEnded, ShuttingDown
from ..events import Encoded, EventLog, SessionView, encode
from ..protocol import (
    CloseCode,
    ConfirmationRequested,
    ConfirmStep,
    Connected,
    Event,
    GapOccurred,
    Outcome,
    Plain,
    Position,
    SessionSummary,
    TaskCompleted,
    to_jsonable,
)
from .access import Principal, SessionInfo
from .access.authorize import Action, is_allowed
from .fanout import Viewers
from .follower import Follower
from .peers import Connection, Writing
from .task import Agent, EndedTask, RunningTask

if TYPE_CHECKING:
    from .server import RealtimeAgent

__all__ = ["BusyPolicy", "Session"]

BusyPolicy: TypeAlias = Literal["reject", "queue", "replace", "parallel"]
"""What happens to a submit while a task of the session runs."""

HELD_BACK_LOGS = 10
"""How many logs full of events a connection may hold back before it is closed as too slow.
An agent may publish many in one go, before any writer runs: that is not a slow viewer.
The bytes that it holds are bounded as well, and shared by all connections."""

REMEMBERED_TASKS = 32
"""How many ended tasks a session can still tell the result of."""

REMEMBERED_IDS = 10_000
"""How many task ids a session knows, so that the same one never starts twice."""

LINGER_WHEN_ENDED = 30.0
"""Seconds that a session without a linger limit is kept once its tasks have ended."""


class Session:
    """One stream of events. Made by the server; users hold its id.

    Args:
        owner: whose it is, or None for one that nobody owns.
        room: whether the application has named it, so that its id may be guessed.
    """

    def __init__(
        self, server: RealtimeAgent, session_id: str, owner: Principal | None, room: bool
    ) -> None:
        self.id = session_id
        self.owner = owner
        self.room = room
        log_bytes = server.limits.log_bytes
        self.log: EventLog = EventLog(max_events=server.buffer_size, max_bytes=log_bytes)
        self.view: SessionView = SessionView()
        self.agent: Agent = server.agent
        self.server = server
        self.ended: OrderedDict[str, EndedTask] = OrderedDict()
        """The last tasks that have ended, oldest first."""
        self._tasks: dict[str, RunningTask] = {}
        self._queue: list[RunningTask] = []
        self._known_ids: OrderedDict[str, None] = OrderedDict()
        self._viewers = Viewers(
            server.flusher,
            max_events=HELD_BACK_LOGS * server.buffer_size,
            max_bytes=log_bytes,
        )
        self._lingering: trio.CancelScope | None = None
        self._expired = False
        self.publish(self.view.status)

    def __repr__(self) -> str:
        return f"<Session {self.id[:8]}… tasks={len(self._tasks)} viewers={len(self._viewers)}>"

    @property
    def tasks(self) -> list[RunningTask]:
        """Its tasks that have not ended, those that are queued included, oldest first."""
        return list(self._tasks.values())

    @property
    def idle(self) -> bool:
        """Whether nobody watches it and nothing runs in it."""
        return not self._tasks and not self._viewers

    @property
    def connections(self) -> list[Connection]:
        """Who watches it."""
        return self._viewers.connections

    def summary(self) -> SessionSummary:
        """It in a line, for its owner."""
        status = self.view.status
        return SessionSummary(
            session_id=self.id,
            state=status.state,
            message=status.message,
            tasks=[*self._tasks],
            connections=len(self._viewers),
        )

    def publish(self, event: Event, text: bytes | None = None) -> None:
        """Give `event`, or what it was encoded to, its place, and to every viewer. Never waits."""
        if isinstance(event, TaskCompleted):
            event = _bounded(event)
        elif isinstance(event, ConfirmationRequested):
            self._repeat_start(event)
        entry = self.log.append(event, text)
        self.view.apply(event)
        self._viewers.publish(entry)

    def _repeat_start(self, question: ConfirmationRequested) -> None:
        """Where other steps have started since, say again which one is about to ask."""
        again = self.view.start_to_repeat(question)
        if again is not None:
            self.view.apply(again)
            self._viewers.publish_to_peers(encode(again))

    def bring(self, connection: Connection) -> None:
        """Give a viewer now what was published and has not reached it yet."""
        self._viewers.bring(connection)

    def catch_up(self) -> list[Event]:
        """The present state, told in events."""
        return self.view.catch_up()

    def follow(self, task: RunningTask) -> AsyncIterator[Event]:
        """The events of one of its tasks, from the task's submit on."""
        return Follower(self, task)

    def allows(self, principal: Principal, action: Action) -> bool:
        """Whether `principal` may do that in it."""
        authorize = self.server.authorize
        if action == "attach" and self.room and authorize is None:
            return False  # whom the application lets in, it names the room for
        info = SessionInfo(id=self.id, owner=self.owner)
        return is_allowed(authorize, principal, action, info)

    def attach(
        self,
        principal: Principal,
        writing: Writing,
        last_position: Position | None,
        *,
        fresh: bool = False,
        resuming: bool = False,
    ) -> Connection:
        """A new viewer, who is given what it misses and then what comes.

        Args:
            last_position: after which to go on, or None.
            fresh: the session was made for it, and it is given all.
            resuming: it named a position, even if that could not be read.
        """
        connection = self._new_connection(principal, writing)
        start = Position(self.log.position.epoch, 0) if fresh else last_position
        held = start is not None and self.log.holds(start)
        connected = Connected(
            client_id=connection.client_id,
            session_id=self.id,
            resumed=held and not fresh,
            heartbeat_interval=self.server.limits.heartbeat_interval,
        )
        backlog = [encode(connected)]
        if start is not None and held:
            backlog += self.log.after(start)
            connection.begin(backlog, start)
        else:
            if resuming:
                backlog.append(encode(GapOccurred(missed=self.log.missed(last_position))))
            backlog += map(encode, self.catch_up())
            connection.begin(backlog, self.log.position)
        self._viewers.add(connection)
        self._live_on()
        return connection

    def observe(self, start: Position) -> Connection:
        """A viewer inside this process: told no `connected`, and no reason to live on."""
        connection = self._new_connection(Principal("observer"), Writing(Encoded.websocket))
        connection.client.connection = None  # it sends no commands; and so nothing holds it
        if self.log.holds(start):
            connection.begin(self.log.after(start), start)
        else:
            gap = GapOccurred(missed=self.log.missed(start))
            connection.begin([encode(each) for each in (gap, *self.catch_up())], self.log.position)
        self._viewers.add_observer(connection)
        return connection

    def _new_connection(self, principal: Principal, writing: Writing) -> Connection:
        held_back = HELD_BACK_LOGS * self.server.buffer_size
        return Connection(self, principal, writing, self.server.limits, held_back)

    def forget_observer(self, connection: Connection) -> None:
        """An observer has stopped looking."""
        self._viewers.remove_observer(connection)

    @trio.lowlevel.enable_ki_protection
    def detach(self, connection: Connection) -> None:
        """A viewer has gone; the last one starts the clock of `linger`."""
        connection.client.connection = None
        self._viewers.remove(connection)
        connection.close(CloseCode.NORMAL, flush=False)
        self._linger_if_left()

    def submit(
        self,
        text: str,
        context: Mapping[str, Any],
        task_id: str | None,
        *,
        needs_viewer: bool = True,
    ) -> tuple[RunningTask | EndedTask | None, Outcome]:
        """Start a task, or queue it, as the busy policy says. Its cancel scope exists then.

        Args:
            needs_viewer: whether it ends when the last connection has left for good; the
                application's own tasks do not.

        Returns:
            The task, and `accepted`, or `queued` (also when a task that still waits is
            submitted again), or `already_accepted`; in the last case it may have ended,
            and be None when only its id is remembered.

        Raises:
            Busy: when a task runs and the policy is to reject, or there is no room.
            SessionEnded: when nobody came back to it in time.
            ShuttingDown: when the server takes no new work.
        """
        if task_id is not None and self.knows(task_id):
            known = self._tasks.get(task_id)
            if known in self._queue:
                return known, "queued"
            return known or self.ended.get(task_id), "already_accepted"
        server = self.server
        if server.phase != "serving":
            raise ShuttingDown("the server is shutting down and takes no new tasks")
        self._refuse_if_busy()
        lonely = needs_viewer and not self._viewers
        if lonely and self._expired:
            raise SessionEnded("the session is about to end: its last connection did not come back")
        task_id = task_id or uuid.uuid4().hex
        task = RunningTask(
            self,
            task_id,
            text,
            context,
            tools=server.tools,
            broadcast_interval=server.broadcast_interval,
            cleanup_timeout=server.cleanup_timeout,
            needs_viewer=needs_viewer,
            redaction=server.redaction,
        )
        if server.busy == "replace":
            for each in self.tasks:
                each.request_cancel("replaced by a newer task")
        waits = bool(self._tasks) and server.busy != "parallel"
        self._tasks[task_id] = task
        self._known_ids[task_id] = None
        if len(self._known_ids) > REMEMBERED_IDS:
            self._known_ids.popitem(last=False)
        if not lonely:
            self._live_on()
        else:
            self._linger_if_left()  # its peer sent this beside a connection that has gone
        if waits:
            self._queue.append(task)
            return task, "queued"
        task.start(server.nursery)
        return task, "accepted"

    def _refuse_if_busy(self) -> None:
        server = self.server
        if len(self._tasks) >= server.limits.max_tasks_per_session:
            raise Busy(f"the session has {len(self._tasks)} tasks already")
        if server.busy == "reject" and self._tasks:
            raise Busy("a task is running; cancel it or wait for its end")
        if server.busy == "queue" and self._tasks and len(self._queue) >= server.max_queued:
            raise Busy(f"{len(self._queue)} tasks wait already")

    def knows(self, task_id: str) -> bool:
        """Whether it has, or had, a task of that id."""
        return task_id in self._tasks or task_id in self._known_ids

    def confirm(self, command: ConfirmStep, decision: Decision) -> Outcome:
        """Answer the question of a step; of the oldest task that asks, if none is named."""
        step_id, task_id, question = command.step_id, command.task_id, command.confirmation_id
        outcome: Outcome = "unknown"
        for task in self.tasks:
            if task_id in (None, task.id):
                outcome = task.decide(step_id, decision, question)
                if outcome == "applied" or (question and outcome != "unknown"):
                    return outcome
        if outcome == "unknown":
            for ended_id, ended in reversed(self.ended.items()):
                if task_id in (None, ended_id) and (question or step_id) in ended.late_answers:
                    return ended.late_answers[question or step_id]
        return outcome

    def watch(self, task: RunningTask) -> None:
        """See to it that a cancelled task that lives on is named."""
        self.server.spawn(task.watch_cancel)

    def forget_queued(self, task: RunningTask) -> None:
        """A task that has not started will not."""
        if task in self._queue:
            self._queue.remove(task)

    def task_ended(self, task: RunningTask, completed: TaskCompleted) -> None:
        """A task has published its terminal message: the next one may start."""
        del self._tasks[task.id]
        self.ended[task.id] = EndedTask(
            completed=_bounded(completed), late_answers=task.run.questions.late_answers()
        )
        if len(self.ended) > REMEMBERED_TASKS:
            self.ended.popitem(last=False)
        running = len(self._tasks) - len(self._queue)
        if self._queue and not running:
            self._queue.pop(0).start(self.server.nursery)
        self.server.task_ended()
        if not self._tasks:
            self._linger_if_left()

    def _linger_if_left(self) -> None:
        if self._viewers or self._lingering is not None:
            return
        linger = self.server.linger
        if self._expired or linger == 0:
            self._expire()
        elif linger is not None or not self._tasks:
            scope = self._lingering = trio.CancelScope()
            seconds = LINGER_WHEN_ENDED if linger is None else linger
            self.server.spawn(self._linger, scope, seconds)

    async def _linger(self, scope: trio.CancelScope, seconds: float) -> None:
        with scope:
            await trio.sleep(seconds)
            self._lingering = None
            self._expire()

    def _live_on(self) -> None:
        self._expired = False
        self._stop_lingering()

    def _stop_lingering(self) -> None:
        if self._lingering is not None:
            self._lingering.cancel(reason="the session is not left alone any more")
            self._lingering = None

    def _expire(self) -> None:
        """Nobody has come back: end its tasks, and go with the last of them."""
        self._expired = True
        for task in self.tasks:
            if task.needs_viewer:
                task.request_cancel("the last connection left and did not come back")
        if not self._tasks:
            self.end()

    def end(self) -> None:
        """Nobody will come back to it: let go of it, and of its clock."""
        self._stop_lingering()
        self.server.forget(self)


def _bounded(completed: TaskCompleted) -> TaskCompleted:
    """It as it goes over the wire: no big object is held by a log or a view."""
    return attrs.evolve(completed, output=Plain(to_jsonable(completed.output)))
