"""The WebSocket server: who may connect, and where it listens.

How it accepts and shuts down is `transports.visitors`.
"""

from __future__ import annotations

import functools
import logging
import ssl
from collections.abc import Callable
from typing import TYPE_CHECKING

import trio

from ..admission import Admission, Authenticate, ChooseSession
from ..cors import Cors
from ..listeners import WebSocketAddress, address_of, open_listeners
from ..visitors import NoteProven, Visitors
from .pulse import Pulse
from .visit import Visit

if TYPE_CHECKING:
    from ...realtime import RealtimeAgent

__all__ = ["check_path", "serve_websocket", "serve_websocket_at", "websocket_visitors"]

_log = logging.getLogger(__name__)


async def serve_websocket(
    realtime: RealtimeAgent,
    *,
    host: str | None = "127.0.0.1",
    port: int = 8080,
    path: str = "/ws",
    ssl_context: ssl.SSLContext | None = None,
    authenticate: Authenticate | None = None,
    allow_anonymous: bool = False,
    cors: Cors | None = None,
    choose_session: ChooseSession | None = None,
    task_status: trio.TaskStatus[WebSocketAddress] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Show `realtime`'s sessions to WebSocket clients, until it shuts down.

    `await nursery.start(functools.partial(serve_websocket, realtime))` gives the
    `WebSocketAddress` once it listens. How long it waits for a peer, and how much a peer
    may send, is `realtime.limits`.

    Every connection is alone: nothing that a peer sends, or does not read, delays or ends
    another one, a task or the server. A handshake with the most connections already in
    theirs pushes out the oldest of those.

    Args:
        realtime: serves the sessions; entered already.
        host: an address, a name (every address that it has), or None for every interface.
        port: 0 takes a free one, the same at every address.
        path: of the one resource there is; other paths are answered with 404.
        ssl_context: for TLS; None for none.
        authenticate: says who a peer is, before the handshake is answered and within its
            deadline. A `ConnectionRejected` is passed on; what else it raises is logged,
            and the peer told 500 and a reference number. Cancelled when the peer leaves.
            None: everybody is `ANONYMOUS`, and only this machine may be able to connect.
        allow_anonymous: whether other machines may be able to connect all the same.
        cors: which pages of other origins may connect, or None for none but the
            server's own.
        choose_session: gives the id of the session that a peer is shown, which is made if
            there is none: a room. None from it, or for it, leaves that to the peer's
            `?session=`, or to a new session.

    Raises:
        OSError: when it cannot listen there; the text says what to change.
        ValueError: when an argument cannot be right, or nobody is asked who they are at
            an address that other machines can connect to.
        RuntimeError: when `realtime` is not open.

    Cancellation: closes the connections with 1001 first, within a second. If `realtime`
    shuts down, be it by the same cancel, its tasks end before, within its own bound, and
    their last messages are sent.
    """
    if realtime.phase == "closed":
        raise RuntimeError("the RealtimeAgent is not open: serve it inside its `async with`")
    check_path(path)
    admission = Admission.for_peers_of(
        realtime,
        cors=cors,
        authenticate=authenticate,
        choose_session=choose_session,
    )
    loopback_only = authenticate is None and not allow_anonymous
    listeners = await open_listeners(host, port, loopback_only=loopback_only)

    def announce(address: WebSocketAddress) -> None:
        task_status.started(address)

    await serve_websocket_at(
        listeners,
        realtime,
        admission,
        host=host,
        path=path,
        ssl_context=ssl_context,
        on_listening=announce,
    )


async def serve_websocket_at(
    listeners: list[trio.SocketListener],
    realtime: RealtimeAgent,
    admission: Admission,
    *,
    host: str | None,
    path: str,
    ssl_context: ssl.SSLContext | None,
    on_listening: Callable[[WebSocketAddress], None],
) -> None:
    """`serve_websocket` where `listeners` listen; they are closed in any case.

    Args:
        host: what they were opened for.
        on_listening: called once, when peers are accepted.
    """
    address = address_of(listeners, host=host, path=path, secure=ssl_context is not None)

    def announce() -> None:
        _log.info("listening at %s", address.url)
        on_listening(address)

    visitors = websocket_visitors(realtime, admission, ssl_context, path=path)
    await visitors.serve(listeners, on_listening=announce)


def websocket_visitors(
    realtime: RealtimeAgent,
    admission: Admission,
    ssl_context: ssl.SSLContext | None,
    *,
    path: str,
) -> Visitors:
    """Whoever connects to one WebSocket server."""
    limits = realtime.limits
    pulse = Pulse(limits.heartbeat_interval, limits.heartbeat_timeout)

    def receive(transport: trio.abc.Stream, note_proven: NoteProven) -> Visit:
        return Visit(
            realtime,
            admission,
            transport,
            path=path,
            ssl_context=ssl_context,
            pulse=pulse,
            on_admitted=functools.partial(note_proven, True),
        )

    return Visitors(realtime, receive, beside=pulse.run)


def check_path(path: str) -> None:
    """Raise ValueError unless `path` is the path of a URL."""
    if not path.startswith("/") or "?" in path or "#" in path:
        raise ValueError(f"path must begin with / and have no query, not {path!r}")
