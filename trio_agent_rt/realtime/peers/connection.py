"""The seam to a transport: one viewer of one session.

```
 peer ──text──▶ receive() ──▶ session            never waits: answers are queued
 peer ◀─bytes── outlet ◀────────idle── take ◀── what was published
 peer ◀─bytes── next_batch() ◀── channel ◀┘ busy
                                   │ too many events or bytes: overtaken,
                                   ▼ closed with an invitation to resume
```

A transport moves bytes and nothing else: it hands each message of the peer to `receive`,
writes what `next_batch` gives within a deadline, and closes the way `closing` says once
that is empty. It may have an `Outlet`, which is written to while it waits in `next_batch` and
nothing is queued: whoever takes bytes at once needs no Trio task to be woken.
"""

from __future__ import annotations

import logging
import math
import secrets
from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeAlias

import trio

from ...errors import BadJSON, CommandRefused, ProtocolError
from ...events import Encoded, encode, join
from ...protocol import (
    CloseCode,
    Command,
    CommandFailed,
    Event,
    Position,
    decode_command,
    shorten_reason,
)
from ..access import Principal
from .client import Client
from .commands import carry_out, tell_what_holds
from .limits import Limits
from .writing import Form, WriteSome, Writing

if TYPE_CHECKING:
    from ..fanout import Batch, Cohort
    from ..session import Session

__all__ = ["Connection"]

_log = logging.getLogger(__name__)

_Channel: TypeAlias = tuple[trio.MemorySendChannel[Encoded], trio.MemoryReceiveChannel[Encoded]]

MAX_BATCH_BYTES = 256 * 1024
"""What is given to be written at once: big enough that joining pays, small enough that a
slow but honest peer takes it within a write time-out."""

MAX_BAD_MESSAGES = 10
"""So many messages in a row that break the contract close a connection."""


