"""One client for programs, whatever the transport: reconnect, resume, typed events."""

from .client import AgentClient
from .connectors import Attachment, Connector, Link, LinkClosed, SSEConnector, WebSocketConnector
from .following import ClientTask, EventStream
from .opening import list_sessions, open_sse_client, open_websocket_client
from .reconnect import Reconnect

__all__ = [
    "AgentClient",
    "Attachment",
    "ClientTask",
    "Connector",
    "EventStream",
    "Link",
    "LinkClosed",
    "Reconnect",
    "SSEConnector",
    "WebSocketConnector",
    "list_sessions",
    "open_sse_client",
    "open_websocket_client",
]
