"""Listening sockets: one port for every address of a host, and errors that help."""

from __future__ import annotations

import contextlib
import errno
import functools
import ipaddress
import math
import os
import socket
from collections import deque

import trio
from attrs import frozen

from ..errors import Exposed

__all__ = [
    "HTTPAddress",
    "SSEAddress",
    "SwiftListener",
    "WebSocketAddress",
    "address_of",
    "bound_silence",
    "close_all",
    "http_address_of",
    "is_loopback",
    "open_listeners",
]

# How often to ask for another free port when the first one is taken at a second address.
_ATTEMPTS = 20

# Handshakes between two turns of everybody else's, some 0.2 ms each.
_ACCEPTED_AT_ONCE = 16


@frozen(kw_only=True)
class WebSocketAddress:
    """Where a WebSocket server listens."""

    host: str
    """The first address that it is bound to."""
    port: int
    url: str
    """What a client on this machine connects to."""
    hosts: tuple[str, ...]
    """All addresses that it is bound to, all with the same port."""


@frozen(kw_only=True)
class HTTPAddress:
    """Where an HTTP server listens."""

    host: str
    """The first address that it is bound to."""
    port: int
    url: str
    """What a client on this machine connects to, up to the path: `http://127.0.0.1:8081`."""
    hosts: tuple[str, ...]
    """All addresses that it is bound to, all with the same port."""


@frozen(kw_only=True)
class SSEAddress:
    """Where a server of streams and commands listens."""

    host: str
    """The first address that it is bound to."""
    port: int
    url: str
    """Of the stream: what a client on this machine connects to."""
    base_url: str
    """What all its URLs begin with: `http://127.0.0.1:8081`."""
    hosts: tuple[str, ...]
    """All addresses that it is bound to, all with the same port."""


async def open_listeners(
    host: str | None, port: int, *, loopback_only: bool
) -> list[trio.SocketListener]:
    """A listener for every address that `host` stands for, all at one port.

    Args:
        host: an address, a name, or None for every interface.
        port: 0 takes a free one.
        loopback_only: whether only this machine may be able to connect, because nobody
            is asked who they are.

    Raises:
        Exposed: when another machine could. Nothing was listened at.
        OSError: with the errno of what went wrong and a text that says what to change.
        ValueError: when `port` cannot be one.
    """
    if not 0 <= port <= 65535:
        raise ValueError(f"port must be between 0 and 65535, not {port}")
    try:
        found = await trio.socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
    except (socket.gaierror, UnicodeError) as wrong:
        number = wrong.errno if isinstance(wrong, OSError) else socket.EAI_NONAME
        raise socket.gaierror(
            number, f"cannot listen at {host!r}: it is no address or name of this machine"
        ) from wrong
    # Numeric, and each once; an IPv6 address of a link needs its %zone, which this keeps.
    addresses = list(dict.fromkeys(_numeric(sockaddr) for *_, sockaddr in found))
    if loopback_only and not all(is_loopback(address) for address in addresses):
        raise Exposed(host)
    for attempt in range(_ATTEMPTS):
        try:
            return await _open_all(addresses, port)
        except OSError as wrong:
            if port == 0 and wrong.errno == errno.EADDRINUSE and attempt < _ATTEMPTS - 1:
                continue
            raise _helpful(wrong, host, port) from wrong
    raise AssertionError("the last attempt returns or raises")


class SwiftListener(trio.abc.Listener[trio.SocketStream]):
    """A listener that accepts whoever waits in one go, not one for each scheduler pass.

    What goes wrong is left for the next time, and to Trio: it judges it as ever.

    Args:
        listener: which is closed together with this one.
    """

    def __init__(self, listener: trio.SocketListener) -> None:
        self._listener = listener
        # The same socket, for calls that do not wait.
        self._raw = socket.socket(fileno=os.dup(listener.socket.fileno()))
        self._raw.setblocking(False)
        self._accepted: deque[trio.SocketStream] = deque()

    @classmethod
    def of(cls, listener: trio.abc.Listener[trio.abc.Stream]) -> trio.abc.Listener[trio.abc.Stream]:
        """`listener` made swift, where it can be."""
        if isinstance(listener, trio.SocketListener) and os.name == "posix":
            with contextlib.suppress(OSError):  # no descriptor left: Trio's own serves as well
                return cls(listener)
        return listener

    async def accept(self) -> trio.SocketStream:
        """The next that has connected. No checkpoint for those who came together with another.

        Raises:
            trio.ClosedResourceError: when it is closed.
            OSError: as that of Trio's own, `EMFILE` for one.
        """
        if self._accepted:
            return self._accepted.popleft()
        first = await self._listener.accept()
        for _ in range(_ACCEPTED_AT_ONCE - 1):
            try:
                accepted, _ = self._raw.accept()
            except OSError:
                break
            self._accepted.append(trio.SocketStream(trio.socket.from_stdlib_socket(accepted)))
        return first

    async def aclose(self) -> None:
        """Close it, and those whom nobody has asked for."""
        self._raw.close()
        while self._accepted:
            self._accepted.popleft().socket.close()
        await self._listener.aclose()


