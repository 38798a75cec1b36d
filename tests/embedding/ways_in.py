"""Every way into the library, as somebody's program uses it: opened, in use, and left.

An entrance is an async context manager. What it needs beside itself (a server for a client,
a `RealtimeAgent` for a server) is there inside of it; what it gives is called as `enter(block)`
by a test, in whatever the test puts around it, and runs `block` when it is in use: in its own
`async with` if it has one, instead of whatever it waits for otherwise.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import TypeAlias

from attrs import frozen

__all__ = ["ENTRANCES", "Block", "Enter", "Entrance", "entrance"]

Block: TypeAlias = Callable[[], Awaitable[None]]
Enter: TypeAlias = Callable[[Block], Awaitable[None]]


@frozen
class Entrance:
    """One way in."""

    name: str
    around: Callable[[], AbstractAsyncContextManager[Enter]]
    holds_block: bool
    """Whether the user's code runs inside of it: it is an `async with`."""
    alone: bool
    """Whether all that it opens is its own: nobody else has to notice that it has gone."""


ENTRANCES: dict[str, Entrance] = {}


def entrance(
    name: str, *, holds_block: bool, alone: bool = True
) -> Callable[[Callable[[], AbstractAsyncContextManager[Enter]]], None]:
    """Note an async generator that gives `enter` as a way in."""

    def note(function: Callable[[], AbstractAsyncContextManager[Enter]]) -> None:
        ENTRANCES[name] = Entrance(name, function, holds_block, alone)

    return note
