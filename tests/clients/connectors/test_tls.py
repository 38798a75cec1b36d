"""TLS: whom it trusts, and what it says when one side speaks it and the other does not."""

from __future__ import annotations

import gc
import os

import attrs
import pytest
import trio
import trio_websocket
import trustme
from trio.testing import wait_all_tasks_blocked

from trio_agent_rt.clients import open_sse_client, open_websocket_client
from trio_agent_rt.errors import (
    ConnectFailed,
    NotThisProtocol,
)

from .http_server import Exchange, http_server
from .sockets import (
    DIALECTS,
    answering,
    by_dialect,
    failure,
    greeting,
    listening,
    say,
    server_context,
    take_tls,
    trusting,
)


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


def with_tls(url: str) -> str:
    return url.replace("://", "s://")


def without_tls(url: str) -> str:
    return url.replace("s://", "://")


@by_dialect
async def test_an_untrusted_certificate_is_named_at_once(
    dialect: str, authority: trustme.CA
) -> None:
    async with listening(take_tls, server_context(authority, "127.0.0.1"), dialect=dialect) as url:
        error = await failure(url)
    assert isinstance(error, ConnectFailed)
    assert "the certificate of 127.0.0.1:" in str(error)
    assert "is not trusted: unable to get local issuer certificate" in str(error)


@by_dialect
async def test_a_certificate_for_another_name_is_named(dialect: str, authority: trustme.CA) -> None:
    async with listening(
        take_tls, server_context(authority, "other.example"), dialect=dialect
    ) as url:
        error = await failure(url, ssl_context=trusting(authority))
    assert isinstance(error, ConnectFailed)
    assert "IP address mismatch" in str(error)


@by_dialect
async def test_tls_where_there_is_none(dialect: str) -> None:
    async with listening(answering(b"HTTP/1.1 400 Bad Request\r\n\r\n"), dialect=dialect) as url:
        error = await failure(with_tls(url))
    assert isinstance(error, NotThisProtocol)
    assert "does not speak TLS: use {plain}:// instead of {secure}://".format(
        **attrs.asdict(DIALECTS[dialect])
    ) in str(error)


@by_dialect
async def test_no_tls_where_there_is_some(dialect: str, authority: trustme.CA) -> None:
    async with listening(take_tls, server_context(authority, "127.0.0.1"), dialect=dialect) as url:
        error = await failure(without_tls(url))
    assert f"use {DIALECTS[dialect].secure}://" in str(error)


@by_dialect
async def test_a_server_that_hangs_up_in_the_tls_handshake(dialect: str) -> None:
    async with listening(answering(), dialect=dialect) as url:
        error = await failure(with_tls(url))
    assert isinstance(error, ConnectFailed)
    assert "during the TLS handshake" in str(error)


@by_dialect
async def test_tls_that_is_silent(dialect: str) -> None:
    async with listening(answering(close=False), dialect=dialect) as url:
        error = await failure(with_tls(url), connect_timeout=0.2)
    assert isinstance(error, ConnectFailed)
    assert "has not answered within 0.2 s" in str(error)


async def test_over_trusted_tls_it_works(authority: trustme.CA) -> None:
    async def serve(stream: trio.SSLStream[trio.SocketStream]) -> None:
        async with trio.open_nursery() as nursery:
            request = await trio_websocket.wrap_server_stream(nursery, stream)
            connection = await request.accept()
            await say(connection, *greeting())
            with pytest.raises(trio_websocket.ConnectionClosed):
                await connection.get_message()
            assert connection.closed is not None
            closed_with.append(connection.closed.code)
            nursery.cancel_scope.cancel()

    closed_with: list[int] = []
    context = server_context(authority, "127.0.0.1")
    with trio.fail_after(5):
        async with (
            listening(serve, context) as url,
            open_websocket_client(url, ssl_context=trusting(authority)) as client,
        ):
            assert client.connected
    assert closed_with == [1000]


async def test_over_trusted_tls_a_stream_and_commands_work(authority: trustme.CA) -> None:
    async def tools(exchange: Exchange) -> None:
        await exchange.acknowledge("ok")

    context = server_context(authority, "127.0.0.1")
    with trio.fail_after(5):
        async with http_server({"/tools": tools}, context) as server:
            async with open_sse_client(server.url, ssl_context=trusting(authority)) as client:
                assert list(await client.tools()) == []
                await client.tools()
            while server.connections:
                await wait_all_tasks_blocked(0.005)


@by_dialect
async def test_nothing_is_left_open_whatever_went_wrong(
    dialect: str, authority: trustme.CA
) -> None:
    def descriptors() -> int:
        gc.collect()
        return len(os.listdir("/proc/self/fd"))

    async def drop(stream: trio.abc.Stream) -> None:
        await trio.aclose_forcefully(stream)

    refusal = answering(b"HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n")
    async with (
        listening(refusal, dialect=dialect) as refused,
        listening(drop, dialect=dialect) as dropped,
        listening(answering(b"HTTP/1.1 200 OK\r\n\r\n"), dialect=dialect) as other,
        listening(take_tls, server_context(authority, "127.0.0.1"), dialect=dialect) as untrusted,
    ):
        await failure(refused)
        before = descriptors()
        for _ in range(10):
            for url in (refused, dropped, other, untrusted):
                await failure(url)
        await wait_all_tasks_blocked(0.01)
        assert descriptors() <= before + 1
