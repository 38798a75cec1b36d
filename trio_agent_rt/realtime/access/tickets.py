"""Tickets: let a page hand over who it is where it can set no header.

`EventSource` and a browser's `WebSocket` cannot send `Authorization`. A page that can
authenticate (`fetch` with a header or a cookie) asks for a ticket, and puts it into the
URL: it works once, and not for long, so a URL that ends in a log is worth nothing.
"""

from __future__ import annotations

import secrets
from collections import OrderedDict

import trio

from .principal import Principal

__all__ = ["Tickets"]

LIFETIME = 30.0
"""Seconds between asking for a ticket and using it: a slow page load, and no more."""

MAX_OUTSTANDING = 10_000
"""Tickets that may wait to be used; beyond it the oldest is void. Some 3 MB."""

MAX_OF_ONE = 100
"""Of these, for one principal: nobody voids the tickets of others by asking for many. It is
the connections that a principal may have by default."""


class Tickets:
    """Tickets that were given out and not used yet.

    Args:
        lifetime: seconds that a ticket is good for.
        max_outstanding: how many may wait; beyond it the oldest is void.
        max_of_one: how many may wait for one principal; beyond it its oldest is void.
    """

    def __init__(
        self,
        *,
        lifetime: float = LIFETIME,
        max_outstanding: int = MAX_OUTSTANDING,
        max_of_one: int = MAX_OF_ONE,
    ) -> None:
        self.lifetime: float = lifetime
        self._max_outstanding = max_outstanding
        self._max_of_one = max_of_one
        # In the order of their issue, which is that of their end.
        self._waiting: OrderedDict[str, tuple[Principal, float, object]] = OrderedDict()
        self._of_one: dict[str, OrderedDict[str, None]] = {}

    def __repr__(self) -> str:
        return f"<Tickets waiting={len(self._waiting)}>"

    def issue(self, principal: Principal, door: object = None) -> str:
        """A new ticket, which stands for `principal` once.

        Args:
            door: what found out who it is: the ticket is good at the same one alone. None
                when it is the application that knows: good at every door.
        """
        now = trio.current_time()
        while self._waiting and self._oldest_ends() <= now:
            self._void(next(iter(self._waiting)))
        mine = self._of_one.get(principal.id)
        if mine is not None and len(mine) >= self._max_of_one:
            self._void(next(iter(mine)))
        if len(self._waiting) >= self._max_outstanding:
            self._void(next(iter(self._waiting)))
        ticket = secrets.token_urlsafe(24)
        self._waiting[ticket] = (principal, now + self.lifetime, door)
        self._of_one.setdefault(principal.id, OrderedDict())[ticket] = None
        return ticket

    def redeem(self, ticket: str, door: object = None) -> Principal | None:
        """Whom `ticket` stands for; it is used then.

        Args:
            door: where it was shown.

        Returns:
            None if it is unknown, used, too old, or of another door.
        """
        if ticket not in self._waiting:
            return None
        principal, ends, issued_at = self._void(ticket)
        good = (
            trio.current_time() < ends
            and not principal.expired
            and (issued_at is None or issued_at == door)
        )
        return principal if good else None

    def _void(self, ticket: str) -> tuple[Principal, float, object]:
        voided = self._waiting.pop(ticket)
        principal = voided[0]
        mine = self._of_one[principal.id]
        del mine[ticket]
        if not mine:
            del self._of_one[principal.id]
        return voided

    def _oldest_ends(self) -> float:
        _, ends, _ = next(iter(self._waiting.values()))
        return ends
