"""HTTP requests on httpx, over streams of our own.

httpx by itself loses a socket when it is cancelled in the TLS handshake, waits for a peer
that takes nothing before it closes, and writes each URL into its log, with the query that
may hold a secret. Here it writes to the same streams as the WebSocket connector, and never
sees a query.

No proxy of the environment is used, as over WebSocket: one that is meant for the web must
not come between a client and a server on its own machine.
"""

from __future__ import annotations

import math
import ssl
from collections.abc import AsyncIterator, Mapping
from types import TracebackType
from typing import Any, Self, cast

import httpcore
import httpx
import trio

from ...streams import BoundedStream, Draining, Readable
from .base import LinkClosed
from .dialing import WRITE_TIMEOUT, Dial, open_stream
from .handshake import too_late
from .url import ServerURL

__all__ = ["BROKEN", "HTTPClient", "Wire", "read_body", "wire_of"]

BROKEN: tuple[type[Exception], ...] = (
    httpcore.NetworkError,
    httpcore.ProtocolError,
    httpcore.TimeoutException,
    httpx.HTTPError,
    httpx.StreamError,
)
"""What is raised when a connection breaks, or its peer breaks HTTP."""

_CONNECT_TIMEOUT = 10.0
"""How long making a connection may take for a command. A client's own bound is for the first
connection, and the server was there a moment ago."""

_IDLE_TIMEOUT = 2.0
"""How long an idle connection may be used again. Servers close theirs after 5 s and more
(Hypercorn's and Uvicorn's default), and a request that is on its way just then is lost."""

_CLOSE_TIMEOUT = 1.0
"""More than closing takes, which waits for nobody."""

_MAX_OPENING_BYTES = 64 * 1024
"""How much to keep of what a peer sent first, to tell what it is."""


class Wire(httpcore.AsyncNetworkStream):
    """One connection: every write is whole or the last, and closing waits for nobody."""

    def __init__(self, transport: trio.abc.Stream) -> None:
        self._stream = BoundedStream(transport, write_timeout=WRITE_TIMEOUT)
        self.opening: bytearray = bytearray()
        """What the peer has sent until `opened`."""
        self._opened = False
        self.heard_at: float = trio.current_time()
        """When the peer's last bytes arrived."""

    async def read(self, max_bytes: int, *_: Any, **__: Any) -> bytes:
        """Some bytes of the peer's; without a time-out, since somebody else watches it."""
        try:
            data = await self._stream.receive_some(max_bytes)
        except (trio.BrokenResourceError, trio.ClosedResourceError) as exc:
            raise httpcore.ReadError(str(exc)) from exc
        self.heard_at = trio.current_time()
        if not self._opened:
            self.opening += data[: _MAX_OPENING_BYTES - len(self.opening)]
        return bytes(data)

    def opened(self) -> None:
        """It speaks HTTP."""
        self._opened = True
        self.opening.clear()

    async def write(self, buffer: bytes, *_: Any, **__: Any) -> None:
        """All of `buffer`, within the bound of the stream."""
        try:
            await self._stream.send_all(buffer)
        except (trio.BrokenResourceError, trio.ClosedResourceError) as exc:
            raise httpcore.WriteError(str(exc)) from exc

    async def aclose(self) -> None:
        """Close it at once."""
        await trio.aclose_forcefully(self._stream)

    def get_extra_info(self, info: str) -> Any:
        """Whether an idle connection has something to say, which is that it is over."""
        if info != "is_readable":
            return None
        stream: object = self._stream.transport
        while isinstance(stream, trio.SSLStream):
            stream = cast("trio.SSLStream[trio.abc.Stream]", stream).transport_stream
        if isinstance(stream, trio.SocketStream):
            return stream.socket.is_readable()
        return isinstance(stream, Readable) and stream.is_readable()


class _Dialer(httpcore.AsyncNetworkBackend):
    """Makes the connections, with TLS where the URL says so."""

    def __init__(self, ssl_context: ssl.SSLContext | None, dial: Dial | None) -> None:
        self._ssl_context = ssl_context
        self._dial = dial
        self._urls: dict[tuple[str, int], ServerURL] = {}
        self.latest: Wire | None = None

    def origin(self, url: ServerURL) -> tuple[str, int]:
        """What stands for the server of a URL when it comes back in `connect_tcp`."""
        host = url.host if ":" in url.host else url.host.encode("idna").decode("ascii")
        # httpcore knows no more of it, so the name has to tell apart two uses of one port.
        name = f"{host}+tls" if url.secure else host
        self._urls[name, url.port] = url
        return name, url.port

    async def connect_tcp(self, host: str, port: int, *_: Any, **options: Any) -> Wire:
        """A connection to an `origin`."""
        timeout: float | None = options.get("timeout")
        seconds = math.inf if timeout is None else timeout
        url = self._urls[host, port]
        with trio.move_on_after(seconds):
            stream = await open_stream(url, self._ssl_context, math.inf, self._dial)
            self.latest = Wire(stream)
            return self.latest
        raise LinkClosed(str(too_late(url, seconds)))


