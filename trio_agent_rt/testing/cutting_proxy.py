"""A TCP proxy that cuts connections, to see whether both sides get over it."""

from __future__ import annotations

import math
import random
import socket
import struct
from collections.abc import Iterable, Iterator
from typing import Literal, TypeAlias

import attrs
import trio

__all__ = ["Cut", "CuttingProxy", "Direction", "random_cuts"]

Direction: TypeAlias = Literal["to_client", "to_server"]
"""Which way bytes go through a proxy."""

_RESET_ON_CLOSE = struct.pack("ii", 1, 0)
"""For SO_LINGER: on, 0 s; closing then sends a reset (socket(7))."""

_CHUNK = 64 * 1024


@attrs.frozen(kw_only=True)
class Cut:
    """Where a connection is to be cut.

    Args:
        after_bytes: how many bytes to let through first; where that is, in the middle of
            a handshake, a frame or a character, does not matter.
        direction: which way they are counted.
        reset: whether both sides see a reset (RST); otherwise they see the end (FIN).
    """

    after_bytes: int
    direction: Direction = "to_client"
    reset: bool = False


def random_cuts(
    seed: int,
    count: int,
    *,
    to_client: tuple[int, int] = (0, 4096),
    to_server: tuple[int, int] = (0, 512),
) -> Iterator[Cut]:
    """`count` cuts at random places; the same seed gives the same ones.

    Args:
        to_client: the least and the most bytes that a client receives before a cut.
        to_server: the same for a server, which usually receives less.
    """
    chance = random.Random(seed)
    directions: tuple[Direction, ...] = ("to_client", "to_client", "to_server")
    for _ in range(count):
        direction = chance.choice(directions)
        low, high = to_client if direction == "to_client" else to_server
        reset = chance.random() < 0.5
        yield Cut(after_bytes=chance.randint(low, high), direction=direction, reset=reset)


class CuttingProxy:
    """A proxy on a free loopback port: each connection is cut where the next `Cut` says.

    A connection for which there is no cut any more stays whole, until `cut_now`.

    ```python
    proxy = CuttingProxy("127.0.0.1", 8080, cuts=random_cuts(seed=1, count=20))
    port = await nursery.start(proxy.serve)
    async with open_websocket_client(f"ws://127.0.0.1:{port}/ws") as client: ...
    ```

    Args:
        host: where to pass connections on to.
        port: the same.
        cuts: one for each connection, in the order in which they arrive.
    """

    def __init__(self, host: str, port: int, *, cuts: Iterable[Cut] = ()) -> None:
        self.target: tuple[str, int] = (host, port)
        """Where connections are passed on to from now on."""
        self._cuts = iter(cuts)
        self._open: set[_Connection] = set()
        self.connections: int = 0
        """How many connections there have been."""
        self.cuts_made: int = 0
        """How many of them it has cut."""

    async def serve(self, *, task_status: trio.TaskStatus[int] = trio.TASK_STATUS_IGNORED) -> None:
        """Pass connections on, until it is cancelled, which ends them.

        `nursery.start` returns the port on 127.0.0.1. A connection that breaks by itself
        ends nothing else.
        """
        listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
        task_status.started(int(listeners[0].socket.getsockname()[1]))
        await trio.serve_listeners(self._handle, listeners)

    def cut_now(self, *, reset: bool = False) -> None:
        """Cut every connection that is open."""
        for connection in list(self._open):
            connection.cut(reset=reset)

    async def _handle(self, client: trio.SocketStream) -> None:
        self.connections += 1
        connection = _Connection(client, next(self._cuts, None))
        self._open.add(connection)
        try:
            await connection.run(self.target)
        finally:
            self._open.discard(connection)
            self.cuts_made += connection.was_cut


@attrs.define(eq=False)
class _Connection:
    client: trio.SocketStream
    planned: Cut | None
    was_cut: bool = False
    _reset: bool = False
    _scope: trio.CancelScope = attrs.field(factory=trio.CancelScope)

    def cut(self, *, reset: bool) -> None:
        self.was_cut = True
        self._reset = reset
        self._scope.cancel(reason="the connection is cut")

    async def run(self, target: tuple[str, int]) -> None:
        streams = [self.client]
        try:
            with self._scope:
                server = await trio.open_tcp_stream(*target)
                streams.append(server)
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(self._pass, self.client, server, "to_server")
                    nursery.start_soon(self._pass, server, self.client, "to_client")
        except OSError:  # there is no server: as if it were not there for the client either
            self._reset = True
        finally:
            for stream in streams:
                self._close(stream)

    async def _pass(
        self, source: trio.SocketStream, sink: trio.SocketStream, direction: Direction
    ) -> None:
        left = math.inf
        if self.planned is not None and self.planned.direction == direction:
            left = self.planned.after_bytes
        try:
            while left > 0:
                data = await source.receive_some(int(min(left, _CHUNK)))
                if not data:
                    await sink.send_eof()
                    return
                await sink.send_all(data)
                left -= len(data)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            self._scope.cancel(reason="one side has broken")
            return
        if self.planned is not None:
            self.cut(reset=self.planned.reset)

    def _close(self, stream: trio.SocketStream) -> None:
        if self._reset and stream.socket.fileno() >= 0:
            stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        stream.socket.close()
