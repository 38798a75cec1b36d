"""Functions in threads: those that poll and are waited for, and those that are left behind.

```
 running ──returns / raises───────────────────────────────▶ over
    │
  cancel ──run_in_thread: polls and leaves, in time───────▶ over
    │         └──────────does not, until the deadline──┐
    └─────run_abandoned: at once──────────────────────▶ left behind, and said so
```

Nothing can end a thread from outside. One that is left behind ends with the process at the
latest. It gives its place among the threads of its kind to another one, so that the threads
of one task hold up no other; but of those too there is a bound, beyond which no thread is
begun until some have returned, and that is said.
"""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Generic, ParamSpec, TypeVar, cast

import trio

from ...errors import ToolError
from ..cleanup import Cleanup
from ..failures import is_cancelled
from .claims import record_of, require

if TYPE_CHECKING:
    from ..tool import ToolCall

__all__ = ["Stopped", "ThreadCall", "check_cancelled", "run_abandoned", "run_in_thread", "run_told"]

_log = logging.getLogger(__name__)

P = ParamSpec("P")
T = TypeVar("T")

_LEFT = "its thread was left behind"

_MAX_TOLD = 5
"""How many steps are named that have left threads behind."""

_LEFT_PER_PLACE = 4
"""How many threads may be left behind for each that may run: of Trio's 40, 160. Each holds
a stack, and counts against what the system lets a process have."""

# Of their own, so that threads which never return hold up nobody but their kind.
_polling: trio.lowlevel.RunVar[trio.CapacityLimiter] = trio.lowlevel.RunVar("trio_agent_rt_polling")
_abandoned: trio.lowlevel.RunVar[trio.CapacityLimiter] = trio.lowlevel.RunVar(
    "trio_agent_rt_abandoned"
)
_left: trio.lowlevel.RunVar[list[str]] = trio.lowlevel.RunVar("trio_agent_rt_left")
"""Of which steps there are threads that were left behind, of either kind."""


def check_cancelled() -> None:
    """Leave the thread if its task was cancelled; to be called now and then, in a thread.

    A function that calls it every few milliseconds ends as promptly as one that awaits.

    Raises:
        trio.Cancelled: when the task was cancelled, or the step has timed out. Let it
            through; `finally` and `with` work as always.
        RuntimeError: outside of a thread of Trio's.
    """
    trio.from_thread.check_cancelled()


async def run_in_thread(
    call: ToolCall, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs
) -> T:
    """What `function` returns, run in a thread in which it polls `check_cancelled`.

    Args:
        call: of the tool or step that it is for.

    Raises:
        RuntimeError: when the tool has declared that it stops as `async` or `subprocess`.
        ToolError: when too many threads were left behind to begin another one.

    Cancellation: waits until the function has left, and gives what it returned if it has
    come to its end all the same. One that has not left when the time for cleanup is over
    is left behind, and named in the receipt and in the log.

    Backpressure: waits for a place among the threads of its kind, of which there are as many
    as Trio's default limit. A cancel ends that wait at once.
    """
    require("thread", "waits for a thread")
    return await run_told(call, functools.partial(function, *args, **kwargs))


async def run_told(
    call: ToolCall, function: Callable[[], T], tell: Callable[[], object] = lambda: None
) -> T:
    """As `run_in_thread`, of a function that need not poll.

    Args:
        tell: is called in the event loop when there is a cancel, to have the function leave.
    """
    thread = _Thread(call, _polling, function)
    interrupted = _Interrupted(thread)
    with interrupted:
        await thread.run()
    if interrupted.by is not None:
        if thread.running:
            tell()
            async with Cleanup(thread.record, thread.name, None):
                await thread.over.wait()
            thread.leave_behind_if_running()
        if thread.running or (thread.error is not None and _is_stop(thread.error)):
            raise interrupted.by
        if thread.error is not None:
            raise thread.error from interrupted.by
        # What it has done to its end is done. A cancel is told again at the next checkpoint.
    return thread.result()


async def run_abandoned(
    call: ToolCall, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs
) -> T:
    """What `function` returns, run in a thread that a cancel leaves behind.

    For what blocks and cannot be told to stop, and does no harm if it goes on: a look-up,
    a request of a library without a time-out.

    Args:
        call: of the tool or step that it is for.

    Raises:
        RuntimeError: when the tool has declared anything but `abandon`.
        ToolError: when too many threads were left behind to begin another one.

    Cancellation: raises at once. The receipt and the log say that a thread goes on; what
    it returns is lost, what it raises goes to the log.

    Backpressure: waits for a place, as `run_in_thread` does, among the threads of its kind.
    """
    require("abandon", "leaves a thread behind when it is cancelled")
    thread = _Thread(call, _abandoned, functools.partial(function, *args, **kwargs))
    try:
        await thread.run()
    finally:
        thread.leave_behind_if_running()
    return thread.result()


