"""Questions to people, and who may answer in their place."""

from .confirmation import Confirmation, ConfirmationState, Decision
from .policy import AutoConfirm, ConfirmationPolicy, Question, decided_by
from .questions import Questions

__all__ = [
    "AutoConfirm",
    "Confirmation",
    "ConfirmationPolicy",
    "ConfirmationState",
    "Decision",
    "Question",
    "Questions",
    "decided_by",
]
