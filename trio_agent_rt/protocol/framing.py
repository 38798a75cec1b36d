"""What the same JSON text looks like on each transport. Bytes out, nothing else.

An unmasked, uncompressed text frame of a server is the same for every connection
(RFC 6455, 5.2), and so is an SSE event: both are made once per event, not per viewer.
"""

from __future__ import annotations

from .close_codes import shorten_reason
from .position import Position

__all__ = [
    "sse_comment",
    "sse_event",
    "sse_retry",
    "websocket_close_frame",
    "websocket_text_frame",
]

_TEXT = 0x81
_CLOSE = 0x88

_NAMES_OF_BROWSERS = {"error", "open"}


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


def sse_event(
    payload: bytes, position: Position | None = None, *, name: str | None = None
) -> bytes:
    """One event of a `text/event-stream`: its `id`, if it has a position, and its data.

    `payload` is JSON and so has no line break that would end the data early.

    Args:
        name: of the event, or None for none, so that a browser's `onmessage` sees it. Of
            one with line breaks the first line. `error` and `open` are left off: they are
            what an `EventSource` says of its own connection.
    """
    head = b"" if position is None else f"id: {position}\n".encode()
    if name is not None:
        first = name.replace("\r", "\n").partition("\n")[0]
        if first not in _NAMES_OF_BROWSERS:
            head += f"event: {first}\n".encode("utf-8", "replace")
    return head + b"data: " + payload + b"\n\n"


def sse_comment(text: str = "") -> bytes:
    """A line that says nothing to the application: it keeps proxies awake."""
    return b": " + text.encode() + b"\n\n"


def sse_retry(milliseconds: int) -> bytes:
    """How long a browser is to wait before it reconnects."""
    return f"retry: {milliseconds}\n\n".encode()
