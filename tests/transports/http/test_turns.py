"""Who sends more before its answer is over, and who sends nothing more and still reads."""

from __future__ import annotations

import pytest
import trio
from attrs import evolve

from tests.transports.hostility import socket_of
from tests.transports.http.peers import (
    GET,
    STREAM,
    HTTPPeer,
    ask,
    error_of,
    http,
    open_peer,
    serving,
)
from trio_agent_rt.realtime import Limits
from trio_agent_rt.transports import current_exchange
from trio_agent_rt.transports.http import visit
from trio_agent_rt.transports.http.lifespan import Receive, Scope, Send

PATIENT = Limits(handshake_timeout=60, write_timeout=60, close_timeout=60)


async def _begin(scope: Scope, send: Send, body: bytes, *, size: int) -> None:
    """Begin an answer of `size` bytes with `body`."""
    assert scope["type"] == "http"
    headers = [(b"content-length", str(size).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body, "more_body": True})


# --- more than was answered


@pytest.mark.parametrize("size", [1000, 1_000_000])
async def test_the_next_request_may_come_while_the_app_is_not_done_with_the_last(size: int) -> None:
    done = trio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        assert scope["type"] == "http"
        while (await receive())["more_body"]:
            pass
        await _begin(scope, send, b"whole", size=5)
        await done.wait()
        await send({"type": "http.response.body", "body": b""})

    request = http("/", method="POST", body=bytes(size))
    async with serving(app=app, limits=PATIENT) as (_, address), open_peer(address) as peer:
        with trio.fail_after(5):
            await peer.send(request)
            for _ in range(3):
                status, _headers = await peer.head()
                assert (status, await peer.piece(5)) == (200, b"whole")
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(peer.send, request)
                    await trio.testing.wait_all_tasks_blocked(0.05)
                    done.set()
                done = trio.Event()


async def test_who_pipelines_too_much_behind_a_request_waits_for_its_answer() -> None:
    async def pipeline(peer: HTTPPeer) -> None:
        while True:
            await peer.send(GET * 1000)

    async with serving(limits=PATIENT) as (app, address):
        async with open_peer(address) as peer, trio.open_nursery() as nursery:
            await peer.send(http("/wait"))
            await app.until(waiting=1)
            with trio.fail_after(10):
                nursery.start_soon(pipeline, peer)
                # It stands still some time: nobody holds all that it would send.
                await trio.testing.wait_all_tasks_blocked(0.3)
                assert app.waiting == 1
                app.go_on.set()
                assert (await peer.answered()).json == {"waited": "long enough"}
                # After a thousand Hypercorn ends a connection.
                for _ in range(900):
                    assert (await peer.answered()).json == {"hello": "world"}
            nursery.cancel_scope.cancel()
        assert (await ask(address)).status == 200


async def test_who_has_left_behind_too_much_that_it_pipelined_is_cut_in_the_end() -> None:
    limits = evolve(PATIENT, handshake_timeout=0.3)
    async with serving(limits=limits) as (app, address), open_peer(address) as peer:
        await peer.send(http("/wait"))
        await app.until(waiting=1)
        with trio.move_on_after(0.1):
            await peer.send(GET * 5000)
        await trio.aclose_forcefully(peer.stream)
        with trio.fail_after(2):
            await app.until(waiting=0)


async def test_a_stream_drops_too_much_that_was_pipelined_behind_its_request() -> None:
    begin, over = trio.Event(), trio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        assert scope["type"] == "http"
        await begin.wait()
        exchange = current_exchange()
        assert exchange is not None
        exchange.mark_streaming()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"welcome", "more_body": True})
        while (await receive())["type"] != "http.disconnect":
            pass
        over.set()

    async with serving(app=app, limits=PATIENT) as (_, address):
        with trio.fail_after(5):
            async with open_peer(address) as peer:
                await peer.send(GET + GET * 5000)
                await trio.testing.wait_all_tasks_blocked(0.05)
                begin.set()
                await peer.begun_stream()
            # Its leaving is behind all that it has sent.
            await over.wait()


# --- nothing more


