"""Who is connected to one server, and how they come and go: the same on every transport.

```
 serving ──the realtime agent shuts down──▶ draining ──its tasks ended──▶ closing ──▶ returned
    │                                          ▲                             ▲
    └──cancelled, and so is the agent──────────┘                             │
    └──cancelled alone───────────────────────────────────────────────────────┘
```

`draining` accepts nobody; who is connected goes on, and sees the tasks end. `closing` ends
every connection in good order, and is over within a second whatever peers do.
"""

from __future__ import annotations

import functools
import logging
import ssl
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Protocol, TypeAlias, runtime_checkable

import trio

from ..ungrouping import Ungrouping
from .listeners import SwiftListener

if TYPE_CHECKING:
    from ..realtime import RealtimeAgent

__all__ = [
    "Endpoint",
    "NoteProven",
    "Placed",
    "Visit",
    "Visitors",
    "endpoints_of",
    "secured",
    "shown",
]

_log = logging.getLogger(__name__)

# A shutdown may take a second beside what the tasks are given (docs/explanation/cancellation.md,
# guarantee 9): this much of it is for connections, the rest for whatever else has to happen.
_CLOSING_TIMEOUT = 0.8

Endpoint: TypeAlias = tuple[str, int]
"""An address and a port; empty and 0 where that is not known."""

NoteProven = Callable[[bool], None]
"""Called with True when a peer has proven itself: it holds a place by right from now on.
Called with False when it is waited for once more."""


class Visit(Protocol):
    """The life of one connection."""

    async def attend(self) -> None:
        """Serve the peer until it is gone, in a Trio task that does nothing else.

        Not cancelled from outside: see `close`, `cut`.
        """
        ...

    def turn_away(self) -> None:
        """A shutdown has begun, and this one has not proven itself."""
        ...

    def close(self) -> None:
        """End it in good order: the tasks have ended."""
        ...

    def cut(self) -> None:
        """End it at once, without a word, even in the middle of a write."""
        ...


