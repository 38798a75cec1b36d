"""Who is let in over WebSocket, and what the others are told."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import socket
from collections.abc import Callable
from typing import Any

import pytest
import trio
from trio_websocket import open_websocket_url

from tests.transports.websocket.peers import (
    TEXT,
    Frame,
    frame,
    open_peer,
    reset,
    server_and_client_tls,
    serving,
    until_served,
    upgrade,
    whole_life,
)
from trio_agent_rt.errors import ConnectionRejected
from trio_agent_rt.realtime import Limits, Principal
from trio_agent_rt.transports import Request


async def test_an_honest_client_sees_its_task_to_the_end() -> None:
    async with serving() as (_, address):
        with trio.fail_after(5):
            async with open_websocket_url(address.url) as websocket:
                submit = {"type": "task:submit", "data": {"task": "a task"}}
                await websocket.send_message(json.dumps(submit))
                kinds: list[str] = []
                while "task:complete" not in kinds:
                    kinds.append(json.loads(await websocket.get_message())["type"])
            assert kinds[0] == "connected"
            assert await whole_life(address) == "succeeded"


async def test_small_frames_are_not_held_back_by_nagle() -> None:
    found: list[int] = []
    async with serving() as (_, address), open_peer(address) as peer:
        with trio.fail_after(5):
            await peer.shake_hands()
        assert isinstance(peer.stream, trio.SocketStream)
        mine = peer.stream.socket.getsockname()
        with contextlib.ExitStack() as stack:
            for number in os.listdir("/proc/self/fd"):
                with contextlib.suppress(OSError):
                    each = stack.enter_context(socket.socket(fileno=os.dup(int(number))))
                    if each.getpeername() == mine:
                        found.append(each.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
    assert found == [1]


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (b"GET /ws HTTP/1.1\r\nHost: a\r\n\r\n", 426),
        (b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", 426),
        (b"POST /ws HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi", 426),
        (upgrade().replace(b"Version: 13", b"Version: 8"), 426),
        (upgrade().replace(b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n", b""), 426),
        (upgrade(headers=["Sec-WebSocket-Protocol: \xff"]), 426),
        (upgrade(headers=["Connection: \xff"]), 426),
        (upgrade(host="xn--\xff"), 426),
        (upgrade().replace(b"GET", b"POST"), 426),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(100) + b"\r\n\r\n", 400),
        (b"SSH-2.0-OpenSSH_9.2\r\n\r\n", 400),
        (b"GET /ws HTTP/1.1\r\n\r\n", 400),
        (b"GET /ws HTTP/1.1\r\nHost: a\r\n" + b"A: b\r\n" * 20000 + b"\r\n", 400),
        (upgrade("/other"), 404),
        (upgrade("/ws/"), 404),
        (upgrade("//evil/ws"), 404),
        (upgrade("/ws?" + "&".join("abcdefghij") * 200), 400),
    ],
)
async def test_what_is_no_handshake_gets_a_short_answer(request_bytes: bytes, status: int) -> None:
    async with serving() as (_, address), open_peer(address) as peer:
        with trio.fail_after(5):
            await peer.send(request_bytes)
            answered, body = await peer.answer()
            assert answered == status
            assert 0 < len(body) < 200
            assert await whole_life(address) == "succeeded"


async def test_a_peer_that_leaves_before_the_handshake_is_noticed_at_once() -> None:
    asked = trio.Event()
    left = trio.Event()

    async def authenticate(request: Request) -> Principal:
        asked.set()
        try:
            await trio.sleep_forever()
        finally:
            left.set()

    async with serving(authenticate=authenticate) as (_, address):
        for part in (upgrade()[:20], upgrade()):
            async with open_peer(address) as peer:
                await peer.send(part)
                if part == upgrade():
                    await asked.wait()
                # The handshake's deadline is 10 s.
                with trio.fail_after(2):
                    assert isinstance(peer.stream, trio.SocketStream)
                    await peer.stream.send_eof()
                    await peer.until_end()
        with trio.fail_after(2):
            await left.wait()


async def test_a_peer_that_is_reset_while_it_is_asked_about_is_noticed_at_once() -> None:
    left = trio.Event()

    async def authenticate(request: Request) -> Principal:
        reset(stream)
        try:
            await trio.sleep_forever()
        finally:
            left.set()

    async with serving(authenticate=authenticate) as (_, address):
        stream = await trio.open_tcp_stream(address.host, address.port)
        await stream.send_all(upgrade())
        with trio.fail_after(2):
            await left.wait()


@pytest.mark.parametrize("part", [b"", upgrade()[:30]])
async def test_a_handshake_that_stops_is_cut_at_its_deadline(part: bytes) -> None:
    limits = Limits(handshake_timeout=0.2)
    async with serving(limits=limits) as (_, address), open_peer(address) as peer:
        with trio.fail_after(3):
            await peer.send(part)
            assert (await peer.until_end())[9:12] == (b"408" if part else b"")


async def test_a_handshake_that_trickles_is_cut_at_its_deadline() -> None:
    async def trickle(stream: trio.abc.Stream) -> None:
        with contextlib.suppress(trio.BrokenResourceError):
            for each in upgrade() * 10:
                await stream.send_all(bytes((each,)))
                await trio.sleep(0.01)

    limits = Limits(handshake_timeout=0.3)
    async with (
        serving(limits=limits) as (_, address),
        open_peer(address) as peer,
        trio.open_nursery() as nursery,
    ):
        nursery.start_soon(trickle, peer.stream)
        with trio.fail_after(1):
            assert (await peer.stream.receive_some())[9:12] == b"408"
        nursery.cancel_scope.cancel()


async def test_a_slow_tls_handshake_is_cut_at_its_deadline() -> None:
    context, _ = server_and_client_tls()
    options = {"limits": Limits(handshake_timeout=0.2), "ssl_context": context}
    async with serving(**options) as (_, address), open_peer(address) as peer:
        with trio.fail_after(3):
            await peer.send(b"\x16\x03\x01")
            assert await peer.until_end() == b""


async def test_tls_serves_and_survives_what_is_not_tls() -> None:
    context, client_context = server_and_client_tls()
    async with serving(ssl_context=context) as (_, address):
        assert address.url.startswith("wss://")
        async with open_peer(address) as peer:
            with trio.fail_after(5):
                await peer.send(upgrade())
                await peer.until_end()
        async with open_peer(address, ssl_context=client_context) as peer:
            with trio.fail_after(5):
                await peer.shake_hands()
                await peer.send(frame(2, b"binary"))
                assert (await peer.closing()).code == 1003


async def test_more_than_a_handshake_needs_is_not_kept_while_a_hook_decides() -> None:
    async def authenticate(request: Request) -> Principal:
        await trio.sleep_forever()
        raise AssertionError

    async with serving(authenticate=authenticate) as (_, address), open_peer(address) as peer:
        with trio.fail_after(5):
            await peer.send(upgrade())
            with pytest.raises(trio.BrokenResourceError):
                await peer.send(bytes(100_000_000))


async def test_pending_handshakes_push_each_other_out_and_not_the_healthy() -> None:
    async with serving(limits=Limits(max_connections=5)) as (_, address):
        streams = [await trio.open_tcp_stream(address.host, address.port) for _ in range(40)]
        with trio.fail_after(5):
            assert await whole_life(address) == "succeeded"
            assert await streams[0].receive_some() == b""
        for stream in streams:
            await stream.aclose()


# --- authenticate


def _fail(wrong: BaseException) -> object:
    raise wrong


@pytest.mark.parametrize(
    ("outcome", "status", "shown"),
    [
        (lambda: Principal("ann"), 101, ""),
        (lambda: _fail(ConnectionRejected(401, "Who are you?")), 401, "Who are you?"),
        (lambda: _fail(ConnectionRejected(403)), 403, ""),
        (lambda: _fail(ConnectionRejected(429, "später", {"Retry-After": "5"})), 429, "später"),
        (lambda: _fail(ExceptionGroup("", [ConnectionRejected(401, "in")])), 401, "in"),
        (lambda: _fail(ConnectionRejected(401, "x", {"A": "b\r\nC: d"})), 500, "reference"),
        (lambda: _fail(ValueError("secret")), 500, "reference"),
        (lambda: _fail(ExceptionGroup("", [ValueError(), ConnectionRejected(401)])), 500, "ref"),
        (lambda: None, 500, "reference"),
        (lambda: "ann", 500, "reference"),
    ],
)
async def test_authenticate_decides_before_the_handshake(
    outcome: Callable[[], Any], status: int, shown: str, caplog: pytest.LogCaptureFixture
) -> None:
    async def authenticate(request: Request) -> Principal:
        await trio.lowlevel.checkpoint()
        return outcome()

    async with serving(authenticate=authenticate) as (_, address):
        with trio.fail_after(5):
            if status == 101:
                assert await whole_life(address) == "succeeded"
                return
            async with open_peer(address) as peer:
                await peer.send(upgrade())
                answered, rest = await peer.answer()
            body = rest.decode()
    assert answered == status
    assert shown in body
    assert "secret" not in body
    errors = [each for each in caplog.records if each.levelno >= logging.ERROR]
    assert len(errors) == (1 if status == 500 else 0)
    if status == 500:
        reference = body.split()[-1].rstrip(".")
        assert reference in errors[0].getMessage()
        assert errors[0].exc_info is not None


async def test_what_a_rejection_adds_to_the_headers_is_sent() -> None:
    async def authenticate(request: Request) -> Principal:
        await trio.lowlevel.checkpoint()
        raise ConnectionRejected(401, "no", {"WWW-Authenticate": "Bearer"})

    async with serving(authenticate=authenticate) as (_, address), open_peer(address) as peer:
        with trio.fail_after(5):
            await peer.send(upgrade())
            assert b"\r\nwww-authenticate: bearer\r\n" in (await peer.until_end()).lower()


async def test_authenticate_sees_the_request_and_its_repr_shows_no_secret() -> None:
    seen: list[Request] = []

    async def authenticate(request: Request) -> Principal:
        await trio.lowlevel.checkpoint()
        seen.append(request)
        return Principal("ann")

    headers = ["Authorization: Bearer hush", "Cookie: a=hush", "Sec-WebSocket-Protocol: a, hush"]
    async with serving(authenticate=authenticate) as (_, address), open_peer(address) as peer:
        with trio.fail_after(5):
            await peer.shake_hands(upgrade("/ws?token=hush&b=%C3%A9", headers))
            assert isinstance(peer.stream, trio.SocketStream)
            local = peer.stream.socket.getsockname()
    (request,) = seen
    assert request.path == "/ws"
    assert request.query == {"token": "hush", "b": "é"}
    assert request.headers["AUTHORIZATION"] == "Bearer hush"
    assert request.subprotocols == ("a", "hush")
    assert (request.remote_host, request.remote_port) == local[:2]
    assert "hush" not in repr(request)
    assert "authorization" in repr(request)


async def test_a_hook_that_takes_too_long_is_cancelled_at_the_deadline() -> None:
    cancelled = trio.Event()

    async def authenticate(request: Request) -> Principal:
        try:
            await trio.sleep_forever()
        finally:
            cancelled.set()

    options = {"limits": Limits(handshake_timeout=0.2), "authenticate": authenticate}
    async with serving(**options) as (_, address), open_peer(address) as peer:
        with trio.fail_after(3):
            await peer.send(upgrade())
            assert (await peer.answer())[0] == 503
            assert cancelled.is_set()


# --- sessions


async def test_a_session_is_joined_by_query_and_the_header_position_wins() -> None:
    async with serving(linger=5) as (_, address), open_peer(address) as first:
        with trio.fail_after(5):
            await first.shake_hands()
            connected = (await first.frames(until=TEXT))[0].message
            session = connected["data"]["sessionId"]
            position = (await first.frames(until=TEXT))[0].message["id"]
            async with open_peer(address) as second:
                query = f"/ws?session={session}&lastEventId=gone-1"
                await second.shake_hands(upgrade(query, [f"Last-Event-ID: {position}"]))
                resumed = (await second.frames(until=TEXT))[0].message["data"]
                assert resumed["sessionId"] == session
                assert resumed["resumed"] is True
            async with open_peer(address) as third:
                await third.shake_hands(upgrade(query))
                assert (await third.frames(until=TEXT))[0].message["data"]["resumed"] is False
                assert (await third.frames(until=TEXT))[0].message["type"] == "gap"


async def test_an_unknown_session_and_somebody_elses_are_closed_alike() -> None:
    async def authenticate(request: Request) -> Principal:
        await trio.lowlevel.checkpoint()
        return Principal(request.query["who"])

    async with serving(authenticate=authenticate, linger=5) as (_, address):
        with trio.fail_after(5):
            async with open_websocket_url(f"{address.url}?who=ann") as mine:
                session = json.loads(await mine.get_message())["data"]["sessionId"]
                closings: list[Frame] = []
                for query in (f"who=bob&session={session}", "who=ann&session=none"):
                    async with open_peer(address) as other:
                        await other.shake_hands(upgrade(f"/ws?{query}"))
                        closings.append(await other.closing())
    assert closings[0] == closings[1]
    assert closings[0].code == 4502


async def test_a_hook_can_put_everybody_into_one_room() -> None:
    def choose(request: Request, principal: Principal) -> str | None:
        return "lobby"

    async with serving(choose_session=choose, linger=5) as (_, address):
        with trio.fail_after(5):
            for query in ("", "?session=another"):
                async with open_websocket_url(address.url + query) as viewer:
                    connected = json.loads(await viewer.get_message())
                    assert connected["data"]["sessionId"] == "lobby"


async def test_one_connection_too_many_is_closed_with_1013() -> None:
    async with serving(limits=Limits(max_connections=1)) as (_, address):
        with trio.fail_after(5):
            async with open_websocket_url(address.url), open_peer(address) as second:
                await second.shake_hands()
                assert (await second.closing()).code == 1013
            await until_served(address)
