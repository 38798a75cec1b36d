"""The life of a connection on which a stream is asked for, past the application and through it."""

from __future__ import annotations

import time
from contextlib import suppress

import pytest
import trio
import trio.testing

from tests.transports.http.peers import open_peer
from tests.transports.sse.peers import asked, heard_by, serving
from tests.transports.websocket.peers import server_and_client_tls
from trio_agent_rt.errors import ConnectionRejected
from trio_agent_rt.realtime import Limits, Principal
from trio_agent_rt.transports import Request
from trio_agent_rt.transports.sse.shortcut import EventFeed


async def test_after_a_refusal_the_connection_goes_on(taken: list[Request]) -> None:
    async with serving() as (_, address), open_peer(address) as peer:
        for _ in range(2):
            await peer.send(asked("/sse?session=x"))
            assert (await peer.answered()).status == 404
            await peer.send(asked("/health"))
            assert (await peer.answered()).status == 200
        assert len(taken) == 1, "of a connection the first request alone"


async def test_what_comes_while_a_hook_decides_is_answered_in_turn(taken: list[Request]) -> None:
    asking, decide = trio.Event(), trio.Event()

    async def authenticate(request: Request) -> Principal:
        asking.set()
        await decide.wait()
        raise ConnectionRejected(403)

    async with serving(authenticate=authenticate) as (_, address), open_peer(address) as peer:
        await peer.send(asked())
        await asking.wait()
        await peer.send(asked("/health"))
        await trio.testing.wait_all_tasks_blocked()
        decide.set()
        assert [(await peer.answered()).status for _ in range(2)] == [403, 200]
        assert len(taken) == 1


@pytest.mark.usefixtures("either_way")
async def test_one_who_may_not_have_what_it_asked_for_is_judged_once() -> None:
    judged: list[str] = []

    async def authenticate(request: Request) -> Principal:
        await trio.lowlevel.checkpoint()
        judged.append(request.path)
        return Principal("ann")

    async with serving(authenticate=authenticate) as (_, address), open_peer(address) as peer:
        await peer.send(asked("/sse?session=x"))
        assert (await peer.answered()).status == 404
    assert judged == ["/sse"]


@pytest.mark.usefixtures("either_way")
async def test_a_peer_that_leaves_while_a_hook_decides_ends_that() -> None:
    asking, ended = trio.Event(), trio.Event()

    async def authenticate(request: Request) -> Principal:
        asking.set()
        try:
            await trio.sleep_forever()
        finally:
            ended.set()
        raise AssertionError

    async with serving(authenticate=authenticate) as (realtime, address):
        async with open_peer(address) as peer:
            await peer.send(asked())
            await asking.wait()
        with trio.fail_after(5):
            await ended.wait()
        assert not realtime.session_ids


@pytest.mark.usefixtures("either_way")
async def test_a_peer_that_sends_no_more_is_still_refused() -> None:
    async def authenticate(request: Request) -> Principal:
        await trio.testing.wait_all_tasks_blocked()
        raise ConnectionRejected(403)

    async with serving(authenticate=authenticate) as (_, address), open_peer(address) as peer:
        await peer.send(asked())
        assert isinstance(peer.stream, trio.SocketStream)
        await peer.stream.send_eof()
        assert (await peer.answered()).status == 403
        await peer.closed()


@pytest.mark.usefixtures("either_way")
async def test_a_shutdown_while_a_hook_decides_is_said() -> None:
    asking, decide = trio.Event(), trio.Event()

    async def authenticate(request: Request) -> Principal:
        asking.set()
        await decide.wait()
        return Principal("ann")

    async with serving(authenticate=authenticate) as (realtime, address):
        async with open_peer(address) as peer:
            await peer.send(asked())
            await asking.wait()
            realtime.begin_shutdown()
            await realtime.wait_tasks_ended()
            await trio.testing.wait_all_tasks_blocked()
            decide.set()
            answer = await peer.answered()
            assert (answer.status, answer.headers["retry-after"]) == (503, "1")
            assert answer.headers["connection"] == "close"
            await peer.closed()