class Visitors:
    """Everybody who is connected to one server.

    A peer is waited for until it has proven itself; when `max_connections` are waited for,
    one more pushes out whoever has been waited for longest. When twice as many have proven
    themselves, nobody else is let in: by then whoever lets them in for good has long begun
    to refuse them.

    Args:
        receive: makes the visit of a peer that has just connected; given its connection
            and what to call when it has proven itself. Opens nothing and waits for nothing.
        beside: what runs for all of them while they are served, or None.
    """

    def __init__(
        self,
        realtime: RealtimeAgent,
        receive: Callable[[trio.abc.Stream, NoteProven], Visit],
        *,
        beside: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        self._realtime = realtime
        self._receive = receive
        self._beside = beside
        # Shielded: as long as somebody is there, a cancel from outside does not end it.
        self._beside_scope = trio.CancelScope(shield=True)
        # In the order of their coming, or of their being waited for again.
        self._present: dict[Visit, None] = {}
        self._unproven: dict[Visit, None] = {}
        self._all_gone = trio.Event()
        self._leaving = False

    async def serve(
        self,
        listeners: Sequence[trio.abc.Listener[trio.abc.Stream]],
        *,
        on_listening: Callable[[], None],
    ) -> None:
        """Serve whoever comes, until the realtime agent shuts down or this is cancelled.

        The listeners are closed in any case.

        Args:
            listeners: for sockets, or for whatever else carries bytes.
            on_listening: called once, when peers are accepted.
        """
        accepting_from = [SwiftListener.of(each) for each in listeners]
        with Ungrouping():
            async with trio.open_nursery() as visits:
                visits.start_soon(self._run_beside)
                try:
                    async with trio.open_nursery() as accepting:
                        serve = functools.partial(
                            trio.serve_listeners,
                            self.welcome,
                            accepting_from,
                            handler_nursery=visits,
                        )
                        await accepting.start(serve)
                        on_listening()
                        await self._realtime.wait_draining()
                        accepting.cancel_scope.cancel()
                finally:
                    try:
                        with trio.CancelScope(shield=True):
                            for listener in accepting_from:
                                await trio.aclose_forcefully(listener)
                            await self.see_out()
                    finally:  # also when Ctrl-C comes here: nothing else ends them
                        self._cut_all()
                        self._beside_scope.cancel()

    async def _run_beside(self) -> None:
        with self._beside_scope:
            if self._beside is not None:
                await self._beside()

    async def welcome(self, transport: trio.abc.Stream) -> None:
        """Serve a peer that has just connected. Nothing it does gets out of here."""
        if self._leaving:
            return
        visit: Visit
        visit = self._receive(transport, lambda proven: self._note(visit, proven))
        self._present[visit] = self._unproven[visit] = None
        limit = self._realtime.limits.max_connections
        if len(self._unproven) > limit:
            self._push_out(next(iter(self._unproven)))
        elif len(self._present) - len(self._unproven) > 2 * limit:
            self._push_out(visit)
        try:
            await visit.attend()
        except* Exception:
            _log.exception("%s: the connection failed", visit)
        finally:
            del self._present[visit]
            self._unproven.pop(visit, None)
            if self._leaving and not self._present:
                self._all_gone.set()

    def _note(self, visit: Visit, proven: bool) -> None:
        if proven:
            self._unproven.pop(visit, None)
        elif visit in self._present:
            self._unproven.setdefault(visit)

    def _push_out(self, visit: Visit) -> None:
        self._unproven.pop(visit, None)
        _log.debug("%s: pushed out: there are too many", visit)
        visit.cut()

    async def see_out(self) -> None:
        """End connections in good order, as far as can be; bounded, once the tasks have ended."""
        self._leaving = True
        for visit in tuple(self._unproven):
            visit.turn_away()
        # Whoever was cancelled together with us has run once after this.
        await trio.lowlevel.checkpoint()
        if self._realtime.phase != "serving":
            await self._realtime.wait_tasks_ended()
        for visit in tuple(self._present):
            visit.close()
        if self._present:
            with trio.move_on_after(_CLOSING_TIMEOUT):
                await self._all_gone.wait()

    def _cut_all(self) -> None:
        self._leaving = True
        for visit in tuple(self._present):
            _log.info("%s: cut: it did not close in time", visit)
            visit.cut()


@runtime_checkable
class Placed(Protocol):
    """A stream without a socket that knows where it comes from."""

    @property
    def remote(self) -> Endpoint:
        """The peer's address and port."""
        ...

    @property
    def local(self) -> Endpoint:
        """The address and port that it came in at."""
        ...


def endpoints_of(transport: trio.abc.Stream) -> tuple[Endpoint, Endpoint]:
    """The peer's address and port, and those that it came in at.

    Empty if the connection is gone already, or nothing is known of it.
    """
    if isinstance(transport, trio.SocketStream):
        socket = transport.socket
        return _endpoint_of(socket.getpeername), _endpoint_of(socket.getsockname)
    if isinstance(transport, Placed):
        return transport.remote, transport.local
    return ("", 0), ("", 0)


def shown(endpoint: Endpoint) -> str:
    """An address and a port as they are written in URLs."""
    host, port = endpoint
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


async def secured(
    transport: trio.abc.Stream, ssl_context: ssl.SSLContext | None
) -> trio.abc.Stream:
    """`transport` with TLS over it, once that is agreed on; itself without a context.

    Raises:
        trio.BrokenResourceError: when the peer does not speak it, or is gone.
    """
    if ssl_context is None:
        return transport
    stream = trio.SSLStream(transport, ssl_context, server_side=True, https_compatible=True)
    await stream.do_handshake()
    return stream


def _endpoint_of(name: Callable[[], tuple[object, ...]]) -> Endpoint:
    try:
        host, port, *_ = name()
    except (OSError, ValueError):
        return "", 0
    return str(host), int(str(port))
