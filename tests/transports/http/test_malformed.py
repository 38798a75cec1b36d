"""Bytes that are no HTTP/1.1, or no longer: they end their own connection and nothing else."""

from __future__ import annotations

import logging
import socket
import ssl

import h2.connection
import h2.errors
import h2.events
import pytest
import trio

from tests.transports.http.peers import (
    GET,
    HTTPPeer,
    TestApp,
    ask,
    error_of,
    http,
    open_peer,
    serving,
)
from tests.transports.http.test_serving import contexts
from tests.transports.websocket.peers import TEXT, frame, quick, reset, upgrade
from trio_agent_rt.realtime import Limits, RealtimeAgent
from trio_agent_rt.transports.http import serve_app
from trio_agent_rt.transports.listeners import HTTPAddress

_LENGTHS = ["Content-Length: 5", "Transfer-Encoding: chunked"]
_TWO_LENGTHS = http("/echo", method="POST", headers=_LENGTHS)
_LENGTHS_TURNED = http("/echo", method="POST", headers=_LENGTHS[::-1])
CHUNKED = http("/wait", method="POST", headers=["Transfer-Encoding: chunked"])


async def still_serves(address: HTTPAddress, caplog: pytest.LogCaptureFixture) -> None:
    assert (await ask(address)).json == {"hello": "world"}
    assert not [each for each in caplog.records if each.levelno >= logging.WARNING]


