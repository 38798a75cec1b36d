"""On whose behalf a connection speaks."""

from __future__ import annotations

from attrs import frozen

__all__ = ["ANONYMOUS", "Principal"]


@frozen
class Principal:
    """Whoever an `authenticate` hook found behind a connection.

    A session belongs to the principal that opened it: nobody else can attach to it.

    Args:
        id: what tells it from others; shown in receipts and logs, so no secret.
    """

    id: str

    @property
    def asker(self) -> str:
        """What receipts call it."""
        return "a client asked" if self == ANONYMOUS else f"{self.id} asked"


ANONYMOUS = Principal("anonymous")
"""Everybody, where nobody is asked who they are. Sessions are then protected by their
ids alone, which cannot be guessed."""
