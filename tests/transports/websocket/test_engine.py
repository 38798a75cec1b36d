"""The names of trio-websocket that are not its public ones, and are used all the same."""

from __future__ import annotations

import inspect

import pytest
import trio
import trio.testing
from trio_websocket import WebSocketConnection
from wsproto import ConnectionType, WSConnection

from tests.transports.websocket.peers import BINARY, CONTINUATION, PING, TEXT, frame
from trio_agent_rt.transports.websocket.engine import WebSocketEngine

CHANGED = "trio-websocket has changed: look at transports/websocket/engine.py"


def test_trio_websocket_still_has_the_names_that_are_used() -> None:
    for name, parameters in {
        "_reader_task": ["self"],
        "_handle_message_event": ["self", "event"],
        "_handle_pong_event": ["self", "event"],
    }.items():
        method = getattr(WebSocketConnection, name, None)
        assert inspect.iscoroutinefunction(method), CHANGED
        assert [*inspect.signature(method).parameters] == parameters, CHANGED
    stream, _ = trio.testing.memory_stream_pair()
    made = WebSocketConnection(stream, WSConnection(ConnectionType.SERVER))
    assert {"_send_channel", "_recv_channel", "_connection_proposal"} <= vars(made).keys(), CHANGED


async def told(*data: bytes, early: bytes = b"") -> list[tuple[str | None, bool]]:
    """What comes of these bytes of a peer's, who then leaves."""
    found: list[tuple[str | None, bool]] = []
    ours, theirs = trio.testing.memory_stream_pair()
    engine = WebSocketEngine(
        ours, early, max_message_bytes=1000, on_message=lambda *each: found.append(each)
    )
    async with trio.open_nursery() as nursery:
        nursery.start_soon(engine.run)
        for each in data:
            await theirs.send_all(each)
            await trio.testing.wait_all_tasks_blocked()
        await theirs.send_eof()
    return found


async def test_messages_are_given_whole_and_in_order_whatever_their_frames() -> None:
    whole = frame(TEXT, "第一".encode())
    parts = (
        frame(TEXT, b"sec", fin=False)
        + frame(PING)
        + frame(CONTINUATION, b"o", fin=False)
        + frame(CONTINUATION, b"nd")
    )
    expected = [("第一", False), ("second", False), ("", False), ("third", False)]
    data = whole + parts + frame(TEXT) + frame(TEXT, b"third")
    assert await told(data) == expected, CHANGED
    assert await told(data[20:], early=data[:20]) == expected
    assert await told(*(bytes((each,)) for each in data)) == expected


async def test_what_is_no_text_or_too_long_is_told_as_such() -> None:
    assert await told(frame(BINARY, b"x")) == [(None, False)]
    assert await told(frame(TEXT, b"x" * 1000)) == [("x" * 1000, False)]
    assert await told(frame(TEXT, b"x" * 1001)) == [(None, True)]
    # In bytes, not in characters.
    assert await told(frame(TEXT, ("中" * 334).encode())) == [(None, True)]
    split = [frame(TEXT, b"x" * 600, fin=False), frame(CONTINUATION, b"x" * 600)]
    assert await told(*split) == [(None, True)]


@pytest.mark.parametrize(
    "data",
    [frame(0x3, b""), frame(TEXT, b"\xff"), frame(TEXT, mask=False)],
    ids=["reserved", "no UTF-8", "unmasked"],
)
async def test_what_breaks_the_rules_gives_no_message(data: bytes) -> None:
    assert await told(data) == []


async def test_others_have_their_turn_between_two_messages() -> None:
    turns: list[str] = []
    ours, theirs = trio.testing.memory_stream_pair()
    engine = WebSocketEngine(
        ours, b"", max_message_bytes=1000, on_message=lambda *_: turns.append("message")
    )

    async def somebody_else() -> None:
        while turns.count("message") < 20:
            turns.append("other")
            await trio.lowlevel.checkpoint()

    await theirs.send_all(frame(TEXT, b"x") * 20)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(engine.run)
        nursery.start_soon(somebody_else)
        await theirs.send_eof()
    assert "message, message, message" not in ", ".join(turns)
