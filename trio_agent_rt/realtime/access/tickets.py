"""Tickets: let a page hand over who it is where it can set no header.

`EventSource` and a browser's `WebSocket` cannot send `Authorization`. A page that can
authenticate (`fetch` with a header or a cookie) asks for a ticket, and puts it into the
URL: it works once, and not for long, so a URL that ends in a log is worth nothing.
"""

from __future__ import annotations

import math
import secrets
from collections import OrderedDict

import trio

from .principal import Principal

__all__ = ["Tickets"]

LIFETIME = 30.0
"""Seconds between asking for a ticket and using it: a slow page load, and no more."""

MAX_OUTSTANDING = 10_000
"""Tickets that may wait to be used; beyond it the oldest is void. Some 3 MB."""


class Tickets:
    """Tickets that were given out and not used yet.

    Args:
        lifetime: seconds that a ticket is good for.
        max_outstanding: how many may wait; beyond it the oldest is void.
    """

    def __init__(
        self, *, lifetime: float = LIFETIME, max_outstanding: int = MAX_OUTSTANDING
    ) -> None:
        self.lifetime: float = lifetime
        self._max_outstanding = max_outstanding
        # In the order of their issue, which is that of their end.
        self._waiting: OrderedDict[str, tuple[Principal, float]] = OrderedDict()

    def __repr__(self) -> str:
        return f"<Tickets waiting={len(self._waiting)}>"

    def issue(self, principal: Principal) -> str:
        """A new ticket, which stands for `principal` once."""
        now = trio.current_time()
        while self._waiting and self._oldest_ends() <= now:
            self._waiting.popitem(last=False)
        if len(self._waiting) >= self._max_outstanding:
            self._waiting.popitem(last=False)
        ticket = secrets.token_urlsafe(24)
        self._waiting[ticket] = (principal, now + self.lifetime)
        return ticket

    def redeem(self, ticket: str) -> Principal | None:
        """Whom `ticket` stands for; None if it is unknown, used or too old. It is used then."""
        principal, ends = self._waiting.pop(ticket, (None, -math.inf))
        if principal is None or trio.current_time() >= ends or principal.expired:
            return None
        return principal

    def _oldest_ends(self) -> float:
        _, ends = next(iter(self._waiting.values()))
        return ends
