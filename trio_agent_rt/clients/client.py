"""The client: one session of a server, over whichever connector."""

from __future__ import annotations

import math
import uuid
from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from types import CoroutineType, TracebackType
from typing import Any, Self

import trio

from .. import errors
from ..protocol import (
    Acknowledged,
    CancelTask,
    Command,
    ConfirmationRequested,
    ConfirmStep,
    GetTools,
    Outcome,
    Position,
    Receipt,
    SubmitTask,
    ToolInfo,
)
from ..ungrouping import Ungrouping
from .afresh import afresh
from .commands import Commands, Pending
from .connectors import Connector
from .following import ClientTask, EventStream, FollowedSession
from .lifeline import Lifeline
from .reconnect import Reconnect

__all__ = ["AgentClient"]

_LEAVE_TIMEOUT = 2.0
"""How long leaving may take: a connector's bound for its close, and some."""


class AgentClient:
    """One session on a server: submit tasks, follow them, answer their questions.

    An async context manager. Entering connects, and raises what keeps it from that:
    `ConnectFailed`, `ConnectionRejected`, `NotThisProtocol`, `SessionLost`. After that,
    a cut connection is made again in the background, and nothing is lost or told twice.
    When it cannot be made again, whoever waits or iterates gets `ConnectionLost` or
    `SessionLost`, and so does every later call; the body is not cancelled.

    Leaving closes the connection (within 2 s, whatever the server does) and ends every
    iterator. It does not cancel tasks: the server keeps them for its `linger` (30 s by
    default) and cancels them if nobody comes back. An exception of the body passes
    through as it is.

    Args: as for `open_websocket_client`, with any connector.
    """

    def __init__(
        self,
        connector: Connector,
        *,
        reconnect: Reconnect | None = None,
        session: str | None = None,
        last_position: Position | str | None = None,
        connect_timeout: float = 10.0,
        command_timeout: float = 30.0,
        max_command_bytes: int = 1024 * 1024,
        max_buffered_events: int = 10_000,
    ) -> None:
        if session is None and last_position is not None:
            raise ValueError("a last_position belongs to a session: give session= as well")
        for name, value in (
            ("connect_timeout", connect_timeout),
            ("command_timeout", command_timeout),
            ("max_command_bytes", max_command_bytes),
            ("max_buffered_events", max_buffered_events),
        ):
            if not value > 0:
                raise ValueError(f"{name} must be more than 0, not {value}")
        self._connector = connector
        self._command_timeout = command_timeout
        self._commands = Commands(max_bytes=max_command_bytes)
        self._session = FollowedSession(
            session_id=session,
            position=_position(last_position),
            max_events=max_buffered_events,
            commands=self._commands,
            task_commands=self,
        )
        self._lifeline = Lifeline(
            connector=connector,
            session=self._session,
            commands=self._commands,
            reconnect=reconnect or Reconnect(),
            connect_timeout=connect_timeout,
        )
        self._left = False
        self._background = trio.CancelScope(shield=True)
        self._done = trio.Event()
        # Entered and left by hand: an exception of the body must not become a group.
        self._nursery: AbstractAsyncContextManager[trio.Nursery] | None = None

    def __repr__(self) -> str:
        state = "connected" if self.connected else "not connected"
        return f"<AgentClient {self._connector.address} {state}>"

    async def __aenter__(self) -> Self:
        if self._nursery is not None:
            raise RuntimeError("a client can be entered once only")
        self._nursery = trio.open_nursery()
        nursery = await self._nursery.__aenter__()
        nursery.start_soon(self._live)
        async with AsyncExitStack() as on_failure:
            on_failure.push_async_callback(self._leave)
            await self._lifeline.settled.wait()
            if self._lifeline.over is not None:
                raise self._lifeline.over
            on_failure.pop_all()
        return self

    def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> CoroutineType[Any, Any, None]:
        return self._leave()

    async def _leave(self) -> None:
        self._left = True
        # Whatever happens in here, Ctrl-C too, the nursery is left last. It is told of no
        # exception of the body, so it raises none; what it waits for was cancelled.
        with Ungrouping():
            async with AsyncExitStack() as leaving:
                if self._nursery is not None:
                    leaving.push_async_exit(self._nursery)
                leaving.callback(self._let_go)
                if self._lifeline.leave():
                    with trio.move_on_after(_LEAVE_TIMEOUT, shield=True):
                        await self._done.wait()

    def _let_go(self) -> None:
        self._background.cancel(reason="the client was left")
        self._session.finish(None)
        self._commands.fail(_was_left())

    async def _live(self) -> None:
        # Shielded, so that a cancel from outside still leaves in good order.
        with self._background:
            await self._lifeline.run()
        self._done.set()

    @property
    def session_id(self) -> str:
        """The session's id: with it another client can attach to it."""
        if self._session.session_id is None:
            raise RuntimeError("the client has not been entered yet")
        return self._session.session_id

    @property
    def connected(self) -> bool:
        """Whether there is a connection now; while there is none, everything waits."""
        return not self._left and self._lifeline.connected

    @property
    def position(self) -> Position | None:
        """Of the last event that has arrived, or None if none had one yet.

        The application may not have taken it yet: to go on in another process, keep the
        `position` of the last event that was dealt with.
        """
        return self._session.position

    def events(self) -> EventStream:
        """All that the session says, of all its tasks: an iterator for one reader.

        The first one starts with what was said since the client was entered, so that a
        catch-up is not missed; later ones start now. `GapOccurred` tells that events
        were lost; from the server, it is followed by the present state (events with
        `replay` true). A `CommandFailed` in it is a complaint that answers no command.
        """
        return self._session.inbox.read()

    def task(self, task_id: str) -> ClientTask:
        """The task of that id, to follow or steer: one seen in `events()`, for example.

        It is not asked for on the server: if there is no such task, nothing of it will
        ever be heard.
        """
        return self._session.watch(task_id)

    async def submit(
        self, task: str, *, context: Mapping[str, Any] | None = None, task_id: str | None = None
    ) -> ClientTask:
        """Start a task; returns when the server has taken it.

        Args:
            task: what to do, in words.
            context: values for the agent, anything that JSON can hold.
            task_id: None for a new random one. The same id never starts twice: with the
                id of a task that was submitted before, this returns that task.

        Raises:
            Busy: when a task runs and the server's policy is to reject, or its queue is full.
            ShuttingDown: when the server is about to stop.
            MessageTooLarge: when it has more bytes than `max_command_bytes`.
            CommandRefused, ProtocolError: when it refuses for another reason.
            CommandTimedOut: when it did not answer within `command_timeout`.
            ConnectionLost, SessionLost: when it can no longer be asked.

        Cancellation: the task may or may not have started. With a `task_id` of your own
        it is safe to retry.
        """
        await self._commands.wait_not_cancelling_all()
        task_id = task_id or uuid.uuid4().hex
        command = SubmitTask(task=task, context=dict(context or {}), task_id=task_id)
        followed = self._session.own(command, task_id)
        taken = False
        try:
            answer = await self._ask(command)
            taken = True
        finally:
            if not taken:
                self._session.disown(followed)
        self._session.settle_doubt(followed, answer)
        return followed

    async def cancel(self, reason: str | None = None) -> Sequence[Receipt]:
        """The receipts of all tasks of the session that had not ended, once they have.

        A `submit` at the same time waits until this is answered. Otherwise like
        `ClientTask.cancel`.
        """
        answer = await self._ask(CancelTask(reason=reason), bounded=False)
        receipts = answer.receipts or ([] if answer.receipt is None else [answer.receipt])
        for each in receipts:
            await self._session.wait_told_end(each.task_id)
        return receipts

    async def answer(
        self,
        step_id: str,
        *,
        approved: bool,
        reason: str | None = None,
        task_id: str | None = None,
        confirmation_id: str | None = None,
    ) -> Outcome:
        """Answer a question that was heard of elsewhere; returns what `ClientTask.confirm` does.

        Args:
            step_id: the step that asks.
            approved: whether it may go on.
            reason: for people.
            task_id: its task, or None for the oldest task whose step of that id asks.
            confirmation_id: the question's, or None for the one that is open when the
                answer comes, whatever it asks.

        Cancellation: the answer may or may not have arrived. Safe to retry.
        """
        self._check()
        pending = self._commands.issue(
            ConfirmStep(
                step_id=step_id,
                approved=approved,
                reason=reason,
                task_id=task_id,
                confirmation_id=confirmation_id,
            )
        )
        try:
            outcome = (await self._answer(pending)).outcome
        except (errors.UnknownStep, errors.UnknownTask):
            return "unknown"
        return "applied" if outcome == "already_decided" and pending.times_sent > 1 else outcome

    async def tools(self) -> Sequence[ToolInfo]:
        """What the agent can use.

        Raises:
            CommandTimedOut: when the server did not answer within `command_timeout`.
            ConnectionLost, SessionLost: when it can no longer be asked.

        Cancellation: safe to retry.
        """
        await self._ask(GetTools())
        return () if self._session.tools is None else self._session.tools.tools

    async def cancel_task(self, task_id: str, reason: str | None) -> Receipt | None:
        """What `ClientTask.cancel` does."""
        answer = await self._ask(CancelTask(task_id=task_id, reason=reason), bounded=False)
        if answer.outcome == "unknown":
            raise errors.UnknownTask(f"the server knows no task {task_id}")
        await self._session.wait_told_end(task_id)
        if answer.receipt is not None:
            return answer.receipt
        task = self._session.find(task_id)
        return None if task is None or task.completed is None else task.completed.receipt

    async def answer_step(
        self,
        task_id: str,
        step: str | ConfirmationRequested,
        *,
        approved: bool,
        reason: str | None,
    ) -> Outcome:
        """What `ClientTask.confirm` and `ClientTask.reject` do."""
        if isinstance(step, str):
            return await self.answer(step, approved=approved, reason=reason, task_id=task_id)
        return await self.answer(
            step.step_id,
            approved=approved,
            reason=reason,
            task_id=task_id,
            confirmation_id=step.confirmation_id,
        )

    async def _ask(self, command: Command, *, bounded: bool = True) -> Acknowledged:
        self._check()
        return await self._answer(self._commands.issue(command), bounded=bounded)

    async def _answer(self, pending: Pending, *, bounded: bool = True) -> Acknowledged:
        timeout = self._command_timeout if bounded else math.inf
        try:
            with trio.move_on_after(timeout):
                return await pending.wait()
        finally:
            self._commands.forget(pending)
        raise errors.CommandTimedOut(
            f"{self._connector.address} has not answered a command within {timeout:g} s"
        )

    def _check(self) -> None:
        """Raise if no command can ever be answered."""
        if self._left:
            raise _was_left()
        if self._nursery is None:
            raise RuntimeError("the client has not been entered yet: use it with `async with`")
        if self._lifeline.over is not None:
            raise afresh(self._lifeline.over)


def _was_left() -> errors.ConnectionLost:
    return errors.ConnectionLost("the client was left")


def _position(value: Position | str | None) -> Position | None:
    if not isinstance(value, str):
        return value
    position = Position.parse(value)
    if position is None:
        raise ValueError(f"last_position: {value[:64]!r} is not a position")
    return position
