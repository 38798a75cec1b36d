"""How a program comes by a client: one function for each transport."""

from __future__ import annotations

import importlib
import ssl
from collections.abc import Mapping, Sequence
from typing import cast

from ..protocol import Position, SessionSummary
from .client import AgentClient
from .connectors import SSEConnector, WebSocketConnector
from .connectors.dialing import Dial
from .reconnect import Reconnect

__all__ = ["list_sessions", "open_sse_client", "open_websocket_client"]


def open_websocket_client(
    url: str,
    *,
    reconnect: Reconnect | None = None,
    session: str | None = None,
    last_position: Position | str | None = None,
    token: str | None = None,
    headers: Mapping[str, str] | None = None,
    ssl_context: ssl.SSLContext | None = None,
    dial: Dial | None = None,
    connect_timeout: float = 10.0,
    command_timeout: float = 30.0,
    max_message_bytes: int = 64 * 1024 * 1024,
    max_command_bytes: int = 1024 * 1024,
    max_buffered_events: int = 10_000,
) -> AgentClient:
    """A client of a WebSocket server, to be entered with `async with`.

    Args:
        url: `ws://host:port/path`, or `wss://` for TLS.
        reconnect: how to get a cut connection back; None for `Reconnect()`.
        session: the id of an existing session to attach to, or None for a new one.
        last_position: where to go on in that session (an event's `position`), or None
            to be told its present state first.
        token: sent as `Authorization: Bearer …`. It is in no error, log or repr.
        headers: more headers for the handshake; treated like `token`.
        ssl_context: for `wss://`, whom to trust; None for the system's authorities.
        dial: makes the connection to a host and a port; None for TCP.
        connect_timeout: how long one attempt to connect may take, in seconds.
        command_timeout: how long the server may take to answer a command, in seconds,
            reconnects included. Cancelling has no such bound; see `ClientTask.cancel`.
        max_message_bytes: the largest message to take from the server.
        max_command_bytes: the largest command to send; what is larger is refused here,
            since a server closes the connection for it. The default is the server's.
        max_buffered_events: how many events to hold for each task and for each iterator
            that is behind; where the oldest give way, it finds a `GapOccurred`.

    Raises:
        ValueError: at once, when the URL or another argument makes no sense.
    """
    connector = WebSocketConnector(
        url=url,
        token=token,
        headers=headers or {},
        ssl_context=ssl_context,
        dial=dial,
        max_message_bytes=max_message_bytes,
    )
    return AgentClient(
        connector,
        reconnect=reconnect,
        session=session,
        last_position=last_position,
        connect_timeout=connect_timeout,
        command_timeout=command_timeout,
        max_command_bytes=max_command_bytes,
        max_buffered_events=max_buffered_events,
    )


def open_sse_client(
    url: str,
    *,
    task_url: str | None = None,
    paths: Mapping[str, str] | None = None,
    reconnect: Reconnect | None = None,
    session: str | None = None,
    last_position: Position | str | None = None,
    token: str | None = None,
    headers: Mapping[str, str] | None = None,
    ssl_context: ssl.SSLContext | None = None,
    dial: Dial | None = None,
    connect_timeout: float = 10.0,
    command_timeout: float = 30.0,
    max_message_bytes: int = 64 * 1024 * 1024,
    max_command_bytes: int = 1024 * 1024,
    max_buffered_events: int = 10_000,
) -> AgentClient:
    """A client of an SSE server, to be entered with `async with`.

    It is the same client as over a WebSocket, and does the same. What is different beneath:
    every command is an HTTP request of its own, and a cancel holds a connection until the
    work has ended. No proxy of the environment is used, and no redirect is followed.

    Args:
        url: of the stream: `http://host:port/sse`, or `https://` for TLS.
        task_url: where tasks are submitted, if that is not `task` beside the stream. The
            other commands go beside it: to `cancel`, `confirm`, `tools` and `state`.
        paths: where a command goes that the server has elsewhere: `{"cancel": "/stop"}`.
        headers: more headers for every request; treated like `token`.
        ssl_context: for `https://`, whom to trust; None for the system's authorities.

    The other arguments are those of `open_websocket_client`.

    Raises:
        ValueError: at once, when the URL or another argument makes no sense.
    """
    connector = SSEConnector(
        url=url,
        task_url=task_url,
        paths=paths or {},
        token=token,
        headers=headers or {},
        ssl_context=ssl_context,
        dial=dial,
        max_message_bytes=max_message_bytes,
    )
    return AgentClient(
        connector,
        reconnect=reconnect,
        session=session,
        last_position=last_position,
        connect_timeout=connect_timeout,
        command_timeout=command_timeout,
        max_command_bytes=max_command_bytes,
        max_buffered_events=max_buffered_events,
    )


async def list_sessions(
    url: str,
    *,
    sessions_url: str | None = None,
    token: str | None = None,
    headers: Mapping[str, str] | None = None,
    ssl_context: ssl.SSLContext | None = None,
    dial: Dial | None = None,
    command_timeout: float = 30.0,
    max_message_bytes: int = 64 * 1024 * 1024,
) -> Sequence[SessionSummary]:
    """The sessions that belong to whoever asks and have not ended, oldest first.

    It is one HTTP request, and opens no session.

    Args:
        url: of the stream, as for `open_sse_client`.
        sessions_url: where sessions are listed, if that is not `sessions` beside the stream.
        command_timeout: how long it may take in all, in seconds.

    The other arguments are those of `open_sse_client`.

    Raises:
        ConnectionRejected: when the server refuses: it does not know who asks (401), or
            asks nobody who they are, and so tells nobody of the sessions of others (403).
        ConnectFailed: when the server is not there, or not in time.
        NotThisProtocol: when something else answers.
        ValueError: when the URL or another argument makes no sense.

    Cancellation: safe to retry.
    """
    connector = SSEConnector(
        url=url,
        task_url=sessions_url,
        token=token,
        headers=headers or {},
        ssl_context=ssl_context,
        dial=dial,
        max_message_bytes=max_message_bytes,
    )
    # It needs httpx, which whoever speaks WebSocket does without.
    listing = importlib.import_module(".listing", __package__)
    return cast(
        "Sequence[SessionSummary]", await listing.fetch_sessions(connector, command_timeout)
    )
