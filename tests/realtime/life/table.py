"""What happens to a task, wherever it is in its life: the table that the documentation shows.

`tests/docs/test_life_of_a_task.py` holds the page against it, and `test_life.py` every cell
against what the library does.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

__all__ = ["CELLS", "COLUMNS", "OUTCOMES", "TABLE"]

OUTCOMES: Final[Mapping[str, str]] = {
    "never called": "it ends as cancelled, without a step; the agent is not even called",
    "cut short": "it ends as cancelled at one of its first checkpoints: the cancel comes from "
    "around the server, and is passed on to the task a moment later",
    "cancelled": "it ends as cancelled; no step ran that could be interrupted, and those that "
    "had ended well stay so",
    "interrupted": "it ends as cancelled; each step that ran is told of as `cancelled` and named "
    "in the receipt, and everything that it had started is gone",
    "left behind": "as *interrupted*, but its thread goes on, and the receipt says so: `timed_out`",
    "cleans up first": "the cleanup runs on, within its bound; then as *interrupted*",
    "keeps its cancel": "nothing changes: the cleanup runs on, within its bound, and the reason "
    "that came first stands",
    "goes on": "nothing happens to it; it ends by itself, and well",
    "has succeeded": "it has succeeded, and says so; its output arrives whole",
    "has ended": "nothing; there is no second terminal message",
}
"""How a cell is named, and what that means."""

COLUMNS: Final[Mapping[str, str]] = {
    "cancel": "somebody cancels it",
    "linger=0": "the last connection goes, and `linger` is 0",
    "linger=N": "the last connection goes, and nobody comes back within `linger`",
    "linger=None": "the last connection goes, and `linger` is None",
    "replace": "a newer task comes, and `busy` is `replace`",
    "shutdown": "the server shuts down, without time to drain",
    "drain": "the server shuts down, and `drain_timeout` is long enough",
    "outer cancel": "the nursery around the server is cancelled",
    "sibling": "something beside the server, in the same nursery, raises",
    "other task": "another task raises, in its session or in another one",
}
"""What happens, and what that is in full."""

_NOTHING: Final = dict.fromkeys(("linger=None", "drain", "other task"), "goes on")


def _row(ends: str, **others: str) -> Mapping[str, str]:
    """A row where whatever ends a task ends it in the same way, with exceptions."""
    exceptions = {name.replace("_", " "): word for name, word in others.items()}
    return {**dict.fromkeys(COLUMNS, ends), **_NOTHING, **exceptions}


_EARLY: Final[Mapping[str, str]] = {
    **_row("never called", outer_cancel="cut short", sibling="cut short"),
    "linger=N": "interrupted",
}

TABLE: Final[Mapping[str, Mapping[str, str]]] = {
    "before the first checkpoint": _EARLY,
    "queued": _row("never called"),
    "starting, out of the queue": _EARLY,
    "planning": _row("cancelled"),
    "waiting for a model, in a step": _row("interrupted"),
    "in an async tool": _row("interrupted"),
    "in a subprocess tool": _row("interrupted"),
    "in a thread tool": _row("interrupted"),
    "in an abandon tool": _row("left behind"),
    "retry back-off": _row("interrupted"),
    "waiting for confirmation": _row("interrupted"),
    "between steps": _row("cancelled"),
    "in parallel steps": _row("interrupted"),
    "in cleanup, not cancelled yet": _row("cleans up first"),
    "in cleanup, after a cancel": dict.fromkeys(COLUMNS, "keeps its cancel"),
    "summing up": _row("cancelled"),
    "while its result is encoded": dict.fromkeys(COLUMNS, "has succeeded"),
    "ended": dict.fromkeys(COLUMNS, "has ended"),
}
"""By where the task is, and by what happens: what comes of it."""

CELLS: Final[Sequence[tuple[str, str]]] = [(row, column) for row in TABLE for column in COLUMNS]
