"""A stream that is written to without waiting: whole, in order, and nothing before what is owed."""

from __future__ import annotations

import os
import random
import socket
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager, suppress

import pytest
import trio
import trio.testing

from trio_agent_rt.protocol import CloseCode, websocket_close_frame
from trio_agent_rt.streams import BoundedStream
from trio_agent_rt.testing import memory_stream_pair
from trio_agent_rt.transports.websocket.stream import WebSocketStream


@asynccontextmanager
async def linked(
    write_timeout: float = 30,
) -> AsyncGenerator[tuple[BoundedStream, trio.SocketStream]]:
    """A stream over TCP, and its peer, with as little room between them as there may be."""
    with trio.fail_after(30):
        listening = trio.socket.socket()
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        await listening.bind(("127.0.0.1", 0))
        listening.listen()
        mine = trio.socket.socket()
        mine.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        await mine.connect(listening.getsockname())
        theirs, _ = await listening.accept()
        listening.close()
        peer = trio.SocketStream(theirs)
        stream = BoundedStream(trio.SocketStream(mine), write_timeout=write_timeout)
        try:
            yield stream, peer
        finally:
            await trio.aclose_forcefully(stream)
            await trio.aclose_forcefully(peer)


async def read(peer: trio.abc.ReceiveStream, size: int) -> bytes:
    data = b""
    while len(data) < size:
        piece = await peer.receive_some(size - len(data))
        assert piece, f"ended after {len(data)} of {size} bytes"
        data += piece
    return data


CLOSE = websocket_close_frame(CloseCode.NORMAL)
BIG = bytes(range(256)) * 4000  # much more than the sockets hold


async def test_what_the_peer_takes_is_written_at_once() -> None:
    async with linked() as (stream, peer):
        told: list[str] = []
        stream.pays_back(lambda: told.append("owing"))
        assert stream.write_now(b"one")
        assert stream.write_now(b"two")
        assert not stream.owes
        assert told == []
        assert await read(peer, 6) == b"onetwo"


async def test_a_part_is_owed_and_nothing_is_taken_until_it_is_paid() -> None:
    async with linked() as (stream, peer):
        told: list[str] = []
        stream.pays_back(lambda: told.append("owing"))
        assert stream.write_now(BIG)
        assert stream.owes
        assert stream.busy
        assert told == ["owing"]
        assert not stream.write_now(b"x")
        async with trio.open_nursery() as nursery:
            nursery.start_soon(stream.send_all, b"")
            assert await read(peer, len(BIG)) == BIG
        assert not stream.owes
        assert not stream.busy
        assert stream.write_now(b"after")
        assert await read(peer, 5) == b"after"
        assert told == ["owing"]


async def test_whoever_writes_next_writes_what_is_owed_before() -> None:
    async with linked() as (stream, peer):
        assert stream.write_now(BIG)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(stream.send_all, b"next")
            await trio.testing.wait_all_tasks_blocked()
            assert not stream.write_now(b"x"), "somebody is writing"
            nursery.start_soon(stream.send_all, b"last")
            assert await read(peer, len(BIG) + 8) == BIG + b"nextlast"


async def test_in_the_middle_of_a_write_nothing_is_taken() -> None:
    async with linked() as (stream, peer):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(stream.send_all, BIG)
            await trio.testing.wait_all_tasks_blocked()
            assert stream.busy
            assert not stream.owes
            assert await read(peer, 50_000) == BIG[:50_000]
            assert not stream.write_now(b"x")
            assert await read(peer, len(BIG) - 50_000) == BIG[50_000:]


async def test_the_end_is_said_after_what_is_owed() -> None:
    async with linked() as (stream, peer):
        assert stream.write_now(BIG)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(stream.send_eof)
            assert await read(peer, len(BIG)) == BIG
            assert await peer.receive_some() == b""


