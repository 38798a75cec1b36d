"""Who only watches, and what is made for whoever says something."""

from __future__ import annotations

import gc

import pytest
import trio
import trio.testing

from tests.transports.websocket.peers import PING, PONG, TEXT, frame, open_peer, serving
from trio_agent_rt.realtime import Limits
from trio_agent_rt.transports.websocket.engine import WebSocketEngine, is_pong


def engines() -> int:
    gc.collect()
    return sum(type(each) is WebSocketEngine for each in gc.get_objects())


async def test_who_answers_pings_needs_no_engine_and_stays() -> None:
    limits = Limits(heartbeat_interval=0.2, heartbeat_timeout=5)
    before = engines()
    async with serving(limits=limits) as (_, address), open_peer(address) as peer:
        with trio.fail_after(30):
            await peer.shake_hands()
            for kind in ("connected", "status"):
                assert (await peer.frames(until=TEXT))[-1].message["type"] == kind
            for _ in range(3):
                await peer.frames(until=PING)
                await peer.send(frame(PONG))
            await peer.frames(until=PING)  # asked again: that answer was heard too
            assert engines() == before
            await peer.send(frame(PONG) + frame(TEXT, b"no command"))
            assert (await peer.frames(until=TEXT))[-1].message["type"] == "error"
            assert engines() == before + 1


@pytest.mark.parametrize(
    ("data", "whole"),
    [
        (frame(PONG), True),
        (frame(PONG)[:-1], False),
        (frame(PONG) * 2, False),
        (frame(PONG, b"x"), False),
        (frame(PONG, mask=False) + b"\x81\x80ab", False),
        (frame(PONG, reserved=1), False),
        (frame(PING), False),
        (b"", False),
    ],
    ids=["one", "a part", "two", "with a payload", "unmasked", "reserved bit", "a ping", "nothing"],
)
def test_only_a_whole_empty_pong_is_taken_for_one(data: bytes, whole: bool) -> None:
    assert is_pong(data) is whole
