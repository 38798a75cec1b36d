"""What comes out of a nursery of ours is not in a group for that.

Whoever is outside never saw those nurseries, so they are not their concern.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from types import TracebackType
from typing import cast

import trio

__all__ = ["Ungrouping", "errors_in", "leaves", "raise_ungrouped"]


class Ungrouping:
    """A `with` around a nursery of ours: an exception comes out of it as it was raised."""

    def __enter__(self) -> None:
        """Nothing to do yet."""

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Raise what was grouped, if it was one exception."""
        if isinstance(exc, BaseExceptionGroup):
            raise_ungrouped(cast("BaseExceptionGroup[BaseException]", exc))


def raise_ungrouped(group: BaseExceptionGroup[BaseException]) -> None:
    """Raise what `group` was put around by nurseries of ours; return if those are several.

    A cancel gives way to anything else, since it will be told again at the next
    checkpoint; a KeyboardInterrupt stands for all, since it is what the person at the
    keyboard wanted. What is raised keeps the cause and the context that it had.
    """
    found = list(leaves(group))
    interrupts = [each for each in found if isinstance(each, KeyboardInterrupt)]
    wrong = interrupts or errors_in(group) or found[:1]
    if interrupts or len(wrong) == 1:
        context = wrong[0].__context__
        try:
            raise wrong[0]
        finally:
            wrong[0].__context__ = context


def errors_in(exc: BaseException) -> Sequence[BaseException]:
    """What it is made of that is no cancel."""
    return [each for each in leaves(exc) if not isinstance(each, trio.Cancelled)]


def leaves(exc: BaseException) -> Iterator[BaseException]:
    """The exceptions that `exc` groups, at any depth; itself if it is no group."""
    if isinstance(exc, BaseExceptionGroup):
        for each in cast("BaseExceptionGroup[BaseException]", exc).exceptions:
            yield from leaves(each)
    else:
        yield exc
