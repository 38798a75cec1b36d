"""Naming what goes on after its cancel: which step, for how long, and where it stands.

A Trio task that stands still somewhere has its stack in its coroutine, so it can be read
from outside, without asking it. Of each one that a task has started, the innermost frame
of the agent's own code is told: what it waits in, Trio's or this library's, says little.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import Protocol

import trio
from attrs import frozen

from ..agent import TaskRun
from ..agent.step import current_step

__all__ = ["WATCHDOG_GRACE", "Standing", "Watched", "standings", "watch"]

_log = logging.getLogger(__name__)

WATCHDOG_GRACE = 1.0
"""Seconds beyond its time for cleanup (or what a step has asked for, if that is more) after
which a task that still lives is named: what a shutdown may take beyond its time-outs. It is
named again each time that the wait has doubled."""

_MAX_TOLD = 5
"""How many places are told; one more says nothing new to a person."""

# By the names that these have in Trio and here; without them too much is told, nothing wrong.
_LEAVING_A_NURSERY = {"_nested_child_finished"}
_WAITING_FOR_A_THREAD = {"to_thread_run_sync", "run_in_thread"}

_TRIO = Path(trio.__file__).parent
_PACKAGE = Path(__file__).parents[1]


@frozen
class Standing:
    """Where one Trio task stands."""

    step: str | None
    """The id of the step that it is in."""
    path: str
    line: int
    function: str
    in_thread: bool
    """Whether it waits for a thread."""

    def describe(self, *, full_path: bool) -> str:
        """It in words; a path without its folders for whoever is not to know these."""
        path = self.path if full_path else Path(self.path).name
        thread = ", in a thread, which nothing can end from outside" if self.in_thread else ""
        step = f"{self.step} at " if self.step is not None else ""
        return f"{step}{path}:{self.line} in {self.function}{thread}"


class Watched(Protocol):
    """A task that was cancelled."""

    @property
    def id(self) -> str:
        """Its id."""
        ...

    @property
    def run(self) -> TaskRun:
        """The agent's side of it."""
        ...

    @property
    def trio_task(self) -> trio.lowlevel.Task | None:
        """The Trio task that all of its Trio tasks descend from."""
        ...


async def watch(task: Watched, cancelled_at: float, ended: trio.Event) -> None:
    """Name a cancelled task in the log and to its viewers, as long as it goes on.

    Args:
        cancelled_at: Trio's time.
        ended: set when the task has ended.

    Cancellation: safe; nothing is named any more.
    """
    record = task.run.cleanup_record
    at = record.due + WATCHDOG_GRACE
    while True:
        with trio.move_on_at(at):
            await ended.wait()
            return
        allowed = record.due + WATCHDOG_GRACE  # a cleanup may have asked for more time
        if allowed > at:
            at = allowed
            continue
        _tell(task, trio.current_time() - cancelled_at)
        at = cancelled_at + 2 * (at - cancelled_at)


def _tell(task: Watched, seconds: float) -> None:
    steps = task.run.running_steps
    try:
        found = [] if task.trio_task is None else list(standings(task.trio_task, task.run))
    except Exception:  # a coroutine of an agent's own making, that is none
        _log.exception("where task %r stands cannot be told", task.id)
        found = []
    named = ", ".join(steps) or "no step"
    where = _join(found, full_path=True)
    _log.warning("task %r still runs %s, %.1f s after its cancel%s", task.id, named, seconds, where)
    # Once a step of it was told to be interrupted, viewers expect nothing but its end; while
    # a question is open, nothing but the answer.
    if not task.run.interrupted_steps and not task.run.questions.open:
        what = ", ".join(steps) or "the task"
        text = f"{what} still runs, {seconds:.1f} s after the cancel{_join(found, full_path=False)}"
        task.run.set_state(task.run.state, text)


def _join(found: list[Standing], *, full_path: bool) -> str:
    texts = list(dict.fromkeys(each.describe(full_path=full_path) for each in found))
    if not texts:
        return ""
    more = f"; and {len(texts) - _MAX_TOLD} more" if len(texts) > _MAX_TOLD else ""
    return f"; it stands: {'; '.join(texts[:_MAX_TOLD])}{more}"


def standings(task: trio.lowlevel.Task, run: TaskRun) -> Iterator[Standing]:
    """Where a Trio task and all that it has started stand; not those that wait for others."""
    left = [task]
    while left:
        each = left.pop()
        children = [child for nursery in each.child_nurseries for child in nursery.child_tasks]
        left += children
        frames = list(each.iter_await_frames())
        if frames and not (children and _is_in_any(frames, _LEAVING_A_NURSERY)):
            yield _standing(each, frames, run)


def _standing(
    task: trio.lowlevel.Task, frames: list[tuple[FrameType, int]], run: TaskRun
) -> Standing:
    step = task.context.get(current_step)
    frame, line = (
        _innermost(frames, _is_foreign)
        or _innermost(frames, lambda path: not _is_in(path, _TRIO))
        or frames[-1]
    )
    return Standing(
        # Of another task, if that has submitted this one.
        step=None if step is None or step.run is not run else step.id,
        path=frame.f_code.co_filename,
        line=line,
        function=frame.f_code.co_name,
        in_thread=_is_in_any(frames, _WAITING_FOR_A_THREAD),
    )


def _innermost(
    frames: list[tuple[FrameType, int]], is_wanted: Callable[[Path], bool]
) -> tuple[FrameType, int] | None:
    wanted = (each for each in reversed(frames) if is_wanted(Path(each[0].f_code.co_filename)))
    return next(wanted, None)


def _is_in_any(frames: list[tuple[FrameType, int]], functions: set[str]) -> bool:
    """Whether a frame is of one of these functions, which are Trio's or this library's."""
    return any(
        each.f_code.co_name in functions and not _is_foreign(Path(each.f_code.co_filename))
        for each, _ in frames
    )


def _is_foreign(path: Path) -> bool:
    return not (_is_in(path, _TRIO) or _is_in(path, _PACKAGE))


def _is_in(path: Path, folder: Path) -> bool:
    return folder in path.parents
