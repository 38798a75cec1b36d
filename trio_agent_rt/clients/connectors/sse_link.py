"""One connection over SSE: a stream of events, and commands as requests beside it.

```
 GET /sse ──events──▶ ┐
 POST /task ─answer─▶ ├─▶ receive
 POST /cancel ─…────▶ ┘
```

**Order.** The events of the stream arrive in order, and so do the messages of one answer;
between the two there is no order: an answer may come before an event that was written
earlier. Commands are carried out in the order in which they are sent, with one exception:

1. A command is sent when those before it have been answered. So a submit is there before
   its cancel.
2. A cancel is answered when the work has ended, which may take long, so what follows does
   not wait for that: it is sent when the answer has begun, or after `_HEAD_START`.

**Failure.** A command whose request breaks may have arrived or not, as over a WebSocket that
breaks. The whole connection is given up then, so that both are made again in one way: the
client attaches anew and sends again what is unanswered. The same holds when the server does
not know the stream any more that a command is for; but if that happens again and again, the
command has not reached the server of the stream, and is refused. So is one for which there is
no connection to be had although the stream lives: a server that shuts down takes no new ones,
and tells the end of its tasks to those that it has.

**`retry:`** is not heeded. It is for an `EventSource`, which has no growing delay and no
jitter of its own; how a client of ours comes back is up to its user (`Reconnect`).
"""

from __future__ import annotations

import logging
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from http import HTTPStatus

import attrs
import httpx
import trio
from httpx_sse import EventSource

from ...errors import AgentRTError, ProtocolError, SessionLost
from ...protocol import (
    CancelTask,
    CloseCode,
    Command,
    CommandFailed,
    Connected,
    Event,
    GetState,
    GetTools,
    decode_event,
    decode_http_answer,
    encode_http_command,
)
from ...streams import Draining
from ..afresh import afresh
from .base import Attachment, Link, LinkClosed
from .handshake import refusal, rejection, too_late, unfinished_handshake
from .http import BROKEN, HTTPClient, read_body, wire_of
from .sse import SSEConnector
from .url import ServerURL

__all__ = ["converse"]

_HEAD_START = 0.25
"""How long a cancel keeps back what is sent after it: more than a request takes to arrive."""

_LAST_MOMENT = 0.25
"""How long the stream is waited for that may have ended with the server's other connections."""

_ANSWER_TIMEOUT = 30.0
"""How long the answer to anything but a cancel may take. A client waits as long by default."""

_MAX_WAITING_CANCELS = 16
"""Each holds a TCP connection. Those beyond wait for their turn."""

_MAX_STRAYS = 3
"""So many connections in a row cannot have been lost just when they were made."""

_QUEUED_MESSAGES = 16
"""Messages that are read ahead: as over WebSocket."""

_MAX_REFUSAL_BYTES = 64 * 1024
"""How much to read of an answer that is not a stream, to repeat it in an error."""

_FRAMING_BYTES = 1024
"""More than an event has beside its data."""

_EVENT_END = re.compile(rb"\n\n|\n\r|\r\r")
"""An empty line, whichever way lines end (HTML standard, 9.2.6)."""

_TRY_AGAIN = {HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY}
"""Statuses below 500 that say that a request was not carried out, but could be."""

_CODES = {401: "unauthorized", 403: "forbidden", 413: "too_large", 429: "rate_limited"}
"""What a status stands for that did not come from a server of this protocol."""

_STREAM = {"Content-Type": "text/event-stream; charset=utf-8"}

_log = logging.getLogger(__name__)


async def converse(
    connector: SSEConnector, attachment: Attachment, serve: Callable[[Link], Awaitable[None]]
) -> None:
    """What `SSEConnector.converse` does."""
    failure: Exception | None = None
    client = HTTPClient(connector.request_headers(), connector.ssl_context, connector.dial)
    async with client as http, trio.open_nursery() as nursery:
        try:
            response = await _open(connector, http, attachment)
            link = _SSELink(connector, http, response, nursery)
            nursery.start_soon(link.pump)
            await serve(link)
        except Exception as exc:  # raised below, outside of the nursery
            failure = exc
        nursery.cancel_scope.cancel(reason="the connection has ended")
    if failure is not None:
        raise failure


