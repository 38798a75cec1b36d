"""What messages are made of: plans, results, receipts, and the words for where things stand.

The rule of the package binds these too: a field that defaults to None is left out when it
is None; a field without a default is always present.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, TypeAlias

from attrs import field, frozen

__all__ = [
    "CancellationKind",
    "CleanupOutcome",
    "ConfirmationOutcome",
    "ConfirmationRecord",
    "Outcome",
    "Plan",
    "PlanStep",
    "Receipt",
    "SessionSummary",
    "StepResult",
    "StepStatus",
    "TaskOutcome",
    "TaskState",
    "ToolInfo",
    "Usage",
    "items",
]

StepStatus: TypeAlias = Literal["pending", "running", "success", "failed", "skipped", "cancelled"]
"""Where a step of a plan stands."""
TaskState: TypeAlias = Literal["idle", "planning", "executing", "waiting", "complete", "error"]
"""What a session is doing, as a panel shows it."""
TaskOutcome: TypeAlias = Literal["succeeded", "failed", "cancelled"]
"""How a task ended."""
CleanupOutcome: TypeAlias = Literal["clean", "timed_out", "raised"]
"""What the cleanup of a cancelled task came to."""
ConfirmationOutcome: TypeAlias = Literal["approved", "rejected", "expired", "withdrawn"]
"""What became of a question: withdrawn is one whose step ended first."""
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


def items(values: Sequence[object] | None) -> tuple[object, ...] | None:
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
    depends_on: Sequence[str] | None = field(default=None, eq=items)
    parent_id: str | None = None
    """The step around it, if it is inside one."""
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
    steps: Sequence[PlanStep] = field(default=(), eq=items)


@frozen(kw_only=True)
class SessionSummary:
    """What whoever owns a session is told of it in a list."""

    session_id: str
    """With it, whoever may can attach to the session: it belongs into no log."""
    state: TaskState
    message: str
    """As its latest `status` says."""
    tasks: Sequence[str] = field(eq=items)
    """Ids of its tasks that have not ended, oldest first."""
    connections: int
    """How many watch it."""


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
    interrupted: Sequence[str] = field(eq=items)
    """Ids of the steps that it interrupted."""
    completed: Sequence[str] = field(eq=items)
    """Ids of the steps that had completed before."""
    cleanup: CleanupOutcome
    cleanup_detail: str | None = None
    """The step that overran its cleanup, or has left something behind that goes on; or the
    error that cleanup raised."""


@frozen(kw_only=True)
class ConfirmationRecord:
    """A question that a task has asked, and what became of it: who answered, when, and how."""

    step_id: str
    step_name: str
    question: str
    outcome: ConfirmationOutcome
    by: str | None = None
    """Whose answer it was, or the policy's that answered for people; None for nobody's."""
    reason: str | None = None
    """What they said."""
    asked_at: int
    """Unix time in milliseconds."""
    closed_at: int
    """Unix time in milliseconds."""


@frozen(kw_only=True)
class Usage:
    """How many tokens models took; providers that do not say count as 0."""

    input_tokens: int = 0
    output_tokens: int = 0

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            input_tokens=self.input_tokens + other.input_tokens,
            output_tokens=self.output_tokens + other.output_tokens,
        )
