"""Joining what is replayed with what is live: each event once, in order, or a gap.

A viewer listens to live events first and asks for the replay second, so that nothing
falls between the two; what it then holds overlaps. `join` is the one place that sorts
this out, for a server that attaches a connection and for a client that resumes.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Generic, Literal, Protocol, TypeAlias, TypeVar

from attrs import frozen

from ..protocol import Position

__all__ = ["Joined", "Step", "follows", "join"]

Step: TypeAlias = Literal["next", "duplicate", "gap"]
"""How a position stands to the last one that was seen."""


class Positioned(Protocol):
    """Something that may stand in a log."""

    @property
    def position(self) -> Position | None:
        """Where it stands, or None."""
        ...


T = TypeVar("T", bound=Positioned)


@frozen
class Joined(Generic[T]):
    """What a viewer is to be given.

    Args:
        items: each event once, in order, up to the first gap.
        last: the position of the last of them, or where the viewer stood before.
        gap: whether something is missing after `items`.
    """

    items: list[T]
    last: Position | None
    gap: bool


def follows(last: Position | None, position: Position) -> Step:
    """Whether `position` comes next after `last`, was seen before, or leaves a hole.

    Without a `last`, anything comes next: the viewer starts here.
    """
    if last is None:
        return "next"
    if position.epoch != last.epoch or position.offset > last.offset + 1:
        return "gap"
    return "next" if position.offset == last.offset + 1 else "duplicate"


def join(last: Position | None, replay: Iterable[T], live: Iterable[T]) -> Joined[T]:
    """`replay` and then `live`, without what the viewer at `last` has seen already.

    Items without a position (answers to commands) pass where they stand.
    """
    items: list[T] = []
    for item in (*replay, *live):
        if item.position is not None:
            step = follows(last, item.position)
            if step == "gap":
                return Joined(items, last, gap=True)
            if step == "duplicate":
                continue
            last = item.position
        items.append(item)
    return Joined(items, last, gap=False)
