"""The plan and what runs of it, drawn: a tree with a spinner, a bar and the end of the output
of each running step.

Pure functions of the present state, so that a frame can be drawn at any time and size. What
does not fit is left out where it matters least: far from what runs.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from attrs import define, frozen
from rich.cells import chop_cells
from rich.text import Text

from ...events import SessionView, TaskView
from ...protocol import PlanStep, StepStatus
from ..lines import (
    Activities,
    Activity,
    Kind,
    Marks,
    Node,
    came_to,
    count,
    fitted,
    one_line,
    span,
    title,
    tree_of,
)

__all__ = ["STYLES", "Frame", "draw"]

_NARROW = 60
"""Below so many columns there is no room for a bar, nor for rails."""

_MIN_OUTPUT = 2
"""Rows that the output of a running step gets at least, before it is left out altogether."""

_ENDED = {"success", "failed", "skipped", "cancelled"}

STYLES: dict[Kind, str] = {
    "success": "green",
    "failed": "bold red",
    "skipped": "yellow",
    "cancelled": "yellow",
    "pending": "dim",
    "start": "cyan",
    "question": "bold magenta",
    "retry": "yellow",
    "more": "dim",
    "note": "dim",
}
"""The colour of what a line or a row says."""

_COUNTED: tuple[tuple[StepStatus, str], ...] = (
    ("success", "done"),
    ("failed", "failed"),
    ("skipped", "skipped"),
    ("cancelled", "cancelled"),
    ("running", "running"),
    ("pending", "to do"),
)


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


@define
class _Row:
    """What may be drawn in one row."""

    text: Text
    weight: float
    """What is light is drawn before what is heavy."""
    step: PlanStep | None = None
    """The step that it is about."""


def draw(session: SessionView, activities: Activities, frame: Frame) -> list[Text]:
    """The lines of a frame, none wider or more than it allows."""
    height = max(frame.height - 2, 0)
    rows: list[_Row] = []
    for task in session.tasks.values():
        if len(session.tasks) > 1:
            rows.append(_Row(Text(f"[{one_line((task.task_id or '')[:8])}]", "dim"), 1.5))
        rows += _Tree(task, activities, frame, height).rows()
    _weigh(rows)
    drawn = [
        rows[each].text if isinstance(each, int) else _gap([rows[n] for n in each], frame)
        for each in fitted([each.weight for each in rows], height)
    ]
    drawn.append(_status(session, frame))
    for row in drawn:
        row.truncate(max(frame.width - 1, 1), overflow="ellipsis")
    return drawn


class _Tree:
    """The rows of one task."""

    def __init__(self, task: TaskView, activities: Activities, frame: Frame, height: int) -> None:
        self._task = task
        self._activities = activities
        self._frame = frame
        self._wide = frame.width >= _NARROW
        self._nodes = tree_of(_with_unplanned(task))
        running = [each for each in self._nodes if each.step.id in task.running]
        names = [self._indent(each).cell_len + Text(title(each)).cell_len for each in running]
        self._column = min(max(names, default=0), max(frame.width * 2 // 5, 10))
        writers = [
            each
            for each in task.running
            if (activity := activities.of(task.task_id, each)) and activity.tail(1)
        ]
        self._output = max(height // 2 // max(len(writers), 1), _MIN_OUTPUT)
        self._around = {each.step.parent_id for each in running}

    def rows(self) -> Iterator[_Row]:
        """All of them, whether there is room for them or not."""
        for node in self._nodes:
            if node.step.id not in self._task.running:
                yield _Row(self._still(node), _weight_of(node.step), node.step)
                continue
            activity = self._activities.of(self._task.task_id, node.step.id)
            weight = 2.0 if node.step.id in self._around else 0.0
            yield _Row(self._running(node, activity), weight, node.step)
            if activity is not None:
                yield from self._written(node, activity)

    def _still(self, node: Node) -> Text:
        status = node.step.status
        kind: Kind = "start" if status == "running" else status
        mark = self._frame.marks.of(kind)
        row = self._indent(node)
        row.append(mark, STYLES[kind])
        row.append(f" {title(node)}", "" if status == "failed" else "dim")
        row.append(came_to(node.step, 300), "dim")
        return row

    def _running(self, node: Node, activity: Activity | None) -> Text:
        frame, question = self._frame, self._task.confirmation
        waits = question is not None and question.step_id == node.step.id
        since = activity.started_at if activity else frame.since
        row = self._indent(node)
        room = max(self._column - row.cell_len, 1)
        row.append(frame.marks.question if waits else _spinner(frame), "cyan")
        name = Text(title(node))
        name.truncate(room, overflow="ellipsis", pad=True)
        row.append(" ")
        row.append_text(name)
        row.append_text(_progress(node.step, frame))
        row.append(f"  {span(frame.now - since)}", "dim")
        if activity and activity.message:
            row.append(f"  {one_line(activity.message, 200)}", "dim")
        return row

    def _written(self, node: Node, activity: Activity) -> Iterator[_Row]:
        """The last rows of a step's output, the very last before all others."""
        indent = self._indent(node, below=True)
        indent.append(f"  {self._frame.marks.more} ", "dim")
        width = max(self._frame.width - 1 - indent.cell_len, 2)
        rows: list[str] = []
        for line in reversed(activity.tail(self._output)):
            rows[:0] = chop_cells(line, width) or [""]
            if len(rows) >= self._output:
                break
        shown = rows[-self._output :]
        for left, text in zip(range(len(shown) - 1, -1, -1), shown, strict=True):
            yield _Row(indent.copy().append(text, "dim"), 1 + left / 2)

    def _indent(self, node: Node, *, below: bool = False) -> Text:
        """What stands before a step, or before what is below it."""
        if not self._wide:
            return Text(" " * node.depth)
        follows, last, past = self._frame.marks.rails
        upper, own = node.rails[:-1], node.rails[-1:]
        parts = [past if more else "   " for more in (node.rails if below else upper)]
        if not below:
            parts += [follows if more else last for more in own]
        return Text(f"  {''.join(parts)}", "dim")