class Connection:
    """One viewer of one session, whatever carries it.

    Made by `RealtimeAgent.connect`; leaving that `async with` detaches it, and touches
    neither the session's tasks nor its other viewers.
    """

    def __init__(
        self,
        session: Session,
        principal: Principal,
        writing: Writing,
        limits: Limits,
        max_events: int,
    ) -> None:
        self.client: Client = Client(session, principal, limits)
        """The peer behind it."""
        self.client.connection = self
        self._session = session
        self.form: Form = (writing.framing, writing.wrap)
        """What its messages look like."""
        self._writing = writing
        self._outlet = writing.outlet
        self.number: int = 0
        """Of what was published in the session, the number of what it is given next."""
        self.last: Position | None = None
        """Where the last event stands that it was given."""
        self.cohort: Cohort | None = None
        """With whom it is written to, which then has its `number` and its `last`."""
        self._max_bytes = limits.log_bytes
        # Opened by the first that has to wait: a viewer who keeps up has none.
        self._channel: _Channel | None = None
        self._max_events = max_events
        self._backlog: list[Encoded] = []
        self._queued = 0
        self._held_events = 0
        self._held_bytes = 0
        # Its transport waits for something to write, and there is nothing.
        self._idle = False
        self._closing: tuple[CloseCode, str] | None = None
        self._closing_event: trio.Event | None = None
        self._bad_messages = 0

    def __repr__(self) -> str:
        return f"<Connection to session {self._session.id[:8]}…>"

    @property
    def client_id(self) -> str:
        """Names the peer; cannot be guessed, and is told to nobody else."""
        return self.client.id

    @property
    def principal(self) -> Principal:
        """On whose behalf the peer speaks."""
        return self.client.principal

    @property
    def session_id(self) -> str:
        """The id of the session that it shows."""
        return self._session.id

    @property
    def gone(self) -> bool:
        """Whether it takes no answers any more."""
        return self._closing is not None

    @property
    def closing(self) -> tuple[CloseCode, str] | None:
        """How the transport is to close it, and why; None while it is to stay open."""
        return self._closing

    async def wait_closing(self) -> None:
        """Return once the transport is to close it, be it that its principal has expired.

        Cancellation: safe.
        """
        if self._closing_event is None:
            self._closing_event = trio.Event()
        if self._closing is not None:
            self._closing_event.set()
        with trio.move_on_at(self.principal.deadline()):
            await self._closing_event.wait()
        if self._closing is None:
            self.expire()

    def expire(self) -> None:
        """Have it closed because its principal's time is over."""
        self.close(CloseCode.NOT_AUTHORISED, "the authorisation has expired", flush=False)

    @trio.lowlevel.enable_ki_protection
    def close(self, code: CloseCode, reason: str = "", *, flush: bool = True) -> None:
        """Ask the transport to close it. Never waits; asking again changes nothing.

        Args:
            flush: whether what waits is to be written first.
        """
        if self._closing is None:
            if flush:
                self._session.bring(self)
                if self._closing is not None:
                    return
            self._closing = (code, shorten_reason(reason))
            drained = self._idle or not flush
            self._step_back()
            if self._channel is not None:
                self._close_channel(self._channel, flush=flush)
            if not flush:
                self._backlog.clear()
                self._queued = 0
            if self._closing_event is not None:
                self._closing_event.set()
            self._writing.on_closing(drained)

    def _open_channel(self) -> _Channel:
        if self._channel is None:
            # Bounded by what is counted: events, and bytes of everything.
            self._channel = trio.open_memory_channel[Encoded](math.inf)
            if self._closing is not None:
                self._close_channel(self._channel, flush=True)
        return self._channel

    @staticmethod
    def _close_channel(channel: _Channel, *, flush: bool) -> None:
        send, receive = channel
        send.close()
        if not flush:
            receive.close()

    async def next_batch(self) -> bytes:
        """All that waits to be written, framed and joined; waits for something to write.

        Returns:
            At most about 256 KiB, but always whole messages; empty once the connection
            is to be closed and nothing is left.

        Cancellation: safe, nothing is lost.
        """
        framing, _ = self.form
        return b"".join(map(framing, await self.next_items()))

    @property
    def has_queued(self) -> bool:
        """Whether something waits to be taken."""
        return bool(self._backlog) or self._queued > 0

    def next_batch_nowait(self) -> bytes:
        """As `next_batch`, or empty if nothing waits.

        From then on its outlet is written to, until `wake` of its `Writing` is called.
        """
        while self.has_queued:
            if items := self._take_next([]):
                framing, _ = self.form
                return b"".join(map(framing, items))
        self._idle = self._closing is None
        return b""

    async def next_items(self) -> Sequence[Encoded]:
        """As `next_batch`, as messages instead of bytes."""
        while True:
            live: list[Encoded] = []
            if self._backlog:
                await trio.lowlevel.checkpoint()
            else:
                _, receive = self._open_channel()
                self._idle = not self._queued and self._closing is None
                try:
                    live.append(await receive.receive())
                except (trio.EndOfChannel, trio.ClosedResourceError):
                    return ()
                finally:
                    self._step_back()
            if items := self._take_next(live):
                return items

    def _take_next(self, live: list[Encoded]) -> Sequence[Encoded]:
        joined = join(self.last, self._take_backlog(), self._take_live(live))
        self.last = joined.last
        if joined.gap:
            self.close(CloseCode.TOO_SLOW, "events were lost on the way; resume", flush=False)
        return joined.items

    def _take_live(self, live: list[Encoded]) -> list[Encoded]:
        """`live` and what else waits, up to a batch."""
        if self._channel is None:
            return live
        _, receive = self._channel
        size = sum(map(len, live))
        while not self._backlog and size < MAX_BATCH_BYTES:
            try:
                live.append(receive.receive_nowait())
            except (trio.WouldBlock, trio.EndOfChannel, trio.ClosedResourceError):
                break
            size += len(live[-1])
        self._queued -= len(live)
        self._held_bytes -= sum(map(len, live))
        self._held_events -= sum(each.position is not None for each in live)
        return live

    def _take_backlog(self) -> list[Encoded]:
        count = size = 0
        while count < len(self._backlog) and size < MAX_BATCH_BYTES:
            size += len(self._backlog[count])
            count += 1
        taken, self._backlog = self._backlog[:count], self._backlog[count:]
        return taken

    def receive(self, text: str | bytes) -> None:
        """Take one message of the peer, and carry it out. Never waits, never raises.

        Answers are queued behind what waits already. Ten messages in a row that break
        the contract close the connection, and so do more commands than the limit.
        """
        if self._closing is not None:
            return
        if self.principal.expired:
            self.expire()
            return
        if not self.client.may_send(len(text)):
            self.reply(CommandFailed(message="too many commands", code="rate_limited"))
            self.close(CloseCode.POLICY_VIOLATION, "too many commands")
            return
        try:
            command = decode_command(text)
        except ProtocolError as exc:
            self.refuse(exc)
            if exc.message_type == "task:submit" or isinstance(exc, BadJSON):
                # What cannot be read may have been one: half an emoji is enough.
                tell_what_holds(self._session, self, request_id=exc.request_id)
            self._bad_messages += 1
            if self._bad_messages >= MAX_BAD_MESSAGES:
                self.close(CloseCode.PROTOCOL_VIOLATED, f"{MAX_BAD_MESSAGES} bad messages in a row")
            return
        self._bad_messages = 0
        self._carry_out(command)

    def _carry_out(self, command: Command) -> None:
        try:
            carry_out(command, self._session, self)
        except CommandRefused as exc:
            exc.request_id = command.request_id
            self.refuse(exc)
        except Exception:
            reference = secrets.token_hex(4)
            _log.exception("command %s failed, reference %s", type(command).__name__, reference)
            message = f"internal error, reference {reference}"
            self.reply(
                CommandFailed(message=message, code="internal", request_id=command.request_id)
            )

    def may_be_told(self, events: int) -> bool:
        """Whether that is within the limit of its client; see `Requester`."""
        return self.client.may_be_told(events)

    def refuse(self, exc: ProtocolError | CommandRefused) -> None:
        """Tell the peer that what it sent was not carried out, and why."""
        self.reply(CommandFailed(message=str(exc), code=exc.code, request_id=exc.request_id))

    def begin(self, backlog: Sequence[Encoded], last: Position) -> None:
        """Set what it is given first, and where in the log it stands then."""
        self._backlog.extend(backlog)
        self.last = last

    @trio.lowlevel.enable_ki_protection
    def reply(self, event: Event) -> None:
        """Queue something for this viewer alone, after all that was published before."""
        self._session.bring(self)
        self.offer(encode(event))

    def take(self, batch: Batch, taken: int | None = None) -> None:
        """Take what was published next: written at once if nothing is in its way.

        Args:
            taken: bytes of it that were written already, by what it has lent; None for none.
        """
        if self._write(batch, taken):
            self.last = batch.last or self.last
        else:
            for each in batch.items:
                self.offer(each)

    def _write(self, batch: Batch, taken: int | None) -> bool:
        outlet = self._outlet
        if outlet is None or not self._idle or batch.size > MAX_BATCH_BYTES:
            return False
        data = batch.to_bytes(self.form)
        return outlet.write_now(data) if taken is None else outlet.note_taken(data, taken)

    def lend(self) -> WriteSome | None:
        """What writes to it, while it keeps up: until it leaves its cohort."""
        if self._outlet is None or not self._idle:
            return None
        return self._outlet.lend(self.leave_cohort)

    def leave_cohort(self) -> None:
        """Be written to alone from now on, from where its cohort stands."""
        if self.cohort is not None:
            self.cohort.remove(self)

    def _step_back(self) -> None:
        self._idle = False
        self.leave_cohort()

    @trio.lowlevel.enable_ki_protection
    def offer(self, item: Encoded) -> None:
        """Queue a message; a viewer that holds back too much is closed instead."""
        if self._closing is not None:
            return
        send, _ = self._open_channel()
        send.send_nowait(item)
        self._queued += 1
        if self._idle:
            self._step_back()
            self._writing.wake()
        self._held_bytes += len(item)
        self._held_events += item.position is not None
        if self._held_events > self._max_events or self._held_bytes > self._max_bytes:
            self.close(CloseCode.TOO_SLOW, "too slow; resume where you were", flush=False)
