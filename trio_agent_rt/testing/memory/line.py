"""A connection in memory: two streams, the bytes between them, and what goes wrong."""

from __future__ import annotations

import itertools
import math
import operator
from collections.abc import Iterator, Sequence

import trio

from ..cutting_proxy import Direction
from .faults import Fault
from .messages import MessageEnds
from .pipe import Pipe

__all__ = ["MemoryLine", "MemoryStream", "memory_stream_pair"]

_ADDRESS = "127.0.0.1"
_CAPACITY = 64 * 1024


def memory_stream_pair(
    *,
    fault: Fault | None = None,
    delay: float = 0.0,
    capacity: int = _CAPACITY,
    at_once: Sequence[float] = (1,),
) -> tuple[MemoryStream, MemoryStream]:
    """The two ends of a connection, the client's first.

    Args:
        fault: what goes wrong with it.
        delay: seconds that each byte is on its way.
        capacity: bytes of one direction that may wait to be read, before a send waits.
        at_once: the part that is taken of what is to be sent without waiting, time after time
            and over again: 1 for all of it, 0 for nothing.
    """
    line = MemoryLine(fault=fault, delay=delay, capacity=capacity, at_once=at_once)
    return line.client, line.server


class MemoryLine:
    """One connection, seen from outside: made by a network, to be disturbed by a test.

    Args: as for `memory_stream_pair`.
    """

    _ports = itertools.count(50_000)

    def __init__(
        self,
        *,
        fault: Fault | None = None,
        delay: float = 0.0,
        capacity: int = _CAPACITY,
        at_once: Sequence[float] = (1,),
        port: int = 0,
    ) -> None:
        self.at_once: Iterator[float] = itertools.cycle(at_once)
        """The part that is taken of what is sent without waiting next."""
        self._pipes: dict[Direction, Pipe] = {
            "to_client": Pipe(capacity=capacity, delay=delay),
            "to_server": Pipe(capacity=capacity, delay=delay),
        }
        ends = (_ADDRESS, next(self._ports)), (_ADDRESS, port)
        self.client: MemoryStream = MemoryStream(self, "to_server", ends[0], ends[1])
        """The client's end."""
        self.server: MemoryStream = MemoryStream(self, "to_client", ends[1], ends[0])
        """The server's end."""
        self.sent: dict[Direction, int] = {"to_client": 0, "to_server": 0}
        """How many bytes each side has sent."""
        self.messages: dict[Direction, int] = {"to_client": 0, "to_server": 0}
        """How many messages each side has sent; see `Fault`."""
        self.sends: dict[Direction, int] = {"to_client": 0, "to_server": 0}
        """How many writes each side has begun."""
        self._ends: dict[Direction, MessageEnds] = {
            "to_client": MessageEnds(),
            "to_server": MessageEnds(),
        }
        self.fault: Fault | None = fault
        """What is still to go wrong."""
        if fault is not None and not (
            fault.after_bytes or fault.after_messages or fault.after_sends is not None
        ):
            self._happen(fault)

    def cut(self) -> None:
        """Let both sides see the end, after what was sent until now."""
        for pipe in self._pipes.values():
            pipe.finish()
        for end in (self.client, self.server):
            end.unheard = True

    def reset(self) -> None:
        """Let both sides find it broken."""
        for pipe in self._pipes.values():
            pipe.reset()

    def stall(self, direction: Direction = "to_client") -> None:
        """Deliver nothing more in that direction, until `resume`."""
        self._pipes[direction].stalled = True

    def resume(self, direction: Direction = "to_client") -> None:
        """Deliver again what was stalled."""
        self._pipes[direction].resume()

    def drop(self, direction: Direction = "to_client") -> None:
        """Lose whatever is sent in that direction from now on."""
        self._pipes[direction].dropping = True

    def half_open(self, gone: Direction = "to_client") -> None:
        """Let the receiver of that direction find it broken, and the sender nothing."""
        for pipe in self._pipes.values():
            pipe.dropping = True
        end = self.client if gone == "to_client" else self.server
        end.lost = True
        for pipe in self._pipes.values():
            pipe.wake()

    def pipe(self, direction: Direction) -> Pipe:
        """The bytes of one direction; for the streams."""
        return self._pipes[direction]

    def begin_send(self, direction: Direction) -> None:
        """A write begins; for the streams."""
        fault = self.fault
        if (
            fault is not None
            and fault.direction == direction
            and fault.after_sends == self.sends[direction]
        ):
            self._happen(fault)
            if fault.kind == "fail":
                raise trio.BrokenResourceError("this write was to fail")
        self.sends[direction] += 1

    def send(self, direction: Direction, data: bytes) -> None:
        """Put `data` on its way, for which there is room; for the streams."""
        fault, pipe = self.fault, self._pipes[direction]
        at = self._reached(direction, data)
        if fault is None or at is None:
            pipe.put(data)
            return
        pipe.put(data[:at])
        self._happen(fault)
        if fault.kind == "fail":
            raise trio.BrokenResourceError("this write was to fail")
        if not pipe.finished:  # else they are where those are that nobody has read yet
            pipe.put(data[at:])

    def _reached(self, direction: Direction, data: bytes) -> int | None:
        """Where in `data` the fault is to happen; also counts."""
        fault = self.fault
        mine = fault is not None and fault.direction == direction
        found: int | None = None
        for end in self._ends[direction].feed(data):
            self.messages[direction] += 1
            if mine and fault and fault.after_messages == self.messages[direction]:
                found = end
        if mine and fault and fault.after_bytes is not None:
            left = fault.after_bytes - self.sent[direction]
            found = left if left <= len(data) else None
        self.sent[direction] += len(data)
        return found

    def _happen(self, fault: Fault) -> None:
        self.fault = None
        match fault.kind:
            case "cut":
                self.cut()
            case "reset" | "fail":
                self.reset()
            case "stall":
                self.stall(fault.direction)
            case "drop":
                self.drop(fault.direction)
            case "half_open":
                self.half_open(fault.direction)