class Stopped(Exception):
    """A function has left because it was told to, in a way that Trio knows nothing of."""


def _is_stop(error: BaseException) -> bool:
    return isinstance(error, Stopped) or is_cancelled(error)


class ThreadCall:
    """The `ToolCall` of a function in a thread: what it says is said in the event loop.

    Each piece is a trip to the loop and back.
    """

    def __init__(self, call: ToolCall) -> None:
        self._call = call

    def progress(self, percent: float, message: str = "") -> None:
        """As `ToolCall.progress`, from a thread."""
        trio.from_thread.run_sync(self._call.progress, percent, message)

    def output(self, text: str) -> None:
        """As `ToolCall.output`, from a thread."""
        trio.from_thread.run_sync(self._call.output, text)


class _Thread(Generic[T]):
    """One function in one thread, and where that stands."""

    def __init__(
        self,
        call: ToolCall,
        places: trio.lowlevel.RunVar[trio.CapacityLimiter],
        function: Callable[[], T],
    ) -> None:
        self.record, self.step = record_of(call)
        self.name = f"{self.step} ({_LEFT})"
        self.started = False
        self.over: trio.Event = trio.Event()
        self.error: BaseException | None = None
        self.returned = False
        self._value: T | None = None
        self._function = function
        self._places = _limiter(places)
        self._borrower: object = None
        self._left = _all_left()
        self._left_behind = False

    @property
    def running(self) -> bool:
        return self.started and not self.over.is_set()

    async def run(self) -> None:
        """Run it, and raise nothing of it; when cancelled, at once, and it goes on.

        Raises:
            ToolError: when too many others were left behind.
        """
        _refuse_if_too_many(self._left)
        # What this is asked to do as a limiter tells when the thread begins and ends.
        limiter = cast("trio.CapacityLimiter", self)
        await trio.to_thread.run_sync(self._work, abandon_on_cancel=True, limiter=limiter)

    def _work(self) -> None:
        with _Keeping(self):
            self._value = self._function()
            self.returned = True

    def result(self) -> T:
        if self.error is not None:
            raise self.error
        return cast("T", self._value)

    async def acquire_on_behalf_of(self, borrower: object) -> None:
        await self._places.acquire_on_behalf_of(borrower)
        self._borrower = borrower
        self.started = True

    def release_on_behalf_of(self, borrower: object) -> None:
        self.over.set()
        if not self._left_behind:
            self._places.release_on_behalf_of(borrower)
        else:
            self._left.remove(self.step)
            self.record.came_back(self.name)
            failed = self.error is not None and not _is_stop(self.error)
            _log.log(
                logging.ERROR if failed else logging.INFO,
                "the thread that step %s left behind has ended",
                self.step,
                exc_info=self.error if failed else None,
            )

    def leave_behind_if_running(self) -> None:
        if self.running:
            self._left_behind = True
            self._left.append(self.step)
            self._places.release_on_behalf_of(self._borrower)
            self.record.left_behind(self.name)


class _Keeping:
    """Keeps what a function raises, in its thread, for who has run it."""

    def __init__(self, thread: _Thread[T]) -> None:
        self._keep = functools.partial(setattr, thread, "error")

    def __enter__(self) -> None:
        pass

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool:
        self._keep(exc)
        return True


class _Interrupted:
    """Holds a cancel back while the thread that it has interrupted is waited for."""

    def __init__(self, thread: _Thread[T]) -> None:
        self.by: trio.Cancelled | None = None
        self._has_started = lambda: thread.started

    def __enter__(self) -> None:
        pass

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool:
        if isinstance(exc, trio.Cancelled) and self._has_started():
            self.by = exc
        return self.by is not None


def _all_left() -> list[str]:
    try:
        return _left.get()
    except LookupError:
        _left.set(left := [])
        return left


def _refuse_if_too_many(left: list[str]) -> None:
    most = _LEFT_PER_PLACE * int(
        min(trio.to_thread.current_default_thread_limiter().total_tokens, 1_000_000)
    )
    if len(left) >= most:
        steps = ", ".join(list(dict.fromkeys(left))[:_MAX_TOLD])
        raise ToolError(
            f"no thread is begun: {len(left)} were left behind and have not returned ({steps})"
        )


def _limiter(places: trio.lowlevel.RunVar[trio.CapacityLimiter]) -> trio.CapacityLimiter:
    """As many as the application lets Trio have in all."""
    try:
        return places.get()
    except LookupError:
        total = trio.to_thread.current_default_thread_limiter().total_tokens
        limiter = trio.CapacityLimiter(total)
        places.set(limiter)
        return limiter
