"""Streams in memory behave as TCP does, and break where they were told to."""

from __future__ import annotations

from typing import Any

import pytest
import trio
import trio.testing

from trio_agent_rt import RealtimeAgent
from trio_agent_rt.errors import ConnectFailed
from trio_agent_rt.testing import (
    FakeAgent,
    Fault,
    MemoryLine,
    MemoryNetwork,
    MemoryStream,
    Works,
    memory_stream_pair,
)
from trio_agent_rt.testing.memory.messages import MessageEnds


async def test_they_keep_to_trios_rules_for_streams() -> None:
    async def make() -> tuple[MemoryStream, MemoryStream]:
        await trio.lowlevel.checkpoint()
        return memory_stream_pair()

    async def make_clogged() -> tuple[MemoryStream, MemoryStream]:
        client, server = memory_stream_pair(capacity=10)
        await client.send_all(bytes(10))
        await server.send_all(bytes(10))
        return client, server

    await trio.testing.check_half_closeable_stream(make, make_clogged)


async def test_closing_with_bytes_unread_takes_them_from_the_other_side_too() -> None:
    client, server = memory_stream_pair()
    await client.send_all(b"unread")
    await server.send_all(b"the answer")
    await server.aclose()
    with pytest.raises(trio.BrokenResourceError):
        await client.receive_some()


async def test_a_cut_lets_what_came_before_arrive() -> None:
    client, server = memory_stream_pair(fault=Fault(kind="cut", after_bytes=3))
    await server.send_all(b"abcdef")
    assert await client.receive_some() == b"abc"
    assert await client.receive_some() == b""
    assert await server.receive_some() == b""
    await server.send_all(b"x")
    with pytest.raises(trio.BrokenResourceError):
        await server.send_all(b"x")


async def test_a_reset_takes_what_was_not_read() -> None:
    client, server = memory_stream_pair(fault=Fault(kind="reset", after_bytes=3))
    await server.send_all(b"abcdef")
    for end in (client, server):
        with pytest.raises(trio.BrokenResourceError):
            await end.receive_some()


async def test_a_stall_holds_up_the_sender_and_nobody_else(
    autojump_clock: trio.testing.MockClock,
) -> None:
    fault = Fault(kind="stall", after_bytes=3)
    client, server = memory_stream_pair(fault=fault, capacity=10)
    await server.send_all(b"abcdef")
    assert await client.receive_some() == b"abc"
    await client.send_all(b"still here")
    assert await server.receive_some() == b"still here"
    for waiting in (client.receive_some, lambda: server.send_all(bytes(100))):
        with trio.move_on_after(5) as scope:
            await waiting()
        assert scope.cancelled_caught


async def test_what_was_stalled_arrives_when_it_goes_on(
    autojump_clock: trio.testing.MockClock,
) -> None:
    line = MemoryLine()
    line.stall()
    await line.server.send_all(b"abc")
    await line.server.send_eof()
    assert not line.client.is_readable()
    line.resume()
    assert await line.client.receive_some() == b"abc"
    assert await line.client.receive_some() == b""


async def test_what_is_dropped_is_gone_and_nobody_is_told(
    autojump_clock: trio.testing.MockClock,
) -> None:
    client, server = memory_stream_pair(fault=Fault(kind="drop", after_bytes=3), capacity=10)
    await server.send_all(bytes(1000))
    assert await client.receive_some() == bytes(3)
    with trio.move_on_after(5) as scope:
        await client.receive_some()
    assert scope.cancelled_caught


async def test_of_a_half_open_connection_one_side_knows_nothing(
    autojump_clock: trio.testing.MockClock,
) -> None:
    client, server = memory_stream_pair(fault=Fault(kind="half_open"))
    await server.send_all(bytes(10**6))
    with trio.move_on_after(5) as scope:
        await server.receive_some()
    assert scope.cancelled_caught
    with pytest.raises(trio.BrokenResourceError):
        await client.receive_some()
    with pytest.raises(trio.BrokenResourceError):
        await client.send_all(b"x")


async def test_a_send_fails_when_it_is_told_to() -> None:
    client, server = memory_stream_pair(fault=Fault(kind="fail", after_sends=1))
    await server.send_all(b"one")
    assert await client.receive_some() == b"one"
    with pytest.raises(trio.BrokenResourceError):
        await server.send_all(b"two")
    with pytest.raises(trio.BrokenResourceError):
        await client.receive_some()


