"""The heartbeat of all connections of a server, or of all its streams, in one Trio task.

```
 resting ──after the interval: pinged──▶ asked ──answered──▶ resting
                                           └──nothing in time──▶ silent
```

A timer for each connection would be a Trio task for each, or a cancel scope for whatever
it receives.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from typing import Protocol

import trio

from ..admission import report

__all__ = ["Pulse"]

# Pings between two turns of everybody else's, some 5 µs each.
_AT_ONCE = 256


class Beating(Protocol):
    """A connection that can be asked whether somebody is still there."""

    def ping(self) -> bool:
        """Ask, without waiting; False where that need not be asked now."""
        ...

    def note_silence(self) -> None:
        """It was asked, and nothing came."""
        ...


class Pulse:
    """Asks each connection when it is time.

    Args:
        interval: seconds from its coming, or its last answer, to the next ping.
        timeout: seconds for the answer.
    """

    def __init__(self, interval: float, timeout: float) -> None:
        self._interval = interval
        self._timeout = timeout
        # Each by when its time is over, which is the order in which they were put in.
        self._resting: OrderedDict[Beating, float] = OrderedDict()
        self._asked: OrderedDict[Beating, float] = OrderedDict()
        self._parked = trio.lowlevel.ParkingLot()

    def add(self, beating: Beating) -> None:
        """From now on, see to it."""
        if not self._resting:
            self._parked.unpark()
        self._resting[beating] = trio.current_time() + self._interval

    def remove(self, beating: Beating) -> None:
        """It is not to be asked any more."""
        self._resting.pop(beating, None)
        self._asked.pop(beating, None)

    def note_sign(self, beating: Beating) -> None:
        """It has answered."""
        if self._asked and self._asked.pop(beating, None) is not None:
            self.add(beating)

    async def run(self) -> None:
        """Beat, until cancelled."""
        while True:
            firsts = (next(iter(each.values()), None) for each in (self._resting, self._asked))
            due = min((each for each in firsts if each is not None), default=math.inf)
            if due > trio.current_time():
                with trio.move_on_at(due):
                    await self._parked.park()
            else:
                await trio.lowlevel.checkpoint()
                await self._beat(due)

    async def _beat(self, until: float) -> None:
        left = _AT_ONCE
        while self._resting and next(iter(self._resting.values())) <= until:
            beating, _ = self._resting.popitem(last=False)
            if _asked(beating):
                self._asked[beating] = trio.current_time() + self._timeout
            else:
                self._resting[beating] = trio.current_time() + self._interval
            left -= 1
            if not left:
                left = _AT_ONCE
                await trio.lowlevel.checkpoint()
        while self._asked and next(iter(self._asked.values())) <= until:
            beating, _ = self._asked.popitem(last=False)
            try:
                beating.note_silence()
            except Exception as mistake:  # one connection's, and no other one's
                report("a connection that is silent was not told so", mistake)


def _asked(beating: Beating) -> bool:
    try:
        return beating.ping()
    except Exception as mistake:  # one connection's, and no other one's
        report("a connection was not asked whether it is still there", mistake)
        return True
