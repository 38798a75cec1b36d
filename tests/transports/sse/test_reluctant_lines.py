"""A stream past the application, over lines that take as much at once as they like."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import h11
import pytest
import trio
import trio.testing
from attrs import define, field

from tests.transports.sse.peers import asked
from tests.transports.websocket.peers import quick
from trio_agent_rt.realtime import Limits, Principal, RealtimeAgent
from trio_agent_rt.transports import Request
from trio_agent_rt.transports.admission import Admission
from trio_agent_rt.transports.http.reception.receiver import receiver
from trio_agent_rt.transports.sse.shortcut import StreamShortcut
from trio_agent_rt.transports.visitors import Visit

MUCH = 1_000_000


class Line(trio.abc.Stream):
    """A connection that takes `ready` bytes without waiting, and the rest when it may."""

    def __init__(self) -> None:
        self.ready = MUCH
        self.open = trio.Event()
        self.heard = bytearray()
        self._say, self._said = trio.testing.memory_stream_one_way_pair()

    async def say(self, data: bytes) -> None:
        """Be the peer, and send something."""
        await self._say.send_all(data)

    async def leave(self) -> None:
        """Be the peer, and send no more."""
        await self._say.aclose()

    def send_nowait(self, data: bytes) -> int:
        """Take what is ready to be taken."""
        taken = min(self.ready, len(data))
        self.heard += data[:taken]
        return taken

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """Take it when the line is open."""
        await self.open.wait()
        self.heard += data

    async def wait_send_all_might_not_block(self) -> None:
        """Wait until the line is open."""
        await self.open.wait()

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        """What the peer says."""
        return await self._said.receive_some(max_bytes)

    async def aclose(self) -> None:
        """Close it."""
        await self._said.aclose()


@define
class Stage:
    """One connection, and all that is behind it."""

    realtime: RealtimeAgent
    shortcut: StreamShortcut
    line: Line
    visit: Visit
    over: trio.Event = field(factory=trio.Event)

    async def attend(self) -> None:
        """Serve the connection."""
        await self.visit.attend()
        self.over.set()

    def body(self, *, ended: bool) -> bytes:
        """What a peer makes of what it has heard, which is in order."""
        parser = h11.Connection(h11.CLIENT)
        parser.send(h11.Request(method="GET", target="/sse", headers=[("host", "x")]))
        parser.send(h11.EndOfMessage())
        parser.receive_data(bytes(self.line.heard))
        found, body = False, b""
        while (event := parser.next_event()) is not h11.NEED_DATA:
            if isinstance(event, h11.Data):
                body += event.data
            if isinstance(event, h11.EndOfMessage):
                found = True
                break
        assert found == ended
        if ended:
            assert body.rpartition(b"\n\n\n")[0] == b""
            assert body.split(b"\n\n")[-2].startswith(b"retry: ")
        return body


@asynccontextmanager
async def stage(authenticate: Any = None, limits: Limits | None = None) -> AsyncGenerator[Stage]:
    """A connection that has just been accepted."""
    async with RealtimeAgent(quick, linger=0, limits=limits) as realtime:
        admission = Admission.for_peers_of(realtime, authenticate=authenticate)
        shortcut = StreamShortcut(realtime, admission, "/sse")
        line = Line()
        receive = receiver(
            None,  # type: ignore[arg-type]
            {},
            realtime,
            ssl_context=None,
            max_body_bytes=1,
            shortcut=shortcut,
        )
        staged = Stage(realtime, shortcut, line, receive(line, lambda proven: None))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(shortcut.run)
            nursery.start_soon(staged.attend)
            try:
                yield staged
            finally:
                staged.visit.cut()
            nursery.cancel_scope.cancel()


@pytest.mark.parametrize("ready", [0, 1, 100, 1000, MUCH])
@pytest.mark.parametrize("later", [0, 1, 100, MUCH])
async def test_everything_comes_once_and_in_order(ready: int, later: int) -> None:
    async with stage() as staged:
        line = staged.line
        line.ready = ready
        await line.say(asked())
        await trio.testing.wait_all_tasks_blocked()
        line.ready = later
        staged.realtime.broadcast("news", "one")
        await trio.testing.wait_all_tasks_blocked()
        staged.realtime.broadcast("news", "two")
        line.open.set()
        await trio.testing.wait_all_tasks_blocked()
        staged.realtime.broadcast("news", "three")
        await trio.testing.wait_all_tasks_blocked()
        body = staged.body(ended=False)
        assert [body.count(each) for each in (b"welcome", b'"connected"', b'"status"')] == [1, 1, 1]
        assert [body.count(each) for each in (b'"one"', b'"two"', b'"three"')] == [1, 1, 1]
        assert body.index(b'"one"') < body.index(b'"two"') < body.index(b'"three"')
        staged.visit.close()
        await trio.testing.wait_all_tasks_blocked()
        staged.body(ended=True)
        await line.leave()
        await staged.over.wait()


@pytest.mark.parametrize("left", [0, 1, 10, MUCH])
@pytest.mark.parametrize("behind", [False, True])
async def test_its_end_comes_whole_whatever_is_taken_of_it_at_once(left: int, behind: bool) -> None:
    async with stage() as staged:
        line = staged.line
        await line.say(asked())
        await trio.testing.wait_all_tasks_blocked()
        if behind:
            line.ready = 0
            staged.realtime.broadcast("news", "one")
            line.open.set()
            await trio.testing.wait_all_tasks_blocked()
            line.open = trio.Event()
        line.ready = left
        staged.visit.close()
        await trio.testing.wait_all_tasks_blocked()
        line.open.set()
        await trio.testing.wait_all_tasks_blocked()
        staged.body(ended=True)


async def test_closed_before_its_first_bytes_are_taken_it_still_ends_in_order() -> None:
    async with stage() as staged:
        staged.line.ready = 0
        await staged.line.say(asked())
        await trio.testing.wait_all_tasks_blocked()
        staged.visit.close()
        await trio.testing.wait_all_tasks_blocked()
        staged.line.open.set()
        await trio.testing.wait_all_tasks_blocked()
        assert b'"connected"' in staged.body(ended=True)


async def test_closed_while_a_hook_decides_it_is_a_stream_that_ends() -> None:
    asking, decide = trio.Event(), trio.Event()

    async def authenticate(request: Request) -> Principal:
        asking.set()
        await decide.wait()
        return Principal("ann")

    async with stage(authenticate) as staged:
        staged.line.open.set()
        await staged.line.say(asked())
        await asking.wait()
        staged.visit.close()
        decide.set()
        await trio.testing.wait_all_tasks_blocked()
        assert b'"connected"' in staged.body(ended=True)


async def test_cut_in_the_moment_of_its_request_it_is_served_by_nobody() -> None:
    async with stage() as staged:
        staged.line.open.set()
        await trio.testing.wait_all_tasks_blocked()
        await staged.line.say(asked("/health"))
        staged.visit.cut()
        with trio.fail_after(5):
            await staged.over.wait()
        assert not staged.line.heard


@pytest.mark.parametrize("ready", [0, MUCH])
async def test_comments_come_whether_or_not_they_are_taken_at_once(
    autojump_clock: trio.testing.MockClock, ready: int
) -> None:
    async with stage(limits=Limits(heartbeat_interval=10.0)) as staged:
        staged.line.open.set()
        staged.line.ready = ready
        await staged.line.say(asked())
        await trio.sleep(35)
        assert staged.body(ended=False).count(b"\n: \n") == 3


async def test_one_that_has_left_is_not_written_to_any_more(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with stage() as staged:
        await staged.line.say(asked())
        await trio.testing.wait_all_tasks_blocked()
        await staged.line.leave()
        await staged.over.wait()
        assert not staged.realtime.session_ids
        heard = bytes(staged.line.heard)
        await trio.sleep(100)
        assert staged.line.heard == heard
        assert not staged.shortcut._pulse._resting


async def test_one_that_takes_nothing_is_cut_at_its_deadline(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with stage(limits=Limits(write_timeout=7.0, heartbeat_interval=600.0)) as staged:
        await staged.line.say(asked())
        await trio.testing.wait_all_tasks_blocked()
        staged.line.ready = 0
        begun = trio.current_time()
        staged.realtime.broadcast("news", "one")
        await staged.over.wait()
        assert trio.current_time() - begun == pytest.approx(7.0)
