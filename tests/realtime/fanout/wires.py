"""Wires for the seam to a transport, which take bytes, refuse them or get stuck as told.

A `Pushed` one is served as a WebSocket is: written to at once, and by a Trio task that lives
only while something waits. A `Pulled` one as an event stream is: by a Trio task that asks for
more, and is called away now and then.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager

import trio

from trio_agent_rt.events import Encoded
from trio_agent_rt.protocol import CommandFailed, CustomEvent, Event, decode_event
from trio_agent_rt.realtime import Connection, RealtimeAgent, Writing

__all__ = ["Pulled", "Pushed", "Wire", "line", "nothing", "parcel", "watching"]


async def nothing(task: str, run: object) -> None:
    """An agent that does nothing."""


def line(item: Encoded) -> bytes:
    """A message as a line of JSON."""
    return item.json + b"\n"


def parcel(data: bytes) -> bytes:
    """Messages that are written together, told apart from others."""
    return b"\n" + data


class Wire:
    """What one viewer was sent."""

    def __init__(self, nursery: trio.Nursery) -> None:
        self.pieces: list[bytes] = []
        """What was written in one go, each."""
        self.at_once = 0
        """How often it was written to without waiting."""
        self.refusals = 0
        """How often it does not take what it is given at once."""
        self.parts = 0
        """How often it takes a part of what it is given at once."""
        self.breaks = False
        """Whether it fails when it is written to at once."""
        self.free = trio.Event()
        """Whether a write that waits comes to its end."""
        self.free.set()
        self.connection: Connection
        self._nursery = nursery
        self._busy = False
        self._owed = b""
        self._lock = trio.StrictFIFOLock()
        self._on_recall: Callable[[], None] | None = None

    def write_now(self, data: bytes) -> bool:
        return not (self._busy or self._owed) and self.note_taken(data, self._take(data))

    def _take(self, data: bytes) -> int:
        assert not self._busy, "written to in the middle of a write"
        assert not self._owed, "written to before what is owed"
        if self.breaks:
            raise RuntimeError("the wire breaks")
        if self.refusals:
            self.refusals -= 1
            return 0
        taken = len(data)
        if self.parts:
            self.parts -= 1
            taken //= 2
        self.at_once += 1
        self.pieces.append(data[:taken] if taken < len(data) else data)
        return taken

    def lend(self, on_recall: Callable[[], None]) -> Callable[[bytes], int] | None:
        if self._busy or self._owed or self.refusals:
            return None
        self._on_recall = on_recall

        def write(data: bytes) -> int:
            assert self._on_recall is on_recall, "written to after it was recalled"
            return self._take(data)

        return write

    def note_taken(self, data: bytes, taken: int) -> bool:
        if not taken:
            return False
        if taken < len(data):
            self.recall()
            self._owed = data[taken:]
            self._nursery.start_soon(self.write, b"")
        return True

    def recall(self) -> None:
        """Have back what was lent."""
        on_recall, self._on_recall = self._on_recall, None
        if on_recall is not None:
            on_recall()

    async def write(self, data: bytes) -> None:
        self.recall()
        async with self._lock:
            self._busy = True
            await self.free.wait()
            await trio.lowlevel.checkpoint()
            owed, self._owed = self._owed, b""
            self.pieces += [each for each in (owed, data) if each]
            self._busy = False

    @property
    def events(self) -> list[Event]:
        """All that came whole."""
        lines = b"".join(self.pieces).split(b"\n")
        return [decode_event(each) for each in lines[:-1] if each]

    @property
    def told(self) -> list[object]:
        """What the application and the session said to it: data, and texts of refusals."""
        own = (each for each in self.events if isinstance(each, CustomEvent | CommandFailed))
        return [each.data if isinstance(each, CustomEvent) else each.message for each in own]

    def writing(self) -> Writing:
        raise NotImplementedError

    def serve(self) -> None:
        """Begin, once it is attached."""
        raise NotImplementedError


class Pushed(Wire):
    """As a WebSocket is."""

    def writing(self) -> Writing:
        return Writing(line, self, wake=self._wake)

    def serve(self) -> None:
        self._wake()

    def _wake(self) -> None:
        self._nursery.start_soon(self._write_all)

    async def _write_all(self) -> None:
        while batch := self.connection.next_batch_nowait():
            await self.write(batch)


class Pulled(Wire):
    """As an event stream is."""

    def __init__(self, nursery: trio.Nursery) -> None:
        super().__init__(nursery)
        self._asking = trio.CancelScope()

    def writing(self) -> Writing:
        return Writing(line, self, wrap=parcel)

    def serve(self) -> None:
        self._nursery.start_soon(self._write_all)

    def beat(self) -> None:
        """Have it write something of its own, instead of what it asks for."""
        self._asking.cancel()

    async def _write_all(self) -> None:
        while True:
            batch = b""
            with trio.CancelScope() as self._asking:
                batch = await self.connection.next_batch()
            if not batch and not self._asking.cancelled_caught:
                return
            await self.write(batch)


@asynccontextmanager
async def watching(
    realtime: RealtimeAgent, wire: Wire, session: str | None = None
) -> AsyncGenerator[Connection]:
    """Attached, with `wire` between, until the block is left."""
    async with realtime.connect(framing=wire.writing(), session_id=session) as connection:
        wire.connection = connection
        wire.serve()
        yield connection
