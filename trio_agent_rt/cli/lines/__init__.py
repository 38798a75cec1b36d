"""What a task did, as lines of text: no terminal, no clock, no waiting."""

from .activity import Activities, Activity
from .ending import MAX_SHOWN_LINES, ending
from .transcript import Kind, Line, Transcript
from .words import Marks, clean, count, marks_for, one_line, pretty, span

__all__ = [
    "MAX_SHOWN_LINES",
    "Activities",
    "Activity",
    "Kind",
    "Line",
    "Marks",
    "Transcript",
    "clean",
    "count",
    "ending",
    "marks_for",
    "one_line",
    "pretty",
    "span",
]
