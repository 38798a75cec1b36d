"""One error, raised to many."""

from __future__ import annotations

from typing import TypeVar

__all__ = ["afresh"]

E = TypeVar("E", bound=Exception)


def afresh(error: E) -> E:
    """A copy of `error` to raise: an exception that is raised again and again grows its
    traceback each time, and two Trio tasks must not share one.

    Its `__init__` is not called, so that any signature will do.
    """
    cls = type(error)
    copy = cls.__new__(cls, *error.args)
    copy.__dict__.update(error.__dict__)
    copy.__cause__ = error.__cause__
    return copy
