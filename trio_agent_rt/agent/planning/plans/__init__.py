"""Plans as a model writes them, and as they are run."""

from .parse import Declined, parse_plan
from .schema import PLAN_SCHEMA
from .steps import (
    ConditionalStep,
    LLMStep,
    LoopStep,
    ParallelStep,
    PlannedStep,
    ToolStep,
    ids_of,
    shown_steps,
)

__all__ = [
    "PLAN_SCHEMA",
    "ConditionalStep",
    "Declined",
    "LLMStep",
    "LoopStep",
    "ParallelStep",
    "PlannedStep",
    "ToolStep",
    "ids_of",
    "parse_plan",
    "shown_steps",
]
