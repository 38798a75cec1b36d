"""What a task did, as lines of text: no terminal, no clock, no waiting."""

from .activity import Activities, Activity
from .ending import MAX_SHOWN_LINES, ending, plan_lines, receipt_lines
from .fitting import fitted
from .question import Reading
from .transcript import Kind, Line, Transcript
from .tree import Node, came_to, title, tree_of
from .words import Marks, clean, count, marks_for, one_line, pretty, span

__all__ = [
    "MAX_SHOWN_LINES",
    "Activities",
    "Activity",
    "Kind",
    "Line",
    "Marks",
    "Node",
    "Reading",
    "Transcript",
    "came_to",
    "clean",
    "count",
    "ending",
    "fitted",
    "marks_for",
    "one_line",
    "plan_lines",
    "pretty",
    "receipt_lines",
    "span",
    "title",
    "tree_of",
]
