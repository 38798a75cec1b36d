"""Hypercorn's HTTP/1.1, which stays HTTP/1.1 and says in JSON what is wrong.

Left as it is, it answers `Upgrade: h2c` and a prior-knowledge preface with HTTP/2, whose
back-pressure does not work, and a WebSocket handshake with an ASGI WebSocket, whose reader
fails when bytes follow the handshake. An upgrade is something that a server may ignore
(RFC 9110, 7.8), and this one does.
"""

from __future__ import annotations

import functools
import re
import urllib.parse
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, cast

import h11
import trio
from attrs import field, frozen
from hypercorn.config import Config
from hypercorn.events import RawData
from hypercorn.protocol.events import Event as StreamEvent
from hypercorn.protocol.events import Response
from hypercorn.protocol.h11 import H11Protocol
from hypercorn.trio.worker_context import WorkerContext
from hypercorn.typing import ConnectionState, TaskGroup

from .inlet import Inlet
from .lifespan import ASGIApp, Scope, Send
from .pending import PendingRequest
from .refusal import TOO_LARGE, Refusal, Refused, SpeaksHTTP2

if TYPE_CHECKING:
    from hypercorn.protocol.http_stream import HTTPStream
    from hypercorn.protocol.ws_stream import WSStream

__all__ = ["HTTPProtocol", "Requests", "Service", "may_be_host"]

_HOST = re.compile(rb"[\w.~!$&'()*+,;=%:\[\]-]*", re.ASCII)
_VERSIONS = {b"1.0", b"1.1"}
_REFUSALS = {
    400: ("bad_message", "this request cannot be read"),
    431: ("too_large", "the head is too large"),
    501: ("bad_message", "no transfer encoding but chunked is known here"),
}


@frozen(kw_only=True)
class Service:
    """What all connections of one server have in common."""

    app: ASGIApp
    config: Config
    context: WorkerContext
    state: dict[str, Any] = field(factory=dict[str, Any], repr=False)
    max_body_bytes: int


