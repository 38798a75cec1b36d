"""A connection that is written to at once is closed, and left, as any other."""

from __future__ import annotations

import logging
import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import pytest
import trio
import trio.testing

from tests.conftest import DIRECT_WRITES
from tests.transports.websocket.peers import TEXT, RawPeer, open_narrow_peer, quick, serving
from trio_agent_rt.protocol import CloseCode
from trio_agent_rt.realtime import Connection, Limits, RealtimeAgent
from trio_agent_rt.testing import MemoryNetwork
from trio_agent_rt.transports import WebSocketAddress
from trio_agent_rt.transports.websocket.stream import WebSocketStream

pytestmark = pytest.mark.skipif(
    os.environ.get(DIRECT_WRITES) == "off", reason="nothing is written at once"
)

BIG = "x" * 250_000
"""Given to be written at once, and more than a socket with little room takes."""


@asynccontextmanager
async def let_in(address: WebSocketAddress) -> AsyncGenerator[RawPeer]:
    """A peer with as little room for what comes as there may be, let in."""
    async with open_narrow_peer(address) as peer:
        await peer.shake_hands()
        for kind in ("connected", "status"):
            assert (await peer.frames(until=TEXT))[-1].message["type"] == kind
        yield peer


def only_viewer(realtime: RealtimeAgent) -> Connection:
    (session,) = realtime._registry.sessions
    (connection,) = session.connections
    return connection


async def owing(realtime: RealtimeAgent) -> int:
    """Send big events until some of one is owed, and nothing else waits; gives how many."""
    connection = only_viewer(realtime)
    stream = connection._outlet
    assert isinstance(stream, WebSocketStream)
    for number in range(1, 30):
        realtime.broadcast("news", BIG)
        await trio.testing.wait_all_tasks_blocked()
        if stream.owes:
            assert not connection.has_queued
            return number
    raise AssertionError("the sockets take everything")


@pytest.mark.parametrize("flush", [True, False])
async def test_what_is_owed_is_written_before_the_close_frame(flush: bool) -> None:
    async with serving(limits=Limits(close_timeout=10)) as (realtime, address):
        with trio.fail_after(20):
            async with let_in(address) as peer:
                count = await owing(realtime)
                only_viewer(realtime).close(CloseCode.GOING_AWAY, "bye", flush=flush)
                await trio.testing.wait_all_tasks_blocked(0.1)
                *frames, last = await peer.frames()
                assert last.code == CloseCode.GOING_AWAY
                assert [each.message["data"] for each in frames] == [BIG] * count


async def test_one_that_has_just_left_is_no_mistake_of_ours(
    caplog: pytest.LogCaptureFixture,
) -> None:
    network = MemoryNetwork(at_once=(0,))  # each has to be woken
    async with RealtimeAgent(quick) as realtime, trio.open_nursery() as nursery:
        await nursery.start(network.serve_websocket, realtime)
        with caplog.at_level(logging.ERROR):
            for passes in range(12):
                peer = RawPeer(await network.dial("127.0.0.1", 8080))
                await peer.shake_hands()
                await trio.testing.wait_all_tasks_blocked()
                network.lines[-1].cut()
                for _ in range(passes):
                    await trio.lowlevel.checkpoint()
                realtime.broadcast("news", 1)
                for _ in range(3):
                    await trio.lowlevel.checkpoint()
                    realtime.broadcast("news", 1)
                await trio.testing.wait_all_tasks_blocked()
        assert caplog.records == []
        nursery.cancel_scope.cancel()
