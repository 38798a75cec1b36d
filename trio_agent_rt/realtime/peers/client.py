"""The peer behind a connection, as whoever sends commands knows it."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

import trio

from .limits import Limits, RateLimit

if TYPE_CHECKING:
    from ..access import Principal
    from ..session import Session
    from .connection import Connection

__all__ = ["COMMAND_BYTES", "Client"]

COMMAND_BYTES = 16 * 1024
"""So many bytes of a message count as a command: reading JSON takes time that
everybody waits for, some 50 ms for a MiB of the worst."""


EVENTS_PER_COMMAND = 10
"""So many events of the present state that it asks for count as a command: to tell of a
hundred tasks is some 10 ms that everybody waits for."""


class Client:
    """One peer: what its connection and the HTTP requests beside it have in common.

    It outlives its connection for as long as the session remembers it, so that a command
    which is sent while an `EventSource` reconnects still finds its session.
    """

    def __init__(self, session: Session, principal: Principal, limits: Limits) -> None:
        self.id: str = secrets.token_urlsafe(24)
        """Cannot be guessed, and is told to the peer alone."""
        self.session = session
        self.principal = principal
        self.connection: Connection | None = None
        """Its connection; None once that has gone."""
        self._rate = RateLimit(limits.max_commands_per_minute / 60, limits.command_burst)

    def __repr__(self) -> str:
        return f"<Client of session {self.session.id[:8]}…>"

    def may_send(self, size: int) -> bool:
        """Whether its commands are within the limit, one of `size` bytes included."""
        return self._rate.allow(trio.current_time(), max(1, size / COMMAND_BYTES))

    def may_be_told(self, events: int) -> bool:
        """Whether so many events of the present state, told again, are within the limit."""
        more = events - EVENTS_PER_COMMAND  # the command that asks for them was counted
        return more <= 0 or self._rate.allow(trio.current_time(), more / EVENTS_PER_COMMAND)
