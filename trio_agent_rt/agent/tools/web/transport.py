"""HTTP/1.1 to where `WebAccess` allows, as a transport of httpx.

A request is one connection: nothing is kept, sent or remembered beside what the request
says: no cookies, no proxy of the environment, no credentials of a `.netrc`. What a server
sends is bounded before it is looked at; h11 refuses what is no HTTP.
"""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Mapping
from typing import cast

import h11
import httpx
import trio

from ....errors import ToolError
from .access import WebAccess
from .dialing import open_stream

__all__ = ["WebTransport"]

_MAX_HEAD_BYTES = 64 * 1024
"""The bound of h11 and of common servers on a response's head is 16 to 100 kB."""

_MAX_INTERIM = 16
"""Answers before the answer (100, 103); a server that sends more has none."""

_CHUNK = 64 * 1024


class WebTransport(httpx.AsyncBaseTransport):
    """A transport that reaches what `access` allows, and nothing else.

    For tools of yours that use httpx, as `httpx.AsyncClient(transport=WebTransport(access),
    trust_env=False)`: addresses are checked where the connection is made, so they are for
    each redirect too. It speaks HTTP/1.1, and gives each request a connection of its own.
    A response that is not over within `access.timeout` is cut.
    """

    def __init__(self, access: WebAccess) -> None:
        self._access = access
        self._ssl_context = access.ssl_context

    def request(self, method: str, url: httpx.URL, headers: Mapping[str, str]) -> httpx.Request:
        """A request without a body."""
        return httpx.Request(method, url, headers=headers)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """The response, whose body is still to be read, and which is to be closed.

        Raises:
            ToolError: when the request is not allowed, or there is no usable answer.

        Cancellation: closes the connection at once.
        """
        url = self._access.check(request.url)
        content = await request.aread()
        deadline = trio.current_time() + self._access.timeout
        with trio.CancelScope(deadline=deadline):
            stream = await open_stream(self._access, url, self._tls())
            exchange = _Exchange(stream, url.host, deadline)
            answered = False
            try:
                response = await exchange.ask(request.method, url, request.headers, content)
                answered = True
            finally:
                if not answered:
                    await exchange.aclose()
            return httpx.Response(
                response.status_code,
                headers=list(response.headers),
                stream=exchange,
                request=request,
                extensions={"reason_phrase": bytes(response.reason)},
            )
        raise _too_late(url.host, self._access.timeout)

    def _tls(self) -> ssl.SSLContext:
        if self._ssl_context is None:  # made when it is first needed: it reads many files
            self._ssl_context = ssl.create_default_context()
            self._ssl_context.set_alpn_protocols(["http/1.1"])
        return self._ssl_context


class _Exchange(httpx.AsyncByteStream):
    """One request and its response over one connection.

    It iterates over the body itself, without a generator that could be left over.
    """

    def __init__(self, stream: trio.abc.Stream, host: str, deadline: float) -> None:
        self._stream = stream
        self._host = host
        self._deadline = deadline
        self._http = h11.Connection(h11.CLIENT, max_incomplete_event_size=_MAX_HEAD_BYTES)
        self._received = 0

    async def ask(
        self, method: str, url: httpx.URL, headers: httpx.Headers, content: bytes
    ) -> h11.Response:
        """Send a request, and give the head of what answers it."""
        own = {b"host", b"connection", b"content-length", b"transfer-encoding"}
        sent = [(name, value) for name, value in headers.raw if name.lower() not in own]
        # RFC 9110, 7.2: Host comes first.
        sent = [(b"Host", url.netloc), (b"Connection", b"close"), *sent]
        if content or method not in {"GET", "HEAD"}:
            sent.append((b"Content-Length", b"%d" % len(content)))
        try:
            data = self._http.send(h11.Request(method=method, target=url.raw_path, headers=sent))
            data = (data or b"") + (self._http.send(h11.Data(data=content)) or b"")
            data += self._http.send(h11.EndOfMessage()) or b""
        except h11.LocalProtocolError as exc:
            raise ToolError(f"the request cannot be sent in HTTP: {exc}", retryable=False) from None
        try:
            await self._stream.send_all(data)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            raise self._broken() from None
        for _ in range(_MAX_INTERIM):
            event = await self._next_event()
            if isinstance(event, h11.Response):
                return event
            if not isinstance(event, h11.InformationalResponse):
                break
        raise ToolError(f"{self._host} does not answer the request in HTTP/1.1", retryable=False)

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        """The next bytes of the body, as sent."""
        with trio.CancelScope(deadline=self._deadline):
            event = await self._next_event()
            if isinstance(event, h11.Data):
                return bytes(event.data)
            await trio.lowlevel.checkpoint()
            raise StopAsyncIteration
        raise _too_late(self._host, None)

    async def aclose(self) -> None:
        """Close the connection at once."""
        await trio.aclose_forcefully(self._stream)

    async def _next_event(self) -> h11.Event | type[h11.PAUSED]:
        try:
            while True:
                event = self._http.next_event()
                if event is not h11.NEED_DATA:
                    await trio.lowlevel.checkpoint()
                    return cast("h11.Event | type[h11.PAUSED]", event)
                data = await self._stream.receive_some(_CHUNK)
                self._received += len(data)
                self._http.receive_data(bytes(data))
        except h11.RemoteProtocolError as exc:
            raise self._no_http(exc) from None
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            raise self._broken() from None

    def _no_http(self, error: h11.RemoteProtocolError) -> ToolError:
        if not self._received:
            return ToolError(f"{self._host} closed the connection without an answer")
        return ToolError(f"{self._host} broke off its answer, or it is no valid HTTP: {error}")

    def _broken(self) -> ToolError:
        return ToolError(f"the connection to {self._host} broke")


def _too_late(host: str, timeout: float | None) -> ToolError:
    within = "in time" if timeout is None else f"within {timeout:g} s"
    return ToolError(f"{host} has not sent all of its answer {within}")
