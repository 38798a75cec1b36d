"""What carries a `RealtimeAgent` over the network, and who is let in."""

from .admission import Authenticate, ChooseSession
from .handshake import HandshakeRequest, Headers
from .listeners import WebSocketAddress
from .websocket import serve_websocket

__all__ = [
    "Authenticate",
    "ChooseSession",
    "HandshakeRequest",
    "Headers",
    "WebSocketAddress",
    "serve_websocket",
]
