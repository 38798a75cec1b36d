"""When a client tries again, how long it waits before, and when it gives up. No I/O.

| what ended a connection, or kept it from being made | and then |
|---|---|
| broken, 1001, 1006, 1011, 1013, 4000–4499, a time-out, HTTP 408, 425, 429, 5xx | tried again |
| an SSE stream that has ended: there are no close codes, the next attempt tells why | tried again |
| 4502; over SSE HTTP 204, or 404 that speaks of the session | `SessionLost` |
| 1000, 1003, 1007, 1008, 1009, 4500–4999, any other HTTP 4xx | `ConnectionLost` |
| a message that breaks the contract: it would only be sent again | `NotThisProtocol` |
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator

from attrs import frozen

from .. import errors
from ..protocol import CloseCode, may_reconnect
from .connectors import LinkClosed

__all__ = ["Reconnect", "final_failure", "first_failure", "given_up"]

_TRANSIENT_STATUSES = frozenset({408, 425, 429})
"""Refusals below 500 that are about the moment, not about the client (RFC 9110, 6585)."""


@frozen(kw_only=True)
class Reconnect:
    """How a client whose connection was cut gets it back.

    The n-th delay is random between 0 and `min(cap, base * 2**n)` seconds ("full jitter":
    a thousand clients of a server that restarts do not come back in one moment). So the
    first retry follows a cut within `base` seconds. A connection that brought something
    new, or held for 5 s, starts the count afresh.

    Args:
        enabled: False gives up at once when the connection is cut.
        base: what the first delay is at most, in seconds.
        cap: what any delay is at most, in seconds.
        max_attempts: how many attempts in a row may fail, or None for any number.
        give_up_after: how long the connection may be gone, in seconds, or None for ever.
            The default is ten times a server's usual `linger`: no session lives longer.
    """

    enabled: bool = True
    base: float = 0.5
    cap: float = 30.0
    max_attempts: int | None = None
    give_up_after: float | None = 300.0

    def __attrs_post_init__(self) -> None:
        for name in ("base", "cap", "give_up_after"):
            value = getattr(self, name)
            if value is not None and not value >= 0:
                raise ValueError(f"{name} must be 0 or more seconds, not {value}")
        if self.max_attempts is not None and self.max_attempts < 1:
            raise ValueError(
                f"max_attempts must be 1 or more, not {self.max_attempts}; "
                "enabled=False is for none"
            )

    def delays(self, uniform: Callable[[float, float], float] = random.uniform) -> Iterator[float]:
        """How long to wait before each attempt, in seconds; it ends where the attempts end."""
        if not self.enabled:
            return
        attempt = 0
        while self.max_attempts is None or attempt < self.max_attempts:
            # 2.0**1000 and more do not fit a float, and the cap is long reached.
            yield uniform(0, min(self.cap, self.base * 2.0 ** min(attempt, 64)))
            attempt += 1


def first_failure(failure: Exception, address: str) -> Exception:
    """What the failure of the first attempt is to whoever enters the client."""
    match failure:
        case LinkClosed(code=CloseCode.SESSION_UNKNOWN):
            return _session_lost(failure)
        case LinkClosed():
            text = f"{address} closed the connection at once ({_told(failure)})"
            return _caused(failure, errors.ConnectFailed(text))
        case _:
            return failure


def final_failure(failure: Exception, address: str, *, greeted: bool) -> Exception | None:
    """What a failure comes to if no other attempt makes sense, or else None.

    Args:
        greeted: whether the server had shown that it speaks the protocol.
    """
    match failure:
        case LinkClosed(code=CloseCode.SESSION_UNKNOWN):
            return _session_lost(failure)
        case LinkClosed(code=code) if not may_reconnect(code):
            text = f"the connection to {address} was closed ({_told(failure)})"
            return _caused(failure, errors.ConnectionLost(text, code))
        case errors.ConnectionRejected(status=status) if (
            status < 500 and status not in _TRANSIENT_STATUSES
        ):
            text = f"{address} does not let the client back in ({failure})"
            return _caused(failure, errors.ConnectionLost(text))
        case errors.SessionLost():
            return failure
        case errors.NotThisProtocol() if greeted:
            return failure
        case _:
            return None


def given_up(failure: Exception, address: str, why: str) -> Exception:
    """What the last failure comes to when there will be no other attempt."""
    text = f"the connection to {address} is gone, and {why} (at last: {_told(failure)})"
    code = failure.code if isinstance(failure, LinkClosed) else None
    return _caused(failure, errors.ConnectionLost(text, code))


def _session_lost(failure: LinkClosed) -> Exception:
    text = "the server no longer knows the session"
    return _caused(failure, errors.SessionLost(f"{text} ({_told(failure)})"))


def _told(failure: Exception) -> str:
    """What is known of a failure, in a few words."""
    if not isinstance(failure, LinkClosed):
        return str(failure)
    code = () if failure.code is None else (str(int(failure.code)),)
    return " ".join((*code, failure.reason)).strip() or "it broke"


def _caused(cause: Exception, error: Exception) -> Exception:
    error.__cause__ = cause
    return error
