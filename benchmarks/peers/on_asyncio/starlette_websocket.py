"""Starlette's WebSocket: a set of those who are connected, and `send_text` to each of them."""

from __future__ import annotations

import asyncio

from starlette.applications import Starlette
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from ..publishing import event_text, read_options
from .uvicorn_server import serve_app


async def main() -> None:
    """Serve until standard input is closed."""
    clients: set[WebSocket] = set()

    async def handle(websocket: WebSocket) -> None:
        await websocket.accept()
        clients.add(websocket)
        try:
            while True:
                await websocket.receive_text()
        except WebSocketDisconnect:
            pass
        finally:
            clients.discard(websocket)

    async def publish(number: int) -> None:
        text = event_text(number)
        for client in tuple(clients):
            await client.send_text(text)

    app = Starlette(routes=[WebSocketRoute("/ws", handle)])
    await serve_app(app, read_options(), publish, "starlette", "websockets")


if __name__ == "__main__":
    asyncio.run(main())
