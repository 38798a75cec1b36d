"""Where an event stands in its session's log."""

from __future__ import annotations

import re
import secrets

from attrs import frozen

__all__ = ["Position", "new_epoch"]

_FORM = re.compile(r"([0-9a-z]{1,32})-(0|[1-9][0-9]{0,15})")


@frozen(order=False)
class Position:
    """A place in a log: what was written before it is behind, the rest is to come.

    Args:
        epoch: names one life of the log; another epoch means that the log was lost.
        offset: counts the events of that life from 1; 0 stands before the first.
    """

    epoch: str
    offset: int

    def __str__(self) -> str:
        return f"{self.epoch}-{self.offset}"

    @classmethod
    def parse(cls, text: str) -> Position | None:
        """The position that a peer wrote, or None if it is not one.

        A text that is no position is treated like a position of a lost log: both
        lead to a gap and a catch-up, never to an error that a browser could not see.
        """
        match = _FORM.fullmatch(text)
        return cls(match[1], int(match[2])) if match else None


def new_epoch() -> str:
    """A name for a new life of a log: 128 random bits, so that it cannot be guessed.

    A browser's `EventSource` that reconnects says its last position and nothing else:
    whoever knows one may go on from there.
    """
    return secrets.token_hex(16)
