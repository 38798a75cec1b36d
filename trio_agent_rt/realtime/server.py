"""`RealtimeAgent`: an agent, its sessions, and what transports and applications need."""

from __future__ import annotations

import secrets
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Iterable, Mapping
from contextlib import asynccontextmanager
from types import TracebackType
from typing import Any, Self, get_args

import trio

from ..agent import Tool, ToolSet
from ..errors import ShuttingDown, TooManyConnections, UnknownSession
from ..protocol import RESERVED_TYPES, CommandFailed, CustomEvent, Position
from .connection import ANONYMOUS, Connection, Framing, Principal
from .limits import Limits
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
        limits: what peers may have and how long they are waited for, or None for the
            defaults of `Limits`.

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
        limits: Limits | None = None,
    ) -> None:
        if not callable(agent):
            raise TypeError(f"agent must be an async function (task, run), not {agent!r}")
        if busy not in get_args(BusyPolicy):
            raise ValueError(f"busy must be one of {', '.join(get_args(BusyPolicy))}, not {busy!r}")
        _check_at_least(1, buffer_size=buffer_size)
        _check_counts(buffer_size=buffer_size, max_queued=max_queued)
        _check_at_least(
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
        self.limits: Limits = limits or Limits()
        self._sessions: dict[str, Session] = {}
        self._connections = 0
        self._life = Supervisor(self._tasks, self.begin_shutdown, cleanup_timeout=cleanup_timeout)

    def __repr__(self) -> str:
        return f"<RealtimeAgent {self.phase} sessions={len(self._sessions)}>"

    async def __aenter__(self) -> Self:
        """Open it, once."""
        await self._life.open()
        return self

    def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> Coroutine[Any, Any, bool | None]:
        """Shut it down, and return when nothing of it runs any more."""
        self.begin_shutdown()
        return self._life.close(exc_type, exc, traceback)

    @property
    def phase(self) -> Phase:
        """Where it stands: `serving`, `draining`, `cancelling` or `closed`."""
        return self._life.phase

    def begin_shutdown(self, drain_timeout: float | None = None) -> None:
        """Begin the shutdown, without waiting for it. Asking again can only shorten it.

        Args:
            drain_timeout: seconds that running tasks are given to finish, or None for
                what the server was made with.
        """
        first = self._life.begin(self.drain_timeout if drain_timeout is None else drain_timeout)
        if first:
            told = CommandFailed(message="the server is shutting down", code="shutting_down")
            for session in self._sessions.values():
                for connection in session.connections:
                    connection.reply(told)

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

    def _tasks(self) -> list[RunningTask]:
        return [task for session in self._sessions.values() for task in session.tasks]

    def submit(
        self,
        task: str,
        *,
        context: Mapping[str, Any] | None = None,
        session: str | None = None,
        task_id: str | None = None,
    ) -> RunningTask:
        """Start a task from inside the process, or queue it, as the busy policy says.

        Its cancel scope exists when this returns. Nobody needs to watch it.

        Args:
            task: its text.
            context: whatever else the agent is to know.
            session: the id of the session to run it in, or None for a new one of its own.
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
        if not _says_something(task):
            raise ValueError(f"task must be a text that says something, not {task!r}")
        if self.phase != "serving":
            raise ShuttingDown("the RealtimeAgent is not open, or is shutting down")
        target = self._new_session(None) if session is None else self._find(session)
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
        if not _says_something(type) or type in RESERVED_TYPES:
            raise ValueError(f"{type!r} cannot be broadcast: the protocol uses it, or it is empty")
        targets = list(self._sessions.values()) if session is None else [self._find(session)]
        for each in targets:
            each.publish(CustomEvent(type=type, data=data))

    @asynccontextmanager
    async def connect(
        self,
        *,
        framing: Framing,
        principal: Principal = ANONYMOUS,
        session_id: str | None = None,
        last_position: str | None = None,
        create: bool = False,
    ) -> AsyncGenerator[Connection]:
        """A viewer of a session, attached until the `async with` is left.

        Args:
            framing: what a message looks like on the transport.
            principal: whoever is behind it.
            session_id: the session to attach to, or None for a new private one.
            last_position: the last position that the peer has seen, as it wrote it.
            create: make the session if there is none of that id, and let anybody in: for
                rooms that the application has chosen, never for an id that a peer wrote.

        Raises:
            UnknownSession: when there is none of that id, or it is somebody else's.
            TooManyConnections: when there is no room.
            ShuttingDown: when the server has shut down.
        """
        await trio.lowlevel.checkpoint()
        session, fresh = self._session_for(principal, session_id, create=create)
        position = Position.parse(last_position) if last_position else None
        connection = session.attach(
            principal,
            framing,
            position,
            fresh=fresh and not last_position,
            resuming=bool(last_position),
        )
        self._connections += 1
        try:
            yield connection
        finally:
            self._connections -= 1
            session.detach(connection)

    def _session_for(
        self, principal: Principal, session_id: str | None, *, create: bool
    ) -> tuple[Session, bool]:
        if self.phase in {"cancelling", "closed"}:
            raise ShuttingDown("the server is shutting down")
        if self._connections >= self.limits.max_connections:
            raise TooManyConnections("the server has as many connections as it may")
        if session_id is None:
            return self._new_session(principal), True
        session = self._sessions.get(session_id)
        if session is None and create:
            return self._new_session(principal, session_id), True
        if session is None or not (create or session.may_join(principal)):
            raise UnknownSession("no such session")
        return session, False

    def _new_session(self, principal: Principal | None, session_id: str | None = None) -> Session:
        if len(self._sessions) >= self.limits.max_sessions:
            self._forget_an_idle_session()
        if len(self._sessions) >= self.limits.max_sessions:
            raise TooManyConnections("the server has as many sessions as it may")
        session = Session(self, session_id or secrets.token_urlsafe(24), principal)
        self._sessions[session.id] = session
        return session

    def _forget_an_idle_session(self) -> None:
        """Make room: the oldest that nobody watches and that runs nothing waits no longer."""
        for session in self._sessions.values():
            if session.idle:
                session.end()
                return

    def _find(self, session_id: str) -> Session:
        try:
            return self._sessions[session_id]
        except KeyError:
            raise UnknownSession(f"no session {session_id!r}") from None

    @property
    def nursery(self) -> trio.Nursery:
        """Where tasks run."""
        return self._life.nursery

    def spawn(self, function: Callable[..., Awaitable[object]], *args: object) -> None:
        """Run something beside the tasks, until the shutdown is over."""
        if self.phase != "closed":
            self.nursery.start_soon(function, *args)

    def task_ended(self) -> None:
        """A task of a session has ended."""
        self._life.note_change()

    def forget(self, session: Session) -> None:
        """A session is over."""
        self._sessions.pop(session.id, None)


def _check_at_least(least: float, **values: float | None) -> None:
    for name, value in values.items():
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if value is not None and not (number and value >= least):
            raise ValueError(f"{name} must be {least:g} or more, not {value!r}")


def _check_counts(**values: object) -> None:
    for name, value in values.items():
        if not isinstance(value, int):
            raise TypeError(f"{name} is a count, so it cannot be {value!r}")


def _says_something(text: object) -> bool:
    return isinstance(text, str) and bool(text.strip())
