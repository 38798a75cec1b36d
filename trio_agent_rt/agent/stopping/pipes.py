"""What a program writes: always read, so that it never waits, and kept up to a bound."""

from __future__ import annotations

import codecs
from collections.abc import Callable

import trio

__all__ = ["Outlet", "feed"]

_CHUNK = 64 * 1024
"""What a pipe holds on Linux."""


class Outlet:
    """One pipe of a program: the first or the last bytes of it are kept, the rest is not.

    Args:
        stream: to read from.
        max_bytes: how many are kept, and how many are said.
        keep_last: keep the last bytes instead of the first.
        say: is given the text as it comes, or None.
    """

    def __init__(
        self,
        stream: trio.abc.ReceiveStream,
        max_bytes: int,
        *,
        keep_last: bool = False,
        say: Callable[[str], None] | None = None,
    ) -> None:
        self.scope: trio.CancelScope = trio.CancelScope(shield=True)
        """Ends the reading; nothing else does before the last writer has gone."""
        self.over: trio.Event = trio.Event()
        """Set when everything has been read that will be."""
        self.total: int = 0
        """Bytes that came."""
        self.error: Exception | None = None
        """What `say` raised; the reading has gone on."""
        self._stream = stream
        self._max_bytes = max_bytes
        self._keep_last = keep_last
        self._say = say
        self._kept = bytearray()
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    async def run(self) -> None:
        """Read until the end, whatever is cancelled around it, and close the pipe."""
        with self.scope:
            async with self._stream:
                try:
                    while data := await self._stream.receive_some(_CHUNK):
                        self._take(data)
                except trio.BrokenResourceError:
                    pass
                self._tell(b"", last=True)
                self.over.set()

    def _take(self, data: bytes | bytearray) -> None:
        if room := self._max_bytes - self.total:
            self._tell(data[: max(room, 0)])
        self.total += len(data)
        if self._keep_last:
            self._kept += data
            del self._kept[: max(len(self._kept) - self._max_bytes, 0)]
        else:
            self._kept += data[: self._max_bytes - len(self._kept)]

    def _tell(self, data: bytes | bytearray, *, last: bool = False) -> None:
        if self._say is None or self.error is not None:
            return
        if text := self._decoder.decode(data, final=last):
            try:
                self._say(text)
            except Exception as exc:
                self.error = exc

    @property
    def truncated(self) -> bool:
        """Whether more came than is kept."""
        return self.total > self._max_bytes

    @property
    def text(self) -> str:
        """What is kept; what is no UTF-8 is replaced."""
        return self._kept.decode("utf-8", "replace")


async def feed(stream: trio.abc.SendStream, data: bytes) -> None:
    """Write what a program reads, and close; one that reads no more is no failure."""
    async with stream:
        try:
            await stream.send_all(data)
        except trio.BrokenResourceError:
            return