@pytest.mark.usefixtures("either_way")
async def test_after_its_end_the_connection_is_closed() -> None:
    async def authenticate(request: Request) -> Principal:
        await trio.lowlevel.checkpoint()
        return Principal("ann", expires_at=time.time() + 0.2)

    async with serving(authenticate=authenticate) as (_, address), open_peer(address) as peer:
        await peer.send(asked())
        with trio.fail_after(5):
            assert (await peer.rest()).endswith(b"\n\n\r\n0\r\n\r\n")


@pytest.mark.usefixtures("either_way")
async def test_one_whom_a_hook_decides_about_is_not_pushed_out() -> None:
    asking, decide = trio.Event(), trio.Event()

    async def authenticate(request: Request) -> Principal:
        asking.set()
        await decide.wait()
        raise ConnectionRejected(403)

    limits = Limits(max_connections=1)
    async with serving(authenticate=authenticate, limits=limits) as (_, address):
        async with open_peer(address) as peer:
            await peer.send(asked())
            await asking.wait()
            async with open_peer(address) as silent, open_peer(address):
                await silent.closed()
                decide.set()
                assert (await peer.answered()).status == 403


@pytest.mark.usefixtures("either_way")
@pytest.mark.parametrize("sent", [b"", asked()[:-2]])
async def test_a_head_that_does_not_come_is_waited_for_with_a_bound(sent: bytes) -> None:
    async with serving(limits=Limits(handshake_timeout=0.3)) as (_, address):
        async with open_peer(address) as peer:
            await peer.send(sent)
            if sent:
                assert (await peer.answered()).status == 408
            await peer.closed()


@pytest.mark.usefixtures("either_way")
async def test_what_a_peer_says_during_its_stream_is_dropped_up_to_a_bound(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for module in ("visit", "reception.visit"):
        name = f"trio_agent_rt.transports.http.{module}.MAX_DRAINED_BYTES"
        monkeypatch.setattr(name, 100_000)
    async with serving() as (realtime, address), open_peer(address) as peer:
        heard = await heard_by(peer, asked())
        await peer.send(asked() + bytes(50_000))
        await trio.testing.wait_all_tasks_blocked()
        assert realtime.session_ids
        realtime.broadcast("news", "still here")
        while b"still here" not in heard:
            heard += await peer.stream.receive_some()
        with suppress(trio.BrokenResourceError):
            while realtime.session_ids:
                await peer.send(bytes(50_000))
                await trio.testing.wait_all_tasks_blocked()
        assert not realtime.session_ids


@pytest.mark.usefixtures("either_way")
async def test_over_tls_it_is_the_same_stream() -> None:
    server, client = server_and_client_tls()
    options = {"ssl_context": server, "limits": Limits(heartbeat_interval=0.05)}
    async with serving(**options) as (realtime, address):
        async with open_peer(address, ssl_context=client) as peer:
            heard = await heard_by(peer, asked())
            for number in range(5):
                realtime.broadcast("news", f"number {number}")
                while f"number {number}".encode() not in heard or b"\n: \n" not in heard:
                    heard += await peer.stream.receive_some()
                heard = heard[-1:]
            realtime.begin_shutdown()
            assert b"retry: " in await peer.rest()


@pytest.mark.usefixtures("either_way")
async def test_nothing_is_left_of_a_stream_that_is_over() -> None:
    async with serving() as (realtime, address):
        for _ in range(3):
            async with open_peer(address) as peer:
                await heard_by(peer, asked())
            await trio.testing.wait_all_tasks_blocked()
        await trio.testing.wait_all_tasks_blocked()
        assert not realtime.session_ids


@pytest.mark.usefixtures("taken")
async def test_no_comment_follows_the_last_chunk(monkeypatch: pytest.MonkeyPatch) -> None:
    feeds: list[EventFeed] = []
    real = EventFeed.begin

    def begin(self: EventFeed) -> bytes:
        feeds.append(self)
        return real(self)

    monkeypatch.setattr(EventFeed, "begin", begin)
    async with serving() as (_, address), open_peer(address) as peer:
        await heard_by(peer, asked())
        (feed,) = feeds
        feed.end()
        assert not feed.ping()
        heard = b""
        while piece := await peer.stream.receive_some():
            heard += piece
        assert heard.endswith(b"\r\n0\r\n\r\n")
