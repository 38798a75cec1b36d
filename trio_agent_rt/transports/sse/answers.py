"""What an HTTP request is answered when something is wrong: always JSON, never a stack."""

from __future__ import annotations

import http

from attrs import field, frozen

from ...errors import (
    CommandRefused,
    ConnectionRejected,
    MessageTooLarge,
    ProtocolError,
    RateLimited,
    ShuttingDown,
    TooManyConnections,
)
from ...protocol import HTTP_STATUSES, encode_http_failure
from ..admission import report

__all__ = ["JSON", "Answer", "failure", "failure_of_status"]

JSON = "application/json"
"""The type of every answer that is no stream."""

_RETRY_AFTER = "1"
"""Seconds; a server that restarts is back about then, and a bucket has filled again."""

_CODES = {
    400: "bad_message",
    401: "unauthorized",
    403: "forbidden",
    # Of a path, not of a session: a client with a wrong URL has not lost its session.
    404: "not_found",
    408: "bad_message",
    409: "busy",
    413: "too_large",
    429: "rate_limited",
    503: "shutting_down",
}
"""The code of each status that has no error of ours behind it."""


@frozen(kw_only=True)
class Answer:
    """A whole response, except for what CORS adds."""

    status: int
    body: bytes = b""
    headers: dict[str, str] = field(factory=dict[str, str])


def failure(wrong: Exception) -> Answer:
    """What a peer is told of `wrong`. What is not the peer's fault is logged."""
    headers: dict[str, str] = {}
    match wrong:
        case ConnectionRejected(status=status, message=message):
            phrase = message or _phrase(status)
            return failure_of_status(status, phrase, wrong.headers)
        case CommandRefused() | ProtocolError():
            status, code, message = HTTP_STATUSES[wrong.code], wrong.code, str(wrong)
        case _:
            reference = report("a request failed", wrong)
            status, code = 500, "internal"
            message = f"internal error, reference {reference}"
    if isinstance(wrong, ShuttingDown | RateLimited | TooManyConnections):
        headers["Retry-After"] = _RETRY_AFTER
    if isinstance(wrong, MessageTooLarge):
        headers["Connection"] = "close"
    return Answer(status=status, body=encode_http_failure(message, code), headers=headers)


def failure_of_status(status: int, message: str, headers: dict[str, str] | None = None) -> Answer:
    """What a peer is told of an HTTP status that has no error of ours behind it."""
    code = _CODES.get(status, "internal" if status >= 500 else "bad_message")
    body = encode_http_failure(message or _phrase(status), code)
    return Answer(status=status, body=body, headers=dict(headers or {}))


def _phrase(status: int) -> str:
    try:
        return http.HTTPStatus(status).phrase
    except ValueError:
        return f"HTTP status {status}"