class MemoryStream(trio.abc.HalfCloseableStream):
    """One end of a connection in memory; behaves as TCP does.

    A write may be there before anybody reads it. Closing with bytes unread, or writing to
    who has closed, resets the connection, and takes from the other side what it had not
    read.
    """

    def __init__(
        self,
        line: MemoryLine,
        direction: Direction,
        local: tuple[str, int],
        remote: tuple[str, int],
    ) -> None:
        self._line = line
        self._direction: Direction = direction
        self._out = line.pipe(direction)
        self._in = line.pipe("to_client" if direction == "to_server" else "to_server")
        self.local: tuple[str, int] = local
        """The address and port of this end."""
        self.remote: tuple[str, int] = remote
        """The address and port of the other end."""
        self.lost: bool = False
        """Whether this end finds the connection broken, and the other one nothing."""
        self.unheard: bool = False
        """Whether nobody reads what is sent: the line is cut, or the other end closed."""
        self._closed = False
        self._sending = False
        self._receiving = False

    def __repr__(self) -> str:
        return f"<MemoryStream {self.local[1]} to {self.remote[1]}>"

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """Send all of `data`; waits while the other side does not read.

        Raises:
            trio.BrokenResourceError: when the connection is broken.
            trio.ClosedResourceError: when this end is closed, or has said `send_eof`.
            trio.BusyResourceError: when another write is under way.

        Cancellation: a part may be on its way. Nothing is, if it was cancelled before.
        """
        if self._sending:
            raise trio.BusyResourceError("another Trio task is sending")
        self._sending = True
        try:
            await self._send_all(bytes(data))
        finally:
            self._sending = False

    async def _send_all(self, data: bytes) -> None:
        await trio.lowlevel.checkpoint_if_cancelled()
        self._check_can_send()
        self._line.begin_send(self._direction)
        while data:
            room = len(data) if self._out.dropping else self._out.room
            if not room:
                await self._out.wait_room()
                self._check_can_send()
                continue
            piece, data = data[:room], data[room:]
            if self.unheard:
                # The first write after the end still goes out; it is answered by a reset.
                self._in.reset()
                self._out.reset()
            else:
                self._line.send(self._direction, piece)
        await trio.lowlevel.cancel_shielded_checkpoint()

    def send_nowait(self, data: bytes) -> int:
        """Send as much of `data` as goes without waiting; how much that is, 0 if it is broken.

        Of what there is room for it takes the part that is next in the line's `at_once`.
        """
        if self._sending or self.unheard or not data:
            return 0
        room = len(data) if self._out.dropping else self._out.room
        piece = data[: min(room, math.ceil(len(data) * next(self._line.at_once)))]
        if not piece:
            return 0
        try:
            self._check_can_send()
            self._line.begin_send(self._direction)
            self._line.send(self._direction, piece)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            return 0
        return len(piece)

    def _check_can_send(self) -> None:
        if self._closed or (self._out.finished and not self.unheard):
            raise trio.ClosedResourceError("this end is closed")
        if self._out.broken or self.lost:
            raise trio.BrokenResourceError("the connection is broken")

    async def wait_send_all_might_not_block(self) -> None:
        """Wait until there is room, or it is broken."""
        await trio.lowlevel.checkpoint()
        if self._sending:
            raise trio.BusyResourceError("another Trio task is sending")
        self._sending = True
        try:
            if self._closed or self._out.finished:
                raise trio.ClosedResourceError("this end is closed")
            while not (self._out.room or self._out.broken or self._out.dropping or self._closed):
                await self._out.wait_room()
            if self._closed:
                raise trio.ClosedResourceError("this end was closed")
        finally:
            self._sending = False

    async def send_eof(self) -> None:
        """Say that nothing more comes; reading goes on."""
        if self._sending:
            raise trio.BusyResourceError("another Trio task is sending")
        await trio.lowlevel.checkpoint()
        if self._closed:
            raise trio.ClosedResourceError("this end is closed")
        if self._out.broken or self.lost:
            raise trio.BrokenResourceError("the connection is broken")
        self._out.finish()

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        """Some bytes, or b"" at the end; waits for them."""
        if max_bytes is not None and operator.index(max_bytes) < 1:
            raise ValueError("max_bytes must be 1 or more")
        if self._receiving:
            raise trio.BusyResourceError("another Trio task is receiving")
        self._receiving = True
        try:
            await trio.lowlevel.checkpoint_if_cancelled()
            while True:
                self._check_can_receive()
                data = self._in.take(max_bytes)
                if data is not None:
                    await trio.lowlevel.cancel_shielded_checkpoint()
                    return data
                await self._in.wait_arrival()
        finally:
            self._receiving = False

    def _check_can_receive(self) -> None:
        if self._closed:
            raise trio.ClosedResourceError("this end is closed")
        if self._in.broken or self.lost:
            raise trio.BrokenResourceError("the connection is broken")

    def is_readable(self) -> bool:
        """Whether a read would not wait; nothing is taken."""
        return self._in.broken or self.lost or self._in.has_arrived()

    async def aclose(self) -> None:
        """Close this end: the other one sees the end, or a reset if bytes were left unread."""
        self.close()
        await trio.lowlevel.checkpoint()

    def close(self) -> None:
        """As `aclose`, at once."""
        if self._closed:
            return
        self._closed = True
        if self._in.unread:
            self._out.reset()
            self._in.reset()
        else:
            self._out.finish()
        line = self._line
        (line.client if self is line.server else line.server).unheard = True
        self._out.wake()
        self._in.wake()
