"""Runs of Trio that are the same each time: the one place that knows how Trio shuffles.

Trio shuffles the Trio tasks that can run, so that nobody relies on an order. It has a switch
for tests that makes the shuffle repeatable; neither the switch nor the generator of random
numbers behind it is public, and nothing else in this package names them.
"""

from __future__ import annotations

import importlib
import random
from collections.abc import Awaitable, Callable, Generator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

import trio
import trio.testing

__all__ = ["TrioHasChanged", "run_deterministic", "scheduled_by"]

T = TypeVar("T")

_MODULE = "trio._core._run"
_SWITCH = "_ALLOW_DETERMINISTIC_SCHEDULING"
_GENERATOR = "_r"


class TrioHasChanged(RuntimeError):
    """This version of Trio cannot be made to schedule repeatably in the way known here."""


def run_deterministic(
    function: Callable[..., Awaitable[T]],
    *args: Any,
    seed: int,
    instruments: Sequence[trio.abc.Instrument] = (),
    real_clock: bool = False,
) -> T:
    """What `function` returns, run by Trio in an order that `seed` alone decides.

    Time is not waited for: when every Trio task waits, the clock jumps to the next deadline.
    `random` is seeded too, and left as it was. What goes through the kernel or a thread is
    not repeatable: use a `MemoryNetwork`.

    Args:
        seed: another one gives another order.
        instruments: see `trio.lowlevel.add_instrument`.
        real_clock: whether time passes as it does: for a `function` that waits for a
            subprocess, a thread or a socket, which the clock would jump ahead of. Only the
            order is repeatable then in which Trio tasks run that can run at one moment.

    Raises:
        TrioHasChanged: when Trio has to be looked at again.
        Exception: what `function` raises.
    """
    with scheduled_by(seed):
        clock = None if real_clock else trio.testing.MockClock(autojump_threshold=0)
        return trio.run(function, *args, clock=clock, instruments=instruments)


@contextmanager
def scheduled_by(seed: int) -> Generator[None]:
    """Have each `trio.run` inside schedule as `seed` says.

    Raises:
        TrioHasChanged: when Trio has to be looked at again.
    """
    run_loop, generator = _parts_of_trio()
    allowed, shuffles, chances = getattr(run_loop, _SWITCH), generator.getstate(), random.getstate()
    setattr(run_loop, _SWITCH, True)
    generator.seed(seed)
    random.seed(seed)
    try:
        yield
    finally:
        setattr(run_loop, _SWITCH, allowed)
        generator.setstate(shuffles)
        random.setstate(chances)


def _parts_of_trio() -> tuple[Any, random.Random]:
    try:
        run_loop = importlib.import_module(_MODULE)
    except ImportError:
        run_loop = None
    generator = getattr(run_loop, _GENERATOR, None)
    switch = getattr(run_loop, _SWITCH, None)
    if not isinstance(switch, bool) or not isinstance(generator, random.Random):
        raise TrioHasChanged(
            f"Trio {trio.__version__} has no {_SWITCH} or no {_GENERATOR} in {_MODULE} any more: "
            f"find out how its own tests make it deterministic now, and mend {__name__}"
        )
    return run_loop, generator
