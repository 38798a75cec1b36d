"""Both transports at once, over the same sessions."""

from __future__ import annotations

import contextlib
import logging
import ssl
from collections.abc import Callable
from typing import TYPE_CHECKING

import trio
from attrs import evolve, field, frozen

from ..realtime import ungrouped
from .admission import Admission, Authenticate, ChooseSession
from .cors import Cors
from .http import ASGIApp, serve_app_at
from .listeners import HTTPAddress, SSEAddress, WebSocketAddress, address_of, open_listeners
from .sse import SSEPaths
from .sse.server import check_prefix, sse_app, stream_address
from .websocket.server import check_path, websocket_visitors

if TYPE_CHECKING:
    from ..realtime import RealtimeAgent

__all__ = ["SSEOptions", "ServerAddresses", "WebSocketOptions", "serve"]


_log = logging.getLogger(__name__)


@frozen(kw_only=True)
class WebSocketOptions:
    """Where `serve` takes WebSocket connections; see `serve_websocket`."""

    host: str | None = "127.0.0.1"
    port: int = 8080
    path: str = "/ws"
    ssl_context: ssl.SSLContext | None = None


@frozen(kw_only=True)
class SSEOptions:
    """Where `serve` gives streams and takes commands; see `serve_sse`."""

    host: str | None = "127.0.0.1"
    port: int = 8081
    prefix: str = ""
    paths: SSEPaths = field(factory=SSEPaths)
    ssl_context: ssl.SSLContext | None = None


@frozen(kw_only=True)
class ServerAddresses:
    """Where a server of both transports listens."""

    websocket: WebSocketAddress | None
    """None when it was left out."""
    sse: SSEAddress | None
    """None when it was left out."""


_WEBSOCKET = WebSocketOptions()
_SSE = SSEOptions()


async def serve(
    realtime: RealtimeAgent,
    *,
    websocket: WebSocketOptions | None = _WEBSOCKET,
    sse: SSEOptions | None = _SSE,
    authenticate: Authenticate | None = None,
    allow_anonymous: bool = False,
    cors: Cors | None = None,
    choose_session: ChooseSession | None = None,
    task_status: trio.TaskStatus[ServerAddresses] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Show `realtime`'s sessions over WebSocket and over SSE, until it shuts down.

    `await nursery.start(functools.partial(serve, realtime))` gives the `ServerAddresses`
    once both listen. A session can be followed over both at once, and a position that was
    taken from one resumes on the other. If one of the two fails, the other one ends as well.

    A page of either port counts as the server's own on the other one.

    Args:
        realtime: serves the sessions; entered already.
        websocket: where to take WebSocket connections, or None for not at all.
        sse: where to give streams and take commands, or None for not at all.
        authenticate: says who a peer is; see `serve_websocket`. None: everybody is
            `ANONYMOUS`, and only this machine may be able to connect.
        allow_anonymous: whether other machines may be able to connect all the same.
        cors: which pages of other origins may connect, or None for none but its own.
        choose_session: as in `serve_websocket`.

    Raises:
        OSError: when it cannot listen there; the text says what to change.
        ValueError: when an argument cannot be right, or nobody is asked who they are at
            an address that other machines can connect to.
        RuntimeError: when `realtime` is not open.

    Cancellation: ends all connections in good order first, within a second. If
    `realtime` shuts down, be it by the same cancel, its tasks end before, within its own
    bound, and their last messages are sent.
    """
    if realtime.phase == "closed":
        raise RuntimeError("the RealtimeAgent is not open: serve it inside its `async with`")
    if websocket is None and sse is None:
        raise ValueError("websocket and sse are both None: there is nothing to serve")
    own_ports: set[int] = set()
    admission = Admission(
        tickets=realtime.tickets,
        cors=cors or Cors(),
        own_ports=own_ports,
        authenticate=authenticate,
        choose_session=choose_session,
    )
    both = _Both(realtime, admission)
    if websocket is not None:
        check_path(websocket.path)
    app = None
    if sse is not None:
        check_prefix(sse.prefix)
        app = await sse_app(realtime, admission, prefix=sse.prefix, paths=sse.paths)
    loopback_only = authenticate is None and not allow_anonymous
    with contextlib.ExitStack() as stack:
        opened: list[list[trio.SocketListener]] = []
        for each in (websocket, sse):
            listeners: list[trio.SocketListener] = []
            if each is not None:
                listeners = await open_listeners(each.host, each.port, loopback_only=loopback_only)
                own_ports.add(int(listeners[0].socket.getsockname()[1]))
            for listener in listeners:
                stack.callback(listener.socket.close)
            opened.append(listeners)
        for_websocket, for_sse = opened

        def announce(addresses: ServerAddresses) -> None:
            task_status.started(addresses)

        await both.serve(for_websocket, for_sse, websocket, sse, app, announce)


class _Both:
    """The two servers in one nursery."""

    def __init__(self, realtime: RealtimeAgent, admission: Admission) -> None:
        self._realtime = realtime
        self._admission = admission

    async def serve(
        self,
        for_websocket: list[trio.SocketListener],
        for_sse: list[trio.SocketListener],
        websocket: WebSocketOptions | None,
        sse: SSEOptions | None,
        app: ASGIApp | None,
        on_listening: Callable[[ServerAddresses], None],
    ) -> None:
        """Serve until the realtime agent shuts down; an exception comes out ungrouped."""
        try:
            async with trio.open_nursery() as nursery:
                addresses = ServerAddresses(websocket=None, sse=None)
                if websocket is not None:
                    at = await nursery.start(self._serve_websocket, for_websocket, websocket)
                    addresses = evolve(addresses, websocket=at)
                if sse is not None and app is not None:
                    at = await nursery.start(self._serve_sse, for_sse, sse, app)
                    addresses = evolve(addresses, sse=at)
                on_listening(addresses)
        except BaseExceptionGroup as group:
            # The nursery is ours, and so not the caller's concern.
            wrong = ungrouped(group)
            raise wrong from wrong.__cause__

    async def _serve_websocket(
        self,
        listeners: list[trio.SocketListener],
        options: WebSocketOptions,
        *,
        task_status: trio.TaskStatus[WebSocketAddress],
    ) -> None:
        secure = options.ssl_context is not None
        address = address_of(listeners, host=options.host, path=options.path, secure=secure)
        visitors = websocket_visitors(
            self._realtime, self._admission, options.ssl_context, path=options.path
        )

        def announce() -> None:
            _log.info("listening at %s", address.url)
            task_status.started(address)

        await visitors.serve(listeners, on_listening=announce)

    async def _serve_sse(
        self,
        listeners: list[trio.SocketListener],
        options: SSEOptions,
        app: ASGIApp,
        *,
        task_status: trio.TaskStatus[SSEAddress],
    ) -> None:
        def note_address(address: HTTPAddress) -> None:
            found = stream_address(address, prefix=options.prefix, paths=options.paths)
            task_status.started(found)

        await serve_app_at(
            listeners,
            app,
            self._realtime,
            host=options.host,
            ssl_context=options.ssl_context,
            on_listening=note_address,
        )
