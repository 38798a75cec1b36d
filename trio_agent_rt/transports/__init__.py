"""What carries a `RealtimeAgent` over the network, and who is let in."""

from .admission import Authenticate, ChooseSession
from .cors import Cors
from .http import Exchange, current_exchange, serve_app
from .listeners import HTTPAddress, SSEAddress, WebSocketAddress
from .request import Headers, Request
from .serve import ServerAddresses, SSEOptions, WebSocketOptions, serve
from .sse import Pages, SSEPaths, serve_sse, sse_blueprint
from .tokens import BearerTokens
from .websocket import serve_websocket

__all__ = [
    "Authenticate",
    "BearerTokens",
    "ChooseSession",
    "Cors",
    "Exchange",
    "HTTPAddress",
    "Headers",
    "Pages",
    "Request",
    "SSEAddress",
    "SSEOptions",
    "SSEPaths",
    "ServerAddresses",
    "WebSocketAddress",
    "WebSocketOptions",
    "current_exchange",
    "serve",
    "serve_app",
    "serve_sse",
    "serve_websocket",
    "sse_blueprint",
]
