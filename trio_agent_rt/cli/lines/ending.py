"""How a task ended, as lines: its output, its summary, its receipt, its outcome."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ...events import TaskView
from ...protocol import ConfirmationRecord, Receipt, TaskCompleted
from .transcript import Kind, Line
from .tree import Node, came_to, title, tree_of
from .words import clean, count, one_line, pretty, span

__all__ = ["MAX_SHOWN_LINES", "ending", "plan_lines", "receipt_lines"]

MAX_SHOWN_LINES = 200
"""Lines of an output that a terminal is given; a file gets all."""

MAX_SHOWN_CHARS = 2000
"""Characters of each of them."""


def ending(
    completed: TaskCompleted, task: TaskView | None, *, max_lines: int | None = None
) -> Iterator[Line]:
    """The last lines of a task; the very last says how it ended.

    Args:
        task: where it stood, for the names of its steps.
        max_lines: how much of the output to show, or None for all.
    """
    if completed.output not in (None, ""):
        yield from _block("Output", pretty(completed.output), "verbatim", max_lines)
    if completed.summary:
        yield from _block("Summary", clean(completed.summary), "text", max_lines)
    if completed.confirmations:
        yield from _confirmations(completed.confirmations)
    if completed.receipt is not None:
        yield Line("text", "")
        yield Line("text", "Receipt:")
        yield from receipt_lines(completed.receipt, task)
    yield Line("text", "")
    if completed.usage is not None:
        sent, got = completed.usage.input_tokens, completed.usage.output_tokens
        yield Line("note", f"Tokens: {sent:,} sent, {got:,} received")
    duration = span(completed.duration / 1000)
    match completed.outcome:
        case "succeeded":
            yield Line("success", f"Succeeded in {duration}")
        case "failed":
            error = one_line(completed.error or "no reason was given", 2000)
            yield Line("failed", f"Failed after {duration}: {error}")
        case "cancelled":
            yield Line("cancelled", f"Cancelled after {duration}")


def plan_lines(task: TaskView, *, max_lines: int | None = None) -> Iterator[Line]:
    """The plan of a task as a tree, with how far each step has come.

    Args:
        max_lines: how many steps to show, or None for all.
    """
    nodes = tree_of(task.steps.values())
    for node in nodes[:max_lines]:
        yield _step_line(node, task.task_id)
    if max_lines is not None and len(nodes) > max_lines:
        yield Line("note", f"and {count(len(nodes) - max_lines, 'more step')}", task.task_id, 1)


def _step_line(node: Node, task_id: str | None) -> Line:
    status = node.step.status
    kind: Kind = "start" if status == "running" else status
    return Line(kind, title(node, 500) + came_to(node.step), task_id, node.depth + 1)


def _block(title: str, text: str, kind: Kind, max_lines: int | None) -> Iterator[Line]:
    lines = text.strip("\n").split("\n")
    yield Line("text", "")
    yield Line("text", f"{title}:")
    for line in lines[:max_lines]:
        shown = line if max_lines is None else _cut(line)
        yield Line(kind, shown, indent=1)
    if max_lines is not None and len(lines) > max_lines:
        left = len(lines) - max_lines
        yield Line("note", f"({left:,} more lines; send it to a file, or use --json, for all)")


def _cut(line: str) -> str:
    more = len(line) - MAX_SHOWN_CHARS
    return line if more <= 0 else f"{line[:MAX_SHOWN_CHARS]}… ({more:,} more characters)"


def _confirmations(records: Sequence[ConfirmationRecord]) -> Iterator[Line]:
    yield Line("text", "")
    yield Line("text", "Confirmations:")
    for each in records[:MAX_SHOWN_LINES]:
        by = f" by {one_line(each.by)}" if each.by else ""
        reason = f": {one_line(each.reason)}" if each.reason else ""
        yield Line("text", f"{one_line(each.step_name)}: {each.outcome}{by}{reason}", indent=1)
    if len(records) > MAX_SHOWN_LINES:
        yield Line("note", f"({len(records) - MAX_SHOWN_LINES:,} more)")


def receipt_lines(receipt: Receipt, task: TaskView | None = None) -> Iterator[Line]:
    """What a cancel did.

    Args:
        task: where its task stood, for the names of its steps; None for their ids.
    """

    def names(ids: Sequence[str]) -> str:
        steps = task.steps if task else {}
        shown = [steps[each].name if each in steps else each for each in ids]
        return one_line(", ".join(shown)) or "nothing"

    detail = f": {one_line(receipt.cleanup_detail)}" if receipt.cleanup_detail else ""
    for name, value in (
        ("reason", one_line(receipt.reason)),
        ("ended", f"{receipt.duration} ms after it was asked to"),
        ("interrupted", names(receipt.interrupted)),
        ("completed", names(receipt.completed)),
        ("cleanup", f"{receipt.cleanup.replace('_', ' ')}{detail}"),
    ):
        yield Line("text", f"{name:<12} {value}", indent=1)
