"""Every message of the wire contract, as frozen values with Python names.

Commands (client to server) are imperative, events (server to client) past tense.
Nothing here knows JSON or a wire name: that is `codec`.

One rule binds these classes to the wire: **a field that defaults to None is left out
when it is None; a field without a default is always present**, null included.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, TypeAlias

from attrs import field, frozen

from .position import Position

__all__ = [
    "Acknowledged",
    "CancelTask",
    "CancellationKind",
    "CleanupOutcome",
    "Command",
    "CommandFailed",
    "ConfirmStep",
    "ConfirmationRequested",
    "Connected",
    "CustomEvent",
    "Event",
    "GapOccurred",
    "GetState",
    "GetTools",
    "Outcome",
    "Ping",
    "Plan",
    "PlanCreated",
    "PlanStep",
    "PlanUpdated",
    "Pong",
    "Receipt",
    "StatusChanged",
    "StepCompleted",
    "StepFailed",
    "StepOutput",
    "StepProgressed",
    "StepResult",
    "StepStarted",
    "StepStatus",
    "SubmitTask",
    "TaskCompleted",
    "TaskOutcome",
    "TaskState",
    "ToolInfo",
    "ToolsListed",
]

StepStatus: TypeAlias = Literal["pending", "running", "success", "failed", "skipped", "cancelled"]
"""Where a step of a plan stands."""
TaskState: TypeAlias = Literal["idle", "planning", "executing", "waiting", "complete", "error"]
"""What a session is doing, as a panel shows it."""
TaskOutcome: TypeAlias = Literal["succeeded", "failed", "cancelled"]
"""How a task ended."""
CleanupOutcome: TypeAlias = Literal["clean", "timed_out", "raised"]
"""What the cleanup of a cancelled task came to."""
CancellationKind: TypeAlias = Literal["async", "subprocess", "thread", "abandon"]
"""How a tool stops when it is cancelled."""
Outcome: TypeAlias = Literal[
    "accepted",
    "queued",
    "already_accepted",
    "cancelled",
    "already_ended",
    "applied",
    "already_decided",
    "expired",
    "unknown",
    "ok",
]
"""How a command with a `request_id` ended; `ok` answers the commands that only ask."""


def _items(values: Sequence[object] | None) -> tuple[object, ...] | None:
    """What counts when two sequences are compared: a list equals a tuple."""
    return None if values is None else tuple(values)


@frozen(kw_only=True)
class StepResult:
    """How a step ended well."""

    status: Literal["success", "skipped"]
    duration: int
    """Milliseconds."""
    output: Any
    retries: int = 0


@frozen(kw_only=True)
class PlanStep:
    """One step of a plan, with where it stands."""

    id: str
    name: str
    description: str = ""
    type: str = "tool"
    tool: str | None = None
    depends_on: Sequence[str] | None = field(default=None, eq=_items)
    need_confirmation: bool | None = None
    status: StepStatus = "pending"
    duration: int | None = None
    """Milliseconds, once the step has ended."""
    progress: float | None = None
    """0–100."""
    result: StepResult | None = None
    error: str | None = None


@frozen(kw_only=True)
class Plan:
    """What a task is going to do."""

    id: str
    steps: Sequence[PlanStep] = field(default=(), eq=_items)


@frozen(kw_only=True)
class ToolInfo:
    """What a client is told of a tool."""

    name: str
    description: str
    category: str
    parameters: Mapping[str, Any]
    """A JSON Schema."""
    cancellation: CancellationKind


@frozen(kw_only=True)
class Receipt:
    """What a cancellation did, told when the work had ended."""

    task_id: str
    reason: str
    """Who asked and why."""
    requested_at: int
    """Unix time in milliseconds."""
    ended_at: int
    """Unix time in milliseconds."""
    duration: int
    """Milliseconds from the request to the end."""
    interrupted: Sequence[str] = field(eq=_items)
    """Ids of the steps that it interrupted."""
    completed: Sequence[str] = field(eq=_items)
    """Ids of the steps that had completed before."""
    cleanup: CleanupOutcome
    cleanup_detail: str | None = None
    """The step that overran its cleanup, or has left something behind that goes on; or the
    error that cleanup raised."""


@frozen(kw_only=True)
class Command:
    """What a client asks for."""

    request_id: str | None = None
    """Echoed by the answer; without one, only failures are answered."""


@frozen(kw_only=True)
class SubmitTask(Command):
    """Start a task."""

    task: str
    context: Mapping[str, Any] = field(factory=dict[str, Any])
    task_id: str | None = None
    """Chosen by the client, so that sending it again is harmless."""


@frozen(kw_only=True)
class CancelTask(Command):
    """Cancel one task, or every task of the session that has not ended."""

    task_id: str | None = None
    reason: str | None = None


@frozen(kw_only=True)
class ConfirmStep(Command):
    """Answer a confirmation."""

    step_id: str
    approved: bool
    reason: str | None = None
    task_id: str | None = None


@frozen(kw_only=True)
class GetTools(Command):
    """Ask for the list of tools."""


@frozen(kw_only=True)
class GetState(Command):
    """Ask for the present state, as a catch-up."""


@frozen(kw_only=True)
class Ping(Command):
    """Ask for a pong: liveness for clients that cannot see WebSocket pings."""


@frozen(kw_only=True)
class Event:
    """What a server says. The envelope's fields are on every event."""

    task_id: str | None = None
    """The task it speaks of, if it speaks of one."""
    position: Position | None = None
    """Where it stands in its session's log; None for what is not in the log."""
    timestamp: int | None = None
    """Unix time in milliseconds; filled in when the event is encoded."""
    replay: bool = False
    """True in a catch-up: present state told again, not something that happened now."""


