"""What a view is given: a screen, somebody who answers questions, and Ctrl-C."""

from __future__ import annotations

from attrs import frozen

from ..interrupts import Interrupts
from .answers import Answers
from .screen import Screen

__all__ = ["Stage"]


@frozen
class Stage:
    """Where a task is shown, who answers its questions, and who may interrupt it."""

    screen: Screen
    answers: Answers
    interrupts: Interrupts
