"""Peers that are slow, send too much, take nothing or do not wait their turn."""

from __future__ import annotations

import logging
import socket
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager

import pytest
import trio
from attrs import evolve

from tests.transports.http.peers import (
    GET,
    STREAM,
    HTTPPeer,
    TestApp,
    ask,
    error_of,
    http,
    open_peer,
    serving,
)
from tests.transports.websocket.peers import quick
from trio_agent_rt.realtime import Limits, RealtimeAgent
from trio_agent_rt.transports.http.reception.receiver import receiver
from trio_agent_rt.transports.listeners import HTTPAddress

PATIENT = Limits(handshake_timeout=60, write_timeout=60, close_timeout=0.2)
HASTY = Limits(handshake_timeout=0.2, write_timeout=0.2, close_timeout=0.2)
POST = http("/echo", method="POST", headers=["Content-Length: 10"])


@pytest.mark.parametrize("requests", [0, 1])
async def test_a_head_that_takes_too_long_is_answered_with_408(requests: int) -> None:
    async with serving(limits=HASTY) as (_, address), open_peer(address) as peer:
        for _ in range(requests):
            await peer.send(GET)
            await peer.answered()
        with trio.fail_after(2):
            await peer.send(GET[:-3])
            assert error_of(await peer.answered()) == (408, "bad_message")
            await peer.closed()


async def test_a_head_that_trickles_in_is_given_no_more_time() -> None:
    async with serving(limits=HASTY) as (_, address), open_peer(address) as peer:

        async def trickle() -> None:
            for each in GET:
                await peer.send(bytes((each,)))
                await trio.sleep(0.05)

        with trio.fail_after(2):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(trickle)
                assert (await peer.answered()).status == 408
                nursery.cancel_scope.cancel()


async def test_who_sends_nothing_is_told_nothing_and_closed() -> None:
    async with serving(limits=HASTY) as (_, address), open_peer(address) as peer:
        with trio.fail_after(2):
            await peer.closed()


async def test_a_connection_that_rests_is_closed_in_the_end() -> None:
    async with (
        serving(limits=evolve(PATIENT, keep_alive_timeout=0.3)) as (_, address),
        open_peer(address) as peer,
    ):
        for _ in range(3):
            await peer.send(GET)
            await peer.answered()
        with trio.fail_after(2):
            await peer.closed()


async def test_a_request_that_begins_while_another_is_answered_has_the_time_of_a_head() -> None:
    limits = Limits(handshake_timeout=0.3)
    async with serving(limits=limits) as (app, address), open_peer(address) as peer:
        await peer.send(http("/wait") + GET[:-3])
        await app.until(waiting=1)
        app.go_on.set()
        assert (await peer.answered()).status == 200
        with trio.fail_after(2):
            assert (await peer.answered()).status == 408


async def test_a_body_that_takes_too_long_is_answered_with_408_and_its_handler_cancelled() -> None:
    async with serving(limits=evolve(PATIENT, body_timeout=0.2)) as (app, address):
        for head in (POST, http("/wait", method="POST", headers=["Content-Length: 10"])):
            async with open_peer(address) as peer:
                with trio.fail_after(2):
                    await peer.send(head + b"abc")
                    assert error_of(await peer.answered()) == (408, "bad_message")
                    await peer.closed()
                    await app.until(waiting=0)


async def test_a_body_that_came_in_time_is_the_end_of_its_deadline() -> None:
    async with serving(limits=evolve(PATIENT, body_timeout=0.2)) as (app, address):
        async with open_peer(address) as peer:
            await peer.send(http("/wait", method="POST", body=b"abc"))
            await app.until(waiting=1)
            with trio.move_on_after(0.4):
                await peer.answered()
            app.go_on.set()
            assert (await peer.answered()).status == 200


