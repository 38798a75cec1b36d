"""A viewer for tests: speaks to a session over the seam that transports use."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import trio
import trio.testing

from trio_agent_rt.agent import TaskRun
from trio_agent_rt.events import Encoded
from trio_agent_rt.protocol import (
    Acknowledged,
    Command,
    CommandFailed,
    ConfirmationRequested,
    Connected,
    Event,
    StepStarted,
    TaskCompleted,
    decode_event,
    encode_command,
)
from trio_agent_rt.realtime import ANONYMOUS, Connection, Principal, RealtimeAgent

E = TypeVar("E", bound=Event)
AgentFunction = Callable[[str, TaskRun], Awaitable[object]]


class Viewer:
    """Sends commands and collects what comes back, decoded."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.events: list[Event] = []
        self._unread = 0

    def send(self, command: Command) -> None:
        self.connection.receive(encode_command(command))

    async def read(self) -> list[Event]:
        """The next events, at least one; none once the connection is to be closed."""
        items = await self.connection.next_items()
        events = [decode_event(each.json) for each in items]
        self.events += events
        return events

    async def until(self, kind: type[E], **fields: Any) -> E:
        """The next event of that kind with these fields, reading on as needed."""
        while True:
            while self._unread < len(self.events):
                event = self.events[self._unread]
                self._unread += 1
                if isinstance(event, kind) and all(
                    getattr(event, name) == value for name, value in fields.items()
                ):
                    return event
            if not await self.read():
                raise AssertionError(f"closed with {self.connection.closing}; got {self.events}")

    async def answer(self, command: Command) -> Acknowledged | CommandFailed:
        """Send a command that has a request id, and wait for its answer.

        Events that come meanwhile are left for `until`.
        """
        seen = len(self.events)
        self.send(command)
        while True:
            for event in self.events[seen:]:
                if (
                    isinstance(event, Acknowledged | CommandFailed)
                    and event.request_id == command.request_id
                ):
                    return event
            if not await self.read():
                raise AssertionError(f"closed with {self.connection.closing}")

    async def rest(self) -> list[Event]:
        """Everything so far, once nothing more comes by itself."""

        async def read_on() -> None:
            while await self.read():
                pass

        async with trio.open_nursery() as nursery:
            nursery.start_soon(read_on)
            await trio.testing.wait_all_tasks_blocked()
            nursery.cancel_scope.cancel()
        return self.events


@asynccontextmanager
async def viewer(
    realtime: RealtimeAgent,
    *,
    session: str | None = None,
    last: str | None = None,
    principal: Principal = ANONYMOUS,
    create: bool = False,
) -> AsyncGenerator[Viewer]:
    async with realtime.connect(
        framing=Encoded.websocket,
        principal=principal,
        session_id=session,
        last_position=last,
        create=create,
    ) as connection:
        yield Viewer(connection)


def of_task(events: list[Event], task_id: str) -> list[Event]:
    return [
        each for each in events if each.task_id == task_id and not isinstance(each, Acknowledged)
    ]


async def quick(task: str, run: TaskRun) -> object:
    """Ends at once."""
    return f"done: {task}"


async def stepping(task: str, run: TaskRun) -> object:
    """Two steps; the first runs until it is cancelled if the task says `hang`."""
    run.plan(["First", "Second"])
    async with run.step("First") as step:
        step.progress(50, "half")
        if task == "hang":
            await trio.sleep_forever()
        step.result = task
    async with run.step("Second"):
        pass
    return task


async def asking(task: str, run: TaskRun) -> object:
    """Asks once, in its second step."""
    run.plan(["First", "Ask"])
    async with run.step("First"):
        pass
    async with run.step("Ask") as step:
        decision = await step.confirm("May I?")
    return decision.reason or "approved"


__all__ = [
    "ConfirmationRequested",
    "Connected",
    "StepStarted",
    "TaskCompleted",
    "Viewer",
    "asking",
    "of_task",
    "quick",
    "stepping",
    "viewer",
]
