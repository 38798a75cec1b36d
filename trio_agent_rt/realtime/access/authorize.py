"""Who may do what in a session: its owner everything, others what a hook allows."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Literal, TypeAlias

from attrs import frozen

from .principal import Principal

__all__ = ["Action", "Authorize", "SessionInfo", "is_allowed"]

_log = logging.getLogger(__name__)

Action: TypeAlias = Literal["attach", "submit", "cancel", "confirm", "read"]
"""What a principal wants: to be shown a session (present and past), to `submit` a task to
it, `cancel` one of its tasks, answer (`confirm`) a question, or `read` its present state
by a command. Tools are the server's, and told to everybody whom it lets in."""


@frozen(kw_only=True)
class SessionInfo:
    """What an `authorize` hook is told of a session."""

    id: str
    """Whoever knows it can name the session, so keep it out of logs."""
    owner: Principal | None
    """Who opened it. None for a room that the application chose, and for a session that
    the application's own `submit` opened for nobody: whoever was given its id may do
    everything there, unless there is a hook to decide."""


Authorize: TypeAlias = Callable[[Principal, Action, SessionInfo], bool]
"""Decides whether a principal that does not own a session may do something in it. Called
often, and synchronously: it must not wait."""


def is_allowed(
    authorize: Authorize | None, principal: Principal, action: Action, session: SessionInfo
) -> bool:
    """Whether `principal` may do `action` in `session`. A hook that fails allows nothing."""
    if principal.expired:
        return False
    if session.owner == principal:
        return True
    if authorize is None:
        return session.owner is None
    try:
        return authorize(principal, action, session) is True
    except Exception:
        _log.exception("authorize failed for %r by %r; refused", action, principal.id)
        return False