async def test_what_is_owed_has_a_deadline_and_then_nothing_follows() -> None:
    async with linked(write_timeout=0.1) as (stream, peer):
        assert stream.write_now(BIG)
        with pytest.raises(trio.BrokenResourceError):
            await stream.send_all(b"next")
        assert not stream.write_now(b"x")
        with pytest.raises(trio.BrokenResourceError):
            await stream.send_all(b"x")
        data = b""
        with suppress(trio.BrokenResourceError):
            while piece := await peer.receive_some():
                data += piece
        assert BIG.startswith(data)


@pytest.mark.parametrize("both", [False, True])
async def test_one_that_is_closed_takes_nothing(both: bool) -> None:
    async with linked() as (stream, _):
        assert isinstance(stream.transport, trio.SocketStream)
        await stream.transport.aclose()
        if both:
            await stream.aclose()
        with trio.socket.socket():  # may be given the same file descriptor
            assert not stream.write_now(b"x")
        assert not stream.owes


async def test_a_peer_that_is_gone_is_no_error_but_a_refusal() -> None:
    async with linked() as (stream, peer):
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, bytes((1, 0, 0, 0, 0, 0, 0, 0)))
        await trio.aclose_forcefully(peer)
        with pytest.raises(trio.BrokenResourceError):
            await stream.receive_some()
        assert not stream.write_now(b"x")
        with pytest.raises(trio.BrokenResourceError):
            await stream.send_all(b"x")


async def test_one_in_memory_takes_a_part_and_owes_the_rest() -> None:
    client, server = memory_stream_pair(at_once=(0.5,))
    stream = BoundedStream(server, write_timeout=5)
    assert stream.write_now(b"abcd")
    assert stream.owes
    await stream.send_all(b"ef")
    assert await read(client, 6) == b"abcdef"


async def test_what_only_send_all_can_write_to_takes_nothing() -> None:
    left, right = trio.testing.memory_stream_pair()
    stream = BoundedStream(left, write_timeout=5)
    assert not stream.write_now(b"x")
    await stream.send_all(b"y")
    assert await right.receive_some() == b"y"


async def test_what_it_has_lent_writes_at_once_and_says_how_much() -> None:
    async with linked() as (stream, peer):
        write = stream.lend(lambda: None)
        assert write is not None
        assert write(b"one") == 3
        taken = write(BIG)
        assert 0 < taken < len(BIG)
        assert stream.note_taken(BIG, taken)
        assert not stream.note_taken(b"x", 0)
        assert stream.owes
        async with trio.open_nursery() as nursery:
            nursery.start_soon(stream.send_all, b"last")
            assert await read(peer, 3 + len(BIG) + 4) == b"one" + BIG + b"last"


@pytest.mark.parametrize("how", ["send_all", "nothing", "send_eof", "aclose", "owing", "rest"])
async def test_what_it_has_lent_is_recalled_before_anything_else_happens(how: str) -> None:
    async with linked() as (stream, _):
        seen: list[tuple[int, bool]] = []
        assert isinstance(stream.transport, trio.SocketStream)
        raw = stream.transport.socket

        def note() -> None:
            seen.append((raw.fileno(), stream.owes))

        descriptor = raw.fileno()
        write = stream.lend(note)
        assert write is not None
        assert stream.write_now(b"whole"), "which disturbs nobody"
        assert not seen
        match how:
            case "send_all":
                await stream.send_all(b"x")
            case "nothing":
                await stream.send_all(b"")
            case "send_eof":
                await stream.send_eof()
            case "aclose":
                await stream.aclose()
            case "owing":
                assert stream.write_now(BIG)
            case _:
                assert stream.note_taken(BIG, write(BIG))
        assert seen == [(descriptor, False)]