async def _open(
    connector: SSEConnector, http: HTTPClient, attachment: Attachment
) -> httpx.Response:
    """The response that is the stream."""
    url = connector.url
    started = trio.current_time()
    headers = {"Accept": "text/event-stream", "Cache-Control": "no-store"}
    if attachment.last_position is not None:
        headers["Last-Event-ID"] = str(attachment.last_position)
    response: httpx.Response | None = None
    with trio.CancelScope(deadline=attachment.deadline):
        try:
            response = await http.ask(
                "GET",
                url,
                parameters={"session": attachment.session_id},
                headers=headers,
                patient=True,
            )
        except BROKEN as exc:
            raise unfinished_handshake(url, _opening(http), timeout=None) from exc
    if response is None:
        timeout = attachment.deadline - started
        if http.latest is None:
            raise too_late(url, timeout)
        raise unfinished_handshake(url, _opening(http), timeout=timeout)
    if _is_stream(response):
        return response
    body = bytearray()
    with trio.CancelScope(deadline=attachment.deadline):
        try:
            await read_body(response, _MAX_REFUSAL_BYTES, body)
        except BROKEN:
            _log.debug("%s broke off its refusal", url)
    raise _refused(url, response, bytes(body), attachment)


def _opening(http: HTTPClient) -> bytes:
    return b"" if http.latest is None else bytes(http.latest.opening)


def _is_stream(response: httpx.Response) -> bool:
    kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
    coding = response.headers.get("content-encoding", "identity").strip().lower()
    return response.status_code == 200 and kind == "text/event-stream" and coding == "identity"


def _refused(
    url: ServerURL, response: httpx.Response, body: bytes, attachment: Attachment
) -> AgentRTError:
    """What it means that there is no stream."""
    status = response.status_code
    if attachment.session_id is not None:
        if status == HTTPStatus.NO_CONTENT:
            return SessionLost("the session has ended for good (204)")
        failed = refusal(body)
        if failed is not None and failed.code == "unknown_session":
            return SessionLost(f"the server no longer knows the session ({failed.message})")
    return rejection(url, status, response.headers.raw, body)


