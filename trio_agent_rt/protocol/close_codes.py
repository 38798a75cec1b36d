"""WebSocket close codes, and what each tells a client to do next."""

from __future__ import annotations

import enum

__all__ = ["CloseCode", "may_reconnect", "shorten_reason"]


class CloseCode(enum.IntEnum):
    """Why a connection was closed.

    4000–4499 invite the client to reconnect and resume; 4500–4999 tell it not to.
    """

    NORMAL = 1000
    GOING_AWAY = 1001
    UNSUPPORTED_DATA = 1003
    INVALID_DATA = 1007
    POLICY_VIOLATION = 1008
    MESSAGE_TOO_BIG = 1009
    INTERNAL_ERROR = 1011
    TRY_AGAIN_LATER = 1013
    TOO_SLOW = 4000
    HEARTBEAT_MISSED = 4001
    SESSION_MOVED = 4002
    NOT_AUTHORISED = 4500
    PROTOCOL_VIOLATED = 4501
    SESSION_UNKNOWN = 4502


_FINAL = {
    CloseCode.NORMAL,
    CloseCode.UNSUPPORTED_DATA,
    CloseCode.INVALID_DATA,
    CloseCode.POLICY_VIOLATION,
    CloseCode.MESSAGE_TOO_BIG,
}


def may_reconnect(code: int | None) -> bool:
    """Whether a client that was closed with `code` should try again.

    None and 1006 stand for a connection that broke without a close frame.
    """
    if code is None:
        return True
    return code not in _FINAL and not 4500 <= code <= 4999


def shorten_reason(reason: str) -> str:
    """`reason`, cut at a character so that it has at most 123 bytes (RFC 6455, 5.5.1)."""
    return reason.encode("utf-8", "replace")[:123].decode("utf-8", "ignore")
