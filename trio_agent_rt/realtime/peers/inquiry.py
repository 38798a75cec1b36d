"""One command of a client that comes and is answered beside its connection."""

from __future__ import annotations

import trio

from ...errors import CommandRefused, UnknownStep, UnknownTask
from ...protocol import Acknowledged, Command, ConfirmStep, Event
from ..access import Principal
from .client import Client

__all__ = ["Inquiry"]


class Inquiry:
    """Collects what one command is answered: a `Requester` for `carry_out`.

    Made by `RealtimeAgent.ask`.
    """

    def __init__(self, command: Command, client: Client, principal: Principal) -> None:
        self.command = command
        self.principal = principal
        self.messages: list[Event] = []
        """What a WebSocket would have been sent before the answer."""
        self.answer: Acknowledged | None = None
        self.gone: bool = False
        """Whether nobody waits for the answer any more."""
        self._client = client
        self._refusal: CommandRefused | None = None
        self._answered = trio.Event()

    def may_be_told(self, events: int) -> bool:
        """Whether that is within the limit of its client; see `Requester`."""
        return self._client.may_be_told(events)

    def reply(self, event: Event) -> None:
        """Take an answer; see `Requester`."""
        if isinstance(event, Acknowledged):
            self.answer = event
            self._answered.set()
        elif self._refusal is None:
            self.messages.append(event)
        elif self._client.connection is not None:
            # The state that really holds, after a refused submit: for whoever watches.
            self._client.connection.reply(event)

    def refuse(self, exc: CommandRefused) -> None:
        """Take a refusal; see `Requester`."""
        self._refusal = exc
        self._answered.set()

    async def wait(self) -> Acknowledged:
        """The answer; of a cancel, once the work has ended.

        Raises:
            CommandRefused: when it was refused; `UnknownTask` and `UnknownStep` where a
                WebSocket is told the outcome `unknown`.

        Cancellation: safe; what the command asked for goes on.
        """
        try:
            await self._answered.wait()
        finally:
            self.gone = True
        if self._refusal is not None:
            raise self._refusal
        assert self.answer is not None
        if self.answer.outcome == "unknown":
            task_id = getattr(self.command, "task_id", None)
            known = task_id is None or self._client.session.knows(task_id)
            if isinstance(self.command, ConfirmStep) and known:
                raise UnknownStep("stepId: no step of that id has asked for a confirmation")
            raise UnknownTask("taskId: the session has no such task")
        return self.answer
