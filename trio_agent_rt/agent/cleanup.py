"""Cleanup that may await although its task is cancelled, within a bound, on record."""

from __future__ import annotations

import logging
import math
import sys
from types import TracebackType
from typing import Self

import attrs
import trio

from ..protocol import CleanupOutcome
from .failures import describe_error, is_cancelled

__all__ = ["Cleanup", "CleanupRecord"]

_log = logging.getLogger(__name__)

_SAME_END = 0.1
"""Seconds within which what ends too late does so because of what was named just before:
a step around another one, a step whose cleanup was cut off."""


@attrs.define
class CleanupRecord:
    """What the cleanups of one task came to, for its receipt."""

    timeout: float
    """How long a cleanup may take, in seconds, counted from the cancel."""
    cancelled_at: float | None = None
    """Trio's time of the cancel, or None while there was none."""
    latest: float = math.inf
    """Trio's time that no cleanup passes, whatever it asked for: a shutdown's bound."""
    outcome: CleanupOutcome = "clean"
    detail: str | None = None
    granted: float = -math.inf
    """Trio's time until which a cleanup has asked to be let run, at the most."""
    _named_at: float = -math.inf
    _open: set[Cleanup] = attrs.field(factory=set["Cleanup"])
    _left: list[str] = attrs.field(factory=list[str])
    """What goes on although it was left, and is told of by a later receipt too."""

    def cancel(self, now: float) -> None:
        """The task was cancelled: cleanups that run now keep their deadline.

        What came of cleanups before is forgotten: the receipt tells what the cancel did.
        """
        if self.cancelled_at is None:
            self.cancelled_at = now
            self.outcome, self.detail = "clean", None
            for name in self._left:
                self._overran(name)

    @property
    def due(self) -> float:
        """Trio's time at which all of a cancelled task is to have ended."""
        if self.cancelled_at is None:
            return math.inf
        return min(max(self.cancelled_at + self.timeout, self.granted), self.latest)

    def has_ended(self, name: str) -> None:
        """A part of the task has ended; it is named if that is too late."""
        now = trio.current_time()
        if now > self.due and now > self._named_at + _SAME_END:
            self._overran(name)
            _log.warning("%s ended %.1f s after its time for cleanup", name, now - self.due)

    def bound(self, latest: float) -> None:
        """Let no cleanup, begun or to come, pass `latest` (Trio's time)."""
        self.latest = min(self.latest, latest)
        for each in self._open:
            each.scope.deadline = min(each.scope.deadline, self.latest)

    def enter(self, cleanup: Cleanup) -> None:
        """Note that a cleanup has begun, and set its deadline."""
        timeout = self.timeout if cleanup.timeout is None else cleanup.timeout
        start = trio.current_time() if self.cancelled_at is None else self.cancelled_at
        cleanup.scope.deadline = min(start + timeout, self.latest)
        self.granted = max(self.granted, cleanup.scope.deadline)
        self._open.add(cleanup)

    def leave(self, cleanup: Cleanup, exc: BaseException | None, *, late: bool) -> None:
        """Note how a cleanup ended: the worst that happened is what the receipt says.

        Args:
            late: whether its deadline had passed, also when nothing in it has noticed that.
        """
        self._open.discard(cleanup)
        if late:
            self._overran(cleanup.name)
            how = "was cut off at" if cleanup.scope.cancelled_caught else "has overrun"
            _log.warning("cleanup of %s %s its deadline", cleanup.name, how)
        elif exc is not None and not is_cancelled(exc):
            self.raised(exc, cleanup.name)

    def left_behind(self, name: str) -> None:
        """Note that something could not be ended, and goes on although its step is over.

        A receipt says `timed_out` of it: nothing that goes on is called clean.
        """
        self._left.append(name)
        self._overran(name)
        _log.warning("left behind: %s", name)

    def came_back(self, name: str) -> None:
        """Note that what was left behind has ended."""
        self._left.remove(name)

    def ended_after_all(self, name: str) -> None:
        """Note that what was left behind has been ended: a receipt to come need not tell."""
        self.came_back(name)
        if self.outcome == "timed_out" and self.detail is not None:
            others = [each for each in self.detail.split(", ") if each != name]
            self.detail = ", ".join(others) or None
            self.outcome = "timed_out" if others else "clean"

    def _overran(self, name: str) -> None:
        before = self.detail.split(", ") if self.outcome == "timed_out" and self.detail else []
        self._named_at = trio.current_time()
        if name not in before:
            self.outcome, self.detail = "timed_out", ", ".join([*before, name])

    def raised(self, exc: BaseException, name: str) -> None:
        """Note that something other than the cancel came out of a cancelled task."""
        if self.outcome == "clean":
            self.outcome, self.detail = "raised", f"{name}: {describe_error(exc)}"


class Cleanup:
    """`async with run.cleanup():` — inside it, awaiting works although the task is cancelled.

    What is not done by its deadline is cut off there, and named in the receipt and in
    the log; the code after the `async with` then runs on. Leaving it waits for nothing.
    """

    def __init__(self, record: CleanupRecord, name: str, timeout: float | None) -> None:
        self.name = name
        self.timeout = timeout
        self.scope: trio.CancelScope = trio.CancelScope(shield=True)
        self._record = record
        self._during: BaseException | None = None

    async def __aenter__(self) -> Self:
        """Begin; from here on the cancel of the task does not reach in."""
        self._record.enter(self)
        self._during = sys.exception()
        self.scope.__enter__()
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool:
        """End, and swallow nothing but its own deadline."""
        late = self.scope.cancel_called
        if exc is not None and self._during is not None:
            _link(exc, self._during)
        try:
            return bool(self.scope.__exit__(exc_type, exc, traceback))
        finally:
            self._record.leave(self, exc, late=late)


def _link(exc: BaseException, during: BaseException) -> None:
    """Say of `exc` that it was raised during `during`, which a nursery in between forgets."""
    seen: set[int] = {id(during)}
    while id(exc) not in seen:
        seen.add(id(exc))
        if exc.__context__ is None:
            exc.__context__ = during
            return
        exc = exc.__context__
