"""A task as a person sees it: the same for one that runs here and one over the wire."""

from .answers import REMARKS, Answers, Policy, Steerable
from .follow import Followable, follow_session, follow_task
from .keyboard import Keyboard
from .screen import JsonScreen, PlainScreen, Screen, write_out
from .stage import Stage
from .terminal import TerminalScreen

__all__ = [
    "REMARKS",
    "Answers",
    "Followable",
    "JsonScreen",
    "Keyboard",
    "PlainScreen",
    "Policy",
    "Screen",
    "Stage",
    "Steerable",
    "TerminalScreen",
    "follow_session",
    "follow_task",
    "write_out",
]
