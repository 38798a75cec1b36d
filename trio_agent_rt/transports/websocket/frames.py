"""Counts a peer's frames as they come, to tell a flood from a message.

A frame costs the server about the same however little it holds, and an empty one is six
bytes: limits on messages and on bytes do not see a flood of pings or of empty fragments.
No I/O and no Trio; nothing is kept of what the frames hold.
"""

from __future__ import annotations

__all__ = ["FrameBudget"]

# A client may send 50 messages a second, 200 at once, and split them; beside that it pings.
# To take the burst costs some 10 ms.
_FRAMES_PER_SECOND = 200.0
_BURST = 500.0

# A big message may come in as many frames as it likes, if they hold something: senders
# split at 1 KiB and more.
_BYTES_PER_FRAME = 256.0

# trio-websocket keeps a list of the fragments of a message, the empty ones too.
_MAX_FRAGMENTS = 10_000

_CONTROL = 0x08
_FIN = 0x80


class FrameBudget:
    """How many frames a peer may still send: so many a second, and more if they are big."""

    def __init__(self, now: float) -> None:
        self._left = _BURST
        self._at = now
        self._header = bytearray()
        self._payload_left = 0
        self._fragments = 0

    def spend(self, data: bytes | bytearray, now: float) -> bool:
        """Take note of the next bytes of the peer; False when it sent too many frames.

        Args:
            now: seconds of any steady clock.
        """
        self._left = min(_BURST, self._left + (now - self._at) * _FRAMES_PER_SECOND)
        self._at = now
        at, end = 0, len(data)
        while at < end:
            if self._payload_left:
                skipped = min(self._payload_left, end - at)
                self._payload_left -= skipped
                self._left = min(_BURST, self._left + skipped / _BYTES_PER_FRAME)
                at += skipped
                continue
            missing = _header_size(self._header) - len(self._header)
            self._header += data[at : at + missing]
            at += missing
            if len(self._header) >= 2 and len(self._header) == _header_size(self._header):
                self._begin_frame()
        return self._left >= 0 and self._fragments <= _MAX_FRAGMENTS

    def _begin_frame(self) -> None:
        first, size = self._header[0], self._header[1] & 0x7F
        if size >= 126:
            size = int.from_bytes(self._header[2 : 4 if size == 126 else 10])
        self._payload_left = size
        self._header.clear()
        self._left -= 1
        if not first & _CONTROL:
            self._fragments = 0 if first & _FIN else self._fragments + 1


def _header_size(begun: bytearray) -> int:
    """How long the header is that begins so, as far as it shows."""
    if len(begun) < 2:
        return 2
    size = begun[1] & 0x7F
    return 2 + {126: 2, 127: 8}.get(size, 0) + (4 if begun[1] & 0x80 else 0)
