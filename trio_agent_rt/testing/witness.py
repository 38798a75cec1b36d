"""Watches a task of an agent while a sweep cancels it, and says whether it took that well."""

from __future__ import annotations

import math
from collections.abc import Collection
from typing import TYPE_CHECKING, Any

import trio

from ..agent import stopping
from ..protocol import Event, Position, TaskCompleted, decode_event
from ..realtime import RunningTask
from ..realtime.watchdog import WATCHDOG_GRACE
from .deterministic import TrioHasChanged

if TYPE_CHECKING:
    from ..agent.cleanup import Cleanup
    from ..realtime.session import Session

__all__ = ["Witness"]

_NEXT = "_next_send"
_STATUS = "_cancel_status"
_SCOPE = "_scope"
_PARENT = "_parent"
"""Where Trio has what a Trio task is about to be told, and which scopes are around it."""

_SESSION = "_session"
_OPEN = "_open"
"""Where a task has its session, and a record the cleanups that are under way."""


class Witness:
    """What can be seen of a task that is to be cancelled.

    Args:
        task: the task; it has not ended.
        clean: whether it must end in time, and cleanly.

    Raises:
        TrioHasChanged: when Trio has to be looked at again.
    """

    def __init__(self, task: RunningTask, *, clean: bool) -> None:
        self._task = task
        self._clean = clean
        self._session: Session = getattr(task, _SESSION)
        self._cancelled_at = math.inf
        self._due = -math.inf
        self._told = False
        self._completed: TaskCompleted | None = None
        self._ended_at = math.inf
        self._end: Position | None = None
        self._late: list[str] = []
        _check_trio()
        if task.completed is None:
            task.on_ended.append(self)

    @property
    def gone(self) -> bool:
        """It waits until the end."""
        return False

    def __call__(self, completed: TaskCompleted) -> None:
        """The task has ended, so; its terminal message is the last event in the log."""
        self._completed, self._ended_at = completed, trio.current_time()
        self._end = self._session.log.position
        self._task.run.emit = self._note_late

    def _note_late(self, event: Event) -> None:
        self._late.append(type(event).__name__)

    def cancel(self, reason: str) -> None:
        """Cancel the task now."""
        if self._task.request_cancel(reason):
            self._cancelled_at = trio.current_time()
            self._due = self._cancelled_at + self._task.run.cleanup_record.timeout

    def before_step(self, task: trio.lowlevel.Task) -> None:
        """A Trio task, any, is about to go on."""
        if not self._told and self._cancelled_at < math.inf and self._completed is None:
            scope = self._task.scope
            root = self._task.trio_task
            self._told = _is_told(task, scope) and _descends(task, root) and not _is_ours(task)

    def after_step(self) -> None:
        """A Trio task, any, has come to its next checkpoint."""
        cleanups: Collection[Cleanup] = getattr(self._task.run.cleanup_record, _OPEN)
        for each in cleanups:  # one may have asked for more time than all have
            self._due = max(self._due, each.scope.deadline)

    def check(self) -> None:
        """Raise an AssertionError if it did not take its cancel well."""
        if self._cancelled_at == math.inf:
            return
        completed = self._completed
        if completed is None:
            raise AssertionError("the task was cancelled, and has not ended")
        self._check_silence()
        if self._told and completed.success:
            raise AssertionError(
                "the task has swallowed its cancel: that has reached it, and it has succeeded"
            )
        if (completed.outcome == "cancelled") != (completed.receipt is not None):
            raise AssertionError(f"a receipt is for a cancelled task, and none but it: {completed}")
        if not self._clean:
            return
        took = self._ended_at - self._cancelled_at
        allowed = max(0.0, self._due - self._cancelled_at) + WATCHDOG_GRACE
        if took > allowed:
            raise AssertionError(
                f"the task ended {took:g} s after its cancel; it has {allowed:g} s, "
                "its time for cleanup and one more"
            )
        receipt = completed.receipt
        if receipt is not None and receipt.cleanup != "clean":
            raise AssertionError(
                f"the receipt says of the cleanup: {receipt.cleanup} ({receipt.cleanup_detail})"
            )

    def _check_silence(self) -> None:
        log, end = self._session.log, self._end
        if end is not None and log.holds(end):
            after = [decode_event(each.json) for each in log.after(end)]
            self._late += [type(e).__name__ for e in after if e.task_id == self._task.id]
        if self._late:
            raise AssertionError(
                f"the task went on after its terminal message, and said: {', '.join(self._late)}"
            )


def _check_trio() -> None:
    task = trio.lowlevel.current_task()
    status = getattr(task, _STATUS, None)
    if not (hasattr(task, _NEXT) and hasattr(status, _SCOPE) and hasattr(status, _PARENT)):
        raise TrioHasChanged(
            f"Trio {trio.__version__} does not show what a Trio task is told any more: "
            f"find out how it keeps a cancel that is on its way, and mend {__name__}"
        )


def _is_told(task: trio.lowlevel.Task, scope: trio.CancelScope) -> bool:
    """Whether it is told of a cancel, and nothing shields it from that of `scope`."""
    if not isinstance(getattr(getattr(task, _NEXT), "error", None), trio.Cancelled):
        return False
    status: Any = getattr(task, _STATUS)
    while status is not None:
        around: trio.CancelScope = getattr(status, _SCOPE)
        if around is scope:
            return True
        if around.shield:
            return False
        status = getattr(status, _PARENT)
    return False


def _is_ours(task: trio.lowlevel.Task) -> bool:
    """Whether it waits for a program or a thread, which may end well all the same."""
    names = (str(frame.f_globals.get("__name__")) for frame, _ in task.iter_await_frames())
    return any(each.startswith(f"{stopping.__name__}.") for each in names)


def _descends(task: trio.lowlevel.Task, root: trio.lowlevel.Task | None) -> bool:
    while (nursery := task.parent_nursery) is not None:
        task = nursery.parent_task
        if task is root:
            return True
    return False
