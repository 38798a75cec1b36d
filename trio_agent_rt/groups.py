"""Exceptions in groups: what is in them, and out of those that nobody asked for."""

from __future__ import annotations

from collections.abc import Iterator
from types import TracebackType
from typing import cast

import trio

__all__ = ["Ungrouping", "errors_of", "leaves", "ungrouped"]


class Ungrouping:
    """A `with` around a nursery of ours: what comes out of it is not in a group for that."""

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
            wrong = ungrouped(cast("BaseExceptionGroup[BaseException]", exc))
            raise wrong from wrong.__cause__


def ungrouped(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """What `group` was put around by nurseries of ours, if that is one exception.

    Whoever is outside never saw those nurseries, so they are not their concern. A cancel
    gives way to anything else, since it will be told again at the next checkpoint; a
    KeyboardInterrupt stands for all, since it is what the person at the keyboard wanted.
    """
    found = list(leaves(group))
    interrupts = [each for each in found if isinstance(each, KeyboardInterrupt)]
    wrong = interrupts or errors_of(group)
    if not wrong:
        return found[0]
    return wrong[0] if interrupts or len(wrong) == 1 else group


def errors_of(exc: BaseException) -> list[BaseException]:
    """The leaves of `exc` that are no cancels."""
    return [each for each in leaves(exc) if not isinstance(each, trio.Cancelled)]


def leaves(exc: BaseException) -> Iterator[BaseException]:
    """The exceptions that `exc` groups, at any depth; itself if it is no group."""
    if isinstance(exc, BaseExceptionGroup):
        for each in cast("BaseExceptionGroup[BaseException]", exc).exceptions:
            yield from leaves(each)
    else:
        yield exc
