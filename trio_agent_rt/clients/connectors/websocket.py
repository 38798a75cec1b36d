"""The WebSocket connector, on trio-websocket over a stream of our own.

trio-websocket's own way to connect waits its whole time-out when the certificate is not
trusted or the peer hangs up, leaks the socket of a refused handshake, and lets one stalled
write hold up the close. Here the stream is ours: it notices its end at once, every write
has a deadline, and whatever happens it is closed when `converse` returns.
"""

from __future__ import annotations

import ssl
from collections.abc import Awaitable, Callable, Mapping
from typing import cast

import trio
import trio_websocket
from attrs import define, field, validators

from ...errors import AgentRTError
from ...protocol import CloseCode, Command, Event, decode_event, encode_command
from ...streams import BoundedStream
from .base import Attachment, Link, LinkClosed
from .dialing import WRITE_TIMEOUT, Dial, check_options, open_stream, with_token
from .handshake import rejection, unfinished_handshake
from .url import ServerURL, parse_websocket_url

__all__ = ["WebSocketConnector"]

_CLOSE_TIMEOUT = 1.0
"""How long the peer may take to answer our close frame. The server allows us as much."""

_MAX_HANDSHAKE_BYTES = 64 * 1024
"""More than any handshake or refusal has (h11 allows 16 KiB of headers)."""

_QUEUED_MESSAGES = 16
"""Messages that trio-websocket reads ahead: enough that a burst is not two switches of
Trio tasks for each."""


@define(kw_only=True)
class WebSocketConnector:
    """Connects to a WebSocket server of this protocol.

    Args:
        url: `ws://host:port/path` or `wss://…`.
        token: sent as `Authorization: Bearer …`; never shown.
        headers: more headers for the handshake; never shown.
        ssl_context: for `wss://`, whom to trust; None for the system's authorities.
        max_message_bytes: the largest message to take.
        dial: makes a connection to a host and a port, in place of TCP over the network:
            through a proxy, over a Unix socket, in memory.
    """

    url: ServerURL = field(converter=lambda url: parse_websocket_url(cast("str", url)))
    token: str | None = field(default=None, repr=False)
    headers: Mapping[str, str] = field(factory=dict[str, str], repr=False)
    ssl_context: ssl.SSLContext | None = None
    max_message_bytes: int = field(default=64 * 1024 * 1024, validator=validators.ge(1))
    dial: Dial | None = field(default=None, repr=False)

    def __attrs_post_init__(self) -> None:
        check_options(self.url, self.token, self.headers, self.ssl_context)

    @property
    def address(self) -> str:
        """Where the server is, for people; without a secret."""
        return str(self.url)

    async def converse(
        self, attachment: Attachment, serve: Callable[[Link], Awaitable[None]]
    ) -> None:
        """Connect, run `serve` on the connection, and close it; see `Connector`."""
        transport = await open_stream(self.url, self.ssl_context, attachment.deadline, self.dial)
        try:
            await self._converse(_WatchedStream(transport), attachment, serve)
        finally:
            await trio.aclose_forcefully(transport)

    async def _converse(
        self,
        stream: _WatchedStream,
        attachment: Attachment,
        serve: Callable[[Link], Awaitable[None]],
    ) -> None:
        failure: Exception | None = None
        try:
            async with trio.open_nursery() as nursery:
                try:
                    connection = await self._shake_hands(nursery, stream, attachment)
                    await serve(_WebSocketLink(connection, stream))
                    with trio.move_on_after(_CLOSE_TIMEOUT):
                        await connection.aclose(CloseCode.NORMAL)
                except Exception as exc:  # raised below, outside of the library's nursery
                    failure = exc
                nursery.cancel_scope.cancel(reason="the connection has ended")
        # What is left is the library's own: its reader was in that nursery.
        except* trio_websocket.ConnectionRejected as group:
            failure = failure or self._rejected(group)
        except* Exception as group:
            failure = failure or self._broken(stream, _only(group))
        if failure is not None:
            raise failure

    def _rejected(self, group: ExceptionGroup[trio_websocket.ConnectionRejected]) -> Exception:
        refusal = cast("trio_websocket.ConnectionRejected", _only(group))
        return rejection(self.url, refusal.status_code, refusal.headers, refusal.body or b"")

    def _broken(self, stream: _WatchedStream, error: Exception) -> Exception:
        """What it means that the library's reader has failed."""
        if stream.is_open:
            return LinkClosed(f"the peer has broken the WebSocket protocol: {error}")
        return unfinished_handshake(self.url, bytes(stream.opening), timeout=None)

    async def _shake_hands(
        self, nursery: trio.Nursery, stream: _WatchedStream, attachment: Attachment
    ) -> trio_websocket.WebSocketConnection:
        started = trio.current_time()
        with trio.CancelScope(deadline=attachment.deadline) as scope:
            stream.when_over = lambda: scope.cancel(reason="the handshake has ended")
            connection = await trio_websocket.wrap_client_stream(
                nursery,
                cast("trio.SocketStream", stream),  # any stream will do
                self.url.host_header,
                self.url.resource(session=attachment.session_id),
                extra_headers=self._headers(attachment),
                message_queue_size=_QUEUED_MESSAGES,
                max_message_size=self.max_message_bytes,
                receive_buffer_size=64 * 1024,
            )
            stream.opened()
            return connection
        late = trio.current_time() >= attachment.deadline
        timeout = attachment.deadline - started if late else None
        raise unfinished_handshake(self.url, bytes(stream.opening), timeout=timeout)

    def _headers(self, attachment: Attachment) -> list[tuple[bytes, bytes]]:
        headers = with_token(self.headers, self.token)
        if attachment.last_position is not None:
            headers["Last-Event-ID"] = str(attachment.last_position)
        return [
            (name.encode("ascii"), value.strip().encode("latin-1"))
            for name, value in headers.items()
        ]


