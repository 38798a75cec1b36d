"""Both transports at once, over the same sessions."""

from __future__ import annotations

import contextlib
import functools
import ssl
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, TypeAlias

import trio
from attrs import field, frozen

from ..ungrouping import Ungrouping
from .admission import Admission, Authenticate, ChooseSession
from .cors import Cors
from .listeners import (
    SSEAddress,
    WebSocketAddress,
    address_of,
    close_all,
    http_address_of,
    open_listeners,
)
from .sse import Pages, SSEPaths
from .sse.server import check_prefix, serve_sse_at, sse_app
from .websocket.server import check_path, serve_websocket_at

if TYPE_CHECKING:
    from ..realtime import RealtimeAgent

__all__ = ["SSEOptions", "ServerAddresses", "WebSocketOptions", "serve"]


@frozen(kw_only=True)
class WebSocketOptions:
    """Where `serve` takes WebSocket connections.

    Args:
        host: an address, a name (every address that it has), or None for every interface.
        port: 0 takes a free one, the same at every address.
        path: of the one resource there is; other paths are answered with 404.
        ssl_context: for TLS; None for none.

    Raises:
        ValueError: when `path` cannot be one.
    """

    host: str | None = "127.0.0.1"
    port: int = 8080
    path: str = "/ws"
    ssl_context: ssl.SSLContext | None = None

    def __attrs_post_init__(self) -> None:
        check_path(self.path)


def _paths(given: SSEPaths | None) -> SSEPaths:
    return given or SSEPaths()


@frozen(kw_only=True)
class SSEOptions:
    """Where `serve` gives streams and takes commands.

    Args:
        host: an address, a name (every address that it has), or None for every interface.
        port: 0 takes a free one, the same at every address.
        prefix: of all paths, such as `/agent`; empty for none.
        paths: of the resources, below the prefix; None for `/sse`, `/task` and so on.
        ssl_context: for TLS; None for none.

    Raises:
        ValueError: when `prefix` cannot be one.
    """

    host: str | None = "127.0.0.1"
    port: int = 8081
    prefix: str = ""
    paths: SSEPaths = field(default=None, converter=_paths)
    ssl_context: ssl.SSLContext | None = None

    def __attrs_post_init__(self) -> None:
        check_prefix(self.prefix)


@frozen(kw_only=True)
class ServerAddresses:
    """Where a server of both transports listens."""

    websocket: WebSocketAddress | None = None
    """None when it was left out."""
    sse: SSEAddress | None = None
    """None when it was left out."""


_Server: TypeAlias = Callable[..., Awaitable[object]]
"""Takes `on_listening`, and calls it with its address."""

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
    pages: Pages | None = None,
    task_status: trio.TaskStatus[ServerAddresses] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Show `realtime`'s sessions over WebSocket and over SSE, until it shuts down.

    `await nursery.start(functools.partial(serve, realtime))` gives the `ServerAddresses`
    once both listen. A session can be followed over both at once, and a position that was
    taken from one resumes on the other.

    How each accepts and ends connections, and what overload does, is as in
    `serve_websocket` and `serve_app`; the limits on connections count both together.
    Nothing that a peer does, and no exception in what is done for one peer, ends a server;
    should one of the two end with an exception all the same, the other one ends as well,
    and the exception comes out of here.

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
        pages: web pages at the port and below the prefix of `sse`, such as `panel.Panel()`;
            None for none.

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
    admission = Admission.for_peers_of(
        realtime,
        cors=cors,
        own_ports=own_ports,
        authenticate=authenticate,
        choose_session=choose_session,
    )
    loopback_only = authenticate is None and not allow_anonymous
    servers: dict[str, _Server] = {}
    place: WebSocketAddress | None = None
    with contextlib.ExitStack() as stack:
        # Both listen before either serves, so that nobody is served by half of it.
        if websocket is not None:
            listeners = await open_listeners(
                websocket.host, websocket.port, loopback_only=loopback_only
            )
            stack.callback(close_all, listeners)
            place = address_of(
                listeners,
                host=websocket.host,
                path=websocket.path,
                secure=websocket.ssl_context is not None,
            )
            own_ports.add(place.port)
            servers["websocket"] = functools.partial(
                serve_websocket_at,
                listeners,
                realtime,
                admission,
                host=websocket.host,
                path=websocket.path,
                ssl_context=websocket.ssl_context,
            )
        if sse is not None:
            listeners = await open_listeners(sse.host, sse.port, loopback_only=loopback_only)
            stack.callback(close_all, listeners)
            secure = sse.ssl_context is not None
            address = http_address_of(listeners, host=sse.host, secure=secure)
            own_ports.add(address.port)
            app = await sse_app(
                realtime,
                admission,
                prefix=sse.prefix,
                paths=sse.paths,
                pages=pages,
                http=address,
                websocket=place,
            )
            servers["sse"] = functools.partial(
                serve_sse_at,
                listeners,
                realtime,
                app,
                host=sse.host,
                stream_path=sse.prefix + sse.paths.stream,
                ssl_context=sse.ssl_context,
            )

        def announce(addresses: ServerAddresses) -> None:
            task_status.started(addresses)

        await _serve_together(servers, announce)


async def _serve_together(
    servers: Mapping[str, _Server], on_listening: Callable[[ServerAddresses], None]
) -> None:
    """Run them until all have ended; an exception comes out ungrouped."""
    with Ungrouping():
        async with trio.open_nursery() as nursery:
            found = {name: await nursery.start(_start, each) for name, each in servers.items()}
            on_listening(ServerAddresses(**found))


async def _start(server: _Server, *, task_status: trio.TaskStatus[object]) -> None:
    def announce(address: object) -> None:
        task_status.started(address)

    await server(on_listening=announce)
