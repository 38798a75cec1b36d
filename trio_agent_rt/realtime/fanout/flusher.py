"""One Trio task that hands on what all sessions have published, once per scheduler pass.

To wake a Trio task for each viewer costs several times what it costs to write to a socket.
So nobody is woken but this one: whatever was published until it runs goes out together.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import trio

if TYPE_CHECKING:
    from .viewers import Viewers

__all__ = ["Flusher"]

# Writes between two turns of everybody else's, some 5 µs each.
_WRITES_AT_ONCE = 256


class Flusher:
    """Flushes the viewers of every session that has published something.

    Where it does not run, what is published is handed on at once.
    """

    def __init__(self) -> None:
        self._due: dict[Viewers, None] = {}
        self._parked = trio.lowlevel.ParkingLot()
        self._runs = False

    def note(self, viewers: Viewers) -> None:
        """Something was published for these. Never waits."""
        if not self._runs:
            viewers.spill()
            return
        if not self._due:
            self._parked.unpark()
        self._due[viewers] = None

    @trio.lowlevel.enable_ki_protection
    async def run(self) -> None:
        """Flush, until cancelled; what is due then is handed on at once.

        A Ctrl-C does not come out of here: it would leave some viewers with half of it.
        """
        self._runs = True
        try:
            while True:
                if self._due:
                    await trio.lowlevel.checkpoint()
                else:
                    await self._parked.park()
                await self._flush_all()
        finally:
            self._runs = False
            for viewers in self._due:
                viewers.spill()
            self._due.clear()

    async def _flush_all(self) -> None:
        left = _WRITES_AT_ONCE
        while self._due:
            viewers = next(iter(self._due))
            del self._due[viewers]
            try:
                for cost in viewers.flush():
                    left -= cost
                    if left <= 0:
                        await trio.lowlevel.checkpoint()
                        left = _WRITES_AT_ONCE
            except trio.Cancelled:
                self._due[viewers] = None
                raise
