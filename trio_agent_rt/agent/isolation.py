"""Running an agent's code apart, so that nothing that it does ends anything but itself.

```
 whoever runs it ── with Apart() ──┬── nursery ── Trio task ── with Apart() ── agent
                                   │                                └ keeps what it raises
                                   └ keeps what breaks the Trio task itself: a nursery or a
                                     cancel scope that the agent has left open
```
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from math import inf
from types import TracebackType
from typing import cast

import attrs
import trio

__all__ = ["Apart", "Ending", "run_apart"]


@attrs.define
class Ending:
    """How an agent's code ended."""

    output: object = None
    """What it returned, if it did."""
    returned: bool = False
    """Whether it returned."""
    error: BaseException | None = None
    """What it raised; None also when it was cancelled."""


class Apart:
    """A block of an agent's code: whatever comes out of it is kept, not raised.

    What belongs to the world around goes on: a cancel that is under way here (one that
    is not is a leftover which the agent has kept and raised again), and Ctrl-C.
    """

    def __init__(self, ending: Ending) -> None:
        self._ending = ending

    def __enter__(self) -> None:
        pass

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool:
        if exc is None or _goes_on(exc):
            return False
        if self._ending.error is None:
            self._ending.error = exc
        self._ending.returned = False
        return True


def _goes_on(exc: BaseException) -> bool:
    if isinstance(exc, BaseExceptionGroup):
        members = cast("BaseExceptionGroup[BaseException]", exc).exceptions
        return any(_goes_on(each) for each in members)
    if isinstance(exc, trio.Cancelled):
        return trio.current_effective_deadline() == -inf
    return isinstance(exc, KeyboardInterrupt)


async def run_apart(
    scope: trio.CancelScope, agent: Callable[[], Awaitable[object]], ending: Ending
) -> None:
    """Run an agent under its cancel scope, and note how it ended. Raises nothing of it.

    Args:
        ending: filled in, also when this is cancelled from around it.

    Cancellation: cancels the agent, and returns or raises when all of it has ended.
    """

    async def call() -> None:
        with Apart(ending):
            ending.output = await agent()
            ending.returned = True

    with Apart(ending), scope:
        async with trio.open_nursery() as nursery:
            await trio.lowlevel.checkpoint()  # cancelled by now, it is not even called
            nursery.start_soon(call)
