"""trio-websocket as its documentation has it: a channel per client, and `send_message`."""

from __future__ import annotations

import math

import trio
from trio_websocket import ConnectionClosed, WebSocketRequest, serve_websocket

from ..publishing import announce, event_text, read_options
from .pacing import publish_events


async def main() -> None:
    """Serve until standard input is closed."""
    options = read_options()
    clients: set[trio.MemorySendChannel[str]] = set()

    async def handle(request: WebSocketRequest) -> None:
        websocket = await request.accept()
        # Without a bound, which is a few hundred events where it is not paced.
        send, receive = trio.open_memory_channel[str](math.inf)
        clients.add(send)
        try:
            async for text in receive:
                await websocket.send_message(text)
        except ConnectionClosed:
            pass
        finally:
            clients.discard(send)

    async with trio.open_nursery() as nursery:
        server = await nursery.start(serve_websocket, handle, "127.0.0.1", 0, None)
        announce(server.port, "trio", "trio-websocket")

        def publish(number: int) -> None:
            text = event_text(number)
            for client in clients:
                client.send_nowait(text)

        await publish_events(options, publish)


if __name__ == "__main__":
    trio.run(main)
