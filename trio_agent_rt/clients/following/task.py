"""One task as a client sees it."""

from __future__ import annotations

from collections.abc import AsyncIterable
from typing import Any, Protocol

import trio

from ... import errors
from ...protocol import (
    ConfirmationRequested,
    Event,
    GapOccurred,
    Outcome,
    Receipt,
    SubmitTask,
    TaskCompleted,
)
from .inbox import EventStream, Inbox

__all__ = ["ClientTask", "TaskCommands"]


class TaskCommands(Protocol):
    """What a task asks of its client."""

    async def cancel_task(self, task_id: str, reason: str | None) -> Receipt | None:
        """Cancel it and wait until it has ended."""
        ...

    async def answer_step(
        self,
        task_id: str,
        step: str | ConfirmationRequested,
        *,
        approved: bool,
        reason: str | None,
    ) -> Outcome:
        """Answer one of its confirmations."""
        ...


class ClientTask(AsyncIterable[Event]):
    """A task on the server: its events, its result, and the ways to steer it.

    Made by `AgentClient.submit`, or by `AgentClient.task` for a task that somebody else
    submitted. It goes on through reconnects; whoever iterates notices nothing, except a
    `GapOccurred` where the server could not replay what was missed, which is followed by
    the present state (events with `replay` true).

    Backpressure: `max_buffered_events` of the client are held; an iterator that falls
    behind by more finds a `GapOccurred` in place of the oldest.
    """

    def __init__(
        self, task_id: str, commands: TaskCommands, max_events: int, submitted: SubmitTask | None
    ) -> None:
        self._id = task_id
        self._commands = commands
        self._inbox = Inbox(max_events, keep=True)
        self._over = trio.Event()
        self._completed: TaskCompleted | None = None
        self.submitted = submitted
        """The command that started it, if it was this client's."""
        self.submits: int = 0
        """How many submits of this client were accepted or wait for their answer."""
        self.watched: bool = False
        """Whether it was asked for by its id."""
        self.started: bool = False
        """Whether any event of it has arrived."""
        self.told: bool = False
        """Whether the present state was told of it since the last gap."""
        self.in_doubt: bool = False
        """Whether a gap has hidden what became of it."""

    def __repr__(self) -> str:
        state = "lost" if self._inbox.error else "running"
        return f"<ClientTask {self._id} {self._completed.outcome if self._completed else state}>"

    @property
    def id(self) -> str:
        """Its id."""
        return self._id

    @property
    def completed(self) -> TaskCompleted | None:
        """Its terminal message, or None as long as that has not arrived."""
        return self._completed

    @property
    def over(self) -> bool:
        """Whether nothing more will be heard of it."""
        return self._over.is_set()

    def __aiter__(self) -> EventStream:
        """Its events from the first one known to its `TaskCompleted`, for one reader.

        Raises:
            ConnectionLost, SessionLost: while iterating, when it cannot be followed
                further. When the client is left, iteration ends instead.
        """
        return self._inbox.read()

    async def wait(self) -> TaskCompleted:
        """Its terminal message, however it ended.

        Raises:
            ConnectionLost, SessionLost: when that can no longer be learnt; the task
                itself may go on.

        Cancellation: stops waiting; the task goes on.
        """
        await self._over.wait()
        if self._completed is None:
            self._inbox.check()
            raise errors.ConnectionLost("the client was left before the task had ended")
        return self._completed

    async def result(self) -> Any:
        """Its output.

        Raises:
            TaskFailed: when it failed.
            TaskCancelled: when it was cancelled, by whomever; `receipt` tells.
            ConnectionLost, SessionLost: as `wait` does.
        """
        completed = await self.wait()
        match completed.outcome:
            case "succeeded":
                return completed.output
            case "failed":
                raise errors.TaskFailed(completed)
            case "cancelled":
                raise errors.TaskCancelled(completed)

    async def cancel(self, reason: str | None = None) -> Receipt | None:
        """The receipt of its cancellation, once its work has really ended.

        Returns None if it had already succeeded or failed. There is no time-out: the
        server bounds a cancellation itself.

        Raises:
            UnknownTask: when the server does not know it.
            ConnectionLost, SessionLost: when the outcome can no longer be learnt.

        Cancellation: stops waiting; the task is cancelled all the same, unless the
        command had not been sent yet. Safe to retry.
        """
        return await self._commands.cancel_task(self._id, reason)

    async def confirm(self, step: str | ConfirmationRequested) -> Outcome:
        """Allow a step that waits for a confirmation.

        Args:
            step: the question, so that no other one of the same step is answered by it; or
                the id of the step, for the question that is open when the answer comes.

        Returns `applied`, or why it changed nothing: `already_decided` (somebody was
        faster), `expired`, `unknown`. When the connection was cut before the server's
        answer arrived, the command is sent again; an `already_decided` then most likely
        speaks of its own first arrival, and is reported as `applied`.

        Cancellation: the answer may or may not have arrived. Safe to retry.
        """
        return await self._commands.answer_step(self._id, step, approved=True, reason=None)

    async def reject(self, step: str | ConfirmationRequested, reason: str | None = None) -> Outcome:
        """Refuse a step that waits for a confirmation; returns what `confirm` does."""
        return await self._commands.answer_step(self._id, step, approved=False, reason=reason)

    # What follows is for the client that made it.

    def take(self, event: Event) -> None:
        """Add its next event."""
        if self.over:
            return
        self._inbox.put(event)
        if not isinstance(event, GapOccurred):
            self.started, self.told, self.in_doubt = True, True, False
        if isinstance(event, TaskCompleted):
            self._completed = event
            self.finish()

    async def ended(self) -> None:
        """Wait until nothing more will be heard of it."""
        await self._over.wait()

    def finish(self, error: Exception | None = None) -> None:
        """Nothing more will be heard of it."""
        if not self.over:
            self._inbox.finish(error)
            self._over.set()
