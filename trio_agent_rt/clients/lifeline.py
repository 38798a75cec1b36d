"""Keeping a session connected: connect, follow, and connect again when it is cut.

```
 connecting ──up──▶ serving ──cut──▶ judging ──may reconnect──▶ waiting ──▶ connecting
     │ first attempt fails              │ final                    │ out of attempts or time
     ▼                                  ▼                          ▼
   over ◀───────────────────────────────┴──────────────────────────┘
```
"""

from __future__ import annotations

import logging
import math
from collections.abc import Awaitable, Callable

import trio

from .. import errors
from ..protocol import CloseCode, Connected, Event
from .commands import Commands
from .connectors import Attachment, Connector, Link, LinkClosed
from .following import FollowedSession
from .reconnect import Reconnect, final_failure, first_failure, given_up

__all__ = ["Lifeline"]

_log = logging.getLogger(__name__)

_PROVEN_AFTER = 5.0
"""A connection that held so long was a good one, even if nothing happened on it. One that
is cut at once, again and again, must not be retried without a growing delay."""


class Lifeline:
    """The background life of one client.

    Args:
        connect_timeout: how long one attempt may take until commands can be sent.
    """

    def __init__(
        self,
        *,
        connector: Connector,
        session: FollowedSession,
        commands: Commands,
        reconnect: Reconnect,
        connect_timeout: float,
    ) -> None:
        self._connector = connector
        self._session = session
        self._commands = commands
        self._reconnect = reconnect
        self._connect_timeout = connect_timeout
        self._serving: trio.CancelScope | None = None
        self._leaving = False
        self._greeted = False
        self._went_up_at: float | None = None
        self.settled: trio.Event = trio.Event()
        """Set when the first attempt has succeeded, or it is over."""
        self.over: Exception | None = None
        """Why there is no connection any more, once there is none for good."""

    @property
    def connected(self) -> bool:
        """Whether there is a connection now."""
        return self._serving is not None and self._session.ready

    def leave(self) -> bool:
        """Ask for the end; True if there is a connection, which will close in good order."""
        self._leaving = True
        if self._serving is None:
            return False
        self._serving.cancel(reason="the client was left")
        return True

    async def run(self) -> None:
        """Follow the session until it is over."""
        try:
            self.over = await self._follow()
        except Exception as exc:  # a defect of ours must not end the user's nursery
            _log.exception("the client of %s has failed", self._connector.address)
            self.over = errors.ConnectionLost(f"the client has failed: {type(exc).__name__}")
            self.over.__cause__ = exc
        if self.over is not None:
            self._session.finish(self.over)
            self._commands.fail(self.over)
        self.settled.set()

    async def _follow(self) -> Exception | None:
        delays = self._reconnect.delays()
        gone_since = trio.current_time()
        while True:
            failure = await self._connect_once()
            if self._leaving or failure is None:
                return None
            if not self.settled.is_set():
                return first_failure(failure, self._connector.address)
            final = final_failure(failure, self._connector.address, greeted=self._greeted)
            if final is not None:
                return final
            now = trio.current_time()
            if self._proven(now):
                delays = self._reconnect.delays()
                gone_since = now
            delay = next(delays, None)
            if delay is None:
                off = not self._reconnect.enabled
                why = "reconnecting is off" if off else "out of attempts"
                return given_up(failure, self._connector.address, why)
            patience = self._reconnect.give_up_after
            if patience is not None and now + delay - gone_since > patience:
                why = f"it was gone for {patience:g} s"
                return given_up(failure, self._connector.address, why)
            _log.info("%s: %s; next attempt in %.2f s", self._connector.address, failure, delay)
            await trio.sleep(delay)

    async def _connect_once(self) -> Exception | None:
        """Why one connection ended or was not made; None if it ended on our side."""
        self._went_up_at = None
        self._greeted = False
        self._session.begin()
        attachment = Attachment(
            session_id=self._session.session_id,
            last_position=self._session.position,
            deadline=trio.current_time() + self._connect_timeout,
        )

        async def serve(link: Link) -> None:
            await self._serve(link, attachment.deadline)

        try:
            await self._connector.converse(attachment, serve)
        except errors.AgentRTError as exc:
            return exc
        return None

    async def _serve(self, link: Link, deadline: float) -> None:
        failure: Exception | None = None

        async def guarded(work: Callable[[], Awaitable[None]]) -> None:
            nonlocal failure
            try:
                await work()
            except errors.AgentRTError as exc:
                failure = failure or exc
                nursery.cancel_scope.cancel(reason="the connection has ended")

        async def write() -> None:
            while True:
                await link.send(await self._commands.next_to_send())

        async def read() -> None:
            with trio.CancelScope(deadline=deadline) as patience:
                connected = await self._receive(link)
                if not isinstance(connected, Connected):
                    raise errors.NotThisProtocol(
                        f"{self._connector.address} speaks something else: its first message "
                        "is not `connected`"
                    )
                self._session.greet(connected)
                self._greeted = True
                if connected.heartbeat_interval > 0:
                    # Not faster than any server would ask for, lest a wrong number floods it.
                    interval = max(connected.heartbeat_interval, 0.05)
                    nursery.start_soon(guarded, lambda: link.keep_alive(interval))
                while not self._session.ready:
                    await self._read_one(link)
                patience.deadline = math.inf
                nursery.start_soon(guarded, write)
                self._went_up_at = trio.current_time()
                self.settled.set()
                while True:
                    await self._read_one(link)
            raise self._too_late()

        with trio.CancelScope() as scope:
            self._serving = scope
            try:
                async with trio.open_nursery() as nursery:
                    await guarded(read)
            finally:
                self._serving = None
        if failure is not None:
            raise failure

    async def _read_one(self, link: Link) -> None:
        if not self._session.take(await self._receive(link)):
            raise LinkClosed("events were missing", CloseCode.TOO_SLOW)

    async def _receive(self, link: Link) -> Event:
        try:
            return await link.receive()
        except errors.ProtocolError as exc:
            raise errors.NotThisProtocol(
                f"{self._connector.address} has sent a message that is not of this protocol: {exc}"
            ) from exc

    def _too_late(self) -> Exception:
        if not self._greeted:
            return errors.NotThisProtocol(
                f"{self._connector.address} has accepted the connection, but has not sent "
                f"`connected` within {self._connect_timeout:g} s: is it another server?"
            )
        return errors.ConnectFailed(
            f"{self._connector.address} has not told the session's state within "
            f"{self._connect_timeout:g} s"
        )

    def _proven(self, now: float) -> bool:
        up = self._went_up_at
        return up is not None and (self._session.progressed or now - up >= _PROVEN_AFTER)
