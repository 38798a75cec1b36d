"""Agents: what they see of their task, tools, and the planning agent."""

from .confirming import AutoConfirm, ConfirmationPolicy, Decision, Question
from .llm import (
    ChatMessage,
    LLMClient,
    LLMRequest,
    LLMResponse,
    LLMStream,
    ToolUse,
    Usage,
    WholeAnswers,
)
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
    run_asyncio,
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
    "AutoConfirm",
    "ChatMessage",
    "Command",
    "ConfirmationPolicy",
    "Decision",
    "Execution",
    "Executor",
    "LLMClient",
    "LLMRequest",
    "LLMResponse",
    "LLMStream",
    "PlannedStep",
    "PlanningAgent",
    "ProcessResult",
    "Question",
    "Step",
    "SubprocessTool",
    "TaskRun",
    "ThreadTool",
    "Tool",
    "ToolCall",
    "ToolSet",
    "ToolUse",
    "Usage",
    "WholeAnswers",
    "check_cancelled",
    "create_agent",
    "kill_programs",
    "parse_plan",
    "run_abandoned",
    "run_asyncio",
    "run_in_thread",
    "run_process",
    "tool",
]
