"""What a tool has declared about its stopping, held against what it does.

The kinds are in an order: each promises more than the one after it. A tool may do what
promises as much as it has declared, or more; anything less is refused when it is tried.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, get_args

from attrs import frozen

from ...protocol import CancellationKind
from ..cleanup import CleanupRecord
from ..isolation import owner
from ..step import Step, current_step

if TYPE_CHECKING:
    from ..tool import ToolCall

__all__ = ["STRONGEST_FIRST", "claiming", "record_of", "require"]

STRONGEST_FIRST: tuple[CancellationKind, ...] = get_args(CancellationKind)
"""`async` ends at its next checkpoint; `subprocess` when its processes are killed, which
cannot fail; `thread` when it polls, which it may not do; `abandon` does not end."""

_OUTSIDE_TIMEOUT = 5.0
"""Seconds for the cleanup of what runs in no step: the default `cleanup_timeout`."""


@frozen
class _Claim:
    tool: str
    kind: CancellationKind
    run: object
    """Whose code has claimed it: of one run of an agent, or None outside of all."""


_claim: ContextVar[_Claim] = ContextVar("trio_agent_rt_claim")


@contextmanager
def claiming(tool: str, kind: CancellationKind) -> Generator[None]:
    """The code of a tool, which has declared its kind, runs in here.

    Raises:
        RuntimeError: when it is run by a tool that has promised more.
    """
    require(kind, f"runs {tool!r}, which stops as {kind!r}")
    token = _claim.set(_Claim(tool, kind, owner.get(None)))
    try:
        yield
    finally:
        _claim.reset(token)


def require(kind: CancellationKind, what: str) -> None:
    """Refuse what stops less well than the tool that does it has declared.

    Whichever step or call that is for. The code of an agent has declared nothing, and may
    do all.

    Args:
        what: it does, for the message.

    Raises:
        RuntimeError: when it does.
    """
    claim = _claim.get(None)
    if claim is None or claim.run is not owner.get(None):  # of whoever submitted this task
        return
    if STRONGEST_FIRST.index(claim.kind) < STRONGEST_FIRST.index(kind):
        raise RuntimeError(
            f"tool {claim.tool!r} has declared that it stops as {claim.kind!r}, but {what}: "
            f"declare cancellation={kind!r}"
        )


def record_of(call: ToolCall) -> tuple[CleanupRecord, str]:
    """Where the cleanup of a call is noted, and under which name."""
    step = call if isinstance(call, Step) else current_step.get(None)
    if step is None:
        return CleanupRecord(_OUTSIDE_TIMEOUT), "tool"
    return step.run.cleanup_record, step.id
