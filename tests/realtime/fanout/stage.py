"""A session whose viewers have wires that do as they are told."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import AsyncExitStack, asynccontextmanager

import trio
import trio.testing

from tests.realtime.fanout.wires import Pushed, Wire, nothing, watching
from trio_agent_rt.protocol import CustomEvent
from trio_agent_rt.realtime import Limits, RealtimeAgent
from trio_agent_rt.realtime.session import Session

__all__ = ["Stage", "staged"]


class Stage:
    """A session, and wires to it."""

    def __init__(self, realtime: RealtimeAgent, nursery: trio.Nursery) -> None:
        self.realtime = realtime
        self.nursery = nursery
        self.stack = AsyncExitStack()
        self.id: str | None = None

    @property
    def session(self) -> Session:
        assert self.id is not None
        return self.realtime._registry.find(self.id)

    async def come(self, kind: Callable[[trio.Nursery], Wire] = Pushed) -> Wire:
        wire = kind(self.nursery)
        await self.stack.enter_async_context(watching(self.realtime, wire, self.id))
        self.id = wire.connection.session_id
        await trio.testing.wait_all_tasks_blocked()
        return wire

    def publish(self, *numbers: int) -> None:
        for number in numbers:
            self.session.publish(CustomEvent(type="news", data=number))

    async def until_told(self, wire: Wire, count: int = 1) -> None:
        """Go on, pass by pass, until a wire was told so much."""
        for _ in range(1000):
            if len(wire.told) >= count:
                return
            await trio.lowlevel.checkpoint()
        raise AssertionError(f"it was told {wire.told}")

    async def tell(self, *numbers: int) -> None:
        """Publish, and let everybody be given it."""
        self.publish(*numbers)
        await trio.testing.wait_all_tasks_blocked()


@asynccontextmanager
async def staged(buffer_size: int = 100) -> AsyncGenerator[Stage]:
    limits = Limits(max_connections=3000)
    realtime = RealtimeAgent(nothing, buffer_size=buffer_size, limits=limits, direct_writes=True)
    async with realtime, trio.open_nursery() as nursery:
        stage = Stage(realtime, nursery)
        async with stage.stack:
            yield stage
