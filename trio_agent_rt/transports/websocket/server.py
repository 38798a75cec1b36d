"""Accepts WebSocket connections, and ends them in order.

```
 serving ──the realtime agent shuts down──▶ draining ──its tasks ended──▶ closing ──▶ returned
    │                                          ▲                             ▲
    └──cancelled, and so is the agent──────────┘                             │
    └──cancelled alone───────────────────────────────────────────────────────┘
```

`draining` accepts nobody and refuses those still in their handshake; who is connected
goes on, and sees the tasks end. `closing` sends 1001 and is over within a second.
"""

from __future__ import annotations

import functools
import logging
import ssl
from collections.abc import Iterable
from typing import TYPE_CHECKING

import trio

from ...protocol import CloseCode
from ...realtime import ungrouped
from ..admission import Admission, Authenticate, ChooseSession
from ..listeners import WebSocketAddress, address_of, open_listeners
from ..origins import OriginPolicy
from .visit import Visit

if TYPE_CHECKING:
    from ...realtime import RealtimeAgent

__all__ = ["serve_websocket"]

_log = logging.getLogger(__name__)

# All connections are closed within a second of the tasks' end; what is left of it is for
# whatever else has to happen by then.
_CLOSING_TIMEOUT = 0.8


async def serve_websocket(
    realtime: RealtimeAgent,
    *,
    host: str | None = "127.0.0.1",
    port: int = 8080,
    path: str = "/ws",
    ssl_context: ssl.SSLContext | None = None,
    authenticate: Authenticate | None = None,
    origins: Iterable[str] = (),
    allow_missing_origin: bool = True,
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
            None: everybody is `ANONYMOUS`.
        origins: web origins that may connect, such as `https://example.com`, beside the
            server's own.
        allow_missing_origin: whether a peer without an `Origin` may connect. Browsers
            always send one, other programs seldom.
        choose_session: gives the id of the session that a peer is shown, which is made if
            there is none: a room. None from it, or for it, leaves that to the peer's
            `?session=`, or to a new session.

    Raises:
        OSError: when it cannot listen there; the text says what to change.
        ValueError: when an argument cannot be right.
        RuntimeError: when `realtime` is not open.

    Cancellation: closes the connections with 1001 first, within a second. If `realtime`
    was cancelled by the same, its tasks end before, and their last messages are sent.
    """
    if realtime.phase == "closed":
        raise RuntimeError("the RealtimeAgent is not open: serve it inside its `async with`")
    if not path.startswith("/") or "?" in path or "#" in path:
        raise ValueError(f"path must begin with / and have no query, not {path!r}")
    admission = Admission(
        path=path,
        origins=OriginPolicy(origins, allow_missing=allow_missing_origin),
        authenticate=authenticate,
        choose_session=choose_session,
    )
    listeners = await open_listeners(host, port)
    address = address_of(listeners, host=host, path=path, secure=ssl_context is not None)
    visitors = _Visitors(realtime, admission, ssl_context)
    try:
        async with trio.open_nursery() as visits:
            try:
                async with trio.open_nursery() as accepting:
                    serve = functools.partial(
                        trio.serve_listeners, visitors.welcome, listeners, handler_nursery=visits
                    )
                    await accepting.start(serve)
                    _log.info("listening at %s", address.url)
                    task_status.started(address)
                    await realtime.wait_draining()
                    accepting.cancel_scope.cancel()
            finally:
                for listener in listeners:
                    listener.socket.close()
                with trio.CancelScope(shield=True):
                    await visitors.see_out()
    except BaseExceptionGroup as group:
        # The nurseries are ours, and so not the caller's concern.
        wrong = ungrouped(group)
        raise wrong from wrong.__cause__


class _Visitors:
    """Everybody who is connected to one server."""

    def __init__(
        self, realtime: RealtimeAgent, admission: Admission, ssl_context: ssl.SSLContext | None
    ) -> None:
        self._realtime = realtime
        self._admission = admission
        self._ssl_context = ssl_context
        # In the order of their coming.
        self._present: dict[Visit, None] = {}
        self._in_handshake: dict[Visit, None] = {}
        self._all_gone = trio.Event()
        self._leaving = False

    async def welcome(self, transport: trio.SocketStream) -> None:
        """Serve a peer that has just connected. Nothing it does gets out of here."""
        if self._leaving:
            return
        visit: Visit
        visit = Visit(
            self._realtime,
            self._admission,
            transport,
            ssl_context=self._ssl_context,
            on_admitted=lambda: self._in_handshake.pop(visit, None) and None,
        )
        self._present[visit] = self._in_handshake[visit] = None
        if len(self._in_handshake) > self._realtime.limits.max_connections:
            oldest = next(iter(self._in_handshake))
            del self._in_handshake[oldest]
            _log.debug("%s: pushed out: too many are in their handshake", oldest)
            oldest.cut()
        try:
            await visit.attend()
        except* Exception:
            _log.exception("%s: the connection failed", visit)
        finally:
            del self._present[visit]
            self._in_handshake.pop(visit, None)
            if self._leaving and not self._present:
                self._all_gone.set()

    async def see_out(self) -> None:
        """End all connections; bounded, once the tasks have ended."""
        self._leaving = True
        for visit in tuple(self._in_handshake):
            visit.close(CloseCode.GOING_AWAY, "")
        # Whoever was cancelled together with us has run once after this.
        await trio.lowlevel.checkpoint()
        if self._realtime.phase != "serving":
            await self._realtime.wait_tasks_ended()
        for visit in tuple(self._present):
            visit.close(CloseCode.GOING_AWAY, "the server is shutting down")
        if self._present:
            with trio.move_on_after(_CLOSING_TIMEOUT):
                await self._all_gone.wait()
        for visit in tuple(self._present):
            _log.info("%s: cut: it did not close in time", visit)
            visit.cut()
