"""The least that Trio allows: trio-websocket accepts, then frames go straight to the sockets.

What a socket does not take at once waits, in order, until it does. Nothing else is done: it is
what a server costs that has no sessions, no limits and no deadlines, and no example to follow.
"""

from __future__ import annotations

import functools
import os

import trio
from trio_websocket import ConnectionClosed, WebSocketRequest, wrap_server_stream

from ..publishing import announce, event_text, read_options
from .pacing import publish_events


class _Client:
    """A connection, and what it has not taken yet."""

    def __init__(self, fileno: int) -> None:
        self._fileno = fileno
        self._left = bytearray()

    def write(self, frame: bytes, nursery: trio.Nursery) -> None:
        """Write `frame`, or what of it the socket takes; the rest later, in `nursery`."""
        if not self._left:
            sent = self._try(frame)
            if sent == len(frame):
                return
            frame = frame[sent:]
            nursery.start_soon(self._flush)
        self._left += frame

    def _try(self, data: bytes | bytearray) -> int:
        try:
            return os.write(self._fileno, data)
        except BlockingIOError:
            return 0

    async def _flush(self) -> None:
        while self._left:
            await trio.lowlevel.wait_writable(self._fileno)
            del self._left[: self._try(self._left)]


def _frame(text: str) -> bytes:
    payload = text.encode()
    return b"\x81\x7e" + len(payload).to_bytes(2, "big") + payload  # 126 to 65,535 bytes


async def main() -> None:
    """Serve until standard input is closed."""
    options = read_options()
    clients: set[_Client] = set()

    async def handle(stream: trio.SocketStream) -> None:
        client = _Client(stream.socket.fileno())
        try:
            async with trio.open_nursery() as nursery:
                request: WebSocketRequest = await wrap_server_stream(nursery, stream)
                websocket = await request.accept()
                clients.add(client)
                try:
                    while True:
                        await websocket.get_message()
                except ConnectionClosed:
                    nursery.cancel_scope.cancel()
        except* (ConnectionClosed, trio.BrokenResourceError, trio.ClosedResourceError):
            pass
        finally:
            clients.discard(client)

    async with trio.open_nursery() as nursery:
        listeners = await nursery.start(
            functools.partial(trio.serve_tcp, handle, 0, host="127.0.0.1")
        )
        announce(listeners[0].socket.getsockname()[1], "trio", "trio-websocket")

        def publish(number: int) -> None:
            frame = _frame(event_text(number))
            for client in clients:
                client.write(frame, nursery)

        await publish_events(options, publish)


if __name__ == "__main__":
    trio.run(main)