def _with_unplanned(task: TaskView) -> Iterable[PlanStep]:
    yield from task.steps.values()
    for started in task.running.values():
        if started.step_id not in task.steps:
            yield PlanStep(id=started.step_id, name=started.step_name, status="running")


def _weight_of(step: PlanStep) -> float:
    """How little it matters, apart from where it stands."""
    return 2.5 if step.status == "failed" else 4.5 if step.status in _ENDED else 4.0


def _weigh(rows: Sequence[_Row]) -> None:
    """Add to the weight of what does not run how far it is from what does."""
    focus = [n for n, row in enumerate(rows) if row.weight == 0]
    if not focus:  # nothing runs at the moment: what comes next is of interest
        pending = (n for n, row in enumerate(rows) if row.step and row.step.status == "pending")
        focus = [next(pending, len(rows) - 1)]
    before = 0
    for number, row in enumerate(rows):
        while before + 1 < len(focus) and focus[before + 1] <= number:
            before += 1
        if row.weight >= 4:
            near = abs(number - focus[before])
            if before + 1 < len(focus):
                near = min(near, focus[before + 1] - number)
            row.weight += near


def _gap(hidden: Sequence[_Row], frame: Frame) -> Text:
    """What is said of rows that there is no room for."""
    found = Counter(row.step.status for row in hidden if row.step is not None)
    told = [f"{found[status]:,} {words}" for status, words in _COUNTED if found[status]]
    text = " · ".join(told) or f"({count(len(hidden), 'more row')})"
    return Text(f"  {frame.marks.ellipsis} {text}", "dim")


def _progress(step: PlanStep, frame: Frame) -> Text:
    if step.progress is None:
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
    elif not any(task.running for task in session.tasks.values()):
        parts.append(one_line(session.status.message, 200))  # else it names what began first
    row.append(" " + " · ".join(parts), "dim")
    return row


def _spinner(frame: Frame) -> str:
    signs = frame.marks.spinner
    return signs[int(max(frame.now - frame.since, 0.0) * 10) % len(signs)]
