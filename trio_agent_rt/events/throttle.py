"""The throttle of a task's progress and streamed output, as a pure function of time.

```
              first value, or interval over: passes at once
  offer ──▶ ┌────────────────────────────────────────────────▶ publish
            │ within the interval: progress replaces what waits, output is added to it
            ▼
          waiting ── interval over: release ─▶ publish
                  └─ the step ends:  flush  ─▶ publish
```

Progress: the latest value wins. Output: pieces are joined, never dropped. Each step's
progress and output have their own interval.
"""

from __future__ import annotations

from typing import TypeAlias

import attrs

from ..protocol import Event, StepOutput, StepProgressed

__all__ = ["MAX_JOINED_CHARS", "Throttle"]

MAX_JOINED_CHARS = 32 * 1024
"""Output that waits is published early once it has grown so long, so that an agent that
writes fast costs bounded memory and makes no giant messages."""

_Key: TypeAlias = tuple[str, type[Event]]
Throttled: TypeAlias = StepProgressed | StepOutput


@attrs.define
class _Slot:
    open_at: float
    """When the next event may pass."""
    event: Throttled | None = None
    pieces: list[str] = attrs.field(factory=list[str])
    chars: int = 0


class Throttle:
    """Decides when each progress and output event of one task is published.

    Args:
        interval: the least time between two, in seconds; 0 lets everything pass.
    """

    def __init__(self, interval: float = 0.1) -> None:
        if not interval >= 0:
            raise ValueError(f"interval must be 0 or more seconds, not {interval}")
        self._interval = interval
        self._slots: dict[_Key, _Slot] = {}

    def offer(self, event: Throttled, now: float) -> list[Event]:
        """What is to be published now; the rest waits for `due`."""
        if isinstance(event, StepOutput) and not event.text:
            return []
        key = (event.step_id, type(event))
        slot = self._slots.get(key)
        if slot is None:
            slot = self._slots[key] = _Slot(open_at=now)
        slot.event = event
        if isinstance(event, StepOutput):
            slot.pieces.append(event.text)
            slot.chars += len(event.text)
        if now >= slot.open_at or slot.chars >= MAX_JOINED_CHARS:
            return self._take(slot, now)
        return []

    def due(self, event: Throttled | None = None) -> float | None:
        """When something that waits may be published, or None when nothing waits.

        Args:
            event: what was offered, to ask for what waits in its place alone.
        """
        if event is not None:
            slot = self._slots.get((event.step_id, type(event)))
            return slot.open_at if slot is not None and slot.event is not None else None
        return min((each.open_at for each in self._slots.values() if each.event), default=None)

    def release(self, now: float) -> list[Event]:
        """What has waited long enough."""
        ripe = [each for each in self._slots.values() if each.event and each.open_at <= now]
        return [event for slot in ripe for event in self._take(slot, now)]

    def flush(self, step_id: str | None = None) -> list[Event]:
        """What waits, of one step or of all, however short it has waited.

        The steps it flushes have ended an attempt and start afresh.
        """
        keys = [key for key in self._slots if step_id is None or key[0] == step_id]
        slots = [self._slots.pop(key) for key in keys]
        return [event for slot in slots for event in self._take(slot, slot.open_at)]

    def _take(self, slot: _Slot, now: float) -> list[Event]:
        event, pieces = slot.event, slot.pieces
        slot.event, slot.pieces, slot.chars = None, [], 0
        slot.open_at = now + self._interval
        if event is None:
            return []
        if isinstance(event, StepOutput):
            text = "".join(pieces)
            size = MAX_JOINED_CHARS
            parts = [text[start : start + size] for start in range(0, len(text), size)]
            return [attrs.evolve(event, text=part) for part in parts]
        return [event]
