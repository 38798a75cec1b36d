"""A peer that stops reading costs itself, and nobody else."""

from __future__ import annotations

import functools
import json
import math
import socket
from contextlib import AsyncExitStack

import pytest
import trio

from tests.transports.websocket.peers import TEXT, RawPeer, frame, open_peer, serving, upgrade
from trio_agent_rt.agent import TaskRun
from trio_agent_rt.realtime import Limits, RealtimeAgent
from trio_agent_rt.transports import WebSocketAddress, serve_websocket, visitors

PIECE = "x" * 20_000
BOUND = 1.5
"""Seconds in which what is at once has happened on a busy machine too."""


async def chatter(task: str, run: TaskRun) -> str:
    """Says a lot, as fast as it can, to whoever listens; `task` is how often."""
    async with run.step("Talk") as step:
        for _ in range(int(task)):
            step.output(PIECE)
            await trio.sleep(0.002)
    return "done"


async def _stalled(address: WebSocketAddress, session: str) -> RawPeer:
    """A viewer of `session` that is in, and reads nothing."""
    mute = trio.socket.socket()
    mute.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    await mute.connect((address.host, address.port))
    peer = RawPeer(trio.SocketStream(mute))
    await peer.send(upgrade(f"/ws?session={session}"))
    return peer


async def _start(peer: RawPeer, times: int) -> tuple[str, str]:
    """Begin a task of so many pieces; gives the ids of the session and of the client."""
    await peer.shake_hands()
    connected = (await peer.frames(until=TEXT))[0].message["data"]
    submit = {"type": "task:submit", "data": {"task": str(times)}}
    await peer.send(frame(TEXT, json.dumps(submit).encode()))
    return str(connected["sessionId"]), str(connected["clientId"])


async def _until_cut(realtime: RealtimeAgent, session: str, but: str) -> None:
    """Until every viewer of `session` was told to go, except for the client `but`."""
    await trio.lowlevel.checkpoint()
    for connection in realtime._registry.find(session).connections:
        if connection.client_id != but:
            await connection.wait_closing()


async def _until(peer: RawPeer, kind: str) -> tuple[list[str], float]:
    """Positions of all events up to the first `kind`, and the longest wait between two."""
    positions: list[str] = []
    longest, last = 0.0, math.inf
    while True:
        message = (await peer.frames(until=TEXT))[-1].message
        now = trio.current_time()
        longest, last = max(longest, now - last), now
        if "id" in message:
            positions.append(message["id"])
        if message["type"] == kind:
            return positions, longest


async def test_it_delays_no_other_client_and_no_task_and_is_closed_in_time() -> None:
    limits = Limits(write_timeout=1.5, close_timeout=0.2)
    options = {"limits": limits, "linger": 30.0, "agent": chatter}
    async with serving(**options) as (realtime, address), open_peer(address) as peer:
        with trio.fail_after(20):
            session, client = await _start(peer, 500)
            stalled = await _stalled(address, session)
            positions, longest = await _until(peer, "task:complete")
            offsets = [int(each.rpartition("-")[2]) for each in positions]
            # Every event, in order, and none late: for the stalled one would be 1.5 s.
            assert offsets == list(range(offsets[0], offsets[0] + len(offsets)))
            assert longest < limits.write_timeout
            ended = trio.current_time()
            await _until_cut(realtime, session, client)
            assert trio.current_time() - ended < limits.write_timeout + limits.close_timeout + BOUND
            await stalled.stream.aclose()


async def test_a_write_that_is_not_taken_is_cut_at_its_deadline() -> None:
    limits = Limits(write_timeout=0.4)
    async with serving(limits=limits, linger=30.0) as (realtime, address):
        with trio.fail_after(5):
            async with open_peer(address) as peer:
                await peer.shake_hands()
                connected = (await peer.frames(until=TEXT))[0].message["data"]
                stalled = await _stalled(address, str(connected["sessionId"]))
                viewers = realtime._registry.find(connected["sessionId"]).connections
                while len(viewers) < 2:
                    await trio.lowlevel.checkpoint()
                    viewers = realtime._registry.find(connected["sessionId"]).connections
                (viewer,) = [v for v in viewers if v.client_id != connected["clientId"]]
                # More than the sockets hold, less than makes a viewer too slow for the log.
                began = trio.current_time()
                for _ in range(14):
                    realtime.broadcast("news", {"text": "x" * 500_000})
                await viewer.wait_closing()
                assert trio.current_time() - began >= limits.write_timeout
                assert viewer.closing is not None
                assert viewer.closing[0] == 4000
            await stalled.stream.aclose()


async def test_it_can_resume_where_it_was_or_is_told_of_the_gap() -> None:
    limits = Limits(write_timeout=0.3, close_timeout=0.1)
    options = {"limits": limits, "linger": 30.0, "agent": chatter}
    async with serving(**options) as (realtime, address), open_peer(address) as peer:
        with trio.fail_after(20):
            session, client = await _start(peer, 1000)
            stalled = await _stalled(address, session)
            await _until(peer, "task:complete")
            await _until_cut(realtime, session, client)
            await stalled.stream.aclose()
            position = realtime._registry.find(session).log.position
            held = f"{position.epoch}-{position.offset - 5}"
            for seen, kinds in ((held, ["connected"]), ("gone-1", ["connected", "gap"])):
                async with open_peer(address) as again:
                    query = f"/ws?session={session}&lastEventId={seen}"
                    await again.shake_hands(upgrade(query))
                    for kind in kinds:
                        assert (await again.frames(until=TEXT))[-1].message["type"] == kind
                    await _until(again, "task:complete")


async def test_the_server_stops_within_its_bound_while_it_stalls(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(visitors, "_CLOSING_TIMEOUT", 2)
    limits = Limits(write_timeout=60, close_timeout=60)
    async with RealtimeAgent(chatter, limits=limits, linger=0) as realtime:
        async with trio.open_nursery() as nursery, AsyncExitStack() as stack:
            address = await nursery.start(functools.partial(serve_websocket, realtime, port=0))
            peer = await stack.enter_async_context(open_peer(address))
            with trio.fail_after(20):
                session, _ = await _start(peer, 10_000)
                stalled = await _stalled(address, session)
                stack.push_async_callback(trio.aclose_forcefully, stalled.stream)
                # More than the buffers of the two sockets hold.
                written = 0
                while written < 16_000_000:
                    written += len((await peer.frames(until=TEXT))[-1].payload)
                began = trio.current_time()
                await realtime.shut_down()
                while (await peer.frames(until=TEXT))[-1].message["type"] != "task:complete":
                    pass
                # A task that cleans up nothing ends at once, whoever stalls.
                assert trio.current_time() - began < BOUND
                await peer.until_end()
                stalled_at = stack.pop_all()
        # Only the stalled one was still there, and was cut.
        assert 2 <= trio.current_time() - began < 2 + BOUND
        await stalled_at.aclose()
