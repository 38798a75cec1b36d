"""What an application uses: resources for an app of its own, or a server of their own.

Quart is imported when either is first used: whoever needs a WebSocket alone, or a client,
does not wait for it.
"""

from __future__ import annotations

import contextlib
import importlib
import ssl
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import trio
from attrs import frozen

from ..admission import Admission, Authenticate, ChooseSession
from ..cors import Cors
from ..http import ASGIApp, serve_app_at
from ..listeners import (
    HTTPAddress,
    SSEAddress,
    WebSocketAddress,
    close_all,
    http_address_of,
    open_listeners,
)
from .pages import Pages
from .paths import SSEPaths

if TYPE_CHECKING:
    from quart import Blueprint

    from ...realtime import RealtimeAgent
    from ..http.reception import Shortcut

__all__ = ["SSEApp", "check_prefix", "serve_sse", "serve_sse_at", "sse_app", "sse_blueprint"]


@frozen
class SSEApp:
    """All that is served at one address."""

    app: ASGIApp
    shortcut: Shortcut | None
    """Answers the stream instead of `app`, where nothing of `app` would be missed."""


def sse_blueprint(
    realtime: RealtimeAgent,
    *,
    paths: SSEPaths | None = None,
    authenticate: Authenticate | None = None,
    allow_anonymous: bool = False,
    cors: Cors | None = None,
    choose_session: ChooseSession | None = None,
    name: str = "trio_agent_rt",
) -> Blueprint:
    """Everything that a page needs with nothing but `EventSource` and `fetch`.

    A blueprint for a Quart-Trio app: `app.register_blueprint(sse_blueprint(realtime),
    url_prefix="/agent")`. Serve the app with `serve_app`, inside the `async with` of
    `realtime`: under another server a client that stops reading holds up the shutdown,
    and a request that is no HTTP can end it.

    Args:
        realtime: serves the sessions.
        paths: of the resources, below the prefix; None for `/sse`, `/task` and so on.
        authenticate: says who a peer is, for every request; see `serve_websocket`.
        allow_anonymous: whether, without `authenticate`, requests that came in at another
            address than this machine's own are answered with more than 403.
        cors: which pages of other origins may use it, or None for none but its own.
        choose_session: as in `serve_websocket`.
        name: of the blueprint; an app that mounts two needs two names.
    """
    admission = Admission.for_peers_of(
        realtime,
        cors=cors,
        authenticate=authenticate,
        choose_session=choose_session,
    )
    return _quart_half("blueprint").make_blueprint(
        realtime,
        admission,
        paths or SSEPaths(),
        name=name,
        loopback_only=authenticate is None and not allow_anonymous,
    )


