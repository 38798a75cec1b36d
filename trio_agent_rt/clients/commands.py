"""Commands on their way: each is carried out once and answered once, whatever is cut.

```
 issue ──▶ waiting ──send──▶ unanswered ──ack or error──▶ answered
              ▲                  │
              └── reconnected ───┘   sent again under the same request id
```

That is harmless, because the contract makes every command safe to repeat: a submit has
a task id of the client's, the first confirmation wins, a cancelled task stays so.
"""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Callable

import attrs
import trio

from .. import errors
from ..protocol import (
    Acknowledged,
    CancelTask,
    Command,
    CommandFailed,
    SubmitTask,
    encode_command,
)
from .afresh import afresh

__all__ = ["Commands", "Pending", "error_of"]

_REFUSALS: dict[str, type[errors.CommandRefused | errors.ProtocolError]] = {
    each.code: each
    for each in (
        errors.BadJSON,
        errors.BadMessage,
        errors.UnknownMessageType,
        errors.MessageTooLarge,
        errors.Busy,
        errors.UnknownTask,
        errors.UnknownStep,
        errors.UnknownSession,
        errors.Forbidden,
        errors.RateLimited,
        errors.ShuttingDown,
    )
}


def error_of(failed: CommandFailed) -> errors.AgentRTError:
    """The exception that stands for a server's `error`."""
    cls = _REFUSALS.get(failed.code, errors.CommandRefused)
    return cls(failed.message, request_id=failed.request_id)


@attrs.define(eq=False)
class Pending:
    """A command that is not answered yet."""

    command: Command
    on_answer: Callable[[Pending], None] | None = None
    """Called when there is an answer, for a command that nobody waits for."""
    times_sent: int = 0
    answer: Acknowledged | None = None
    error: Exception | None = None
    _answered: trio.Event = attrs.field(factory=trio.Event)

    def settle(self, answer: Acknowledged | None, error: Exception | None = None) -> None:
        """It has its answer."""
        self.answer, self.error = answer, error
        self._answered.set()
        if self.on_answer is not None:
            self.on_answer(self)

    async def wait(self) -> Acknowledged:
        """Its answer, or the error that it was answered with."""
        await self._answered.wait()
        if self.answer is None:
            raise afresh(self.error or AssertionError("a command without an answer"))
        return self.answer


class Commands:
    """The unanswered commands of one client, in the order in which they were issued."""

    def __init__(self, *, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._numbers = itertools.count(1)
        self._unanswered: dict[str, Pending] = {}
        self._to_send: deque[Pending] = deque()
        self._changed = trio.lowlevel.ParkingLot()

    def issue(
        self, command: Command, on_answer: Callable[[Pending], None] | None = None
    ) -> Pending:
        """`command` under a request id, to be sent as soon as there is a connection.

        Raises:
            MessageTooLarge: when a server would close the connection for it.
        """
        request_id = str(next(self._numbers))
        numbered = attrs.evolve(command, request_id=request_id)
        size = len(encode_command(numbered).encode())
        if size > self._max_bytes:
            raise errors.MessageTooLarge(
                f"the command has {size} bytes; at most {self._max_bytes} can be sent"
            )
        pending = Pending(numbered, on_answer)
        self._unanswered[request_id] = pending
        self._to_send.append(pending)
        self._changed.unpark_all()
        return pending

    def forget(self, pending: Pending) -> None:
        """Nobody waits for the answer any more; if it was not sent, it will not be."""
        self._unanswered.pop(pending.command.request_id or "", None)
        self._changed.unpark_all()

    def start_over(self) -> None:
        """There is a new connection: everything unanswered is to be sent, in order."""
        self._to_send = deque(self._unanswered.values())
        self._changed.unpark_all()

    async def next_to_send(self) -> Command:
        """The next command to be sent; waits for one."""
        await trio.lowlevel.checkpoint()
        while True:
            while self._to_send:
                pending = self._to_send.popleft()
                if pending.command.request_id in self._unanswered:
                    pending.times_sent += 1
                    return pending.command
            await self._changed.park()

    def acknowledge(self, answer: Acknowledged) -> None:
        """The server has carried out a command; an answer that nobody awaits is dropped."""
        self._settle(answer.request_id, answer, None)

    def refuse(self, failed: CommandFailed) -> None:
        """The server has refused a command."""
        self._settle(failed.request_id, None, error_of(failed))

    def fail(self, error: Exception) -> None:
        """There will be no connection any more."""
        for request_id in list(self._unanswered):
            self._settle(request_id, None, error)

    def _settle(
        self, request_id: str | None, answer: Acknowledged | None, error: Exception | None
    ) -> None:
        pending = self._unanswered.pop(request_id or "", None)
        if pending is not None:
            pending.settle(answer, error)
            self._changed.unpark_all()

    def awaits_answer(self, task_id: str) -> bool:
        """Whether a submit of that task is unanswered."""
        return any(
            isinstance(each.command, SubmitTask) and each.command.task_id == task_id
            for each in self._unanswered.values()
        )

    async def wait_not_cancelling_all(self) -> None:
        """Wait until no cancel of *every* task is unanswered.

        Such a cancel may have to be sent again, and must not then hit a task that was
        submitted after it.
        """
        await trio.lowlevel.checkpoint()
        while any(
            isinstance(each.command, CancelTask) and each.command.task_id is None
            for each in self._unanswered.values()
        ):
            await self._changed.park()
