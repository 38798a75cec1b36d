"""What came out of an agent's code: a cancellation or a failure, and a failure in words."""

from __future__ import annotations

from math import inf
from types import TracebackType
from typing import cast

import trio

from ..errors import AgentRTError, ConfirmationExpired, ConfirmationRejected
from ..ungrouping import leaves

__all__ = [
    "came_of_cancel",
    "describe_error",
    "is_cancelled",
    "is_definite",
    "is_under_cancel",
    "refusal_in",
]

MAX_ERROR_CHARS = 2000
"""An error's text is for people to read; what is longer is a dump."""


def is_cancelled(exc: BaseException) -> bool:
    """Whether `exc` is nothing but a cancellation."""
    members = _members(exc)
    return all(map(is_cancelled, members)) if members else isinstance(exc, trio.Cancelled)


def came_of_cancel(exc: BaseException) -> bool:
    """Whether `exc` is a cancellation, or was raised while one was on its way out.

    So is what ends a generator that nobody iterates any more.
    """
    seen: set[int] = set()
    left: list[BaseException | None] = [exc]
    while left:
        each = left.pop()
        if isinstance(each, trio.Cancelled | GeneratorExit):
            return True
        if each is not None and id(each) not in seen:
            seen.add(id(each))
            left += [*_members(each), each.__cause__, each.__context__]
    return False


def is_under_cancel() -> bool:
    """Whether the running code is cancelled: nothing is begun or tried again there."""
    return trio.current_effective_deadline() == -inf


def refusal_in(exc: BaseException) -> ConfirmationRejected | ConfirmationExpired | None:
    """A person's no, or silence, that `exc` is or groups: a tool may ask in a nursery."""
    for each in leaves(exc):
        if isinstance(each, ConfirmationRejected | ConfirmationExpired):
            return each
    return None


def is_definite(exc: BaseException) -> bool:
    """Whether `exc`, or anything it groups, says that trying again changes nothing."""
    return any(
        isinstance(each, AgentRTError) and getattr(each, "retryable", None) is False
        for each in leaves(exc)
    )


def describe_error(exc: BaseException) -> str:
    """An exception in words for whoever watches: no stack trace, and not too long.

    Of a group, the first member that is no cancellation speaks for all.
    """
    while members := _members(exc):
        exc = next((each for each in members if not is_cancelled(each)), members[0])
    text = ""
    with _Tolerant():
        text = str(exc)
    if not isinstance(exc, AgentRTError):
        text = f"{type(exc).__name__}: {text}" if text else type(exc).__name__
    text = text or type(exc).__name__
    return text if len(text) <= MAX_ERROR_CHARS else text[:MAX_ERROR_CHARS] + "…"


class _Tolerant:
    """An exception whose `__str__` is broken, in whatever way, has no text. Ctrl-C goes on."""

    def __enter__(self) -> None:
        pass

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool:
        return not isinstance(exc, KeyboardInterrupt | trio.Cancelled)


def _members(exc: BaseException) -> tuple[BaseException, ...]:
    if isinstance(exc, BaseExceptionGroup):
        return cast("BaseExceptionGroup[BaseException]", exc).exceptions
    return ()
