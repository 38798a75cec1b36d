"""Finds where messages end in what a server or a client sends. No I/O.

What is counted, after the HTTP head: the frames of a WebSocket (pings and closes too), the
events of a `text/event-stream` (comments too), else the answers or requests themselves.
"""

from __future__ import annotations

from collections.abc import Iterator

__all__ = ["MessageEnds"]

_HEAD_END = b"\r\n\r\n"
_MASKED = 0x80


class MessageEnds:
    """Where messages end in one direction of a connection, however its bytes are split."""

    def __init__(self) -> None:
        self._last = b""
        self._frames = False
        self._head = bytearray()
        self._in_head = True
        self._frame_left = 0
        self._frame_header = bytearray()

    def feed(self, data: bytes) -> Iterator[int]:
        """The places in `data` right after which a message has ended."""
        at = 0
        while at < len(data):
            if self._in_head:
                end = self._skip_head(data, at)
                if end is None:
                    return
                at = end
                yield at
            elif self._frames:
                at, ended = self._skip_frame(data, at)
                if ended:
                    yield at
            else:
                end = self._find(data, at, b"\n\n")
                if end is None:
                    return
                at = end
                yield at

    def _skip_head(self, data: bytes, at: int) -> int | None:
        """The end of the HTTP head; it counts as a message of its own."""
        end = self._find(data, at, _HEAD_END)
        self._head += data[at:end]
        if end is None:
            return None
        self._in_head = False
        self._frames = b"upgrade: websocket" in bytes(self._head).lower()
        self._head.clear()
        return end

    def _find(self, data: bytes, at: int, what: bytes) -> int | None:
        """The end of `what`, which may have begun in an earlier piece."""
        text = self._last + data[at:]
        found = text.find(what)
        if found < 0:
            self._last = text[-(len(what) - 1) :]
            return None
        end = at + found + len(what) - len(self._last)
        self._last = b""
        return end

    def _skip_frame(self, data: bytes, at: int) -> tuple[int, bool]:
        if not self._frame_left:
            header = self._frame_header
            header.append(data[at])
            at += 1
            if len(header) < 2 or len(header) < _header_size(header):
                return at, False
            self._frame_left = _payload_size(header)
            header.clear()
            return at, self._frame_left == 0
        skipped = min(self._frame_left, len(data) - at)
        self._frame_left -= skipped
        return at + skipped, self._frame_left == 0


def _header_size(header: bytearray) -> int:
    """How long a frame's header is that begins so (RFC 6455, 5.2)."""
    extended = {126: 2, 127: 8}.get(header[1] & 0x7F, 0)
    return 2 + extended + (4 if header[1] & _MASKED else 0)


def _payload_size(header: bytearray) -> int:
    size = header[1] & 0x7F
    if size >= 126:
        size = int.from_bytes(header[2 : 4 if size == 126 else 10])
    return size
