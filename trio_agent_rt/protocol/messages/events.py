"""What a server says: past tense."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from attrs import field, frozen

from ..position import Position
from .values import (
    ConfirmationRecord,
    Outcome,
    Plan,
    Receipt,
    StepResult,
    TaskOutcome,
    TaskState,
    ToolInfo,
    Usage,
    items,
)

__all__ = [
    "Acknowledged",
    "CommandFailed",
    "ConfirmationRequested",
    "Connected",
    "CustomEvent",
    "Event",
    "GapOccurred",
    "PlanCreated",
    "PlanUpdated",
    "Pong",
    "StatusChanged",
    "StepCompleted",
    "StepFailed",
    "StepOutput",
    "StepProgressed",
    "StepStarted",
    "TaskCompleted",
    "ToolsListed",
]


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
    confirmation_id: str | None = None
    """What tells it from other questions of the same step, to be sent along with the answer."""


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
    confirmations: Sequence[ConfirmationRecord] | None = field(default=None, eq=items)
    """The questions that it has asked, in order; None when it asked none."""
    usage: Usage | None = None
    """What models took for it, if that is known."""


@frozen(kw_only=True)
class ToolsListed(Event):
    """The tools that the agent has."""

    tools: Sequence[ToolInfo] = field(eq=items)


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
    receipts: Sequence[Receipt] | None = field(default=None, eq=items)
    """When one command cancelled several tasks."""


@frozen(kw_only=True)
class Pong(Event):
    """The answer to a ping."""


@frozen(kw_only=True)
class CustomEvent(Event):
    """What the application broadcasts itself."""

    type: str
    data: Any
