"""Work that would hold the Trio loop, in a thread that can be stopped.

Parsing and describing go through megabytes in passes of C code (`csv`, `json`,
`str.split`) that cannot be cut into slices for the loop, so they run in a thread. The
thread polls: at each `Work.poll` it leaves if its task was cancelled. The cancel waits
for that, milliseconds as a rule, which is what `cancellation="thread"` declares.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

import trio
from attrs import define, field

from ..stopping import check_cancelled, run_in_thread
from ..tool import ToolCall

__all__ = ["Work", "in_thread"]

T = TypeVar("T")

_PROGRESS_INTERVAL = 0.1
"""The default `broadcast_interval`: to tell more often would only be throttled."""

_GIVE_WAY_INTERVAL = 0.005
"""The interpreter's own switch interval."""

_GIVE_WAY = 0.0001
"""Long enough for the Trio thread to take the interpreter lock, too short to notice."""


@define
class Work:
    """What a function in a thread uses to tell how far it is and to be stopped."""

    _call: ToolCall
    _next_progress: float = field(init=False, factory=time.monotonic)
    _next_pause: float = field(init=False, factory=time.monotonic)

    def poll(self, percent: float | None = None, message: str = "") -> None:
        """Leave the thread if its task was cancelled; tell progress now and then.

        To be called every millisecond or so; a call costs about a microsecond.

        Raises:
            trio.Cancelled: when the task was cancelled.
        """
        check_cancelled()
        now = time.monotonic()
        if percent is not None and now >= self._next_progress:
            self._next_progress = now + _PROGRESS_INTERVAL
            trio.from_thread.run_sync(self._call.progress, min(percent, 100.0), message)
        if now >= self._next_pause:
            time.sleep(_GIVE_WAY)
            self._next_pause = time.monotonic() + _GIVE_WAY_INTERVAL


async def in_thread(call: ToolCall, function: Callable[[Work], T]) -> T:
    """What `function(work)` returns, run in a thread of Trio's pool.

    Cancellation: waits until the function polls and leaves; see `run_in_thread`.
    """
    return await run_in_thread(call, function, Work(call))
