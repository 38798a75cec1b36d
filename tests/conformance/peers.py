"""A peer that speaks the wire contract over a real transport, and nothing of our client.

What every transport has to do is tested with it, so that all of them do the same.
"""

from __future__ import annotations

import functools
import itertools
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, Protocol, TypeVar

import trio
from trio_websocket import WebSocketConnection, open_websocket_url

from trio_agent_rt import RealtimeAgent, serve_websocket
from trio_agent_rt.protocol import (
    Acknowledged,
    Command,
    CommandFailed,
    Connected,
    Event,
    Ping,
    Pong,
    decode_event,
    encode_command,
)

E = TypeVar("E", bound=Event)
_ids = itertools.count()


class Peer(ABC):
    """One connection: sends commands, reads events in the order in which they come."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self._unread = 0

    @property
    def session_id(self) -> str:
        connected = self.events[0]
        assert isinstance(connected, Connected)
        return connected.session_id

    @abstractmethod
    async def send(self, command: Command) -> None:
        """Send a command; its answer, if it has one, is an event."""

    @abstractmethod
    async def receive(self) -> Event:
        """The next event."""

    @abstractmethod
    async def settled(self) -> list[Event]:
        """Everything that was said before now."""

    async def read(self) -> Event:
        event = await self.receive()
        self.events.append(event)
        return event

    async def until(self, kind: type[E], **fields: Any) -> E:
        """The next event of that kind with these fields."""
        while True:
            while self._unread == len(self.events):
                await self.read()
            event = self.events[self._unread]
            self._unread += 1
            if isinstance(event, kind) and all(
                getattr(event, name) == value for name, value in fields.items()
            ):
                return event

    async def answer(self, command: Command) -> Acknowledged | CommandFailed:
        """The answer to a command that has a request id; other events are left for `until`."""
        seen = len(self.events)
        await self.send(command)
        while True:
            for event in self.events[seen:]:
                if (
                    isinstance(event, Acknowledged | CommandFailed)
                    and event.request_id == command.request_id
                ):
                    return event
            await self.read()

    async def outcome(self, command: Command) -> str:
        """The outcome of a command, or the code with which it was refused."""
        answer = await self.answer(command)
        return answer.outcome if isinstance(answer, Acknowledged) else answer.code


class WebSocketPeer(Peer):
    def __init__(self, websocket: WebSocketConnection) -> None:
        super().__init__()
        self._websocket = websocket

    async def send(self, command: Command) -> None:
        await self._websocket.send_message(encode_command(command))

    async def receive(self) -> Event:
        return decode_event(await self._websocket.get_message())

    async def settled(self) -> list[Event]:
        # What answers a ping comes after all that was said before.
        await self.answer(Ping(request_id=f"settled-{next(_ids)}"))
        return [
            each
            for each in self.events
            if not isinstance(each, Pong)
            and not (isinstance(each, Acknowledged) and each.request_id.startswith("settled-"))
        ]


class Connect(Protocol):
    """Opens a connection, to a session of its own or to one that exists."""

    def __call__(
        self, *, session: str | None = None, last: str | None = None
    ) -> AbstractAsyncContextManager[Peer]: ...


Serving = Callable[[RealtimeAgent], AbstractAsyncContextManager[Connect]]
"""Serves an agent over one transport, and gives a way to connect to it."""


@asynccontextmanager
async def over_websocket(realtime: RealtimeAgent) -> AsyncGenerator[Connect]:
    """Serves on a free port of the loopback address."""
    async with trio.open_nursery() as nursery:
        address = await nursery.start(functools.partial(serve_websocket, realtime, port=0))

        @asynccontextmanager
        async def connect(
            *, session: str | None = None, last: str | None = None
        ) -> AsyncGenerator[Peer]:
            query = "&".join(
                f"{name}={value}"
                for name, value in (("session", session), ("lastEventId", last))
                if value
            )
            async with open_websocket_url(f"{address.url}?{query}") as websocket:
                peer = WebSocketPeer(websocket)
                await peer.read()
                yield peer

        yield connect
        nursery.cancel_scope.cancel()
