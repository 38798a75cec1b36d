"""The seam between a client and a transport.

A connector makes one connection at a time and knows nothing of sessions, positions,
reconnecting or unanswered commands: that is the client's part, and the same for all.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol

from attrs import frozen

from ...errors import ClientError
from ...protocol import Command, Event, Position

__all__ = ["Attachment", "Connector", "Link", "LinkClosed"]


class LinkClosed(ClientError):
    """One connection has ended; the client decides what follows.

    Args:
        reason: what was said about it, or the empty string.
        code: the WebSocket close code, or None if there was none.
    """

    def __init__(self, reason: str = "", code: int | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.code = code


@frozen(kw_only=True)
class Attachment:
    """What a connection is to attach to.

    Args:
        session_id: the session, or None for a new one.
        last_position: where to go on, or None to be told the present state.
        deadline: until when the connection must be made, on Trio's clock.
    """

    session_id: str | None
    last_position: Position | None
    deadline: float


class Link(Protocol):
    """One connection that is up. Its methods may run at the same time as each other."""

    async def receive(self) -> Event:
        """The next message.

        Raises:
            LinkClosed: when the connection has ended.
            ProtocolError: when the message breaks the contract.
        """
        ...

    async def send(self, command: Command) -> None:
        """Hand over a command; its answer is received as an event.

        Raises:
            LinkClosed: when the connection has ended; the command may have arrived.
        """
        ...

    async def keep_alive(self, interval: float) -> None:
        """Watch the peer, for as long as it is there; never returns.

        Args:
            interval: how often the peer is to show that it is there, in seconds.

        Raises:
            LinkClosed: when it does not answer.
        """
        ...


class Connector(Protocol):
    """A way to reach one server."""

    @property
    def address(self) -> str:
        """Where the server is, for people; without a secret."""
        ...

    async def converse(
        self, attachment: Attachment, serve: Callable[[Link], Awaitable[None]]
    ) -> None:
        """Connect, run `serve` on the connection, and close it.

        When `serve` returns, the connection is closed in good order, within a bound;
        when it raises, at once. An exception of `serve` passes through as it is.

        Raises:
            ConnectFailed: when the server is not there, or not in time.
            ConnectionRejected: when it refuses, with an HTTP status.
            NotThisProtocol: when something else answers.
        """
        ...
