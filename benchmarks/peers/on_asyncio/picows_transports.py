"""picows, which is C: `send` to every transport."""

from __future__ import annotations

import asyncio

from picows import WSListener, WSMsgType, WSTransport, WSUpgradeRequest, ws_create_server

from ..publishing import announce, event_text, read_options
from .pacing import publish_events


async def main() -> None:
    """Serve until standard input is closed."""
    options = read_options()
    clients: set[WSTransport] = set()

    class Listener(WSListener):
        def on_ws_connected(self, transport: WSTransport) -> None:
            clients.add(transport)

        def on_ws_disconnected(self, transport: WSTransport) -> None:
            clients.discard(transport)

    def listen(request: WSUpgradeRequest) -> WSListener:
        return Listener()

    def publish(number: int) -> None:
        message = event_text(number).encode()
        for client in clients:
            client.send(WSMsgType.TEXT, message)

    server = await ws_create_server(listen, "127.0.0.1", 0)
    announce(server.sockets[0].getsockname()[1], "picows")
    await publish_events(options, publish)


if __name__ == "__main__":
    asyncio.run(main())