async def test_what_it_has_lent_writes_to_nobody_else_once_it_is_closed() -> None:
    async with linked() as (stream, _):
        assert isinstance(stream.transport, trio.SocketStream)
        write = stream.lend(lambda: None)
        assert write is not None
        descriptor = stream.transport.socket.fileno()
        stream.transport.socket.close()  # by somebody who asked nobody
        left, right = socket.socketpair()
        with left, right:
            others = {left.fileno(), right.fileno()}
            if descriptor not in others:
                os.dup2(left.fileno(), descriptor)
            with pytest.raises(OSError, match="Bad file descriptor"):
                write(b"secret")
            if descriptor not in others:
                os.close(descriptor)
            for each in (left, right):
                each.setblocking(False)
                with pytest.raises(BlockingIOError):
                    each.recv(10)


async def test_trio_has_its_socket_where_it_is_looked_for() -> None:
    # Otherwise every write to many asks for the descriptor first, which costs some of them.
    async with linked() as (stream, _):
        write = stream.lend(lambda: None)
        assert isinstance(getattr(write, "__self__", None), socket.socket)


async def test_after_a_write_that_failed_nothing_is_lent() -> None:
    async with linked(write_timeout=0.05) as (stream, _):
        with pytest.raises(trio.BrokenResourceError):
            await stream.send_all(BIG)
        assert stream.lend(lambda: None) is None, "it is torn"


async def test_it_lends_nothing_while_something_is_in_the_way() -> None:
    async with linked() as (stream, peer):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(stream.send_all, BIG)
            await trio.testing.wait_all_tasks_blocked()
            assert stream.lend(lambda: None) is None, "something is being written"
            await read(peer, len(BIG))
        assert stream.write_now(BIG)
        assert stream.lend(lambda: None) is None, "something is owed"
        await stream.aclose()
        assert stream.lend(lambda: None) is None, "it is closed"
    async with linked() as (stream, _):
        await stream.transport.aclose()
        assert stream.lend(lambda: None) is None, "it was closed by somebody else"
    left, _ = trio.testing.memory_stream_pair()
    assert BoundedStream(left, write_timeout=5).lend(lambda: None) is None, "only send_all writes"


@pytest.mark.parametrize("how", ["goodbye", "nothing said", "close frame"])
async def test_a_websocket_lends_nothing_behind_its_end(how: str) -> None:
    async with linked() as (bounded, peer):
        stream = WebSocketStream(bounded.transport, write_timeout=5)
        assert stream.lend(lambda: None) is None, "the peer was not let in"
        await stream.open(b"answer")
        told: list[str] = []
        assert stream.lend(lambda: told.append("recalled"))
        if how == "close frame":
            await stream.send_all(CLOSE)
        else:
            await trio.aclose_forcefully(peer)
            await stream.finish(CLOSE if how == "goodbye" else b"", within=1)
        assert told == ["recalled"]
        assert stream.lend(lambda: None) is None


@pytest.mark.parametrize("seed", range(5))
async def test_every_byte_comes_once_and_in_order_whatever_the_peer_takes(seed: int) -> None:
    chance = random.Random(seed)
    async with linked() as (stream, peer):
        taken = bytearray()
        heard = bytearray()

        async def hear() -> None:
            while piece := await peer.receive_some(chance.randint(1, 20_000)):
                heard.extend(piece)
                for _ in range(chance.randint(0, 3)):
                    await trio.lowlevel.checkpoint()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(hear)
            stream.pays_back(lambda: nursery.start_soon(stream.send_all, b""))
            lent: list[Callable[[bytes], int]] = []
            for number in range(300):
                data = number.to_bytes(2) * chance.choice([1, 10, 3000, 30_000])
                if not lent and chance.random() < 0.5 and (write := stream.lend(lent.clear)):
                    lent.append(write)
                if lent:
                    with suppress(BlockingIOError):
                        taken += data[: (count := lent[0](data))]
                        assert stream.note_taken(data, count)
                        taken += data[count:]
                elif stream.write_now(data):
                    taken += data
                elif chance.random() < 0.3:
                    taken += data
                    await stream.send_all(data)
                if chance.random() < 0.5:
                    await trio.lowlevel.checkpoint()
            await stream.send_eof()
        assert heard == taken
