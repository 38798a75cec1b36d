"""One direction of a connection in memory.

```
 open ──finish()──▶ ending ──all was read──▶ EOF      the sender closed its side, or was cut
  │
  ├──stall()──▶ stalled ──resume()──▶ open            taken up to the capacity, not delivered
  ├──drop()───▶ dropping                              taken, and gone
  └──reset()──▶ broken                                for both; what was not read is lost
```

Everything here is synchronous but the two waits; what happens at which byte is decided by
`MemoryLine`.
"""

from __future__ import annotations

import math
from collections import deque

import trio

__all__ = ["Pipe"]


class Pipe:
    """Bytes on their way, in order.

    Args:
        capacity: bytes that may wait to be read, as in the buffers of a socket.
        delay: seconds that each byte is on its way.
    """

    def __init__(self, *, capacity: int, delay: float) -> None:
        self._capacity = capacity
        self._delay = delay
        self._on_the_way: deque[tuple[float, bytes]] = deque()
        self._stuck: list[bytes] = []
        self._arrived = bytearray()
        self._held = 0
        self._changed = trio.lowlevel.ParkingLot()
        self.finished: bool = False
        """Whether nothing more will be sent."""
        self.broken: bool = False
        self.stalled: bool = False
        self.dropping = False

    @property
    def room(self) -> int:
        """How many bytes it takes now."""
        return max(0, self._capacity - self._held)

    @property
    def unread(self) -> bool:
        """Whether something was sent that nobody has read."""
        return self._held > 0

    def put(self, data: bytes) -> None:
        """Take all of `data`; the caller has seen to it that there is room."""
        if self.dropping or self.broken or not data:
            return
        self._held += len(data)
        if self.stalled:
            self._stuck.append(data)
        else:
            self._send_off(data)

    def _send_off(self, data: bytes) -> None:
        self._on_the_way.append((trio.current_time() + self._delay, data))
        self._changed.unpark_all()

    def take(self, max_bytes: int | None) -> bytes | None:
        """What has arrived, b"" for the end, or None when there is nothing yet."""
        self._let_arrive()
        if self._arrived:
            taken = bytes(self._arrived[:max_bytes])
            del self._arrived[:max_bytes]
            self._held -= len(taken)
            self._changed.unpark_all()
            return taken
        return b"" if self._over else None

    @property
    def _over(self) -> bool:
        return self.finished and not self._on_the_way and not self.stalled

    def has_arrived(self) -> bool:
        """Whether `take` would give something."""
        self._let_arrive()
        return bool(self._arrived) or self._over

    def _let_arrive(self) -> None:
        while self._on_the_way and self._due() <= trio.current_time():
            self._arrived += self._on_the_way.popleft()[1]

    def _due(self) -> float:
        return self._on_the_way[0][0] if self._on_the_way else math.inf

    def finish(self) -> None:
        """Nothing more is sent; what was sent still arrives."""
        self.finished = True
        self._changed.unpark_all()

    def reset(self) -> None:
        """Break it; what was not read is lost."""
        self.broken = True
        self._arrived.clear()
        self._on_the_way.clear()
        self._stuck.clear()
        self._held = 0
        self._changed.unpark_all()

    def resume(self) -> None:
        """Deliver again what was stalled."""
        self.stalled = False
        for each in self._stuck:
            self._send_off(each)
        self._stuck.clear()
        self._changed.unpark_all()

    def wake(self) -> None:
        """Have whoever waits look again."""
        self._changed.unpark_all()

    async def wait_room(self) -> None:
        """Return when there may be room."""
        await self._changed.park()

    async def wait_arrival(self) -> None:
        """Return when something may have arrived."""
        with trio.move_on_at(self._due()):
            await self._changed.park()