@pytest.mark.parametrize("chunk", [b"zz\r\nabc\r\n", b"-1\r\n", b"3\r\nabcdefgh", b"\xff\xff\r\n"])
async def test_a_bad_chunk_is_answered_with_400_and_its_handler_ends(
    chunk: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    async with serving() as (app, address):
        with trio.fail_after(2):
            async with open_peer(address) as peer:
                await peer.send(CHUNKED)
                await app.until(waiting=1)
                await peer.send(chunk)
                assert error_of(await peer.answered()) == (400, "bad_message")
                await peer.closed()
            await app.until(waiting=0)
        await still_serves(address, caplog)


async def test_a_bad_chunk_while_the_answer_is_written_ends_that_alone(
    caplog: pytest.LogCaptureFixture,
) -> None:
    stream = http("/flood", method="GET", headers=["Transfer-Encoding: chunked"])
    async with serving() as (app, address):
        with trio.fail_after(2):
            async with open_peer(address) as peer:
                await peer.send(stream + b"3\r\nabc\r\nzz\r\n" * 10)
                await peer.stream.receive_some()
            await app.until(streams=0)
        await still_serves(address, caplog)


@pytest.mark.parametrize(
    "following",
    [b"", frame(TEXT, b"{}"), b"\x00" * 5000, GET],
    ids=["nothing", "a frame", "zeros", "a request"],
)
async def test_an_upgrade_to_websocket_is_ignored_whatever_follows_it(
    following: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    limits = Limits(handshake_timeout=0.3)
    async with serving(limits=limits) as (_, address):
        async with open_peer(address) as peer:
            await peer.send(upgrade("/hello") + following)
            assert (await peer.answered()).json == {"hello": "world"}
            if following == GET:
                assert (await peer.answered()).json == {"hello": "world"}
            elif following:
                # A frame has no line in it whose end one would not wait for.
                status, code = error_of(await peer.answered())
                assert status in {400, 408}
                assert code == "bad_message"
        await still_serves(address, caplog)


async def test_an_upgrade_to_http2_is_ignored() -> None:
    headers = ["Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABk"]
    async with serving() as (_, address), open_peer(address) as peer:
        await peer.send(http(headers=headers) + GET)
        assert (await peer.answered()).json == {"hello": "world"}
        assert (await peer.answered()).json == {"hello": "world"}


async def _told_to_speak_http_1(peer: HTTPPeer) -> None:
    client = h2.connection.H2Connection()
    client.initiate_connection()
    head = {":method": "GET", ":path": "/", ":scheme": "http", ":authority": "x"}
    client.send_headers(1, list(head.items()), end_stream=True)
    await peer.send(client.data_to_send())
    events = client.receive_data(await peer.until_end())
    closing = [each for each in events if isinstance(each, h2.events.ConnectionTerminated)]
    assert [each.error_code for each in closing] == [h2.errors.ErrorCodes.HTTP_1_1_REQUIRED]


async def test_prior_knowledge_of_http2_is_refused_in_its_own_words(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with serving() as (_, address):
        async with open_peer(address) as peer:
            await _told_to_speak_http_1(peer)
        await still_serves(address, caplog)


async def test_http2_over_tls_is_refused_even_when_the_context_offers_it() -> None:
    server, client = contexts()
    server.set_alpn_protocols(["http/1.1", "h2"])
    async with serving(ssl_context=server) as (_, address):
        client.set_alpn_protocols(["h2"])
        async with open_peer(address, ssl_context=client) as peer:
            await _told_to_speak_http_1(peer)
        client.set_alpn_protocols(["h2", "http/1.1"])
        async with open_peer(address, ssl_context=client) as peer:
            await peer.send(GET)
            assert (await peer.answered()).status == 200


async def test_a_context_that_prefers_http2_is_an_error_at_the_start() -> None:
    server, _ = contexts()
    server.set_alpn_protocols(["h2", "http/1.1"])
    async with RealtimeAgent(quick) as realtime:
        with pytest.raises(ValueError, match="HTTP/2"):
            await serve_app(TestApp().quart, realtime, port=0, ssl_context=server)


async def test_http2_over_tls_is_not_offered() -> None:
    server, client = contexts()
    client.set_alpn_protocols(["h2", "http/1.1"])
    async with serving(ssl_context=server) as (_, address):
        async with open_peer(address, ssl_context=client) as peer:
            await peer.send(GET)
            assert (await peer.answered()).status == 200
            assert isinstance(peer.stream, trio.SSLStream)
            assert peer.stream.selected_alpn_protocol() is None


@pytest.mark.parametrize(
    ("sent", "status", "code"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", 400, "bad_message"),
        (b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n", 400, "bad_message"),
        (http(headers=["Content-Length: 1", "Content-Length: 2"]), 400, "bad_message"),
        (http(headers=["Content-Length: 1, 2"]), 400, "bad_message"),
        (_TWO_LENGTHS + b"0\r\n\r\n" + GET, 400, "bad_message"),
        (_LENGTHS_TURNED + b"0\r\n\r\n" + GET, 400, "bad_message"),
        (http(headers=["Transfer-Encoding: gzip"]), 501, "bad_message"),
        (http(headers=["X: " + "x" * 20_000])[:-2], 431, "too_large"),
        (http(headers=["X: x"] * 20_000), 431, "too_large"),
        (b"X" * 40_000, 431, "too_large"),
        (http("example.com:443", method="CONNECT"), 501, "bad_message"),
        (http("*", method="OPTIONS"), 400, "bad_message"),
        (http("hello"), 400, "bad_message"),
        (http("http://[::1/hello"), 400, "bad_message"),
        (http("ftp://example.com/hello"), 400, "bad_message"),
        (GET.replace(b"HTTP/1.1", b"HTTP/3.0"), 505, "bad_message"),
    ],
)
async def test_what_cannot_be_served_is_refused_in_json_and_the_connection_closed(
    sent: bytes, status: int, code: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with serving() as (_, address):
        with trio.fail_after(2):
            async with open_peer(address) as peer:
                await peer.send(sent)
                answer = await peer.answered()
                assert error_of(answer) == (status, code)
                assert answer.headers["cache-control"] == "no-store"
                await peer.closed()
        await still_serves(address, caplog)


async def test_a_target_may_be_a_whole_url() -> None:
    async with serving() as (_, address):
        answer = await ask(address, http("http://example.com/hello?to=proxy"))
        assert answer.json == {"hello": "proxy"}


@pytest.mark.parametrize(
    "target", ["/%00", "/%ff%fe", "//", "/hello?%ff=%00", "/" + "a" * 10_000, "/\\", "/[::1"]
)
@pytest.mark.parametrize("host", ["127.0.0.1", "[", "[::1", "a" * 300, "\xff", ":", "a b"])
async def test_odd_targets_and_hosts_are_no_error_of_the_app(
    target: str, host: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with serving() as (_, address):
        answer = await ask(address, http(target, host=host))
        assert 200 <= answer.status < 500
        await still_serves(address, caplog)


async def test_a_reset_at_any_byte_ends_that_connection_alone(
    caplog: pytest.LogCaptureFixture,
) -> None:
    life = GET + http("/echo", method="POST", body=b"abc") + CHUNKED + b"3\r\nabc\r\n"
    async with serving(limits=Limits(close_timeout=0.2)) as (app, address):
        for size in range(0, len(life), 3):
            async with open_peer(address) as peer:
                await peer.send(life[:size])
                assert isinstance(peer.stream, trio.SocketStream)
                reset(peer.stream)
        with trio.fail_after(2):
            await app.until(waiting=0)
        await still_serves(address, caplog)


async def test_a_tls_handshake_that_fails_ends_that_connection_alone(
    caplog: pytest.LogCaptureFixture,
) -> None:
    server, client = contexts()
    async with serving(ssl_context=server) as (_, address):
        async with open_peer(address, ssl_context=ssl.create_default_context()) as peer:
            with pytest.raises(trio.BrokenResourceError):
                await peer.send(GET)
        with socket.create_connection((address.host, address.port)) as plain:
            plain.sendall(b"\x16\x03\x01\xff\xff" + bytes(500))
        async with open_peer(address, ssl_context=client) as peer:
            await peer.send(GET)
            assert (await peer.answered()).status == 200
    assert not [each for each in caplog.records if each.levelno >= logging.WARNING]
