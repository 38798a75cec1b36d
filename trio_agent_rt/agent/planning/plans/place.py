"""Where a step stands in its plan, and so what it may refer to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from attrs import frozen

__all__ = ["Place"]


@frozen(kw_only=True)
class Place:
    """One step's place in the list that it is in, and that list's place in the plan.

    Args:
        step_id: its id; empty around the whole plan.
        order: where each step of the list stands.
        before: how many of them it may refer to, or None for all.
        above: the place of the step around the list.
        item: whether a loop around it goes over a list.
        index: whether there is a loop around it.
    """

    step_id: str = ""
    order: Mapping[str, int]
    before: int | None = None
    above: Place | None = None
    item: bool = False
    index: bool = False

    def reaches(self, step_id: str) -> bool:
        """Whether it may refer to that step of its own list."""
        position = self.order.get(step_id)
        return position is not None and (self.before is None or position < self.before)

    def sees(self, step_id: str) -> bool:
        """Whether it may refer to that step, beside it or beside a step around it."""
        return self.reaches(step_id) or any(
            each.reaches(step_id) and each.step_id != step_id for each in self.around()
        )

    def around(self) -> Iterator[Place]:
        """The places of the steps around it, from the inside out."""
        place = self.above
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
        for each in (self, *self.around()):
            yield from filter(self.sees, each.order)
