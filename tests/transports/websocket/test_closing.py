"""How a connection ends: every code with a real close frame, and nothing after it."""

from __future__ import annotations

import itertools
import json
import logging

import pytest
import trio

from tests.transports.websocket.peers import (
    BINARY,
    CLOSE,
    CONTINUATION,
    PING,
    PONG,
    TEXT,
    frame,
    open_peer,
    serving,
    whole_life,
)
from trio_agent_rt.agent import TaskRun
from trio_agent_rt.protocol import CloseCode
from trio_agent_rt.realtime import Limits

SMALL = Limits(max_message_bytes=10_000)


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        (frame(BINARY, b"x"), 1003),
        (frame(TEXT, b"\xff\xfe"), 1007),
        (frame(TEXT, b"\xc3", fin=False) + frame(CONTINUATION, b"\x28"), 1007),
        (frame(CLOSE, b"\x03\xe8\xff"), 1007),
        (frame(TEXT, b"{}", reserved=4), 4501),
        (frame(TEXT, b"{}", mask=False), 4501),
        (frame(3, b"{}"), 4501),
        (frame(11, b""), 4501),
        (frame(CONTINUATION, b"{}"), 4501),
        (frame(TEXT, b"{", fin=False) + frame(TEXT, b"}"), 4501),
        (frame(PING, b"x", fin=False), 4501),
        (frame(PING, bytes(126)), 4501),
        (frame(CLOSE, b"\x03"), 4501),
        (frame(CLOSE, (1006).to_bytes(2)), 4501),
        (b"\x81\xfe\x00\x01" + bytes(5), 4501),
        (b"\x81\xff" + b"\xff" * 8 + bytes(4), 4501),
        (frame(TEXT, b"x" * 10_001), 1009),
        (frame(TEXT, "é".encode() * 9_000), 1009),
        (frame(TEXT, b"x" * 10_001) + frame(PING, b"x"), 1009),
        (frame(TEXT, b"x" * 10_001) * 3, 1009),
        (frame(TEXT, b"x" * 9_000, fin=False) + frame(CONTINUATION, b"x" * 9_000), 1009),
        (frame(TEXT, b"", fin=False) + frame(CONTINUATION, b"", fin=False) * 20_000, 4501),
        (frame(PING, b"") * 20_000, 4501),
        (frame(TEXT, b"{}") * 10, 4501),
        (frame(TEXT, b'{"type":"ping"}') * 300, 1008),
    ],
    ids=itertools.count(),  # frames have random masks, and every process must see the same names
)
async def test_what_breaks_the_rules_gets_a_close_frame(
    sent: bytes, code: int, caplog: pytest.LogCaptureFixture
) -> None:
    async with serving(limits=SMALL) as (_, address), open_peer(address) as peer:
        with trio.fail_after(5):
            await peer.shake_hands()
            await peer.send(sent)
            # Still arriving while the server closes: it must not reset the connection.
            await peer.send(frame(TEXT, b"{}") * 5)
            assert (await peer.closing()).code == code
            assert await whole_life(address) == "succeeded"
    assert not [each for each in caplog.records if each.levelno >= logging.WARNING]


@pytest.mark.parametrize("payload", [b"", (1000).to_bytes(2), (1001).to_bytes(2) + b"bye"])
async def test_a_close_of_the_peer_is_answered_in_kind(payload: bytes) -> None:
    async with serving() as (_, address), open_peer(address) as peer:
        with trio.fail_after(5):
            await peer.shake_hands()
            await peer.send(frame(CLOSE, payload))
            assert (await peer.closing()).payload == payload


async def test_what_comes_just_before_a_close_is_carried_out() -> None:
    started: list[str] = []

    async def agent(task: str, run: TaskRun) -> None:
        await trio.lowlevel.checkpoint()
        started.append(task)

    submits = [
        frame(TEXT, json.dumps({"type": "task:submit", "data": {"task": str(number)}}).encode())
        for number in range(20)
    ]
    async with serving(agent=agent, linger=5) as (realtime, address), open_peer(address) as peer:
        with trio.fail_after(5):
            await peer.shake_hands()
            await peer.send(b"".join(submits) + frame(CLOSE))
            await peer.until_end()
            await realtime.shut_down(drain_timeout=5)
    assert sorted(started, key=int) == [str(number) for number in range(20)]


