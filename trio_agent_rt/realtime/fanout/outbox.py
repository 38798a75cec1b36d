"""What a session has published and not given to all of its viewers yet, numbered.

```
  number   16 17 │ 18 19 20 │
       forgotten │   held   │ end = 21

  after(18) → 18 19 20, framed and joined once for all viewers that stand there
```

No Trio, no I/O.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ...protocol import Position

if TYPE_CHECKING:
    from ...events import Encoded
    from ..peers import Form

__all__ = ["Batch", "Outbox"]


class Batch:
    """What one viewer, or any number of them, is given at once.

    Args:
        items: at least one, in order.
        end: the number after the last of them.
    """

    __slots__ = ("_bytes", "end", "items", "last", "size")

    def __init__(self, items: Sequence[Encoded], end: int) -> None:
        self.items: Sequence[Encoded] = items
        self.end: int = end
        self.size: int = sum(map(len, items))
        """Bytes of JSON."""
        self.last: Position | None = None
        """Where the last of them stands that is in the log."""
        for each in reversed(items):
            if each.position is not None:
                self.last = each.position
                break
        self._bytes: dict[Form, bytes] = {}

    def to_bytes(self, form: Form) -> bytes:
        """All of them, as they are written to a peer; made once for each form."""
        data = self._bytes.get(form)
        if data is None:
            framing, wrap = form
            items = self.items
            data = framing(items[0]) if len(items) == 1 else b"".join(map(framing, items))
            if wrap is not None:
                data = wrap(data)
            self._bytes[form] = data
        return data


class Outbox:
    """Holds what some viewer still has to be given."""

    __slots__ = ("_batches", "_first", "_items", "size")

    def __init__(self) -> None:
        self._items: list[Encoded] = []
        self._first = 0
        self._batches: dict[int, Batch] = {}
        self.size: int = 0
        """Bytes of JSON that it holds."""

    def __len__(self) -> int:
        return len(self._items)

    @property
    def end(self) -> int:
        """The number of what is put in next."""
        return self._first + len(self._items)

    def put(self, item: Encoded) -> None:
        """Give `item` the next number."""
        self._items.append(item)
        self.size += len(item)
        if self._batches:
            self._batches.clear()

    def after(self, number: int) -> Batch:
        """All that it holds from `number` on, which must be less than `end`."""
        batch = self._batches.get(number)
        if batch is None:
            items = self._items[number - self._first :]
            batch = self._batches[number] = Batch(items, self.end)
        return batch

    def forget(self, number: int) -> None:
        """Hold no more what comes before `number`."""
        count = number - self._first
        if count > 0:
            self.size -= sum(map(len, self._items[:count]))
            del self._items[:count]
            self._first = number
            self._batches.clear()
