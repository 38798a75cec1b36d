"""Computing that stays little, told without a clock that a busy machine could put out.

What is measured is compared with what a plain loop costs in the same moment, on the same
machine; the collector, whose work is a matter of all that the process holds, is off.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["little_effort"]

MUCH = 400.0
"""Million turns of a loop: some ten times what the dearest of those who use this takes. What is to
be found takes longer by far: it does not end, or grows with the square of what it is given."""


@contextmanager
def little_effort(at_most: float = MUCH) -> Iterator[None]:
    """A block whose computing costs no more than `at_most` million turns of an empty loop.

    All threads of the process count.

    Raises:
        AssertionError: it cost more.
    """
    collecting = gc.isenabled()
    gc.disable()
    try:
        before = _a_million_turns()
        start = time.process_time()
        yield
        took = time.process_time() - start
        effort = took / max(before, _a_million_turns())
    finally:
        if collecting:
            gc.enable()
    assert effort <= at_most, f"it cost {effort:.1f} million turns; {at_most:g} are much"


def _a_million_turns() -> float:
    start = time.process_time()
    for _ in range(1_000_000):
        pass
    return time.process_time() - start