async def test_a_body_that_is_too_large_is_refused_before_it_is_sent() -> None:
    headers = ["Content-Length: 1001", "Expect: 100-continue"]
    async with serving(max_body_bytes=1000) as (_, address), open_peer(address) as peer:
        await peer.send(http("/echo", method="POST", headers=headers))
        answer = await peer.answered()
        assert error_of(answer) == (413, "too_large")
        # A number would not be the one of the app behind, which is what counts.
        assert answer.json["error"]["message"] == "the body is too large"
        await peer.closed()


async def test_a_body_that_turns_out_to_be_too_large_is_refused_then() -> None:
    chunk = b"1f4\r\n" + bytes(500) + b"\r\n"
    head = http("/wait", method="POST", headers=["Transfer-Encoding: chunked"])
    async with serving(max_body_bytes=1000) as (app, address):
        async with open_peer(address) as peer:
            await peer.send(head + chunk + chunk)
            await app.until(waiting=1)
            await peer.send(chunk * 100)
            assert error_of(await peer.answered()) == (413, "too_large")
            await peer.closed()
        await app.until(waiting=0)
        assert (await ask(address)).status == 200


async def test_by_default_a_body_may_be_a_little_more_than_a_message() -> None:
    limits = Limits(max_message_bytes=10_000)
    async with serving(limits=limits) as (_, address):
        assert (await ask(address, http("/echo", method="POST", body=bytes(50_000)))).status == 200
        refused = await ask(address, http("/echo", method="POST", body=bytes(100_000)))
        assert error_of(refused) == (413, "too_large")


async def test_an_answer_before_the_whole_body_closes_the_connection_and_says_so() -> None:
    async with serving(limits=PATIENT) as (_, address), open_peer(address) as peer:
        await peer.send(POST.replace(b"/echo", b"/none") + b"abc")
        answer = await peer.answered()
        assert (answer.status, answer.headers["connection"]) == (404, "close")
        await peer.closed()


async def test_a_stream_does_not_wait_for_the_body_of_its_request() -> None:
    request = http("/stream", headers=["Content-Length: 10"])
    async with serving(limits=evolve(PATIENT, body_timeout=0.2)) as (app, address):
        async with open_peer(address) as peer:
            await peer.send(request)
            await peer.begun_stream()
            with trio.move_on_after(0.4):
                await app.until(streams=0)
            assert app.streams == 1


# --- peers that read nothing


@asynccontextmanager
async def deaf(address: HTTPAddress) -> AsyncGenerator[HTTPPeer]:
    """A peer whose kernel takes little, and which reads nothing of it."""
    with trio.socket.socket() as each:
        each.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        await each.connect((address.host, address.port))
        yield HTTPPeer(trio.SocketStream(each))


async def test_who_takes_nothing_is_cut_at_the_deadline_of_a_write() -> None:
    async with serving(limits=HASTY) as (app, address), deaf(address) as peer:
        await peer.send(http("/flood"))
        await app.until(streams=1)
        began = trio.current_time()
        with trio.fail_after(2):
            await app.until(streams=0)
        assert trio.current_time() - began >= 0.19


async def test_who_takes_nothing_can_be_cut_in_the_middle_of_a_write() -> None:
    async with serving(limits=PATIENT) as (app, address), deaf(address) as peer:
        await peer.send(http("/flood"))
        await app.until(streams=1)
        await trio.testing.wait_all_tasks_blocked(0.05)
        assert app.exchange is not None
        with trio.fail_after(1):
            app.exchange.cut()
            await app.until(streams=0)


async def test_who_takes_nothing_and_leaves_is_noticed_at_once() -> None:
    async with serving(limits=PATIENT) as (app, address):
        async with deaf(address) as peer:
            await peer.send(http("/flood"))
            await app.until(streams=1)
            await trio.testing.wait_all_tasks_blocked(0.05)
        with trio.fail_after(1):
            await app.until(streams=0)