class _SSELink:
    """A stream that is open, and the requests beside it."""

    def __init__(
        self,
        connector: SSEConnector,
        http: HTTPClient,
        response: httpx.Response,
        nursery: trio.Nursery,
    ) -> None:
        self._connector = connector
        self._http = http
        self._response = response
        self._nursery = nursery
        self._client_id = ""
        self._over: Exception | None = None
        self._has_ended = trio.Event()
        self._cancels = trio.CapacityLimiter(_MAX_WAITING_CANCELS)
        self._tell, self._told = trio.open_memory_channel[Event](_QUEUED_MESSAGES)

    async def receive(self) -> Event:
        """The next message, of the stream or of an answer; see `Link`."""
        try:
            return await self._told.receive()
        except trio.EndOfChannel:
            raise self._ended() from None

    async def send(self, command: Command) -> None:
        """Send a request; returns when the next one may follow; see `Link`."""
        if self._over is not None:
            await trio.lowlevel.checkpoint()
            raise self._ended()
        if isinstance(command, CancelTask):
            begun = trio.Event()
            self._nursery.start_soon(self._cancel, command, begun)
            with trio.move_on_after(_HEAD_START):
                await begun.wait()
            return
        with trio.move_on_after(_ANSWER_TIMEOUT):
            await self._ask(command, trio.Event())
            return
        url = self._connector.url_for(type(command))
        raise LinkClosed(f"{url} has not answered within {_ANSWER_TIMEOUT:g} s")

    async def keep_alive(self, interval: float) -> None:
        """Expect bytes, if only of a comment, once in two intervals; see `Link`."""
        wire = wire_of(self._response)
        while True:
            silent_at = wire.heard_at + 2 * interval
            await trio.sleep_until(silent_at)
            # If the whole process stood still, what arrived meanwhile is read only now.
            await trio.lowlevel.checkpoint()
            if wire.heard_at + 2 * interval <= silent_at:
                raise LinkClosed(
                    f"the server was silent for {2 * interval:g} s", CloseCode.HEARTBEAT_MISSED
                )

    async def pump(self) -> None:
        """Read the stream to its end."""
        max_bytes = self._connector.max_message_bytes
        async with Draining(self._response.aiter_raw()) as chunks:
            # Always UTF-8, whatever the server says (HTML standard, 9.2.5).
            body = httpx.Response(200, headers=_STREAM, stream=_Measured(chunks, max_bytes))
            async with Draining(EventSource(body).aiter_sse()) as events:
                try:
                    async for each in events:
                        if each.data:
                            await self._hear(each.data.encode())
                    over: Exception = LinkClosed("the server has ended the stream")
                except BROKEN:
                    over = LinkClosed("the connection broke")
                except Exception as exc:
                    over = exc
        self._end(over)

    async def _hear(self, data: bytes) -> None:
        if len(data) > self._connector.max_message_bytes:
            raise _too_large(self._connector.max_message_bytes)
        event = decode_event(data)
        if isinstance(event, Connected):
            self._client_id = event.client_id
        await self._tell.send(event)

    async def _cancel(self, command: CancelTask, begun: trio.Event) -> None:
        async with self._cancels:
            try:
                await self._ask(command, begun)
            except LinkClosed as exc:
                self._end(exc)

    async def _ask(self, command: Command, begun: trio.Event) -> None:
        """Send a request and take in its answer.

        Args:
            begun: set when the answer has begun.
        """
        for event in await self._answer(command, begun):
            try:
                await self._tell.send(event)
            except trio.ClosedResourceError:
                raise self._ended() from None

    async def _answer(self, command: Command, begun: trio.Event) -> Sequence[Event]:
        url = self._connector.url_for(type(command))
        asks = isinstance(command, GetTools | GetState)
        max_bytes = self._connector.max_message_bytes
        body = bytearray()
        response: httpx.Response | None = None
        no_way = AgentRTError()
        try:
            response = await self._http.ask(
                "GET" if asks else "POST",
                url,
                parameters={"clientId": self._client_id if asks else None},
                headers={"Accept": "application/json", "Content-Type": "application/json"},
                content=None if asks else encode_http_command(command, self._client_id),
            )
            begun.set()
            await read_body(response, max_bytes, body)
        except BROKEN as exc:
            raise LinkClosed(f"the connection to {url} broke") from exc
        except LinkClosed:
            raise
        except AgentRTError as exc:
            no_way = exc
        if response is None:
            return (await self._not_sent(no_way, command.request_id or ""),)
        if len(body) > max_bytes:
            raise _too_large(max_bytes)
        events = _understood(url, response, bytes(body), command.request_id or "")
        return self._known(url, events)

    async def _not_sent(self, why: AgentRTError, request_id: str) -> CommandFailed:
        """The answer to a command for which there is no connection.

        Raises:
            LinkClosed: when the stream has ended as well.
        """
        with trio.move_on_after(_LAST_MOMENT):
            await self._has_ended.wait()
            raise LinkClosed(str(why)) from why
        return CommandFailed(message=f"not sent: {why}", code="internal", request_id=request_id)

    def _known(self, url: ServerURL, events: Sequence[Event]) -> Sequence[Event]:
        """The events of an answer, unless the stream of its command is unknown.

        Raises:
            LinkClosed: when it is; if it was not unknown all the time.
        """
        refused = events[-1]
        if not isinstance(refused, CommandFailed) or refused.code != "unknown_session":
            self._connector.strays = 0
            return events
        self._connector.strays += 1
        text = f"{url} does not know the stream of a command ({refused.message})"
        if self._connector.strays < _MAX_STRAYS:
            raise LinkClosed(text)
        text += f": is it a resource of the server that {self._connector.url} reaches?"
        return (attrs.evolve(refused, message=text),)

    def _end(self, why: Exception) -> None:
        if self._over is None:
            self._over = why
            self._has_ended.set()
            self._tell.close()

    def _ended(self) -> Exception:
        return afresh(self._over or LinkClosed("the connection has ended"))


def _understood(
    url: ServerURL, response: httpx.Response, body: bytes, request_id: str
) -> Sequence[Event]:
    """What a response says of a command.

    Raises:
        LinkClosed: when it says nothing.
    """
    status = response.status_code
    try:
        return decode_http_answer(body, request_id=request_id)
    except ProtocolError as exc:
        if status >= 500 or status in _TRY_AGAIN:
            raise LinkClosed(f"{url} has answered {status} {response.reason_phrase}") from exc
        usual = url.path[url.path.rfind("/") :]
        wrong = rejection(url, status, response.headers.raw, body, usual_path=usual)
        code = _CODES.get(status, "internal")
        return (CommandFailed(message=str(wrong), code=code, request_id=request_id),)


def _too_large(max_bytes: int) -> LinkClosed:
    return LinkClosed(f"a message has more than {max_bytes} bytes", CloseCode.MESSAGE_TOO_BIG)


class _Measured(httpx.AsyncByteStream):
    """The bytes of a stream, as long as no event of it has too many."""

    def __init__(self, chunks: AsyncIterator[bytes], max_bytes: int) -> None:
        self._chunks = chunks
        self._max_bytes = max_bytes
        self._size = 0
        self._last = b""

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        chunk = await anext(self._chunks)
        text = self._last + chunk
        self._last = text[-1:]
        ends = [each.end() for each in _EVENT_END.finditer(text)]
        # What is too large within a chunk is found when it is decoded.
        self._size = len(text) - ends[-1] if ends else self._size + len(chunk)
        if self._size > self._max_bytes + _FRAMING_BYTES:
            raise _too_large(self._max_bytes)
        return chunk
