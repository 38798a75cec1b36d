"""Stream what an AI agent does to people and programs, live, and cancel it for real.

The names here are the ones that most programs need; the subpackages have the rest:
`protocol` for every message, `agent` for tools and plans, `realtime` for sessions and
limits, `clients` and `transports` for the two ends of a connection, `llm` for language
models, `errors` for the whole tree of exceptions.
"""

from .agent import Answer, PlanningAgent, Step, TaskRun, Tool, ToolCall, create_agent, tool
from .agent.tools import default_tools
from .clients import AgentClient, ClientTask, Reconnect, open_websocket_client
from .errors import (
    AgentRTError,
    Busy,
    ClientError,
    ConfirmationExpired,
    ConfirmationRejected,
    ConnectionRejected,
    TaskCancelled,
    TaskError,
    TaskFailed,
    ToolError,
)
from .llm import LLMClient, OfflineClient, OpenAIClient, create_llm
from .protocol import (
    ConfirmationRequested,
    CustomEvent,
    Event,
    GapOccurred,
    Plan,
    PlanCreated,
    PlanStep,
    PlanUpdated,
    Receipt,
    StatusChanged,
    StepCompleted,
    StepFailed,
    StepOutput,
    StepProgressed,
    StepStarted,
    TaskCompleted,
)
from .realtime import ANONYMOUS, Limits, Principal, RealtimeAgent, RunningTask
from .transports import HandshakeRequest, WebSocketAddress, serve_websocket

__version__ = "0.1.0"

__all__ = [
    "ANONYMOUS",
    "AgentClient",
    "AgentRTError",
    "Answer",
    "Busy",
    "ClientError",
    "ClientTask",
    "ConfirmationExpired",
    "ConfirmationRejected",
    "ConfirmationRequested",
    "ConnectionRejected",
    "CustomEvent",
    "Event",
    "GapOccurred",
    "HandshakeRequest",
    "LLMClient",
    "Limits",
    "OfflineClient",
    "OpenAIClient",
    "Plan",
    "PlanCreated",
    "PlanStep",
    "PlanUpdated",
    "PlanningAgent",
    "Principal",
    "RealtimeAgent",
    "Receipt",
    "Reconnect",
    "RunningTask",
    "StatusChanged",
    "Step",
    "StepCompleted",
    "StepFailed",
    "StepOutput",
    "StepProgressed",
    "StepStarted",
    "TaskCancelled",
    "TaskCompleted",
    "TaskError",
    "TaskFailed",
    "TaskRun",
    "Tool",
    "ToolCall",
    "ToolError",
    "WebSocketAddress",
    "create_agent",
    "create_llm",
    "default_tools",
    "open_websocket_client",
    "serve_websocket",
    "tool",
]