async def test_who_leaves_is_noticed_although_they_have_pipelined_more() -> None:
    limits = Limits(handshake_timeout=60, write_timeout=60, close_timeout=60)
    async with serving(limits=limits) as (app, address):
        for request in (STREAM, http("/wait")):
            async with open_peer(address) as peer:
                await peer.send(request + GET * 20)
                await app.until(**{"streams" if request == STREAM else "waiting": 1})
            with trio.fail_after(1):
                await app.until(streams=0, waiting=0)


async def test_what_is_sent_during_a_stream_is_dropped() -> None:
    async with serving(limits=PATIENT) as (app, address), open_peer(address) as peer:
        await peer.send(STREAM)
        await peer.begun_stream()
        for _ in range(100):
            await peer.send(GET * 100)
        assert app.streams == 1
        assert (await ask(address)).status == 200


async def test_a_flood_during_a_stream_ends_it(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "trio_agent_rt")
    async with serving(limits=PATIENT) as (app, address), open_peer(address) as peer:
        await peer.send(STREAM)
        await peer.begun_stream()
        with trio.fail_after(5), pytest.raises(trio.BrokenResourceError):
            while True:
                await peer.send(bytes(1024 * 1024))
        await app.until(streams=0)
    assert "too much during a stream" in caplog.text


async def test_a_body_in_a_million_pieces_holds_nobody_up() -> None:
    head = http("/wait", method="POST", headers=["Transfer-Encoding: chunked"])
    longest = 0.0
    async with serving(limits=PATIENT) as (_, address), open_peer(address) as peer:

        async def send_pieces() -> None:
            await peer.send(head)
            while True:
                await peer.send(b"1\r\nx\r\n" * 3000)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(send_pieces)
            for _ in range(100):
                began = trio.current_time()
                assert (await ask(address)).status == 200
                longest = max(longest, trio.current_time() - began)
            nursery.cancel_scope.cancel()
    assert longest < 0.5


# --- too many


async def test_too_many_push_out_who_was_waited_for_longest_and_no_one_who_is_served() -> None:
    limits = Limits(max_connections=3, handshake_timeout=60)
    async with serving(limits=limits) as (app, address), open_peer(address) as first:
        await first.send(GET)
        await first.answered()
        async with open_peer(address) as served, open_peer(address) as second:
            await served.send(STREAM)
            await served.begun_stream()
            await second.send(GET[:-3])
            async with open_peer(address) as third, open_peer(address) as fourth:
                for peer in (third, fourth):
                    await peer.send(GET)
                    await peer.answered()
                # What was asked for last is waited for shortest.
                with pytest.raises(trio.BrokenResourceError), trio.fail_after(2):
                    while await first.stream.receive_some():
                        pass
                    raise trio.BrokenResourceError
                await second.send(GET[-3:])
                assert (await second.answered()).status == 200
                assert app.streams == 1


async def test_with_twice_as_many_as_there_may_be_nobody_else_is_let_in() -> None:
    limits = Limits(max_connections=1)
    async with serving(limits=limits) as (app, address), AsyncExitStack() as stack:
        for _ in range(3):
            peer = await stack.enter_async_context(open_peer(address))
            await peer.send(STREAM)
            await peer.begun_stream()
        async with open_peer(address) as late:
            with trio.fail_after(2):
                assert not await _until_cut(late)
        assert app.streams == 3


async def _until_cut(peer: HTTPPeer) -> bytes:
    try:
        await peer.send(GET)
        return await peer.until_end()
    except trio.BrokenResourceError:
        return b""


async def test_a_peer_that_is_switched_off_is_noticed_by_the_kernel() -> None:
    """No such peer can be had on one machine: it would acknowledge what it is sent."""
    if not hasattr(socket, "TCP_USER_TIMEOUT"):
        pytest.skip("this kernel has no such option")
    limits = Limits(heartbeat_timeout=7.5)
    receive = receiver(
        TestApp().quart,
        {},
        RealtimeAgent(quick, limits=limits),
        ssl_context=None,
        max_body_bytes=1,
    )
    with trio.socket.socket() as each:
        receive(trio.SocketStream(each), lambda _: None)
        assert each.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 7500
