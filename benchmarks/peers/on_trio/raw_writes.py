"""The least that Trio allows: trio-websocket accepts, then frames go straight to the sockets.

No order is lost, but a client that stops reading would be: it is what a server could cost that
does nothing else, and no example to follow.
"""

from __future__ import annotations

import os

import trio
from trio_websocket import ConnectionClosed, WebSocketRequest, wrap_server_stream

from ..publishing import announce, event_text, read_options
from .pacing import publish_events


def _frame(text: str) -> bytes:
    payload = text.encode()
    return b"\x81\x7e" + len(payload).to_bytes(2, "big") + payload  # 126 to 65,535 bytes


async def main() -> None:
    """Serve until standard input is closed."""
    options = read_options()
    # The socket itself: a Trio socket's `send` waits, and would be a checkpoint.
    clients: dict[int, tuple[trio.SocketStream, list[bytes]]] = {}

    async def handle(stream: trio.SocketStream) -> None:
        try:
            async with trio.open_nursery() as nursery:
                request: WebSocketRequest = await wrap_server_stream(nursery, stream)
                websocket = await request.accept()
                clients[stream.socket.fileno()] = stream, []
                try:
                    while True:
                        await websocket.get_message()
                except ConnectionClosed:
                    nursery.cancel_scope.cancel()
        except* (ConnectionClosed, trio.BrokenResourceError, trio.ClosedResourceError):
            pass
        finally:
            clients.pop(stream.socket.fileno(), None)

    async with trio.open_nursery() as nursery:
        listeners = await nursery.start(trio.serve_tcp, handle, 0)
        announce(listeners[0].socket.getsockname()[1], "trio", "trio-websocket")

        def publish(number: int) -> None:
            frame = _frame(event_text(number))
            for fileno in clients:
                sent = os.write(fileno, frame)
                if sent != len(frame):
                    raise RuntimeError("a client does not keep up, and nothing here can wait")

        await publish_events(options, publish)


if __name__ == "__main__":
    trio.run(main)