@frozen(kw_only=True)
class Connected(Event):
    """The first message of every connection."""

    client_id: str
    session_id: str
    protocol_version: int = 1
    resumed: bool
    heartbeat_interval: float
    """Seconds."""


@frozen(kw_only=True)
class StatusChanged(Event):
    """What the session is doing now."""

    state: TaskState
    message: str
    cancelling: bool | None = None
    """True while a cancel is under way."""


@frozen(kw_only=True)
class PlanCreated(Event):
    """A task has a plan."""

    plan: Plan


@frozen(kw_only=True)
class PlanUpdated(Event):
    """A task's plan has changed."""

    plan: Plan


@frozen(kw_only=True)
class StepStarted(Event):
    """A step has started."""

    step_id: str
    step_name: str
    step_index: int
    total_steps: int


@frozen(kw_only=True)
class StepProgressed(Event):
    """A step has come further; throttled, the latest value wins."""

    step_id: str
    progress: float
    """0–100, never falling within one attempt."""
    message: str = ""


@frozen(kw_only=True)
class StepOutput(Event):
    """A piece of streamed text, to be appended."""

    step_id: str
    text: str


@frozen(kw_only=True)
class StepCompleted(Event):
    """A step has ended well, or was skipped."""

    step_id: str
    step_name: str
    result: StepResult


@frozen(kw_only=True)
class StepFailed(Event):
    """An attempt at a step has failed; it has ended unless `will_retry`."""

    step_id: str
    step_name: str
    error: str
    will_retry: bool


@frozen(kw_only=True)
class ConfirmationRequested(Event):
    """A step waits for a person to say yes or no."""

    step_id: str
    step_name: str
    reason: str
    expires_at: int | None
    """Unix time in milliseconds, or None for no expiry."""


@frozen(kw_only=True)
class TaskCompleted(Event):
    """A task has ended: exactly one per task, and its last message."""

    success: bool
    outcome: TaskOutcome
    output: Any
    summary: str | None
    duration: int
    """Milliseconds."""
    error: str | None
    receipt: Receipt | None = None


@frozen(kw_only=True)
class ToolsListed(Event):
    """The tools that the agent has."""

    tools: Sequence[ToolInfo] = field(eq=_items)


@frozen(kw_only=True)
class GapOccurred(Event):
    """Events can no longer be replayed; the present state follows at once."""

    missed: int | None
    """How many, or None when that is unknown."""


@frozen(kw_only=True)
class CommandFailed(Event):
    """A command was refused, or the server failed to carry it out."""

    message: str
    code: str
    request_id: str | None = None


@frozen(kw_only=True)
class Acknowledged(Event):
    """A command with a `request_id` has been carried out."""

    request_id: str
    outcome: Outcome
    receipt: Receipt | None = None
    """Of the task that was cancelled."""
    receipts: Sequence[Receipt] | None = field(default=None, eq=_items)
    """When one command cancelled several tasks."""


@frozen(kw_only=True)
class Pong(Event):
    """The answer to a ping."""


@frozen(kw_only=True)
class CustomEvent(Event):
    """What the application broadcasts itself."""

    type: str
    data: Any
