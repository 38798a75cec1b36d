"""A server that a test plays by hand: it is the connector, so no bytes are involved."""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import attrs
import trio

from trio_agent_rt.clients import AgentClient, Attachment, Link, LinkClosed
from trio_agent_rt.protocol import (
    Acknowledged,
    Command,
    CommandFailed,
    Connected,
    Event,
    Outcome,
    Position,
    StatusChanged,
    StepProgressed,
    TaskCompleted,
    TaskOutcome,
)

__all__ = ["FakeLink", "FakeServer", "catch_up", "completed", "progressed", "status"]

C = TypeVar("C", bound=Command)


def status(state: Any = "idle", task_id: str | None = None) -> StatusChanged:
    return StatusChanged(state=state, message=f"it is {state}", task_id=task_id)


def progressed(task_id: str, progress: float) -> StepProgressed:
    return StepProgressed(step_id="s", progress=progress, task_id=task_id)


def completed(task_id: str, outcome: TaskOutcome = "succeeded", **fields: Any) -> TaskCompleted:
    values: dict[str, Any] = {
        "success": outcome == "succeeded",
        "outcome": outcome,
        "output": f"output of {task_id}",
        "summary": None,
        "duration": 1,
        "error": None if outcome == "succeeded" else f"{outcome}: {task_id}",
        "task_id": task_id,
    }
    return TaskCompleted(**(values | fields))


def catch_up(*events: Event) -> list[Event]:
    """The present state, told again; ends with a status, as the contract says."""
    return [attrs.evolve(each, replay=True) for each in (*events, status())]


class FakeServer:
    """One session's server. Everything it says is up to the test, positions included."""

    address = "fake://server"

    def __init__(self) -> None:
        self.attachments: list[Attachment] = []
        self.links: list[FakeLink] = []
        self.attempted_at: list[float] = []
        self.refusals: deque[Exception] = deque()
        self.always_refuse: Exception | None = None
        self.greetings: deque[Sequence[Event | Exception]] = deque()
        """What the next connections are told at once."""
        self._offset = itertools.count(1)
        self._arrive, self._arrivals = trio.open_memory_channel[FakeLink](100)

    async def converse(
        self, attachment: Attachment, serve: Callable[[Link], Awaitable[None]]
    ) -> None:
        self.attachments.append(attachment)
        self.attempted_at.append(trio.current_time())
        await trio.lowlevel.checkpoint()
        if self.refusals:
            raise self.refusals.popleft()
        if self.always_refuse is not None:
            raise self.always_refuse
        link = FakeLink()
        self.links.append(link)
        if self.greetings:
            link.say(*self.greetings.popleft())
        self._arrive.send_nowait(link)
        good = False
        try:
            await serve(link)
            good = True
        finally:
            link.closed_in_good_order = good
            link.gone.set()

    async def accept(self) -> FakeLink:
        """The next connection."""
        return await self._arrivals.receive()

    @asynccontextmanager
    async def client(self, **options: Any) -> AsyncIterator[tuple[AgentClient, FakeLink]]:
        """A client that has entered a fresh session, and its first connection."""
        self.greetings.append([self.connected(), self.live(status())])
        async with AgentClient(self, **options) as client:
            yield client, await self.accept()

    def connected(self, *, resumed: bool = False, **fields: Any) -> Connected:
        values: dict[str, Any] = {
            "client_id": "c",
            "session_id": "session",
            "resumed": resumed,
            "heartbeat_interval": 15.0,
        }
        return Connected(**(values | fields))

    def live(self, event: Event) -> Event:
        """The event in its place in the log."""
        return attrs.evolve(event, position=Position("e", next(self._offset)))

    def skip(self, count: int) -> None:
        """Write events that the test never sees."""
        for _ in range(count):
            next(self._offset)


class FakeLink:
    """One connection; `receive`, `send` and `keep_alive` are the client's side."""

    def __init__(self) -> None:
        self.closed_in_good_order: bool | None = None
        self.gone = trio.Event()
        self._say, self._said = trio.open_memory_channel[Event | Exception](1000)
        self._commands, self._heard = trio.open_memory_channel[Command](1000)
        self._silent = trio.Event()

    async def receive(self) -> Event:
        said = await self._said.receive()
        if isinstance(said, Exception):
            raise said
        return said

    async def send(self, command: Command) -> None:
        await self._commands.send(command)

    async def keep_alive(self, interval: float) -> None:
        await self._silent.wait()
        await trio.sleep(interval)
        raise LinkClosed("silent", 4001)

    # the server's side

    def say(self, *events: Event | Exception) -> None:
        for event in events:
            self._say.send_nowait(event)

    def cut(self, code: int | None = None, reason: str = "") -> None:
        """End the connection after what was said."""
        self._say.send_nowait(LinkClosed(reason, code))

    def fall_silent(self) -> None:
        self._silent.set()

    async def hear(self, kind: type[C]) -> C:
        """The next command, which must be of that kind."""
        command = await self._heard.receive()
        assert isinstance(command, kind), command
        return command

    @property
    def heard_more(self) -> bool:
        return self._heard.statistics().current_buffer_used > 0

    def acknowledge(self, command: Command, outcome: Outcome, **fields: Any) -> None:
        assert command.request_id is not None
        self.say(Acknowledged(request_id=command.request_id, outcome=outcome, **fields))

    def refuse(self, command: Command, code: str, message: str = "no") -> None:
        self.say(CommandFailed(message=message, code=code, request_id=command.request_id))
