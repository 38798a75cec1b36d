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
from .stopping import (
    Command,
    ProcessResult,
    check_cancelled,
    kill_programs,
    run_abandoned,
    run_in_thread,
    run_process,
)
from .stopping.classes import AbandonTool, AsyncTool, SubprocessTool, ThreadTool
from .tool import Tool, ToolCall, ToolSet, tool

__all__ = [
    "PLAN_SCHEMA",
    "AbandonTool",
    "Answer",
    "AsyncTool",
    "ChatMessage",
    "Command",
    "Execution",
    "Executor",
    "LLMClient",
    "LLMRequest",
    "LLMResponse",
    "PlannedStep",
    "PlanningAgent",
    "ProcessResult",
    "Step",
    "SubprocessTool",
    "TaskRun",
    "ThreadTool",
    "Tool",
    "ToolCall",
    "ToolSet",
    "Usage",
    "check_cancelled",
    "create_agent",
    "kill_programs",
    "parse_plan",
    "run_abandoned",
    "run_in_thread",
    "run_process",
    "tool",
]
