"""The WebSocket server.

`server` accepts and shuts down, `visit` is the life of one connection, `stream` what its
bytes go through.
"""

from .server import serve_websocket

__all__ = ["serve_websocket"]
