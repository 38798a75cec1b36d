"""Where a step stands in its plan, and so what it may refer to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from attrs import frozen

__all__ = ["Place"]


@frozen(kw_only=True)
class Place:
    """One step's place in the list that it is in, and that list's place in the plan.

    Args:
        order: where each step of the list stands.
        before: how many of them it may refer to, or None for all.
        above: the place of the step around the list.
        item: whether a loop around it goes over a list.
        index: whether there is a loop around it.
    """

    order: Mapping[str, int]
    before: int | None = None
    above: Place | None = None
    item: bool = False
    index: bool = False

    def reaches(self, step_id: str) -> bool:
        """Whether it may refer to that step of its own list."""
        position = self.order.get(step_id)
        return position is not None and (self.before is None or position < self.before)

    def outwards(self) -> Iterator[Place]:
        """It, and the places around it."""
        place: Place | None = self
        while place is not None:
            yield place
            place = place.above

    def names(self) -> Iterator[str]:
        """All that it may refer to."""
        yield "context"
        if self.item:
            yield "item"
        if self.index:
            yield "index"
        for each in self.outwards():
            yield from filter(each.reaches, each.order)
