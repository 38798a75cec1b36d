"""The agent that comes with the library: a model plans, tools run, a model sums up."""

from .agent import PlanningAgent, create_agent
from .executor import Execution, Executor
from .plan import PLAN_SCHEMA, PlannedStep, parse_plan

__all__ = [
    "PLAN_SCHEMA",
    "Execution",
    "Executor",
    "PlannedStep",
    "PlanningAgent",
    "create_agent",
    "parse_plan",
]