async def serve_sse(
    realtime: RealtimeAgent,
    *,
    host: str | None = "127.0.0.1",
    port: int = 8081,
    prefix: str = "",
    paths: SSEPaths | None = None,
    ssl_context: ssl.SSLContext | None = None,
    authenticate: Authenticate | None = None,
    allow_anonymous: bool = False,
    cors: Cors | None = None,
    choose_session: ChooseSession | None = None,
    pages: Pages | None = None,
    task_status: trio.TaskStatus[SSEAddress] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Show `realtime`'s sessions over SSE and take commands over HTTP, until it shuts down.

    `await nursery.start(functools.partial(serve_sse, realtime))` gives the `SSEAddress`
    once it listens. How long it waits for a peer, and how much a peer may send, is
    `realtime.limits`. How connections are accepted and ended, and what overload does, is
    as in `serve_app`.

    Args:
        realtime: serves the sessions; entered already.
        host: an address, a name (every address that it has), or None for every interface.
        port: 0 takes a free one, the same at every address.
        prefix: of all paths, such as `/agent`; empty for none.
        paths: of the resources, below the prefix; None for `/sse`, `/task` and so on.
        ssl_context: for TLS; None for none.
        authenticate: says who a peer is, for every request; see `serve_websocket`. None:
            everybody is `ANONYMOUS`, and only this machine may be able to connect.
        allow_anonymous: whether other machines may be able to connect all the same.
        cors: which pages of other origins may use it, or None for none but its own.
        choose_session: as in `serve_websocket`.
        pages: web pages beside the resources, such as `panel.Panel()`; None for none.

    Raises:
        OSError: when it cannot listen there; the text says what to change.
        ValueError: when an argument cannot be right, or nobody is asked who they are at
            an address that other machines can connect to.
        RuntimeError: when `realtime` is not open.

    Cancellation: ends the streams in good order first, within a second. If `realtime`
    shuts down, be it by the same cancel, its tasks end before, within its own bound, and
    their last messages are sent.
    """
    if realtime.phase == "closed":
        raise RuntimeError("the RealtimeAgent is not open: serve it inside its `async with`")
    check_prefix(prefix)
    admission = Admission.for_peers_of(
        realtime,
        cors=cors,
        authenticate=authenticate,
        choose_session=choose_session,
    )
    places = paths or SSEPaths()
    loopback_only = authenticate is None and not allow_anonymous
    listeners = await open_listeners(host, port, loopback_only=loopback_only)
    with contextlib.ExitStack() as stack:
        stack.callback(close_all, listeners)
        address = http_address_of(listeners, host=host, secure=ssl_context is not None)
        app = await sse_app(
            realtime, admission, prefix=prefix, paths=places, pages=pages, http=address
        )
        stack.pop_all()

    def announce(address: SSEAddress) -> None:
        task_status.started(address)

    await serve_sse_at(
        listeners,
        realtime,
        app,
        host=host,
        stream_path=prefix + places.stream,
        ssl_context=ssl_context,
        on_listening=announce,
    )


async def serve_sse_at(
    listeners: list[trio.SocketListener],
    realtime: RealtimeAgent,
    app: SSEApp,
    *,
    host: str | None,
    stream_path: str,
    ssl_context: ssl.SSLContext | None,
    on_listening: Callable[[SSEAddress], None],
) -> None:
    """`serve_sse` where `listeners` listen; they are closed in any case.

    Args:
        app: see `sse_app`.
        host: what they were opened for.
        stream_path: where the stream is, with the prefix.
        on_listening: called once, when peers are accepted.
    """

    def announce(address: HTTPAddress) -> None:
        found = SSEAddress(
            host=address.host,
            port=address.port,
            hosts=address.hosts,
            url=address.url + stream_path,
            base_url=address.url,
        )
        on_listening(found)

    await serve_app_at(
        listeners,
        app.app,
        realtime,
        host=host,
        ssl_context=ssl_context,
        shortcut=app.shortcut,
        on_listening=announce,
    )


def check_prefix(prefix: str) -> None:
    """Raise ValueError unless `prefix` can stand before paths."""
    if prefix and (not prefix.startswith("/") or prefix.endswith("/") or set(prefix) & set("?#<>")):
        raise ValueError(
            f"prefix must begin with /, not end with it, and be a path, not {prefix!r}"
        )


async def sse_app(
    realtime: RealtimeAgent,
    admission: Admission,
    *,
    prefix: str,
    paths: SSEPaths,
    pages: Pages | None,
    http: HTTPAddress,
    websocket: WebSocketAddress | None = None,
) -> SSEApp:
    """An app with our resources and `pages`, below `prefix`; these are told the addresses."""

    def make() -> SSEApp:
        blueprint = _quart_half("blueprint").make_blueprint(
            realtime, admission, paths, name="trio_agent_rt", loopback_only=False
        )
        shown = pages and pages.blueprint_at(http=http, paths=paths, websocket=websocket)
        app = _quart_half("app").make_app(blueprint, admission, prefix=prefix, pages=shown)
        shortcut: Shortcut | None = None
        if realtime.direct_writes and _quart_half("app").is_bare(app):
            make_shortcut = _quart_half("shortcut").StreamShortcut
            shortcut = make_shortcut(realtime, admission, prefix + paths.stream)
        return SSEApp(app, shortcut)

    return await trio.to_thread.run_sync(make)  # what it imports takes a fifth of a second


def _quart_half(module: str) -> Any:
    """A module of ours that needs Quart."""
    return importlib.import_module(f".{module}", __package__)
