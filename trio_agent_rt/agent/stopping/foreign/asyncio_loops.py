"""Code that is written for asyncio, in a thread with an event loop of its own.

```
 running ──returns / raises──────────────────────────────────▶ over
    │
  cancel ──asyncio's own cancel: the function ends, in time──▶ over
                └──it does not, until the deadline───────────▶ left behind, and said so
```

asyncio's cancel is an exception that is thrown once, into the function at its next await.
Code that catches it goes on, which nothing can change from outside: that is a thread's kind
of stopping, and no better.
"""

from __future__ import annotations

import asyncio
import functools
import threading
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Concatenate, Generic, ParamSpec, TypeVar

from ....errors import ToolError
from ..claims import require
from ..threads import Stopped, ThreadCall, run_told

if TYPE_CHECKING:
    from ...tool import ToolCall

__all__ = ["run_asyncio"]

P = ParamSpec("P")
T = TypeVar("T")


async def run_asyncio(
    call: ToolCall,
    function: Callable[Concatenate[ToolCall, P], Awaitable[T]],
    *args: P.args,
    **kwargs: P.kwargs,
) -> T:
    """What `function`, an async one for asyncio, returns; for an agent of another framework.

    It runs in a thread, in an event loop that is made for it and closed behind it. What it
    keeps from one time to the next (connections, locks) must not belong to a loop.

    Args:
        call: of the tool or step that it is for. `function` is given one as its first
            argument, whose `progress` and `output` work there.

    Raises:
        RuntimeError: when the tool has declared that it stops as `async` or `subprocess`.
        ToolError: when the function cancels itself.

    Cancellation: cancels the asyncio task and waits until it has ended, its `finally` blocks
    included, and its loop is closed; gives what it returned if it has come to its end all
    the same. One that has not ended when the time for cleanup is over is left behind, and
    named in the receipt and in the log.
    """
    require("thread", "waits for an asyncio loop in a thread")
    loop = _Loop(functools.partial(function, ThreadCall(call), *args, **kwargs))
    try:
        return await run_told(call, loop.run, loop.cancel)
    except Stopped:
        raise ToolError("it was cancelled by its own code") from None


class _Loop(Generic[T]):
    """One function in one event loop."""

    def __init__(self, function: Callable[[], Awaitable[T]]) -> None:
        self._function = function
        self._lock = threading.Lock()
        self._cancelled = False
        self._running: tuple[asyncio.AbstractEventLoop, asyncio.Future[T]] | None = None

    def run(self) -> T:
        """In the thread."""
        return asyncio.run(self._main())

    def cancel(self) -> None:
        """From elsewhere."""
        with self._lock:
            self._cancelled = True
            if self._running is not None:
                loop, task = self._running
                loop.call_soon_threadsafe(task.cancel)

    async def _main(self) -> T:
        task = asyncio.ensure_future(self._function())
        with self._lock:
            self._running = asyncio.get_running_loop(), task
            if self._cancelled:
                task.cancel()
        await asyncio.wait({task})
        with self._lock:
            self._running = None
        if task.cancelled():
            raise Stopped
        return task.result()
