"""What runs now, drawn: a spinner, a bar and the end of its output for each step.

Pure functions of the present state, so that a frame can be drawn at any time and size.
"""

from __future__ import annotations

from collections.abc import Iterator

from attrs import frozen
from rich.text import Text

from ...events import SessionView, TaskView
from ...protocol import PlanStep
from ..lines import Activities, Marks, count, one_line, span

__all__ = ["Frame", "draw"]

_TAIL = 5
_MAX_STEPS = 8
"""Running steps that are drawn; the rest is counted."""

_NARROW = 60
"""Below so many columns there is no room for a bar."""

_ENDED = {"success", "failed", "skipped", "cancelled"}


@frozen(kw_only=True)
class Frame:
    """When and where something is drawn."""

    now: float
    """By the clock of the activities."""
    since: float
    """When the view began."""
    width: int
    height: int
    marks: Marks
    hint: str = ""
    """What is wrong at the moment, if anything is."""


def draw(session: SessionView, activities: Activities, frame: Frame) -> list[Text]:
    """The lines of a frame, none wider or more than it allows."""
    rows = [row for task in session.tasks.values() for row in _steps(task, activities, frame)]
    rows = rows[: max(frame.height - 2, 0)]
    rows.append(_status(session, frame))
    for row in rows:
        row.truncate(max(frame.width - 1, 1), overflow="ellipsis")
    return rows


def _steps(task: TaskView, activities: Activities, frame: Frame) -> Iterator[Text]:
    running = list(task.running.values())
    shown = running[-_MAX_STEPS:]
    names = [one_line(each.step_name, 200) for each in shown]
    column = min(max((Text(each).cell_len for each in names), default=0), frame.width // 3)
    for started, name in zip(shown, names, strict=True):
        step = task.steps.get(started.step_id)
        activity = activities.of(task.task_id, started.step_id)
        waits = task.confirmation is not None and task.confirmation.step_id == started.step_id
        since = activity.started_at if activity else frame.since
        row = Text("  ")
        row.append(frame.marks.question if waits else _spinner(frame), "cyan")
        row.append(" ")
        title = Text(name)
        title.truncate(column, overflow="ellipsis", pad=True)
        row.append_text(title)
        row.append_text(_progress(step, frame))
        row.append(f"  {span(frame.now - since)}", "dim")
        if activity and activity.message:
            row.append(f"  {one_line(activity.message, 200)}", "dim")
        yield row
        for line in activity.tail(_TAIL) if activity else ():
            yield Text(f"    {frame.marks.more} {line[: frame.width]}", "dim")
    if len(running) > len(shown):
        yield Text(f"  {frame.marks.more} and {len(running) - len(shown)} more steps", "dim")


def _progress(step: PlanStep | None, frame: Frame) -> Text:
    if step is None or step.progress is None:
        return Text()
    percent = min(max(step.progress, 0.0), 100.0)
    row = Text("  ")
    if frame.width >= _NARROW:
        size = 20 if frame.width >= 1.5 * _NARROW else 10
        done = int(size * percent / 100)
        row.append(frame.marks.bar[0] * done, "green")
        row.append(frame.marks.bar[1] * (size - done), "dim")
        row.append(" ")
    row.append(f"{percent:3.0f} %")
    return row


def _status(session: SessionView, frame: Frame) -> Text:
    row = Text()
    row.append(_spinner(frame) if session.tasks else frame.marks.pending, "cyan")
    parts: list[str] = []
    for task in session.tasks.values():
        if task.steps:
            ended = sum(each.status in _ENDED for each in task.steps.values())
            parts.append(f"{ended} of {count(len(task.steps), 'step')}")
    parts.append(span(frame.now - frame.since))
    if frame.hint:
        parts.insert(0, frame.hint)
    elif session.status.cancelling:
        parts.append("cancelling")
    else:
        parts.append(one_line(session.status.message, 200))
    row.append(" " + " · ".join(parts), "dim")
    return row


def _spinner(frame: Frame) -> str:
    signs = frame.marks.spinner
    return signs[int(max(frame.now - frame.since, 0.0) * 10) % len(signs)]