@pytest.mark.parametrize(
    "sent",
    [
        frame(PING, b"x"),
        frame(TEXT, b"x" * 10_001),
        frame(BINARY, b"x"),
        frame(TEXT, b"\xff"),
        frame(TEXT, b"{}", mask=False),
        frame(CLOSE),
        b"\xff" * 100,
    ],
    ids=itertools.count(),
)
async def test_whatever_comes_after_our_close_changes_nothing(
    sent: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    async with serving(limits=SMALL) as (_, address):
        async with open_peer(address) as peer:
            with trio.fail_after(5):
                await peer.shake_hands()
                await peer.send(frame(BINARY, b"x"))
                last = (await peer.frames())[-1]
                assert last.code == 1003
                await peer.send(sent)
                assert await peer.until_end() == b""
        with trio.fail_after(5):
            assert await whole_life(address) == "succeeded"
    assert not [each for each in caplog.records if each.levelno >= logging.WARNING]


async def test_a_ping_is_answered_while_the_peer_takes_its_time_to_close() -> None:
    """And is not after the close frame; trio-websocket would fail there."""
    async with serving() as (_, address), open_peer(address) as peer:
        with trio.fail_after(5):
            await peer.shake_hands()
            await peer.send(frame(PING, b"one"))
            pongs = await peer.frames(until=PONG)
            assert pongs[-1].payload == b"one"


async def test_a_peer_that_never_answers_a_close_is_cut_in_time() -> None:
    limits = Limits(close_timeout=0.2)
    async with serving(limits=limits) as (_, address), open_peer(address) as peer:
        await peer.shake_hands()
        await peer.send(frame(BINARY, b"x"))
        with trio.fail_after(3):
            assert (await peer.frames())[-1].code == 1003
            with pytest.raises(trio.BrokenResourceError):
                await _write_until_broken(peer.stream)


async def _write_until_broken(stream: trio.abc.Stream) -> None:
    while True:
        await stream.send_all(frame(PING))
        await trio.lowlevel.checkpoint()


async def test_a_missed_heartbeat_is_closed_with_4001() -> None:
    limits = Limits(heartbeat_interval=0.1, heartbeat_timeout=0.2)
    async with serving(limits=limits) as (_, address), open_peer(address) as peer:
        with trio.fail_after(3):
            await peer.shake_hands()
            frames = await peer.frames()
            assert [each.opcode for each in frames[-2:]] == [PING, CLOSE]
            assert frames[-1].code == 4001


async def test_a_peer_that_answers_pings_stays() -> None:
    limits = Limits(heartbeat_interval=0.05, heartbeat_timeout=0.2)
    async with serving(limits=limits) as (_, address), open_peer(address) as peer:
        with trio.fail_after(5):
            await peer.shake_hands()
            for _ in range(10):
                ping = (await peer.frames(until=PING))[-1]
                await peer.send(frame(PONG, ping.payload))


async def test_what_is_queued_is_written_before_the_close_frame() -> None:
    async with serving(linger=5) as (realtime, address), open_peer(address) as peer:
        with trio.fail_after(5):
            await peer.shake_hands()
            first = (await peer.frames(until=TEXT))[0].message
            for number in range(50):
                realtime.broadcast("news", {"number": number})
            for connection in realtime._registry.find(first["data"]["sessionId"]).connections:
                connection.close(CloseCode.SESSION_MOVED, "elsewhere")
            frames = await peer.frames()
    news = [each.message for each in frames[:-1] if each.message["type"] == "news"]
    assert [each["data"]["number"] for each in news] == list(range(50))
    assert (frames[-1].code, frames[-1].payload[2:]) == (4002, b"elsewhere")


async def test_a_mistake_of_ours_closes_that_connection_alone_and_is_logged(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    from trio_agent_rt.realtime import Connection

    def receive(self: Connection, text: str | bytes) -> None:
        raise RuntimeError("secret")

    async with serving() as (_, address), open_peer(address) as peer:
        with trio.fail_after(5):
            await peer.shake_hands()
            with monkeypatch.context() as patch:
                patch.setattr(Connection, "receive", receive)
                await peer.send(frame(TEXT, b'{"type":"ping"}'))
                last = await peer.closing()
            assert await whole_life(address) == "succeeded"
    assert last.code == 1011
    assert b"secret" not in last.payload
    (error,) = [each for each in caplog.records if each.levelno >= logging.ERROR]
    assert last.payload.split()[-1].decode() in error.getMessage()
