"""`websockets` on asyncio, with its `broadcast()`."""

from __future__ import annotations

import asyncio

from websockets.asyncio.server import ServerConnection, broadcast, serve

from ..publishing import NO_HEARTBEAT, announce, event_text, read_options
from .pacing import publish_events


async def main() -> None:
    """Serve until standard input is closed."""
    options = read_options()
    clients: set[ServerConnection] = set()

    async def handle(connection: ServerConnection) -> None:
        clients.add(connection)
        try:
            await connection.wait_closed()
        finally:
            clients.discard(connection)

    async with serve(
        handle, "127.0.0.1", 0, compression=None, ping_interval=NO_HEARTBEAT
    ) as server:
        announce(server.sockets[0].getsockname()[1], "websockets")
        await publish_events(options, lambda number: broadcast(clients, event_text(number)))


if __name__ == "__main__":
    asyncio.run(main())
