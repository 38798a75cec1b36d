"""The events of a `text/event-stream`, from its bytes. Nothing is awaited here."""

from __future__ import annotations

from collections.abc import Iterator

from attrs import define, field, frozen

__all__ = ["EventDecoder", "StreamTooLarge", "WireEvent"]

_MAX_EVENT_BYTES = 8 * 1024 * 1024
"""Far more than a piece of an answer, and than a whole one that comes as one event."""


class StreamTooLarge(Exception):
    """One event has more bytes than any honest one."""


@frozen
class WireEvent:
    """One event of a stream."""

    name: str
    """Empty when it has none."""
    data: str


@define
class EventDecoder:
    """Bytes in, events out.

    A line ends with LF or CRLF. The standard knows a lone CR too; no provider sends one.
    """

    _rest: bytearray = field(init=False, factory=bytearray)
    _name: str = field(init=False, default="")
    _data: list[str] = field(init=False, factory=list[str])
    _size: int = field(init=False, default=0)

    def feed(self, data: bytes) -> Iterator[WireEvent]:
        """The events that are whole with these bytes.

        Raises:
            StreamTooLarge: there is no use in going on then.
        """
        self._rest += data
        *lines, rest = self._rest.split(b"\n")
        self._rest = rest
        for line in lines:
            event = self._take(line.removesuffix(b"\r"))
            if event is not None:
                yield event
        if self._size + len(self._rest) > _MAX_EVENT_BYTES:
            raise StreamTooLarge

    def _take(self, line: bytes | bytearray) -> WireEvent | None:
        if not line:
            event = WireEvent(self._name, "\n".join(self._data)) if self._data else None
            self._name, self._data, self._size = "", [], 0
            return event
        self._size += len(line)
        name, _, value = line.decode("utf-8", "replace").partition(":")
        value = value.removeprefix(" ")
        match name.removeprefix("\ufeff"):
            case "data":
                self._data.append(value)
            case "event":
                self._name = value
            case _:
                pass  # comments, ids, retry
        return None