def close_all(listeners: list[trio.SocketListener]) -> None:
    """Close them, at once."""
    for each in listeners:
        each.socket.close()


@functools.lru_cache(maxsize=64)  # addresses of this machine, asked of every connection
def is_loopback(host: str) -> bool:
    """Whether a numeric address is one that only this machine can reach."""
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    return address.is_loopback


async def _open_all(addresses: list[str], port: int) -> list[trio.SocketListener]:
    """Listeners at `addresses`; with port 0 at whatever port the first one was given."""
    listeners: list[trio.SocketListener] = []
    unavailable: OSError | None = None
    complete = False
    try:
        for address in addresses:
            try:
                opened = await trio.open_tcp_listeners(port, host=address)
            except OSError as wrong:
                # A name such as localhost has an IPv6 address where IPv6 may be off.
                if wrong.errno not in {errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT}:
                    raise
                unavailable = wrong
                continue
            listeners.extend(opened)
            port = opened[0].socket.getsockname()[1]
        complete = bool(listeners)
    finally:
        if not complete:
            close_all(listeners)
    if not listeners and unavailable is not None:
        raise unavailable
    return listeners


def _numeric(sockaddr: tuple[object, ...]) -> str:
    host = str(sockaddr[0])
    zone = sockaddr[3] if len(sockaddr) > 3 else 0
    return f"{host}%{zone}" if zone and "%" not in host else host


def _helpful(wrong: OSError, host: str | None, port: int) -> OSError:
    where = f"{host or '*'}:{port}"
    if wrong.errno == errno.EADDRINUSE:
        text = (
            f"{where} is in use: stop what listens there or choose another port (0: any free one)"
        )
    elif wrong.errno in {errno.EACCES, errno.EPERM}:
        text = f"not allowed to listen at {where}: ports below 1024 are often reserved"
    elif wrong.errno == errno.EADDRNOTAVAIL:
        text = f"cannot listen at {where}: {host!r} is not an address of this machine"
    else:
        text = f"cannot listen at {where}: {wrong.strerror or os.strerror(wrong.errno or 0)}"
    return OSError(wrong.errno, text)


def address_of(
    listeners: list[trio.SocketListener], *, host: str | None, path: str, secure: bool
) -> WebSocketAddress:
    """Where `listeners` listen, and the URL of `path` there."""
    hosts, port, where = _bound(listeners, host)
    url = f"{'wss' if secure else 'ws'}://{where}{path}"
    return WebSocketAddress(host=hosts[0], port=port, url=url, hosts=hosts)


def http_address_of(
    listeners: list[trio.SocketListener], *, host: str | None, secure: bool
) -> HTTPAddress:
    """Where `listeners` listen, and the URL that paths are appended to."""
    hosts, port, where = _bound(listeners, host)
    url = f"{'https' if secure else 'http'}://{where}"
    return HTTPAddress(host=hosts[0], port=port, url=url, hosts=hosts)


def _bound(
    listeners: list[trio.SocketListener], host: str | None
) -> tuple[tuple[str, ...], int, str]:
    """All addresses, their port, and what a URL for this machine names."""
    hosts = tuple(str(listener.socket.getsockname()[0]) for listener in listeners)
    port = int(listeners[0].socket.getsockname()[1])
    shown = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(hosts[0], hosts[0])
    if len(hosts) > 1 and host:
        shown = host
    return hosts, port, f"[{shown}]:{port}" if ":" in shown else f"{shown}:{port}"


def bound_silence(transport: trio.SocketStream, timeout: float) -> None:
    """End the connection when nothing that was sent is acknowledged for that long.

    A peer that is switched off, or out of reach, says nothing; otherwise the kernel goes on
    trying for a quarter of an hour. Linux alone knows this.
    """
    if hasattr(socket, "TCP_USER_TIMEOUT"):
        milliseconds = max(1, math.ceil(timeout * 1000))
        with contextlib.suppress(OSError):  # the peer may have left already
            transport.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, milliseconds)
