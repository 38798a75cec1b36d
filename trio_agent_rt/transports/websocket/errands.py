"""The nursery of one connection, for what is done beside reading from it.

As long as its peer keeps up there is nothing in it, and to open it would be a good part of what
it costs to take a connection in. So it is opened when there is something to do, and closes
when that is done.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Self, TypeAlias

import trio

__all__ = ["Errands"]

_Work: TypeAlias = Callable[[], Awaitable[None]]


class Errands:
    """Trio tasks that are cancelled when its `async with` is left, and over when that is done.

    No other cancel reaches them.

    Args:
        nursery: in which to open its own; open until the `async with` is left.
        on_mistake: called with what one of them raises.
    """

    __slots__ = ("_count", "_gone", "_nursery", "_on_mistake", "_outer", "_waiting")

    def __init__(self, nursery: trio.Nursery, on_mistake: Callable[[Exception], None]) -> None:
        self._outer = nursery
        self._on_mistake = on_mistake
        self._nursery: trio.Nursery | None = None
        # Until it is open.
        self._waiting: list[_Work] = []
        self._count = 0
        self._gone: trio.Event | None = None

    def start(self, work: _Work) -> None:
        """Have it done. Never waits."""
        self._count += 1
        if self._nursery is not None:
            self._nursery.start_soon(self._do, work)
            return
        self._waiting.append(work)
        if len(self._waiting) == 1:
            self._outer.start_soon(self._open)

    async def _open(self) -> None:
        async with trio.open_nursery() as self._nursery:
            self._nursery.cancel_scope.shield = True
            if self._gone is not None:
                self._nursery.cancel_scope.cancel()
            waiting, self._waiting = self._waiting, []
            for work in waiting:
                self._nursery.start_soon(self._do, work)

    async def _do(self, work: _Work) -> None:
        try:
            await work()
        except Exception as wrong:
            self._on_mistake(wrong)
        finally:
            self._count -= 1
            if not self._count:
                self._nursery = None  # it closes; what comes after this opens another one
                if self._gone is not None:
                    self._gone.set()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._count:
            self._gone = trio.Event()
            if self._nursery is not None:
                self._nursery.cancel_scope.cancel()
            with trio.CancelScope(shield=True):
                await self._gone.wait()
