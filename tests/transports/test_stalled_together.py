"""Forty peers that read nothing, half of them over each transport, and a shutdown."""

from __future__ import annotations

import functools
import math
import socket
from contextlib import AsyncExitStack

import pytest
import trio
import trio.testing

from tests.transports.sse.peers import Stream, http, open_stream, post, started, until
from tests.transports.websocket.peers import TEXT, RawPeer, open_peer, upgrade
from trio_agent_rt.agent import TaskRun
from trio_agent_rt.realtime import Limits, RealtimeAgent
from trio_agent_rt.transports import ServerAddresses, SSEOptions, WebSocketOptions, serve

STALLED = 20

DRAIN_TIMEOUT = 0.3
CLEANUP_TIMEOUT = 0.5

# What a shutdown may take in all; see RealtimeAgent.
BOUND = DRAIN_TIMEOUT + CLEANUP_TIMEOUT + 1
# On a machine that is busy with other tests; those who are waited for in vain take a minute.
LATE = 1.0

# Nothing but the shutdown itself is to cut them.
PATIENT = Limits(handshake_timeout=60, write_timeout=60, close_timeout=60, heartbeat_interval=60)


async def stubborn(task: str, run: TaskRun) -> None:
    """Drains for as long as it may, and then cleans up for longer than it may."""
    async with run.step("Wait"):
        try:
            await trio.sleep_forever()
        finally:
            async with run.cleanup():
                await trio.sleep_forever()


async def stall(host: str, port: int, request: bytes) -> trio.SocketStream:
    """A peer that has sent its request, and reads nothing ever."""
    mute = trio.socket.socket()
    # So small that a server that writes to it is soon stalled.
    mute.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    await mute.connect((host, port))
    stream = trio.SocketStream(mute)
    await stream.send_all(request)
    return stream


async def flood(realtime: RealtimeAgent, stream: Stream, peer: RawPeer) -> None:
    """More than sockets hold, as fast as the two who read can take it."""
    for number in range(14):
        realtime.broadcast("news", {"number": number, "text": "x" * 500_000})
        assert (await stream.event("news")).message["data"]["number"] == number
        while (await peer.frames(until=TEXT))[-1].message["type"] != "news":
            pass


async def see_the_end(stream: Stream, peer: RawPeer, told: list[str]) -> None:
    """The last events that those who read are told."""
    blocks = await stream.rest()
    told.append([each.message["type"] for each in blocks if each.field("data")][-1])
    frames = await peer.frames()
    told.append(frames[-2].message["type"])
    assert frames[-1].code == 1001


@pytest.mark.parametrize("ending", ["shut_down", "cancelled"])
async def test_stalled_readers_of_both_transports_do_not_delay_a_shutdown(ending: str) -> None:
    agent = RealtimeAgent(
        stubborn,
        limits=PATIENT,
        drain_timeout=DRAIN_TIMEOUT,
        cleanup_timeout=CLEANUP_TIMEOUT,
    )
    began = -math.inf
    told: list[str] = []
    async with AsyncExitStack() as peers, trio.open_nursery() as watching:
        with trio.CancelScope() as outer:
            async with agent as realtime, trio.open_nursery() as nursery:
                addresses: ServerAddresses = await nursery.start(
                    functools.partial(
                        serve, realtime, websocket=WebSocketOptions(port=0), sse=SSEOptions(port=0)
                    )
                )
                websocket, sse = addresses.websocket, addresses.sse
                assert websocket is not None
                assert sse is not None
                stream = await peers.enter_async_context(open_stream(sse))
                peer = await peers.enter_async_context(open_peer(websocket))
                client, session = await started(stream)
                query = f"?session={session}"
                await peer.shake_hands(upgrade(f"/ws{query}"))
                await post(sse, "/task", {"task": "wait", "clientId": client})
                await stream.event("step:start")
                for _ in range(STALLED):
                    for address, request in (
                        (websocket, upgrade(f"/ws{query}")),
                        (sse, http(f"/sse{query}")),
                    ):
                        mute = await stall(address.host, address.port, request)
                        peers.push_async_callback(trio.aclose_forcefully, mute)
                viewers = realtime._registry.find(session)
                with trio.fail_after(20):
                    await until(lambda: len(viewers.connections) == 2 * STALLED + 2)
                    await flood(realtime, stream, peer)
                    await trio.testing.wait_all_tasks_blocked(0.05)
                held = sorted(each._held_bytes > 0 for each in viewers.connections)
                # All of them are stalled in a write, and the two who read have everything.
                assert held == [False] * 2 + [True] * 2 * STALLED
                watching.start_soon(see_the_end, stream, peer, told)
                began = trio.current_time()
                if ending == "shut_down":
                    realtime.begin_shutdown()
                else:
                    outer.cancel()
        assert DRAIN_TIMEOUT + CLEANUP_TIMEOUT < trio.current_time() - began < BOUND + LATE
    # Who reads was told how it ended all the same.
    assert told == ["task:complete"] * 2
