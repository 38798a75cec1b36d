"""Serves an ASGI application over HTTP/1.1, beside a `RealtimeAgent`.

How it accepts and shuts down is `transports.visitors`. Hypercorn is imported when the
first server starts: with what comes along it takes a tenth of a second.
"""

from __future__ import annotations

import contextlib
import functools
import importlib
import logging
import ssl
from collections.abc import Callable
from typing import TYPE_CHECKING

import trio

from ..listeners import HTTPAddress, http_address_of, open_listeners
from ..visitors import NoteProven, Visit, Visitors
from .lifespan import ASGIApp, Lifespan

if TYPE_CHECKING:
    from ...realtime import RealtimeAgent
    from .reception import Shortcut

__all__ = ["serve_app", "serve_app_at"]

_log = logging.getLogger(__name__)

# What a body may have beside a message of the greatest size: the application's own limit
# is to be met first, since it knows what to say.
_BODY_SLACK = 64 * 1024


async def serve_app(
    app: ASGIApp,
    realtime: RealtimeAgent,
    *,
    host: str | None = "127.0.0.1",
    port: int = 8081,
    ssl_context: ssl.SSLContext | None = None,
    max_body_bytes: int | None = None,
    task_status: trio.TaskStatus[HTTPAddress] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Serve `app`, such as a `QuartTrio`, until `realtime` shuts down.

    `await nursery.start(functools.partial(serve_app, app, realtime))` gives the
    `HTTPAddress` once it listens; the application's startup has run then. Its shutdown runs
    when the last connection is closed, also when this is cancelled, and may take 5 s.

    Every connection is alone: nothing that a peer sends, or does not read, delays or ends
    another one or the server. The application answers each request in a Trio task of its
    own, which is cancelled when the peer leaves. An exception there is logged, and the
    peer told 500 and a reference number, or cut if its answer has begun. An exception in
    what the application runs beside requests ends the server and comes out of here.

    A peer that ends its side may have left, or may still read, as `nc -N` does: its stream
    ends at once, and another answer 0.5 s later, or `limits.close_timeout` after that if it
    has begun. Who has sent more than 64 KiB behind a request that is being answered is not
    read from, nor found to have left, until that is done; and cut if it takes longer than
    `limits.handshake_timeout`.

    With as many connections as `limits.max_connections` on which no whole request is there,
    one more pushes out the one that has been waited for longest; with twice as many on which
    one is being answered, nobody else is let in.

    When `realtime` shuts down nobody new is accepted; who is connected is served until the
    tasks have ended. Then each `Exchange` is told to close (`current_exchange` gives a
    handler its own), and what is not over within 0.8 s is cut.

    HTTP/1.1 alone is spoken: HTTP/2 is refused in its own words, so that clients come again
    with HTTP/1.1, and an `Upgrade` is ignored. A head that is not there within
    `limits.handshake_timeout` is answered with 408, and so is a body that is not there
    within `limits.body_timeout`; a peer that does not take what is written within
    `limits.write_timeout` is cut.

    Args:
        app: any ASGI 3 application that runs under Trio.
        realtime: entered already.
        host: an address, a name (every address that it has), or None for every interface.
        port: 0 takes a free one, the same at every address.
        ssl_context: for TLS; None for none.
        max_body_bytes: of one request; more is answered with 413. None: a little more than
            `limits.max_message_bytes`.

    Raises:
        OSError: when it cannot listen there; the text says what to change.
        ValueError: when an argument cannot be right.
        RuntimeError: when `realtime` is not open, or the application could not start.

    Cancellation: ends answers in good order first, within a second. If `realtime` shuts
    down, be it by the same cancel, its tasks end before, within its own bound.
    """
    if realtime.phase == "closed":
        raise RuntimeError("the RealtimeAgent is not open: serve the app inside its `async with`")

    def announce(address: HTTPAddress) -> None:
        task_status.started(address)

    # Who may connect is the application's to say.
    listeners = await open_listeners(host, port, loopback_only=False)
    await serve_app_at(
        listeners,
        app,
        realtime,
        host=host,
        ssl_context=ssl_context,
        max_body_bytes=max_body_bytes,
        on_listening=announce,
    )


async def serve_app_at(
    listeners: list[trio.SocketListener],
    app: ASGIApp,
    realtime: RealtimeAgent,
    *,
    host: str | None,
    ssl_context: ssl.SSLContext | None = None,
    max_body_bytes: int | None = None,
    shortcut: Shortcut | None = None,
    on_listening: Callable[[HTTPAddress], None],
) -> None:
    """`serve_app` where `listeners` listen; they are closed in any case.

    For the other transports of this package, which open their own; not for users.

    Args:
        host: what they were opened for.
        shortcut: answers one resource of `app` instead of that; None for none.
        on_listening: called once, when peers are accepted.
    """
    if max_body_bytes is None:
        max_body_bytes = realtime.limits.max_message_bytes + _BODY_SLACK
    try:
        if not max_body_bytes > 0:
            raise ValueError(f"max_body_bytes must be more than 0, not {max_body_bytes!r}")
        if ssl_context is not None and _prefers_http2(ssl_context):
            raise ValueError(
                "ssl_context would have browsers speak HTTP/2, which is not spoken here: "
                "leave h2 out of its set_alpn_protocols"
            )
        receiver = await trio.to_thread.run_sync(_import_receiver)
        lifespan = Lifespan(app)
        receive = receiver(
            app,
            lifespan.state,
            realtime,
            ssl_context=ssl_context,
            max_body_bytes=max_body_bytes,
            shortcut=shortcut,
        )
        address = http_address_of(listeners, host=host, secure=ssl_context is not None)
        serve = functools.partial(
            Visitors(realtime, receive, beside=None if shortcut is None else shortcut.run).serve,
            listeners,
            on_listening=functools.partial(_announce, address, on_listening),
        )
        await lifespan.around(serve)
    finally:
        for listener in listeners:
            listener.socket.close()


def _prefers_http2(context: ssl.SSLContext) -> bool:
    """Whether it would agree on HTTP/2 with whoever offers both; only a handshake tells."""
    client_context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client_context.check_hostname = False
    client_context.verify_mode = ssl.CERT_NONE
    client_context.set_alpn_protocols(["h2", "http/1.1"])
    hello = ssl.MemoryBIO()
    client = client_context.wrap_bio(ssl.MemoryBIO(), hello)
    server = context.wrap_bio(hello, ssl.MemoryBIO(), server_side=True)
    for side in (client, server):
        # Neither gets to its end, and need not.
        with contextlib.suppress(ssl.SSLError):
            side.do_handshake()
    return server.selected_alpn_protocol() == "h2"


def _import_receiver() -> Callable[..., Callable[[trio.abc.Stream, NoteProven], Visit]]:
    return importlib.import_module(".reception.receiver", __package__).receiver


def _announce(address: HTTPAddress, on_listening: Callable[[HTTPAddress], None]) -> None:
    _log.info("listening at %s", address.url)
    on_listening(address)
