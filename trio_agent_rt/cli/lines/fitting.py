"""What is shown of many rows where there is room for few."""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence

__all__ = ["fitted"]


def fitted(weights: Sequence[float], height: int) -> list[int | range]:
    """Which of some rows are shown, in their order, and which are told of in one row.

    Args:
        weights: of each row; those with the smallest are shown before all others.
        height: rows that there is room for.

    Returns:
        The indexes of the rows that are shown, and for each gap between them the range
        of those that are not: never more than `height` of both together.
    """
    size = len(weights)
    if size <= height:
        return list(range(size))
    best = heapq.nsmallest(max(height, 0), range(size), key=weights.__getitem__)
    while best:
        shown = list(_with_gaps(sorted(best), size))
        if len(shown) <= height:
            return shown
        best.pop()
    return [range(size)] if height > 0 else []


def _with_gaps(chosen: Sequence[int], size: int) -> Iterator[int | range]:
    after = 0
    for each in (*chosen, size):
        if each - after == 1:
            yield after  # it takes no more room than a word about it
        elif each > after:
            yield range(after, each)
        if each < size:
            yield each
        after = each + 1