async def test_bytes_are_on_their_way_for_as_long_as_they_were_told(
    autojump_clock: trio.testing.MockClock,
) -> None:
    client, server = memory_stream_pair(delay=3)
    began = trio.current_time()
    await server.send_all(b"slow")
    assert trio.current_time() == began
    assert not client.is_readable()
    assert await client.receive_some() == b"slow"
    assert trio.current_time() == began + 3


HEAD = b"HTTP/1.1 101 x\r\nUpgrade: websocket\r\n\r\n"
FRAMES = b"\x81\x03abc" + b"\x81\x7e\x00\x80" + bytes(128) + b"\x88\x80" + bytes(4)


@pytest.mark.parametrize("piece", [1, 2, 3, 7, 1000])
def test_messages_end_where_they_end_however_they_are_split(piece: int) -> None:
    frames_end = [len(HEAD), len(HEAD) + 5, len(HEAD) + 137, len(HEAD) + 143]
    stream = b"HTTP/1.1 200 OK\r\n\r\n" + b"id: 1\ndata: x\n\n" + b": \n\n"
    for data, ends in ((HEAD + FRAMES, frames_end), (stream, [19, 34, 38])):
        found: list[int] = []
        counter = MessageEnds()
        for at in range(0, len(data), piece):
            found += [at + end for end in counter.feed(data[at : at + piece])]
        assert found == ends


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ({"kind": "melt"}, "kind must be one of"),
        ({"kind": "cut", "after_bytes": 1, "after_messages": 1}, "give one of"),
        ({"kind": "cut", "after_bytes": -1}, "before the first byte"),
    ],
)
def test_a_fault_that_makes_no_sense_is_refused(arguments: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        Fault(**arguments)


@pytest.mark.parametrize("kind", ["websocket", "sse"])
@pytest.mark.parametrize("delay", [0.0, 0.2])
async def test_a_network_joins_real_servers_and_clients(
    kind: str, delay: float, autojump_clock: trio.testing.MockClock
) -> None:
    network = MemoryNetwork(faults=[Fault(kind="cut", after_messages=5)], delay=delay)
    async with RealtimeAgent(FakeAgent(Works(1))) as realtime, trio.open_nursery() as nursery:
        await nursery.start(getattr(network, f"serve_{kind}"), realtime)
        async with getattr(network, f"open_{kind}_client")() as client:
            task = await client.submit("a task")
            assert await task.result() == "done"
        assert len(network.lines) > 1
        nursery.cancel_scope.cancel()


async def test_nobody_listens_is_told_as_over_tcp() -> None:
    with pytest.raises(ConnectFailed, match="nothing listens at"):
        async with MemoryNetwork().open_websocket_client():
            pass


@pytest.mark.parametrize("kind", ["websocket", "sse"])
async def test_a_server_that_was_cancelled_is_not_at_its_port_any_more(
    kind: str, autojump_clock: trio.testing.MockClock
) -> None:
    network = MemoryNetwork()
    async with RealtimeAgent(FakeAgent()) as realtime:
        async with trio.open_nursery() as nursery:
            await nursery.start(getattr(network, f"serve_{kind}"), realtime)
            nursery.cancel_scope.cancel()
        with pytest.raises(ConnectFailed, match="refused"):
            async with getattr(network, f"open_{kind}_client")():
                pass


async def test_without_waiting_it_takes_what_there_is_room_for_and_the_part_it_was_told() -> None:
    client, server = memory_stream_pair(capacity=10, at_once=(1, 0.5, 0))
    assert server.send_nowait(b"abcd") == 4
    assert server.send_nowait(b"efgh") == 2
    assert server.send_nowait(b"gh") == 0
    assert server.send_nowait(b"ghijklmn") == 4, "there is no room for more"
    assert await client.receive_some() == b"abcdefghij"
    assert server.send_nowait(b"kl") == 1
    await client.aclose()
    assert server.send_nowait(b"l") == 0
    assert server.send_nowait(b"l") == 0


async def test_a_send_without_waiting_fails_as_others_do_and_says_so_next() -> None:
    client, server = memory_stream_pair(fault=Fault(kind="fail", after_sends=1))
    assert server.send_nowait(b"one") == 3
    assert await client.receive_some() == b"one"
    assert server.send_nowait(b"two") == 0
    with pytest.raises(trio.BrokenResourceError):
        await server.send_all(b"two")
