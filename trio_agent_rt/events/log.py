"""The bounded log of a session: encoded once, replayed from any position it still holds.

```
  offset      1 2 3 … 40 41 42 … 139 140
              └ evicted ┘ └── held ────┘
  after(41) → 42 … 140        after(12) → a gap of 28        another epoch → a gap, unknown
```
"""

from __future__ import annotations

import itertools
from collections import deque

from ..protocol import (
    Event,
    Position,
    encode_event,
    event_type,
    new_epoch,
    sse_event,
    websocket_text_frame,
    with_position,
)

__all__ = ["Encoded", "EventLog", "encode"]


class Encoded:
    """One message as bytes: its JSON text, and each transport's form of it, made once."""

    __slots__ = ("_sse", "_websocket", "json", "kind", "position")

    def __init__(
        self, json: bytes, position: Position | None = None, kind: str = "message"
    ) -> None:
        self.json: bytes = json
        self.kind: str = kind
        """The wire's name for what kind of event it is."""
        self.position: Position | None = position
        """Where it stands in the log; None for what is not in the log."""
        self._websocket: bytes | None = None
        self._sse: bytes | None = None

    def __len__(self) -> int:
        return len(self.json)

    def websocket(self) -> bytes:
        """It as an unmasked WebSocket text frame."""
        if self._websocket is None:
            self._websocket = websocket_text_frame(self.json)
        return self._websocket

    def sse(self) -> bytes:
        """It as an event of a `text/event-stream`."""
        if self._sse is None:
            self._sse = sse_event(self.json, self.position)
        return self._sse

    def named_sse(self) -> bytes:
        """It as an event of a `text/event-stream` that has a name, for `addEventListener`."""
        return sse_event(self.json, self.position, name=self.kind)


def encode(event: Event) -> Encoded:
    """An event that is not for the log: an answer, or present state told again."""
    return Encoded(encode_event(event), event.position, event_type(event))


class EventLog:
    """The last events of one session.

    Args:
        max_events: how many to hold.
        max_bytes: how many bytes of JSON to hold; the newest event is held even if it
            alone has more.
        epoch: the name of this life of the log, lower-case letters and digits, or None
            for a new random one.
    """

    def __init__(
        self, *, max_events: int = 100, max_bytes: int = 8 * 1024 * 1024, epoch: str | None = None
    ) -> None:
        if max_events < 1 or max_bytes < 1:
            raise ValueError("a log must hold at least one event and one byte")
        if epoch is not None and Position.parse(f"{epoch}-0") is None:
            raise ValueError(f"a position cannot carry the epoch {epoch!r}")
        self._max_events = max_events
        self._max_bytes = max_bytes
        self._epoch = epoch or new_epoch()
        self._entries: deque[Encoded] = deque()
        self._offset = 0
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def held_bytes(self) -> int:
        """How many bytes of JSON it holds."""
        return self._bytes

    @property
    def position(self) -> Position:
        """Where the newest event stands; offset 0 when there was none yet."""
        return Position(self._epoch, self._offset)

    def append(
        self, event: Event, text: bytes | None = None, *, timestamp: int | None = None
    ) -> Encoded:
        """`event` encoded, in its place at the end; the oldest give way to it.

        Args:
            text: what `encode_event` gave for it, without a position, or None.
            timestamp: of its encoding, Unix time in milliseconds; None for its own or now. A
                `text` has one already.
        """
        position = Position(self._epoch, self._offset + 1)
        if text is None:
            text = encode_event(event, position=position, timestamp=timestamp)
        else:
            text = with_position(text, position)
        entry = Encoded(text, position, event_type(event))
        self._offset += 1
        self._entries.append(entry)
        self._bytes += len(entry)
        while len(self._entries) > self._max_events or (
            self._bytes > self._max_bytes and len(self._entries) > 1
        ):
            self._bytes -= len(self._entries.popleft())
        return entry

    def holds(self, position: Position) -> bool:
        """Whether everything after `position` can still be replayed."""
        oldest = self._offset - len(self._entries)
        return position.epoch == self._epoch and oldest <= position.offset <= self._offset

    def after(self, position: Position) -> list[Encoded]:
        """What followed `position`, oldest first.

        Raises:
            LookupError: when it does not `hold` the position; see `missed`.
        """
        if not self.holds(position):
            raise LookupError(f"{position} can no longer be replayed")
        oldest = self._offset - len(self._entries)
        return list(itertools.islice(self._entries, position.offset - oldest, None))

    def missed(self, position: Position | None) -> int | None:
        """How many events after `position` are lost, or None when that is unknown."""
        if position is None or position.epoch != self._epoch or position.offset > self._offset:
            return None
        return max(0, self._offset - len(self._entries) - position.offset)
