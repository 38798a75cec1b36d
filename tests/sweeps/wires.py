"""A network in memory that watches how each connection is used, and how the server ends it.

Two rules, which hold for any connection:

- After a write that was cut half-way nothing else is written: it would land in the middle.
- A server that ends a connection which nobody has disturbed says so, as the protocol has it: a
  WebSocket with a close frame, as its last one; a stream of events with its last chunk.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from trio_agent_rt.testing import MemoryLine, MemoryNetwork, MemoryStream
from trio_agent_rt.testing.cutting_proxy import Direction

__all__ = ["WatchedNetwork"]

_CLOSE = 0x8
_MASKED = 0x80
_DISTURBANCES = ("cut", "reset", "stall", "drop", "half_open")
_LAST_CHUNK = b"0\r\n\r\n"


class WatchedNetwork(MemoryNetwork):
    """A `MemoryNetwork` whose every connection is watched; see `check`."""

    def __init__(self, **options: Any) -> None:
        # All ways in which what is published can reach a viewer: at once, in part, or not.
        super().__init__(**{"at_once": (1, 0.5, 1, 0, 0.01), **options})
        self.codes: Callable[[], set[int]] = set[int]
        """With which the server may close a WebSocket at this moment, of its own accord."""
        self._wires: list[_Wire] = []

    async def dial(self, host: str, port: int) -> MemoryStream:
        stream = await super().dial(host, port)
        self._wires.append(_Wire(self.lines[-1], self._codes_now))
        return stream

    def _codes_now(self) -> set[int]:
        return self.codes()

    def check(self) -> None:
        """What must hold when all is over."""
        for number, wire in enumerate(self._wires):
            wire.check_end()
            assert not wire.wrong, f"connection {number}: {wire.wrong}"


class _Wire:
    """One connection."""

    def __init__(self, line: MemoryLine, codes: Callable[[], set[int]]) -> None:
        self._line = line
        self._codes = codes
        self._disturbed = line.fault is not None
        self._sent: dict[Direction, bytearray] = {
            "to_client": bytearray(),
            "to_server": bytearray(),
        }
        self._end: tuple[bytes, bytes, set[int]] | None = None
        """What the server and the client had sent when the server ended it, while the client
        still listened; and the codes of that moment."""
        self._server_has_ended = False
        self.wrong = ""
        for name in _DISTURBANCES:
            self._before(line, name, self._disturb)
        self._before(line.server, "close", self._note_end)
        self._before(line.server, "send_eof", self._note_end)
        for stream in (line.client, line.server):
            self._watch_writes(stream)
        send = line.send

        def sent(direction: Direction, data: bytes) -> None:
            self._sent[direction] += data
            send(direction, data)

        line.send = sent

    def _before(self, thing: Any, name: str, do: Callable[[], None]) -> None:
        function = getattr(thing, name)

        def both(*args: Any, **options: Any) -> Any:
            do()
            return function(*args, **options)

        setattr(thing, name, both)

    def _watch_writes(self, stream: MemoryStream) -> None:
        """Each must be whole, or the last one."""
        torn, send_all = False, stream.send_all
        direction: Direction = "to_client" if stream is self._line.server else "to_server"

        async def watched(data: bytes | bytearray | memoryview) -> None:
            nonlocal torn
            if torn:
                self.wrong = f"written to after half a write: {bytes(data)[:20]!r} {direction}"
            before, whole = self._line.sent[direction], False
            try:
                await send_all(data)
                whole = True
            finally:
                torn = torn or (not whole and self._line.sent[direction] > before)

        stream.send_all = watched
        send_nowait = stream.send_nowait

        def watched_now(data: bytes) -> int:
            if torn:
                self.wrong = f"written to after half a write: {data[:20]!r} {direction}"
            return send_nowait(data)

        stream.send_nowait = watched_now

    def _disturb(self) -> None:
        self._disturbed = True

    def _note_end(self) -> None:
        line = self._line
        listens = not (line.client._closed or line.pipe("to_server").finished)
        # Who does not take what is sent is left without a word.
        listens = listens and line.pipe("to_client").room > 0
        if listens and not self._server_has_ended and not self._disturbed:
            ways: tuple[Direction, Direction] = ("to_client", "to_server")
            said, heard = (bytes(self._sent[each]) for each in ways)
            self._end = said, heard, self._codes()
        self._server_has_ended = True

    def check_end(self) -> None:
        if self._end is None:
            return
        said, heard, codes = self._end
        head, _, body = said.partition(b"\r\n\r\n")
        if head.startswith(b"HTTP/1.1 101"):
            asked = heard.partition(b"\r\n\r\n")[2]
            codes |= {code for opcode, code in _frames(asked) if opcode == _CLOSE and code}
            last = [*_frames(body)][-1:]
            if [opcode for opcode, _ in last] != [_CLOSE]:
                self.wrong = f"ended without a close frame: {body[-40:]!r}"
            elif last[0][1] not in codes:
                self.wrong = f"closed with {last[0][1]}, not with one of {codes}"
        elif b"text/event-stream" in said.lower() and not body.endswith(_LAST_CHUNK):
            self.wrong = f"ended without a last chunk: {body[-40:]!r}"


def _frames(data: bytes) -> Iterator[tuple[int, int | None]]:
    """The opcode of each frame, and a close frame's code; a torn frame has the opcode -1."""
    at = 0
    while at + 2 <= len(data):
        short, mask = data[at + 1] & ~_MASKED, 4 if data[at + 1] & _MASKED else 0
        extended = {126: 2, 127: 8}.get(short, 0)
        size = int.from_bytes(data[at + 2 : at + 2 + extended]) if extended else short
        begin = at + 2 + extended
        end = begin + mask + size
        if end > len(data):
            break
        opcode = data[at] & 0x0F
        payload = bytes(
            byte ^ (data[begin + at % 4] if mask else 0)
            for at, byte in enumerate(data[begin + mask : end][:2])
        )
        yield opcode, int.from_bytes(payload) if opcode == _CLOSE and payload else None
        at = end
    if at < len(data):
        yield -1, None
