"""Whatever happens in whichever order, a viewer gets all that is for it, once and in order."""

from __future__ import annotations

from contextlib import AsyncExitStack
from typing import Any

import hypothesis
import pytest
import trio
import trio.testing
from hypothesis import strategies as st

from tests.realtime.fanout.wires import Pulled, Pushed, Wire, nothing, watching
from trio_agent_rt.protocol import CloseCode, CommandFailed, CustomEvent
from trio_agent_rt.realtime import RealtimeAgent
from trio_agent_rt.realtime.fanout import cohort, flusher

_VIEWERS = 6

_whichever = st.integers(0, _VIEWERS - 1)
_steps = st.one_of(
    st.tuples(st.just("publish"), st.integers(1, 3)),
    st.tuples(st.just("publish"), st.just(15)),
    st.tuples(st.just("pass"), st.integers(1, 3)),
    st.tuples(
        st.sampled_from(
            [
                *("reply", "come", "go", "refuse", "part", "break", "recall"),
                *("stick", "unstick", "beat", "close"),
            ]
        ),
        _whichever,
    ),
)


class Watched:
    """A viewer, and what it is to be told."""

    def __init__(self, wire: Wire, stack: AsyncExitStack) -> None:
        self.wire = wire
        self.stack = stack
        self.expected: list[object] = []

    @property
    def closing(self) -> CloseCode | None:
        closing = self.wire.connection.closing
        return None if closing is None else closing[0]

    def expect(self, what: object) -> None:
        if self.closing is None:
            self.expected.append(what)

    def check(self) -> None:
        told = self.wire.told
        if self.closing in {None, CloseCode.GOING_AWAY}:
            assert told == self.expected
        else:
            assert told == self.expected[: len(told)]


class Play:
    """One session whose viewers come and go."""

    def __init__(self, realtime: RealtimeAgent, session: str, nursery: trio.Nursery) -> None:
        self.realtime = realtime
        self.session = session
        self.nursery = nursery
        self.present: dict[int, Watched] = {}
        self.count = 0

    async def do(self, step: str, which: int) -> None:
        if step == "publish":
            for _ in range(which):
                self._publish()
        elif step == "pass":
            for _ in range(which):
                await trio.lowlevel.checkpoint()
        elif step == "come":
            if which not in self.present:
                await self._come(which)
        elif which in self.present:
            await self._trouble(step, which, self.present[which])

    def _publish(self) -> None:
        self.count += 1
        for each in self.present.values():
            each.expect(self.count)
        session = self.realtime._registry.find(self.session)
        session.publish(CustomEvent(type="news", data=self.count))

    async def _come(self, which: int) -> None:
        stack = AsyncExitStack()
        wire = (Pulled if which % 2 else Pushed)(self.nursery)
        await stack.enter_async_context(watching(self.realtime, wire, self.session))
        self.present[which] = Watched(wire, stack)

    async def _trouble(self, step: str, which: int, viewer: Watched) -> None:
        wire = viewer.wire
        match step:
            case "reply":
                self.count += 1
                viewer.expect(f"{self.count}")
                wire.connection.reply(CommandFailed(message=f"{self.count}", code="internal"))
            case "go":
                told = wire.told
                assert told == viewer.expected[: len(told)]
                del self.present[which]
                wire.free.set()
                await viewer.stack.aclose()
            case "refuse":
                wire.refusals += 1
            case "part":
                wire.parts += 1
            case "recall":
                wire.recall()
            case "break":
                wire.breaks = True
            case "stick" if wire.free.is_set():
                wire.free = trio.Event()
            case "unstick":
                wire.free.set()
            case "beat":
                if isinstance(wire, Pulled):
                    wire.beat()
            case "close":
                wire.connection.close(CloseCode.GOING_AWAY)
            case _:
                pass

    async def end(self) -> None:
        for each in self.present.values():
            each.wire.free.set()
        await trio.testing.wait_all_tasks_blocked()
        for each in self.present.values():
            each.check()
            await each.stack.aclose()


@hypothesis.settings(max_examples=100)
@hypothesis.given(steps=st.lists(_steps, max_size=60), together=st.sampled_from([1, 2, 8]))
async def test_a_viewer_gets_all_that_is_for_it_once_and_in_order(
    steps: list[Any], together: int
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cohort, "_MAX_MEMBERS", together)
        patch.setattr(flusher, "_WRITES_AT_ONCE", 1)  # others have their turn after each viewer
        async with RealtimeAgent(nothing, buffer_size=3) as realtime:
            async with trio.open_nursery() as nursery:
                async with watching(realtime, Pushed(nursery)) as host:
                    play = Play(realtime, host.session_id, nursery)
                    for which in range(_VIEWERS - 1):
                        await play.do("come", which)
                    for step, which in steps:
                        await play.do(step, which)
                    await play.end()
