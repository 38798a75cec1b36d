"""One HTTP request that is of no session: which sessions there are."""

from __future__ import annotations

from collections.abc import Sequence
from http import HTTPStatus

import trio

from ..errors import AgentRTError, NotThisProtocol, ProtocolError
from ..protocol import SessionSummary, decode_http_sessions
from .connectors import LinkClosed, SSEConnector
from .connectors.handshake import rejection, too_late, unfinished_handshake
from .connectors.http import BROKEN, HTTPClient, read_body
from .connectors.url import ServerURL

__all__ = ["fetch_sessions"]


async def fetch_sessions(connector: SSEConnector, patience: float) -> Sequence[SessionSummary]:
    """What `list_sessions` does.

    Args:
        connector: how the server is reached; its `task_url`, if it has one, is the URL of the list.
        patience: how long it may take, in seconds.
    """
    url = connector.task_url or connector.url.sibling("sessions")
    failure: AgentRTError | None = None
    client = HTTPClient(connector.request_headers(), connector.ssl_context, connector.dial)
    with trio.move_on_after(patience):
        async with client as http:
            try:
                return await _ask(http, url, connector.max_message_bytes)
            except BROKEN as exc:
                received = b"" if http.latest is None else bytes(http.latest.opening)
                failure = unfinished_handshake(url, received, timeout=None)
                failure.__cause__ = exc
            except LinkClosed:
                failure = too_late(url, patience)
    raise failure or too_late(url, patience)


async def _ask(http: HTTPClient, url: ServerURL, max_bytes: int) -> Sequence[SessionSummary]:
    body = bytearray()
    response = await http.ask(
        "GET", url, parameters={}, headers={"Accept": "application/json"}, patient=True
    )
    await read_body(response, max_bytes, body)
    if len(body) > max_bytes:
        raise NotThisProtocol(f"{url} has answered with more than {max_bytes} bytes")
    if response.status_code == HTTPStatus.OK:
        try:
            return decode_http_sessions(bytes(body))
        except ProtocolError as exc:
            raise NotThisProtocol(f"what answers at {url} lists no sessions: {exc}") from None
    raise rejection(
        url, response.status_code, response.headers.raw, bytes(body), usual_path="/sessions"
    )
