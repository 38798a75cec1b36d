"""Whoever an `authenticate` hook found behind a peer."""

from __future__ import annotations

import math
import time

import trio
from attrs import field, frozen

__all__ = ["ANONYMOUS", "Principal"]


@frozen
class Principal:
    """Whoever an `authenticate` hook found behind a peer.

    A session belongs to the principal that opened it: nobody else can attach to it,
    unless the server's `authorize` hook lets them. Two with the same `id` are the same.

    Args:
        id: what tells it from others; shown in receipts and logs, so no secret.
        expires_at: until when it may be served, in Unix time in seconds (the `exp` of a
            JWT), or None for no end. Its connections are closed with 4500 then.

    Raises:
        ValueError: when the id is no text or empty, or `expires_at` is no time.
    """

    id: str
    expires_at: float | None = field(default=None, eq=False, kw_only=True)

    def __attrs_post_init__(self) -> None:
        if not _is_name(self.id):
            raise ValueError("a principal needs an id that tells it from others")
        # Of a wrong kind, it would be found out only when somebody waits for the time.
        if self.expires_at is not None and not _is_time(self.expires_at):
            raise ValueError(
                f"expires_at is Unix time in seconds, or None, not {self.expires_at!r}"
            )

    @property
    def shown(self) -> str:
        """What records of who did something call it."""
        return "a client" if self == ANONYMOUS else self.id

    @property
    def asker(self) -> str:
        """What receipts call it."""
        return f"{self.shown} asked"

    @property
    def expired(self) -> bool:
        """Whether its time is over."""
        return self.expires_at is not None and time.time() >= self.expires_at

    def deadline(self) -> float:
        """When its time is over on Trio's clock; infinity if it never is."""
        if self.expires_at is None:
            return math.inf
        return trio.current_time() + self.expires_at - time.time()


def _is_name(value: object) -> bool:
    return isinstance(value, str) and bool(value)


def _is_time(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


ANONYMOUS = Principal("anonymous")
"""Everybody, where nobody is asked who they are. Sessions are then protected by their
ids alone, which cannot be guessed."""
