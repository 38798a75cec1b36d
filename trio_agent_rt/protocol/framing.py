"""What the same JSON text looks like on each transport. Bytes out, nothing else.

An unmasked, uncompressed text frame of a server is the same for every connection
(RFC 6455, 5.2), and so is an SSE event: both are made once per event, not per viewer.
"""

from __future__ import annotations

from .close_codes import shorten_reason
from .position import Position

__all__ = ["sse_event", "websocket_close_frame", "websocket_text_frame"]

_TEXT = 0x81
_CLOSE = 0x88


def websocket_text_frame(payload: bytes) -> bytes:
    """One final, unmasked text frame: what a server sends, and no client may."""
    size = len(payload)
    if size < 126:
        return bytes((_TEXT, size)) + payload
    if size < 65536:
        return bytes((_TEXT, 126)) + size.to_bytes(2) + payload
    return bytes((_TEXT, 127)) + size.to_bytes(8) + payload


def websocket_close_frame(code: int, reason: str = "") -> bytes:
    """A server's close frame; the reason is cut to what fits."""
    payload = int(code).to_bytes(2) + shorten_reason(reason).encode()
    return bytes((_CLOSE, len(payload))) + payload


def sse_event(payload: bytes, position: Position | None = None) -> bytes:
    """One event of a `text/event-stream`: its `id`, if it has a position, and its data.

    `payload` is JSON and so has no line break that would end the data early.
    """
    head = b"" if position is None else f"id: {position}\n".encode()
    return head + b"data: " + payload + b"\n\n"
