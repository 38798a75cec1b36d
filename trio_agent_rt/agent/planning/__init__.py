"""The agent that comes with the library: a model plans, tools run, a model sums up."""

from .agent import PlanningAgent, create_agent
from .execution import Execution
from .executor import Executor
from .plans import (
    PLAN_SCHEMA,
    ConditionalStep,
    LLMStep,
    LoopStep,
    ParallelStep,
    PlannedStep,
    ToolStep,
    parse_plan,
    shown_steps,
)
from .prompts import PROMPT_VERSION

__all__ = [
    "PLAN_SCHEMA",
    "PROMPT_VERSION",
    "ConditionalStep",
    "Execution",
    "Executor",
    "LLMStep",
    "LoopStep",
    "ParallelStep",
    "PlannedStep",
    "PlanningAgent",
    "ToolStep",
    "create_agent",
    "parse_plan",
    "shown_steps",
]