class _Content(AsyncIterator[bytes]):
    """A request's body; no generator, which would be left over when a write is cancelled."""

    def __init__(self, content: bytes) -> None:
        self._rest = content

    async def __anext__(self) -> bytes:
        await trio.lowlevel.checkpoint()
        if not self._rest:
            raise StopAsyncIteration
        content, self._rest = self._rest, b""
        return content


class _Body(httpx.AsyncByteStream):
    """A response's bytes as they come from httpcore."""

    def __init__(self, response: httpcore.Response) -> None:
        self._response = response

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self._response.aiter_stream()

    async def aclose(self) -> None:
        await self._response.aclose()


class _Transport(httpx.AsyncBaseTransport):
    """What httpx sends its requests through."""

    def __init__(self, dialer: _Dialer) -> None:
        self._dialer = dialer
        self._pool = httpcore.AsyncConnectionPool(
            max_connections=None, keepalive_expiry=_IDLE_TIMEOUT, network_backend=dialer
        )

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        url: ServerURL = request.extensions["server_url"]
        host, port = self._dialer.origin(url)
        response = await self._pool.handle_async_request(
            httpcore.Request(
                request.method,
                # Plain HTTP also where it is not: the stream that the dialer makes is TLS.
                httpcore.URL(
                    scheme="http", host=host, port=port, target=request.extensions["resource"]
                ),
                headers=request.headers.raw,
                content=_Content(request.content),
                extensions={"timeout": request.extensions["timeout"]},
            )
        )
        return httpx.Response(
            response.status,
            headers=response.headers,
            stream=_Body(response),
            extensions=cast("Any", response).extensions,
        )

    async def aclose(self) -> None:
        await self._pool.aclose()


class HTTPClient:
    """Requests to one server; leaving it closes every connection at once.

    Args:
        headers: for every request.
        ssl_context: whom to trust; None for the system's authorities.
        dial: makes its connections; None for TCP over the network.
    """

    def __init__(
        self,
        headers: Mapping[str, str],
        ssl_context: ssl.SSLContext | None,
        dial: Dial | None = None,
    ) -> None:
        self._dialer = _Dialer(ssl_context, dial)
        self._client = httpx.AsyncClient(
            transport=_Transport(self._dialer),
            headers=_as_bytes(
                # What is compressed is held back until it is worth it.
                {"User-Agent": "trio_agent_rt", **headers, "Accept-Encoding": "identity"}
            ),
            timeout=httpx.Timeout(None, connect=_CONNECT_TIMEOUT),
            follow_redirects=False,
            trust_env=False,
        )

    async def __aenter__(self) -> Self:
        await self._client.__aenter__()
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        with trio.move_on_after(_CLOSE_TIMEOUT, shield=True):
            await self._client.__aexit__(exc_type, exc, traceback)

    @property
    def latest(self) -> Wire | None:
        """The connection that was made last, if any was."""
        return self._dialer.latest

    async def ask(
        self,
        method: str,
        url: ServerURL,
        *,
        parameters: Mapping[str, str | None],
        headers: Mapping[str, str],
        content: bytes | None = None,
        patient: bool = False,
    ) -> httpx.Response:
        """The response to a request, whose body is still to be read with `read_body`.

        Args:
            parameters: added to the URL's query; those that are None are left out.
            patient: whether the caller bounds how long connecting may take.

        Raises:
            AgentRTError: when there is no connection to be had.
            LinkClosed: when none was made in time; the network may be down.
            BROKEN: when it breaks before there is a response.
        """
        extensions = {"server_url": url, "resource": url.resource(**parameters)}
        request = self._client.build_request(
            method,
            str(url),
            headers=headers,
            content=content,
            timeout=None if patient else httpx.USE_CLIENT_DEFAULT,
            extensions=extensions,
        )
        response = await self._client.send(request, stream=True)
        wire_of(response).opened()
        return response


def _as_bytes(headers: Mapping[str, str]) -> dict[bytes, bytes]:
    """Headers as they go over the wire, each name once; httpx by itself takes ASCII alone."""
    return {
        name.lower().encode("ascii"): value.strip().encode("latin-1")
        for name, value in headers.items()
    }


async def read_body(response: httpx.Response, max_bytes: int, into: bytearray) -> None:
    """Add a response's body to `into`, up to some more than `max_bytes`.

    Raises:
        BROKEN: when it breaks off.

    Cancellation: what has arrived is in `into`.
    """
    async with Draining(response.aiter_raw()) as chunks:
        async for chunk in chunks:
            into += chunk
            if len(into) > max_bytes:
                break


def wire_of(response: httpx.Response) -> Wire:
    """The connection that a response comes over."""
    return cast("Wire", response.extensions["network_stream"])
