"""`RealtimeAgent`: an agent, its sessions, and what transports and applications need."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from types import CoroutineType, TracebackType
from typing import Any, Self, get_args

import trio
from attrs import evolve

from ..agent import Tool, ToolSet
from ..errors import RateLimited, ShuttingDown
from ..events import Redaction
from ..protocol import (
    RESERVED_TYPES,
    Command,
    CommandFailed,
    CustomEvent,
    Event,
    Position,
    SessionSummary,
    encode_event,
)
from .access import ANONYMOUS, Authorize, Principal, Tickets
from .checks import check_at_least, check_choice, check_counts, says_something
from .fanout import Flusher
from .peers import Connection, Framing, Inquiry, Limits, Writing
from .peers.commands import carry_out
from .registry import SessionRegistry
from .session import BusyPolicy, Session
from .supervisor import Phase, Supervisor
from .task import Agent, RunningTask

__all__ = ["RealtimeAgent"]


class RealtimeAgent:
    """An agent that anybody can watch and steer, through any number of transports.

    `async with RealtimeAgent(agent) as realtime:` opens it. Leaving the block, however
    it is left, shuts it down: every task has ended then, and nothing of it runs on. An
    exception of the block comes out as it is.

    Args:
        agent: any `async def agent(task, run)`; called once per task.
        tools: what `run.tools` and `tools:list` hold, or None for the agent's own `tools`.
        buffer_size: events that each session's log holds for replay. A connection may
            hold back ten times as many before it is closed as too slow.
        broadcast_interval: seconds between two progress events of a step; 0 for no
            throttling.
        linger: seconds that a session without connections is kept, before the tasks that
            connections have submitted are cancelled; 0 ends them with the last
            connection, None lets them finish.
        busy: what happens to a submit while a task of its session runs: `reject` it,
            `queue` it, `replace` the running one (which is cancelled, and has ended
            before the new one starts), or run both in `parallel`.
        max_queued: tasks that may wait in one session, with `queue`.
        cleanup_timeout: seconds for the cleanup of a cancelled task.
        drain_timeout: seconds that running tasks are given to finish in a shutdown.
            None at all by default: under Trio, a cancel means now.
        authorize: decides what a principal may do in a session that it does not own; it
            is called with the principal, what it wants (`attach`, `submit`, `cancel`,
            `confirm` or `read`) and a `SessionInfo`, and must not wait. None: nobody but
            its owner may attach to a session, and in a room everybody may do everything.
        limits: what peers may have and how long they are waited for, or None for the
            defaults of `Limits`.
        redaction: secrets that neither viewers nor the models of a `PlanningAgent` are shown,
            for example `Redaction.of_environment()`, or None for none. What flows from step to step
            stays whole, and so does what `RunningTask.result` gives.
        direct_writes: whether viewers who keep up are written to without a Trio task each.

    From the cancel or the end of the block to the return it takes at most
    `drain_timeout + cleanup_timeout + 1` seconds, unless an agent shields itself from
    its cancel without a bound; such a one is named in the log.
    """

    def __init__(
        self,
        agent: Agent,
        *,
        tools: Iterable[Tool] | None = None,
        buffer_size: int = 100,
        broadcast_interval: float = 0.1,
        linger: float | None = 30.0,
        busy: BusyPolicy = "reject",
        max_queued: int = 16,
        cleanup_timeout: float = 5.0,
        drain_timeout: float = 0.0,
        authorize: Authorize | None = None,
        limits: Limits | None = None,
        redaction: Redaction | None = None,
        direct_writes: bool = True,
    ) -> None:
        if not callable(agent):
            raise TypeError(f"agent must be an async function (task, run), not {agent!r}")
        check_choice(get_args(BusyPolicy), busy=busy)
        check_at_least(1, buffer_size=buffer_size)
        check_counts(buffer_size=buffer_size, max_queued=max_queued)
        check_at_least(
            0,
            broadcast_interval=broadcast_interval,
            linger=linger,
            max_queued=max_queued,
            cleanup_timeout=cleanup_timeout,
            drain_timeout=drain_timeout,
        )
        self.agent = agent
        own: Iterable[Tool] = getattr(agent, "tools", ()) if tools is None else tools
        self.tools: ToolSet = ToolSet(tuple(own))
        self.buffer_size = buffer_size
        self.broadcast_interval = broadcast_interval
        self.linger = linger
        self.busy = busy
        self.max_queued = max_queued
        self.cleanup_timeout = cleanup_timeout
        self.drain_timeout = drain_timeout
        self.authorize = authorize
        self.limits: Limits = limits or Limits()
        self.tickets: Tickets = Tickets(lifetime=self.limits.ticket_lifetime)
        """Through which a page hands over who it is where it can set no header."""
        self.redaction = redaction
        self.direct_writes = direct_writes
        """Whether viewers who keep up are written to without waiting."""
        self.flusher: Flusher = Flusher()
        """Hands on what all sessions have published."""
        self._registry = SessionRegistry(
            lambda session_id, owner, room: Session(self, session_id, owner, room), self.limits
        )
        self.forget: Callable[[Session], None] = self._registry.forget
        """A session is over."""
        self._life = Supervisor(
            lambda: self.tasks,
            self.begin_shutdown,
            self._registry.close_all,
            cleanup_timeout=cleanup_timeout,
        )
        self.task_ended: Callable[[], None] = self._life.note_change
        """A task of a session has ended."""

    def __repr__(self) -> str:
        return f"<RealtimeAgent {self.phase} sessions={len(self._registry)}>"

    async def __aenter__(self) -> Self:
        """Open it, once."""
        await self._life.open()
        self.nursery.start_soon(self.flusher.run)
        return self

    def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> CoroutineType[Any, Any, bool | None]:
        """Shut it down, and return when nothing of it runs any more."""
        return self._life.close(exc_type, exc, traceback)

    @property
    def phase(self) -> Phase:
        """Where it stands: `serving`, `draining`, `cancelling` or `closed`."""
        return self._life.phase

    @property
    def session_ids(self) -> list[str]:
        """The ids of its sessions that have not ended, oldest first."""
        return [each.id for each in self._registry.sessions]

    def sessions_of(self, owner: Principal) -> list[SessionSummary]:
        """What belongs to `owner` and has not ended, oldest first."""
        return [each.summary() for each in self._registry.sessions if each.owner == owner]

    @property
    def tasks(self) -> list[RunningTask]:
        """Its tasks that have not ended, those that are queued included."""
        return [task for session in self._registry.sessions for task in session.tasks]

    def begin_shutdown(self, drain_timeout: float | None = None) -> None:
        """Begin the shutdown, without waiting for it. Asking again can only shorten it.

        Args:
            drain_timeout: seconds that running tasks are given to finish, or None for
                what the server was made with.
        """
        first = self._life.begin(self.drain_timeout if drain_timeout is None else drain_timeout)
        if first:
            message = "the server is shutting down"
            self._registry.tell_all(CommandFailed(message=message, code="shutting_down"))

    async def shut_down(self, drain_timeout: float | None = None) -> None:
        """Shut it down, and return when every task has ended.

        Connections are closed by their transports then; the `async with` still has to
        be left.

        Cancellation: the shutdown goes on; only the waiting ends.
        """
        self.begin_shutdown(drain_timeout)
        await self.wait_tasks_ended()

    async def wait_draining(self) -> None:
        """Return once a shutdown has begun: a transport accepts nobody any more.

        Cancellation: safe.
        """
        await self._life.draining.wait()

    async def wait_tasks_ended(self) -> None:
        """Return once, in a shutdown, every task has ended and said so to every viewer.

        Cancellation: safe.
        """
        await self._life.tasks_ended.wait()

    def submit(
        self,
        task: str,
        *,
        context: Mapping[str, Any] | None = None,
        session: str | None = None,
        principal: Principal | None = None,
        task_id: str | None = None,
    ) -> RunningTask:
        """Start a task from inside the process, or queue it, as the busy policy says.

        Its cancel scope exists when this returns. Nobody needs to watch it.

        Args:
            task: its text.
            context: whatever else the agent is to know.
            session: the id of the session to run it in, or None for a new one of its own.
            principal: whose a new session is, as if it had opened it. None: whoever is
                given its id, which cannot be guessed, may attach to it and steer it.
            task_id: or None for a random one. The id of a task that runs in that session
                gives that task.

        Raises:
            Busy: when the session runs a task and the policy is to reject, or has no room.
            ShuttingDown: when the server takes no new work, or is not open.
            TooManyConnections: when a new session is needed and there is no room for it.
            UnknownSession: when there is no session of that id.
            ValueError: when the task is blank, or one of that id has ended already in
                that session.
        """
        if not says_something(task):
            raise ValueError(f"task must be a text that says something, not {task!r}")
        if self.phase != "serving":
            raise ShuttingDown("the RealtimeAgent is not open, or is shutting down")
        target = self._registry.open(principal) if session is None else self._registry.find(session)
        running, _ = target.submit(task, context or {}, task_id, needs_viewer=False)
        if isinstance(running, RunningTask):
            return running
        raise ValueError(f"a task with the id {task_id!r} has ended already")

    def broadcast(self, type: str, data: object = None, *, session: str | None = None) -> None:
        """Send a message of the application's own to every viewer. Never waits.

        It stands in the log of each session, in order with everything else.

        Args:
            type: what clients know it by; any name that the protocol does not use itself.
            data: anything; see `to_jsonable` for what becomes of what JSON does not know.
            session: the id of the one session to send it to, or None for all.

        Raises:
            ValueError: when the type is empty or one of the protocol's.
            UnknownSession: when there is no session of that id.
        """
        if not says_something(type) or type in RESERVED_TYPES:
            raise ValueError(f"{type!r} cannot be broadcast: the protocol uses it, or it is empty")
        targets = self._registry.sessions if session is None else [self._registry.find(session)]
        event: Event = CustomEvent(type=type, data=data)
        if self.redaction:
            event = self.redaction.event(event)
        text = encode_event(event) if len(targets) > 1 else None
        for each in targets:
            each.publish(event, text)

    @asynccontextmanager
    async def connect(
        self,
        *,
        framing: Framing | Writing,
        principal: Principal = ANONYMOUS,
        session_id: str | None = None,
        last_position: str | None = None,
        create: bool = False,
    ) -> AsyncGenerator[Connection]:
        """A viewer of a session, attached until the `async with` is left.

        Args:
            framing: what a message looks like on the transport; or a `Writing`, where it can
                write without waiting, or does not wait for what is to be written.
            principal: whoever is behind it.
            session_id: the session to attach to; None for the one that `last_position`
                is of, or else a new private one.
            last_position: the last position that the peer has seen, as it wrote it.
            create: make the session if there is none of that id, and let anybody in: for
                rooms that the application has chosen, never for an id that a peer wrote.

        Raises:
            UnknownSession: when there is none of that id, or it is somebody else's.
            TooManyConnections: when there is no room.
            ShuttingDown: when the server has shut down.
        """
        await trio.lowlevel.checkpoint()
        connection = self.attach(framing, principal, session_id, last_position, create=create)
        try:
            yield connection
        finally:
            self.detach(connection)

    def attach(
        self,
        framing: Framing | Writing,
        principal: Principal,
        session_id: str | None,
        last_position: str | None,
        *,
        create: bool,
    ) -> Connection:
        """As `connect`, for who has no block to stay in: `detach` must follow."""
        self._check_attachable()
        writing = Writing.of(framing, direct=self.direct_writes)
        return self._registry.attach(writing, principal, session_id, last_position, room=create)

    def detach(self, connection: Connection) -> None:
        """A viewer that was attached has gone."""
        self._registry.detach(connection)

    def check_connect(
        self,
        *,
        principal: Principal = ANONYMOUS,
        session_id: str | None = None,
        last_position: str | None = None,
        create: bool = False,
    ) -> None:
        """Raise what `connect` would raise now: for who must answer before it attaches.

        It takes what `connect` takes. A `SessionEnded`, which is an `UnknownSession`, tells
        that the session has ended for good, to nobody but whom it belonged to.
        """
        self._check_attachable()
        position = Position.parse(last_position) if last_position else None
        self._registry.choose(principal, session_id, position, room=create)

    def _check_attachable(self) -> None:
        if self.phase in {"cancelling", "closed"}:
            raise ShuttingDown("the server is shutting down")

    def check_size(self, client_ids: Iterable[str], principal: Principal, size: int) -> None:
        """Raise what keeps a command of many bytes, beside a connection, from being read.

        Args:
            client_ids: what may be its `clientId`, without its having been read.
            principal: on whose behalf the peer speaks.
            size: of the command, in bytes.

        Raises:
            UnknownSession: when none of them is a client of `principal`.
            RateLimited: when it has sent too much.
        """
        self._registry.check_size(client_ids, principal, size)

    def ask(self, command: Command, *, client_id: str, principal: Principal, size: int) -> Inquiry:
        """Carry out a command that came beside its client's connection. Never waits.

        Its answer will be in what this returns: `await inquiry.wait()`.

        Args:
            command: what it asks for; its `request_id` is not needed.
            client_id: whose session it is for, as the peer wrote it.
            principal: on whose behalf the peer speaks.
            size: of the command, in bytes.

        Raises:
            CommandRefused: when it may or can not be done; `UnknownSession` when there is
                no such client, or it is somebody else's.
        """
        if self.phase == "closed":
            raise ShuttingDown("the server is shutting down")
        client = self._registry.client(client_id, principal)
        if not client.may_send(size):
            raise RateLimited("too many commands")
        inquiry = Inquiry(command, client, principal)
        # Without an id it would not be answered.
        carry_out(evolve(command, request_id=command.request_id or ""), client.session, inquiry)
        return inquiry

    @property
    def nursery(self) -> trio.Nursery:
        """Where tasks run."""
        return self._life.nursery

    def spawn(self, function: Callable[..., Awaitable[object]], *args: object) -> None:
        """Run something beside the tasks, until the shutdown is over."""
        if self.phase != "closed":
            self.nursery.start_soon(function, *args)
