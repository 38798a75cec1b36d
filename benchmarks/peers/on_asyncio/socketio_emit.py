"""python-socketio on uvicorn: `emit` to everybody, over its WebSocket transport."""

from __future__ import annotations

import asyncio
import json

import socketio

from ..publishing import NO_HEARTBEAT, event_text, read_options
from .uvicorn_server import serve_app


async def main() -> None:
    """Serve until standard input is closed."""
    server = socketio.AsyncServer(async_mode="asgi", ping_interval=NO_HEARTBEAT)

    async def publish(number: int) -> None:
        # It takes an object and makes JSON of it, once.
        await server.emit("event", json.loads(event_text(number)))

    await serve_app(socketio.ASGIApp(server), read_options(), publish, "python-socketio")


if __name__ == "__main__":
    asyncio.run(main())