class HTTPProtocol(H11Protocol):
    """Requests out of bytes, and bytes out of answers, for one connection.

    Args:
        inlet: where the parser stops between two requests.
        client: the peer's address and port.
        server: the address and port that it came in at.
        tasks: starts the application for each request.
        send: what is to be written, and what became of the connection.
        is_last: whether the connection is to be closed after the answer that now begins.
    """

    def __init__(
        self,
        service: Service,
        inlet: Inlet,
        *,
        secure: bool,
        client: tuple[str, int],
        server: tuple[str, int],
        tasks: TaskGroup,
        send: Callable[[Any], Awaitable[None]],
        is_last: Callable[[], bool],
    ) -> None:
        super().__init__(
            # Whatever it is, it is only handed on to `tasks`.
            cast("Any", service.app),
            service.config,
            service.context,
            tasks,
            ConnectionState(service.state.copy()),
            secure,
            client,
            server,
            send,
        )
        self.can_read = inlet
        self._max_body_bytes = service.max_body_bytes
        self._is_last = is_last

    @property
    def http(self) -> h11.Connection:
        """The state of the connection; never Hypercorn's stand-in for WebSockets."""
        return cast("h11.Connection", self.connection)

    @property
    def answering(self) -> bool:
        """Whether an answer has begun and is not whole."""
        return self.http.our_state is h11.SEND_BODY

    @property
    def whole(self) -> bool:
        """Whether all that was begun to be answered is answered."""
        return self.http.our_state in {h11.IDLE, h11.DONE, h11.MUST_CLOSE, h11.CLOSED}

    def let_go(self) -> None:
        """Forget the answer that is being given: somebody else writes the rest of it."""
        self.stream: HTTPStream | WSStream | None = None

    async def refuse(self, refusal: Refusal) -> None:
        """Answer instead of the application, if there is still something to answer."""
        if self.http.our_state not in {h11.IDLE, h11.SEND_RESPONSE}:
            return
        headers = [*refusal.fields, *self.config.response_headers("h11")]
        written = self.http.send(h11.Response(status_code=refusal.status, headers=headers))
        # To a HEAD h11 writes no body.
        for event in (h11.Data(data=refusal.body), h11.EndOfMessage()):
            written += self.http.send(event)
        await self.send(RawData(data=written))

    async def stream_send(self, event: StreamEvent) -> None:
        """Write a part of an answer; the last answer of a connection says that it is."""
        if isinstance(event, Response) and event.status_code >= 200:
            unread = self.http.their_state is h11.SEND_BODY
            if unread or self._is_last():
                headers = [each for each in event.headers if each[0].lower() != b"connection"]
                event = Response(
                    stream_id=event.stream_id,
                    status_code=event.status_code,
                    headers=[*headers, (b"connection", b"close")],
                )
        await super().stream_send(event)

    async def _check_protocol(self, event: h11.Request) -> None:
        """What is not shown to the application, instead of what would be switched to."""
        if event.method == b"PRI" and event.http_version == b"2.0":
            raise SpeaksHTTP2
        if event.http_version not in _VERSIONS:
            raise _refused(505, "bad_message", "HTTP/1.1 is spoken here.")
        if event.method == b"CONNECT":
            raise _refused(501, "bad_message", "this is no proxy")
        headers = dict(event.headers)
        if not may_be_host(headers.get(b"host", b"")):
            raise _refused(400, "bad_message", "this is no Host")
        if b"content-length" in headers and b"transfer-encoding" in headers:
            # A proxy in front may have gone by the other one, and taken the end of the body
            # for a request that it never judged (RFC 9112, 6.3). h11 lets it pass.
            raise _refused(400, "bad_message", "a body has one length")
        if int(headers.get(b"content-length", 0)) > self._max_body_bytes:
            raise Refused(TOO_LARGE)

    async def _create_stream(self, request: h11.Request) -> None:
        target = _origin_form(request.target)
        upgrading = any(name == b"upgrade" for name, _ in request.headers)
        if upgrading or target != request.target:
            request = h11.Request(
                method=request.method,
                target=target,
                headers=[pair for pair in request.headers if pair[0] != b"upgrade"],
                http_version=request.http_version,
            )
        await super()._create_stream(request)

    async def _send_error_response(self, status_code: int) -> None:
        code, message = _REFUSALS.get(status_code, _REFUSALS[400])
        await self.refuse(Refusal(status=status_code, code=code, message=message))


def _refused(status: int, code: str, message: str) -> Refused:
    return Refused(Refusal(status=status, code=code, message=message))


@functools.lru_cache(maxsize=64)
def may_be_host(value: bytes) -> bool:
    """Whether Quart finds no fault with a `Host`; it would fail, and say so in the log."""
    if not _HOST.fullmatch(value):
        return False
    try:
        value.partition(b":")[0].decode("ascii").encode("idna")
    except UnicodeError:
        return False
    return True


def _origin_form(target: bytes) -> bytes:
    """The target without a scheme and a host, which a server has to accept (RFC 9112, 3.2)."""
    if target.startswith(b"/"):
        return target
    try:
        parts = urllib.parse.urlsplit(target)
    except ValueError:
        parts = None
    if parts is None or parts.scheme not in {b"http", b"https"} or not parts.netloc:
        raise _refused(400, "bad_message", "the request's target must be a path")
    return urllib.parse.urlunsplit((b"", b"", parts.path or b"/", parts.query, b""))


class Requests:
    """What Hypercorn starts the application with.

    Args:
        answers: where it runs.
        begin: makes the request, of its ASGI scope.
    """

    def __init__(self, answers: trio.Nursery, begin: Callable[[Scope], PendingRequest]) -> None:
        self._answers = answers
        self._begin = begin

    async def spawn_app(
        self, app: ASGIApp, config: object, scope: Scope, send: Send
    ) -> Callable[[Any], Awaitable[None]]:
        """Start the application; gives what it is to be told with."""
        request = self._begin(scope)
        self._answers.start_soon(request.answer, app, scope, send)
        return request.put

    def spawn(self, function: Callable[..., Awaitable[object]], *args: object) -> None:
        """Start something beside it; HTTP/1.1 has no use for that."""
        self._answers.start_soon(function, *args)
