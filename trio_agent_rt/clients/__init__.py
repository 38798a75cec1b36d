"""One client for programs, whatever the transport: reconnect, resume, typed events."""

from .client import AgentClient, open_websocket_client
from .connectors import Attachment, Connector, Link, LinkClosed, WebSocketConnector
from .inbox import EventStream
from .reconnect import Reconnect
from .task import ClientTask

__all__ = [
    "AgentClient",
    "Attachment",
    "ClientTask",
    "Connector",
    "EventStream",
    "Link",
    "LinkClosed",
    "Reconnect",
    "WebSocketConnector",
    "open_websocket_client",
]
