"""What is done for one connection beside reading from it, each in a Trio task of its own.

A nursery for each connection, in which there is nothing as long as its peer keeps up, would
be a good part of what it costs to take one in. So these Trio tasks are started where that of
the connection was, and it is waited for them as a nursery would.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Self

import trio

__all__ = ["Errands"]


class Errands:
    """Trio tasks that are cancelled when its `async with` is left, and over when that is done.

    No other cancel reaches them.

    Args:
        nursery: in which to start them; open until the `async with` is left.
        on_mistake: called with what one of them raises.
    """

    __slots__ = ("_gone", "_nursery", "_on_mistake", "_scopes")

    def __init__(self, nursery: trio.Nursery, on_mistake: Callable[[Exception], None]) -> None:
        self._nursery = nursery
        self._on_mistake = on_mistake
        self._scopes: list[trio.CancelScope] = []
        self._gone: trio.Event | None = None

    def start(self, work: Callable[[], Awaitable[None]]) -> None:
        """Have it done. Never waits."""
        scope = trio.CancelScope(shield=True)
        self._scopes.append(scope)
        self._nursery.start_soon(self._run, scope, work)

    async def _run(self, scope: trio.CancelScope, work: Callable[[], Awaitable[None]]) -> None:
        try:
            with scope:
                await work()
        except Exception as wrong:
            self._on_mistake(wrong)
        finally:
            self._scopes.remove(scope)
            if self._gone is not None and not self._scopes:
                self._gone.set()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._scopes:
            self._gone = trio.Event()
            for scope in self._scopes:
                scope.cancel()
            with trio.CancelScope(shield=True):
                await self._gone.wait()
