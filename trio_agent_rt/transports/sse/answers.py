"""What an HTTP request is answered when something is wrong: always JSON, never a stack."""

from __future__ import annotations

import http
from collections.abc import Mapping

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

__all__ = ["JSON", "NO_SUCH_METHOD", "Answer", "Refused", "failure", "failure_of_status"]

JSON = "application/json"
"""The type of every answer that is no stream."""

NO_SUCH_METHOD = "this resource has no such method; see the Allow header"
"""What is said with a 405."""

_RETRY_AFTER = "1"
"""Seconds; a server that restarts is back about then, and a bucket has filled again."""

_CODES = {
    # Of a path, not of a session: a client with a wrong URL has not lost its session.
    404: "not_found",
    413: "too_large",
}
"""The code of each status that has no error of ours behind it."""

_CODES_OF_HOOKS = {401: "unauthorized", 403: "forbidden", 429: "rate_limited", 500: "internal"}
"""The code of each status that a hook refuses with."""

_REJECTED = "rejected"
"""The code of all others: what they mean, the application alone knows. A 503 of its own is
no shutdown of ours, and a 409 says nothing about a task."""


@frozen(kw_only=True)
class Answer:
    """A whole response, except for what CORS adds."""

    status: int
    body: bytes = b""
    headers: dict[str, str] = field(factory=dict[str, str])


class Refused(Exception):
    """A request that is not carried out, and what is said to it."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(f"HTTP status {answer.status}")
        self.answer = answer


def failure(wrong: Exception) -> Answer:
    """What a peer is told of `wrong`. What is not the peer's fault is logged."""
    headers: dict[str, str] = {}
    match wrong:
        case Refused(answer=answer):
            return answer
        case ConnectionRejected(status=status, message=message):
            code = _CODES_OF_HOOKS.get(status, _REJECTED)
            return _failed(status, code, message or _phrase(status), wrong.headers)
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
    return _failed(status, code, message, headers)


def failure_of_status(status: int, message: str, headers: dict[str, str] | None = None) -> Answer:
    """What a peer is told of an HTTP status that has no error of ours behind it."""
    code = _CODES.get(status, "internal" if status >= 500 else "bad_message")
    return _failed(status, code, message, headers or {})


def _failed(status: int, code: str, message: str, headers: Mapping[str, str]) -> Answer:
    body = encode_http_failure(message, code)
    return Answer(status=status, body=body, headers=dict(headers))


def _phrase(status: int) -> str:
    try:
        return http.HTTPStatus(status).phrase
    except ValueError:
        return f"HTTP status {status}"
