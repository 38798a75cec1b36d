"""The proxy passes every byte on, and cuts exactly where it was told."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import trio

from trio_agent_rt.testing import Cut, CuttingProxy, random_cuts


@asynccontextmanager
async def proxied(*cuts: Cut) -> AsyncIterator[tuple[CuttingProxy, int]]:
    """An echo server behind a proxy."""

    async def echo(stream: trio.SocketStream) -> None:
        try:
            async for data in stream:
                await stream.send_all(data)
            await stream.send_eof()
        except trio.BrokenResourceError:
            pass

    async with trio.open_nursery() as nursery:
        listeners = await nursery.start(trio.serve_tcp, echo, 0)
        proxy = CuttingProxy("127.0.0.1", listeners[0].socket.getsockname()[1], cuts=cuts)
        yield proxy, await nursery.start(proxy.serve)
        nursery.cancel_scope.cancel()


async def talk(port: int, data: bytes) -> tuple[bytes, bool]:
    """What came back, and whether the connection was reset."""
    received = b""
    async with await trio.open_tcp_stream("127.0.0.1", port) as stream:
        try:
            await stream.send_all(data)
            await stream.send_eof()
            async for piece in stream:
                received += piece
        except trio.BrokenResourceError:
            return received, True
    return received, False


async def test_without_cuts_every_byte_passes_and_so_do_both_ends() -> None:
    data = bytes(range(256)) * 1000
    with trio.fail_after(5):
        async with proxied() as (proxy, port):
            assert await talk(port, data) == (data, False)
            assert (proxy.connections, proxy.cuts_made) == (1, 0)


@pytest.mark.parametrize("after", [1, 100, 5000])
async def test_it_cuts_after_so_many_bytes_to_the_client(after: int) -> None:
    with trio.fail_after(5):
        async with proxied(Cut(after_bytes=after)) as (proxy, port):
            received, _ = await talk(port, b"x" * 10_000)
            assert received == b"x" * after
            assert proxy.cuts_made == 1
            assert await talk(port, b"whole again") == (b"whole again", False)
            assert (proxy.connections, proxy.cuts_made) == (2, 1)


async def test_it_cuts_after_so_many_bytes_to_the_server() -> None:
    with trio.fail_after(5):
        async with proxied(Cut(after_bytes=100, direction="to_server")) as (proxy, port):
            received, _ = await talk(port, b"x" * 10_000)
            assert len(received) <= 100
            assert proxy.cuts_made == 1


async def test_it_can_cut_before_the_first_byte_and_with_a_reset() -> None:
    with trio.fail_after(5):
        async with proxied(Cut(after_bytes=0, reset=True)) as (proxy, port):
            assert await talk(port, b"x") == (b"", True)
            assert proxy.cuts_made == 1


async def test_it_cuts_on_demand() -> None:
    with trio.fail_after(5):
        async with proxied() as (proxy, port), await trio.open_tcp_stream("127.0.0.1", port) as it:
            await it.send_all(b"x")
            assert await it.receive_some() == b"x"
            proxy.cut_now()
            assert await it.receive_some() == b""


async def test_a_server_that_is_not_there_ends_one_connection_only() -> None:
    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
    port = listeners[0].socket.getsockname()[1]
    await listeners[0].aclose()
    with trio.fail_after(5):
        async with trio.open_nursery() as nursery:
            proxy_port = await nursery.start(CuttingProxy("127.0.0.1", port).serve)
            for _ in range(2):
                assert await talk(proxy_port, b"x") == (b"", True)
            nursery.cancel_scope.cancel()


def test_random_cuts_come_again_with_the_same_seed() -> None:
    assert list(random_cuts(1, 50)) == list(random_cuts(1, 50))
    assert list(random_cuts(1, 50)) != list(random_cuts(2, 50))
    cuts = list(random_cuts(3, 500, to_client=(10, 20), to_server=(30, 40)))
    assert {each.direction for each in cuts} == {"to_client", "to_server"}
    assert {each.reset for each in cuts} == {True, False}
    for each in cuts:
        low, high = (10, 20) if each.direction == "to_client" else (30, 40)
        assert low <= each.after_bytes <= high