async def test_who_has_ended_their_side_is_answered_whatever_they_have_asked_for() -> None:
    post = http("/echo", method="POST", body=b"x" * 1000)
    async with serving(limits=PATIENT) as (_, address):
        for sent in (GET, post, GET * 3 + post):
            async with open_peer(address) as peer:
                with trio.fail_after(5):
                    await peer.send(sent)
                    await socket_of(peer).send_eof()
                    for _ in range(sent.count(GET)):
                        assert (await peer.answered()).json == {"hello": "world"}
                    if post in sent:
                        assert (await peer.answered()).body == b"x" * 1000
                    # Without having been waited for.
                    with trio.fail_after(0.4):
                        await peer.closed()


async def test_who_rests_and_ends_their_side_is_not_waited_for() -> None:
    async with serving(limits=PATIENT) as (_, address):
        for answered in (False, True):
            async with open_peer(address) as peer:
                if answered:
                    await peer.send(GET)
                    await peer.answered()
                await socket_of(peer).send_eof()
                with trio.fail_after(0.4):
                    await peer.closed()


async def test_an_answer_that_has_begun_is_finished_for_who_has_ended_their_side() -> None:
    finish = trio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await _begin(scope, send, b"first", size=10)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(leave_with_the_peer, receive, nursery.cancel_scope)
            await finish.wait()
            await send({"type": "http.response.body", "body": b"-last"})
            nursery.cancel_scope.cancel()

    async def leave_with_the_peer(receive: Receive, scope: trio.CancelScope) -> None:
        # As Quart does.
        while (await receive())["type"] != "http.disconnect":
            pass
        scope.cancel()

    async with serving(app=app, limits=PATIENT) as (_, address), open_peer(address) as peer:
        with trio.fail_after(5):
            await peer.send(GET)
            await socket_of(peer).send_eof()
            assert (await peer.head())[0] == 200
            with trio.move_on_after(0.8) as early:
                await peer.piece(10)
            assert early.cancelled_caught
            finish.set()
            assert await peer.rest() == b"first-last"


async def test_an_answer_that_never_ends_is_not_finished_for_who_has_ended_their_side() -> None:
    over = trio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await _begin(scope, send, b"first", size=10)
        await receive()
        assert (await receive())["type"] == "http.disconnect"
        over.set()

    async with serving(app=app, limits=Limits(close_timeout=0.1)) as (_, address):
        async with open_peer(address) as peer:
            await peer.send(GET)
            await socket_of(peer).send_eof()
            with trio.fail_after(2):
                await over.wait()


@pytest.mark.parametrize("ended", [False, True])
async def test_who_has_left_has_its_handler_cancelled_soon_and_its_stream_at_once(
    ended: bool,
) -> None:
    async with serving(limits=PATIENT) as (app, address):
        for request, bound in ((STREAM, 0.4), (http("/wait"), 1.5)):
            async with open_peer(address) as peer:
                await peer.send(request)
                await app.until(**{"streams" if request == STREAM else "waiting": 1})
                if ended:
                    await socket_of(peer).send_eof()
                else:
                    await trio.aclose_forcefully(peer.stream)
                with trio.fail_after(bound):
                    await app.until(streams=0, waiting=0)


async def test_a_stream_that_begins_when_its_peer_has_ended_its_side_ends_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(visit, "LAST_ANSWERS_TIMEOUT", 60)
    begin, over = trio.Event(), trio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        assert scope["type"] == "http"
        await begin.wait()
        exchange = current_exchange()
        assert exchange is not None
        exchange.mark_streaming()
        while (await receive())["type"] != "http.disconnect":
            pass
        over.set()

    async with serving(app=app, limits=PATIENT) as (_, address), open_peer(address) as peer:
        await peer.send(GET)
        await socket_of(peer).send_eof()
        await trio.testing.wait_all_tasks_blocked(0.05)
        begin.set()
        with trio.fail_after(5):
            await over.wait()


@pytest.mark.parametrize(
    "sent", [GET[:-3], b"\r\n", http("/wait", method="POST", body=b"abcdef")[:-3]]
)
async def test_half_a_request_and_no_more_is_answered_with_400_at_once(sent: bytes) -> None:
    async with serving(limits=PATIENT) as (app, address), open_peer(address) as peer:
        with trio.fail_after(0.5):
            await peer.send(sent)
            await socket_of(peer).send_eof()
            assert error_of(await peer.answered()) == (400, "bad_message")
            await peer.closed()
            await app.until(waiting=0)
