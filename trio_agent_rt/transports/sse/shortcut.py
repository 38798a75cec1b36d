"""The short cut to a stream, past Quart: what the resource does, without an application.

What a peer is told is the same, byte for byte. `blueprint` and `stream` are what it has to be
the same as; they answer whatever is out of the ordinary.
"""

from __future__ import annotations

import math
import random
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING
from wsgiref.handlers import format_date_time

from werkzeug.datastructures import Headers

from ...errors import ConnectionRejected, SessionEnded
from ...events import Encoded
from ...protocol import CloseCode, sse_comment, sse_retry
from ...realtime import Connection, Writing
from ...streams import BoundedStream
from ..http import LAST_CHUNK, chunk
from ..http.reception import Feed, Told, Wake
from ..listeners import is_loopback
from ..request import PlainHead, Request, read_request
from ..visitors import Endpoint
from ..websocket.pulse import Pulse
from .answers import JSON, Answer, failure
from .blueprint import STREAM_HEADERS
from .stream import RETRY

if TYPE_CHECKING:
    from ...realtime import RealtimeAgent
    from ..admission import Admission, Admitted

__all__ = ["StreamShortcut"]

_HEAD = b"HTTP/1.1 200 \r\n" + b"".join(
    b"%b: %b\r\n" % (name.lower().encode(), value.encode())
    for name, value in (*STREAM_HEADERS.items(), ("Connection", "close"))
)
_WELCOME = sse_comment("welcome")
_COMMENT = chunk(sse_comment())


class StreamShortcut:
    """Answers a plain `GET` of the stream.

    Args:
        path: where the stream is, with the prefix.
    """

    def __init__(self, realtime: RealtimeAgent, admission: Admission, path: str) -> None:
        self._realtime = realtime
        self._admission = admission
        self._path = path.encode()
        self._pulse = Pulse(realtime.limits.heartbeat_interval, math.inf)
        self._dated = 0
        self._date = b""

    @property
    def may_wait(self) -> bool:
        """Whether somebody else decides about a peer."""
        return self._admission.authenticate is not None

    def read(self, head: PlainHead, *, remote: Endpoint, secure: bool) -> Request | None:
        """The request, if it is one for the stream, and Quart would read the same in it."""
        if head.target.partition(b"?")[0] != self._path or b"%" in self._path:
            return None
        host, port = remote
        try:
            asked = read_request(head, remote_host=host, remote_port=port, secure=secure)
        except ConnectionRejected:
            return None
        if b"%" in head.target and any(
            "\ufffd" in name or "\ufffd" in value for name, value in asked.query.items()
        ):
            return None  # no UTF-8
        return asked

    async def answer(
        self,
        asked: Request,
        stream: BoundedStream,
        wake: Wake,
        *,
        local: Endpoint,
    ) -> Feed | Told:
        """Answer it. Raises nothing: a ticket may have been used up for it.

        Cancellation: nothing is left of it; a ticket may be used up.
        """
        loopback = is_loopback(local[0])
        try:
            admitted = await self._admission.admit(asked, loopback=loopback)
            try:
                return self._attach(asked, admitted, stream, wake, loopback=loopback)
            except SessionEnded:
                if admitted.last_position is None:
                    raise
                # What makes an EventSource that reconnects stop (HTML standard, 9.2.3).
                answer = Answer(status=204)
        except Exception as wrong:
            answer = failure(wrong)
        return _told(answer, self._for_pages(asked, loopback=loopback))

    async def run(self) -> None:
        """Write comments, to all streams."""
        await self._pulse.run()

    def _attach(
        self,
        asked: Request,
        admitted: Admitted,
        stream: BoundedStream,
        wake: Wake,
        *,
        loopback: bool,
    ) -> EventFeed:
        named = asked.query.get("named") == "1"
        connection = self._realtime.attach(
            Writing(
                Encoded.named_sse if named else Encoded.sse,
                stream,
                chunk,
                wake=wake,
                on_closing=lambda drained: wake(at_once=True),
            ),
            admitted.principal,
            admitted.session_id,
            admitted.last_position,
            create=admitted.chosen,
        )
        head = self._head(self._for_pages(asked, loopback=loopback))
        return EventFeed(self._realtime, connection, stream, wake, self._pulse, head)

    def _for_pages(self, asked: Request, *, loopback: bool) -> Mapping[str, str]:
        return self._admission.response_headers(asked, loopback=loopback)

    def _head(self, for_pages: Mapping[str, str]) -> bytes:
        added = "".join(f"{name.lower()}: {value}\r\n" for name, value in for_pages.items())
        now = int(time.time())
        if now != self._dated:
            self._dated, self._date = now, format_date_time(now).encode()
        return b"%b%bdate: %b\r\nTransfer-Encoding: chunked\r\n\r\n" % (
            _HEAD,
            added.encode(),
            self._date,
        )


def _told(answer: Answer, for_pages: Mapping[str, str]) -> Told:
    headers = Headers()
    if answer.body:
        headers["Content-Type"] = JSON
    if answer.status != 204:
        headers["Content-Length"] = str(len(answer.body))
    headers["Cache-Control"] = "no-store"
    for name, value in (*answer.headers.items(), *for_pages.items()):
        headers[name] = value
    fields = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
    return Told(status=answer.status, fields=fields, body=answer.body)


class EventFeed:
    """A viewer of a session, as what is written to a line."""

    __slots__ = (
        "_comment_due",
        "_connection",
        "_head",
        "_over",
        "_pulse",
        "_realtime",
        "_stream",
        "_wake",
    )

    def __init__(
        self,
        realtime: RealtimeAgent,
        connection: Connection,
        stream: BoundedStream,
        wake: Wake,
        pulse: Pulse,
        head: bytes,
    ) -> None:
        self._realtime = realtime
        self._connection = connection
        self._stream = stream
        self._wake = wake
        self._pulse = pulse
        self._head = head
        self._comment_due = False
        self._over = False

    @property
    def beside(self) -> Callable[[], Awaitable[None]] | None:
        """What ends it when its principal expires."""
        expires = self._connection.principal.expires_at is not None
        return self._connection.wait_closing if expires else None

    @property
    def over(self) -> bool:
        """Whether all of it was taken, its end included."""
        return self._over

    def begin(self) -> bytes:
        """The head of the answer, the preamble, and what waits."""
        self._pulse.add(self)
        head, self._head = self._head, b""
        preamble = chunk(_WELCOME + sse_retry(random.randint(*RETRY)))
        batch = self._connection.next_batch_nowait()
        return head + preamble + (chunk(batch) if batch else b"")

    def take(self) -> bytes:
        """What waits; then a comment if it is time for one; then the end if it has come."""
        batch = self._connection.next_batch_nowait()
        if batch:
            return chunk(batch)
        if self._over:
            return b""
        if self._connection.closing is not None:
            self._over = True
            return chunk(sse_retry(random.randint(*RETRY))) + LAST_CHUNK
        if self._comment_due:
            self._comment_due = False
            return _COMMENT
        return b""

    def end(self) -> None:
        """Have it end: all that waits, and after how long to come again."""
        self._connection.close(CloseCode.GOING_AWAY)

    def release(self) -> None:
        """The viewer has gone."""
        self._pulse.remove(self)
        self._realtime.detach(self._connection)

    def ping(self) -> bool:
        """It is time for a comment. No answer is waited for."""
        if self._over:
            return False
        # What is being written keeps proxies awake, and has a deadline.
        if not (self._stream.busy or self._stream.write_now(_COMMENT)):
            self._comment_due = True
            self._wake()
        return False

    def note_silence(self) -> None:
        """Never: a stream has no answers."""
