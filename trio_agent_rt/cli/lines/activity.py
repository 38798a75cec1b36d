"""What steps are busy with: what a view shows beside a plan, folded from the same events."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import TypeAlias

import attrs

from ...protocol import (
    Event,
    GapOccurred,
    StepCompleted,
    StepFailed,
    StepOutput,
    StepProgressed,
    StepStarted,
    TaskCompleted,
)
from .words import clean

__all__ = ["Activities", "Activity"]

_MAX_LINE = 4000
"""Output without a line break is broken here, so that what is held is bounded."""

_Key: TypeAlias = tuple[str | None, str]


@attrs.define
class Activity:
    """What one step is busy with."""

    started_at: float
    """By the clock that `Activities.take` is given."""
    message: str = ""
    """What came with its latest progress."""
    lines: int = 0
    """How many whole lines it has written."""
    _tail: deque[str] = attrs.field(factory=lambda: deque[str](maxlen=20))
    _open: str = ""

    def write(self, text: str) -> list[str]:
        """Add a piece of output; gives the lines that it has completed."""
        *whole, self._open = (self._open + text).split("\n")
        while len(self._open) > _MAX_LINE:
            whole.append(self._open[:_MAX_LINE])
            self._open = self._open[_MAX_LINE:]
        # A control sequence may come in two pieces, so whole lines are cleaned, not pieces.
        done = [line for each in whole for line in clean(each).split("\n")]
        self.lines += len(done)
        self._tail.extend(done)
        return done

    def finish(self) -> list[str]:
        """End its output; gives the last line if that was not completed."""
        return self.write("\n") if self._open else []

    def tail(self, size: int) -> Sequence[str]:
        """The last lines of its output, the one that is being written included."""
        held = [*self._tail, clean(self._open)] if self._open else list(self._tail)
        return held[-size:] if size > 0 else []


class Activities:
    """What every running step is busy with."""

    def __init__(self) -> None:
        self._steps: dict[_Key, Activity] = {}

    def of(self, task_id: str | None, step_id: str) -> Activity | None:
        """What a step is busy with, or None if it does not run."""
        return self._steps.get((task_id, step_id))

    def take(self, event: Event, now: float) -> tuple[Activity | None, list[str]]:
        """Take in an event.

        Returns:
            the activity of the event's step, also if it has just ended, and the lines of
            output that the event has completed.
        """
        match event:
            case StepStarted():
                key = (event.task_id, event.step_id)
                return self._steps.setdefault(key, Activity(now)), []
            case StepProgressed():
                activity = self._at(event.task_id, event.step_id, now)
                activity.message = event.message
                return activity, []
            case StepOutput():
                activity = self._at(event.task_id, event.step_id, now)
                return activity, activity.write(event.text)
            case StepFailed(will_retry=True):
                activity = self._at(event.task_id, event.step_id, now)
                activity.message = ""
                return activity, activity.finish()
            case StepCompleted() | StepFailed():
                activity = self._steps.pop((event.task_id, event.step_id), None)
                return activity, activity.finish() if activity else []
            case TaskCompleted():
                self._steps = {k: v for k, v in self._steps.items() if k[0] != event.task_id}
            case GapOccurred():
                self._steps.clear()
            case _:
                pass
        return None, []

    def _at(self, task_id: str | None, step_id: str, now: float) -> Activity:
        return self._steps.setdefault((task_id, step_id), Activity(now))
