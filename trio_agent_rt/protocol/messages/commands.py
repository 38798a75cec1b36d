"""What clients ask for: imperative."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from attrs import field, frozen

__all__ = [
    "CancelTask",
    "Command",
    "ConfirmStep",
    "GetState",
    "GetTools",
    "Ping",
    "SubmitTask",
]


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
    confirmation_id: str | None = None
    """Which question of the step it answers; None for the one that is open when it comes."""


@frozen(kw_only=True)
class GetTools(Command):
    """Ask for the list of tools."""


@frozen(kw_only=True)
class GetState(Command):
    """Ask for the present state, as a catch-up."""


@frozen(kw_only=True)
class Ping(Command):
    """Ask for a pong: liveness for clients that cannot see WebSocket pings."""
