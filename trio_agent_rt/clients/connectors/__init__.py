"""How a client reaches its server: one narrow seam, one connector per transport."""

from .base import Attachment, Connector, Link, LinkClosed
from .sse import SSEConnector
from .websocket import WebSocketConnector

__all__ = ["Attachment", "Connector", "Link", "LinkClosed", "SSEConnector", "WebSocketConnector"]
