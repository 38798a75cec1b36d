"""An ASGI app on uvicorn, with what it comes with by default, and compression off."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import uvicorn

from ..publishing import NO_HEARTBEAT, Options, announce
from .pacing import Publish, publish_events

__all__ = ["serve_app"]


class _Server(uvicorn.Server):
    """One that tells when it listens."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.listening = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.listening.set()


async def serve_app(app: Any, options: Options, publish: Publish, *packages: str) -> None:
    """Serve `app` at a free port, and publish events, until standard input is closed."""
    config = uvicorn.Config(
        app,
        loop="asyncio",
        ws_per_message_deflate=False,
        ws_ping_interval=NO_HEARTBEAT,
        log_level="warning",
        access_log=False,
        lifespan="off",
    )
    server = _Server(config)
    with socket.create_server(("127.0.0.1", 0), backlog=2048) as listener:
        async with asyncio.TaskGroup() as group:
            group.create_task(server.serve(sockets=[listener]))
            await server.listening.wait()
            announce(listener.getsockname()[1], "uvicorn", *packages)
            await publish_events(options, publish)
