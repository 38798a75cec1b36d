"""Viewers who keep up, written to together.

To ask each of a thousand viewers whether it waits for something costs more than to write to
its socket: what has to be looked at lies all over the memory, and the processor waits for it.
So those who stand at the same place, and are sent the same bytes, have one place in common, and
what is looked at of each is what writes to it. Whatever happens to one of them (an answer, a
ping that waits, a close) has it leave first, and it is one of those again who are given what
they miss one by one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...protocol import Position

if TYPE_CHECKING:
    from ..peers import Connection, Form, WriteSome
    from .outbox import Batch

__all__ = ["Cohort"]

_MAX_MEMBERS = 64
"""Who is written to in one go: half a millisecond's work."""


class Cohort:
    """Up to 64 viewers of one session.

    Args:
        form: what messages look like, for all of them.
        number: of what was published, the number of what they are given next.
        last: where the last event stands that they were given.
        alone: where those are put who leave.
    """

    __slots__ = ("_alone", "_members", "form", "last", "number")

    def __init__(
        self,
        form: Form,
        number: int,
        last: Position | None,
        alone: dict[Connection, None],
    ) -> None:
        self.form: Form = form
        self.number: int = number
        self.last: Position | None = last
        self._members: dict[Connection, WriteSome] = {}
        self._alone = alone

    def __len__(self) -> int:
        return len(self._members)

    @property
    def full(self) -> bool:
        """Whether nobody else may join."""
        return len(self._members) >= _MAX_MEMBERS

    @property
    def small(self) -> bool:
        """Whether most of it is empty."""
        return len(self._members) < _MAX_MEMBERS // 4

    def admits(self, connection: Connection) -> bool:
        """Whether this viewer stands where all of them stand."""
        return self.number == connection.number and self.last == connection.last

    def add(self, connection: Connection, write: WriteSome) -> None:
        """One more, whom it admits, and what it has lent."""
        self._members[connection] = write
        connection.cohort = self
        self._alone.pop(connection, None)

    def remove(self, connection: Connection) -> None:
        """It leaves, and stands where it stood with the others."""
        connection.number, connection.last = self.number, self.last
        connection.cohort = None
        del self._members[connection]
        self._alone[connection] = None

    def dissolve(self) -> None:
        """All of them leave."""
        for connection in tuple(self._members):
            self.remove(connection)

    def write(self, data: bytes) -> list[tuple[Connection, int]]:
        """Write to all of them; gives those who have not taken all, and how many bytes they have.

        Those have to leave before the others `advance`.
        """
        size = len(data)
        behind: list[tuple[int, int]] = []
        for index, write in enumerate(tuple(self._members.values())):
            try:
                taken = write(data)
            except Exception:  # what is wrong, whoever writes the ordinary way is told
                taken = 0
            if taken != size:
                behind.append((index, taken))
        if not behind:
            return []
        members = tuple(self._members)
        return [(members[index], taken) for index, taken in behind]

    def advance(self, batch: Batch) -> None:
        """Note that all of them were given that."""
        self.number = batch.end
        self.last = batch.last or self.last