class _WatchedStream(BoundedStream):
    """A stream that keeps what a handshake began with, and tells when it is over."""

    def __init__(self, transport: trio.abc.Stream) -> None:
        super().__init__(transport, write_timeout=WRITE_TIMEOUT, on_end=self._call_when_over)
        self.when_over: Callable[[], None] = lambda: None
        """Called when the peer has ended the connection."""
        self.opening = bytearray()
        self.heard_at = trio.current_time()
        """When the peer's last bytes arrived."""
        self.is_open = False

    def opened(self) -> None:
        """The handshake is done."""
        self.is_open = True
        self.when_over = lambda: None
        self.opening.clear()

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        data = await super().receive_some(max_bytes)
        self.heard_at = trio.current_time()
        if not self.is_open:
            self.opening += data
            if len(self.opening) > _MAX_HANDSHAKE_BYTES:
                self._call_when_over()
        return data

    def _call_when_over(self) -> None:
        self.when_over()


class _WebSocketLink:
    """An open WebSocket, speaking messages."""

    def __init__(
        self, connection: trio_websocket.WebSocketConnection, stream: _WatchedStream
    ) -> None:
        self._connection = connection
        self._stream = stream

    async def receive(self) -> Event:
        """The next message; see `Link`."""
        try:
            text = await self._connection.get_message()
        except trio_websocket.ConnectionClosed:
            raise self._closed() from None
        return decode_event(text)

    async def send(self, command: Command) -> None:
        """Hand over a command; see `Link`."""
        try:
            await self._connection.send_message(encode_command(command))
        except trio_websocket.ConnectionClosed:
            raise self._closed() from None

    async def keep_alive(self, interval: float) -> None:
        """Ping whenever the peer was silent for `interval`; see `Link`."""
        while True:
            await trio.sleep_until(self._stream.heard_at + interval)
            if trio.current_time() < self._stream.heard_at + interval:
                continue
            asked_at = trio.current_time()
            with trio.move_on_after(interval):
                try:
                    await self._connection.ping()
                except trio_websocket.ConnectionClosed:
                    raise self._closed() from None
            if self._stream.heard_at < asked_at:
                raise LinkClosed(
                    f"the server was silent for {2 * interval:g} s", CloseCode.HEARTBEAT_MISSED
                )

    def _closed(self) -> AgentRTError:
        reason = self._connection.closed
        if reason is None:
            return LinkClosed("the connection broke")
        return LinkClosed(reason.reason or "", reason.code)


def _only(group: BaseExceptionGroup[Exception]) -> Exception:
    first: Exception | BaseExceptionGroup[Exception] = group
    while isinstance(first, BaseExceptionGroup):
        first = first.exceptions[0]
    return first
