"""Events, pings, pongs and closes share a wire, and never meet inside of a frame.

Real sockets with hardly any room, so that writes are cut in the middle all the time.
"""

from __future__ import annotations

import random
from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import pytest
import trio

from tests.transports.websocket.peers import (
    CLOSE,
    PING,
    PONG,
    TEXT,
    Frame,
    RawPeer,
    frame,
    open_narrow_peer,
    open_peer,
    server_and_client_tls,
    serving,
)
from trio_agent_rt.protocol import CloseCode
from trio_agent_rt.realtime import Limits, RealtimeAgent
from trio_agent_rt.transports import WebSocketAddress

EVENTS = 300


class Talker:
    """A peer that pings all the time, and reads when it likes."""

    def __init__(self, peer: RawPeer, chance: random.Random) -> None:
        self.peer = peer
        self.chance = chance
        self.pings: list[bytes] = []
        self.frames: list[Frame] = []

    async def pause(self, longest: int) -> None:
        for _ in range(self.chance.randint(0, longest)):
            await trio.lowlevel.checkpoint()

    async def ping(self) -> None:
        while True:
            payload = f"{len(self.pings)}".encode() * self.chance.choice([1, 20])
            await self.peer.send(frame(PING, payload))
            self.pings.append(payload)
            await self.pause(60)

    async def watch(self, until: str) -> None:
        """Read frames up to an event of that type."""
        while True:
            self.frames += await self.peer.frames(until=TEXT)
            if self.frames[-1].message["type"] == until:
                return
            await self.pause(20)

    def check(self) -> None:
        """All events came in order, and all pongs that came are those of its first pings."""
        assert {each.opcode for each in self.frames} <= {TEXT, PING, PONG}
        told = [each.message for each in self.frames if each.opcode == TEXT]
        numbers = [each["data"]["number"] for each in told if each["type"] == "news"]
        assert numbers == list(range(EVENTS))
        pongs = [each.payload for each in self.frames if each.opcode == PONG]
        assert pongs == self.pings[: len(pongs)]


@asynccontextmanager
async def everybody_watches(
    heartbeat_interval: float,
) -> AsyncGenerator[tuple[RealtimeAgent, WebSocketAddress]]:
    limits = Limits(heartbeat_interval=heartbeat_interval, heartbeat_timeout=60, write_timeout=60)
    options = {"limits": limits, "choose_session": lambda request, principal: "room"}
    with trio.fail_after(60):
        async with serving(**options) as served:
            yield served


async def tell(realtime: RealtimeAgent, chance: random.Random) -> None:
    for number in range(EVENTS):
        padding = "x" * chance.choice([1, 300, 3000, 30_000])
        realtime.broadcast("news", {"number": number, "padding": padding})
        for _ in range(chance.randint(0, 4)):
            await trio.lowlevel.checkpoint()
    realtime.broadcast("end")


@pytest.mark.parametrize("seed", range(4))
async def test_frames_are_whole_and_in_order_whatever_the_sockets_take(seed: int) -> None:
    chance = random.Random(seed)
    async with everybody_watches(0.02) as (realtime, address):
        async with trio.open_nursery() as nursery:
            talkers: list[Talker] = []
            for number in range(4):
                opened = open_narrow_peer(address) if number % 2 else open_peer(address)
                peer = await nursery.start(_kept_open, opened)
                await peer.shake_hands()
                talkers.append(Talker(peer, random.Random(seed + number)))
                await talkers[-1].watch("status")
                nursery.start_soon(talkers[-1].ping)
            async with trio.open_nursery() as watching:
                for each in talkers:
                    watching.start_soon(each.watch, "end")
                await tell(realtime, chance)
            for each in talkers:
                each.check()
            assert any(each.opcode == PONG for talker in talkers for each in talker.frames)
            nursery.cancel_scope.cancel()


@pytest.mark.parametrize("seed", range(4))
async def test_a_close_of_either_side_stands_between_frames(seed: int) -> None:
    chance = random.Random(seed)
    async with everybody_watches(60) as (realtime, address), trio.open_nursery() as nursery:
        peers: list[RawPeer] = []
        for _ in range(4):
            peer = await nursery.start(_kept_open, open_narrow_peer(address))
            await peer.shake_hands()
            await peer.frames(until=TEXT)
            peers.append(peer)
        nursery.start_soon(tell, realtime, chance)
        (session,) = realtime._registry.sessions
        for peer, connection in zip(peers, session.connections, strict=True):
            for _ in range(chance.randint(0, 100)):
                await trio.lowlevel.checkpoint()
            if chance.random() < 0.5:
                await peer.send(frame(CLOSE, (1000).to_bytes(2)))
            else:
                connection.expire()
            *frames, last = await peer.frames()
            assert last.opcode == CLOSE
            assert last.code in {1000, CloseCode.NOT_AUTHORISED}
            numbers = [
                each.message["data"]["number"]
                for each in frames
                if each.opcode == TEXT and each.message["type"] == "news"
            ]
            assert numbers == list(range(len(numbers)))
            assert not await peer.until_end(), "nothing follows"
        nursery.cancel_scope.cancel()


async def test_over_tls_everything_goes_the_ordinary_way_to_everybody() -> None:
    server, client = server_and_client_tls()
    options = {"ssl_context": server, "choose_session": lambda request, principal: "room"}
    with trio.fail_after(60):
        async with serving(**options) as (realtime, address), trio.open_nursery() as nursery:
            talkers: list[Talker] = []
            for number in range(3):
                peer = await nursery.start(_kept_open, open_peer(address, ssl_context=client))
                await peer.shake_hands()
                talkers.append(Talker(peer, random.Random(number)))
                await talkers[-1].watch("status")
            async with trio.open_nursery() as watching:
                for each in talkers:
                    watching.start_soon(each.watch, "end")
                await tell(realtime, random.Random(1))
            for each in talkers:
                each.check()
            (session,) = realtime._registry.sessions
            assert all(each.cohort is None for each in session.connections)
            nursery.cancel_scope.cancel()


async def _kept_open(
    opened: AbstractAsyncContextManager[RawPeer], task_status: trio.TaskStatus[RawPeer]
) -> None:
    async with opened as peer:
        task_status.started(peer)
        await trio.sleep_forever()
