"""Agents: what they see of their task, tools, and the planning agent."""

from .llm import ChatMessage, LLMClient, LLMRequest, LLMResponse, Usage
from .planning import (
    PLAN_SCHEMA,
    Execution,
    Executor,
    PlannedStep,
    PlanningAgent,
    create_agent,
    parse_plan,
)
from .run import Answer, TaskRun
from .step import Step
from .tool import Tool, ToolCall, ToolSet, tool

__all__ = [
    "PLAN_SCHEMA",
    "Answer",
    "ChatMessage",
    "Execution",
    "Executor",
    "LLMClient",
    "LLMRequest",
    "LLMResponse",
    "PlannedStep",
    "PlanningAgent",
    "Step",
    "TaskRun",
    "Tool",
    "ToolCall",
    "ToolSet",
    "Usage",
    "create_agent",
    "parse_plan",
    "tool",
]
