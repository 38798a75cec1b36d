"""The bounded log, against a plain list that forgets nothing."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trio_agent_rt.events import Encoded, EventLog, encode
from trio_agent_rt.protocol import (
    CustomEvent,
    Pong,
    Position,
    StepOutput,
    decode_event,
    sse_event,
    websocket_text_frame,
)


def output(size: int) -> StepOutput:
    return StepOutput(step_id="s", text="x" * size)


@given(
    sizes=st.lists(st.integers(0, 300), max_size=30),
    max_events=st.integers(1, 12),
    max_bytes=st.integers(1, 2000),
)
def test_it_replays_what_a_plain_list_would_from_every_position_it_holds(
    sizes: list[int], max_events: int, max_bytes: int
) -> None:
    log = EventLog(max_events=max_events, max_bytes=max_bytes, epoch="e")
    everything: list[Encoded] = []
    assert log.position == Position("e", 0)
    for size in sizes:
        everything.append(log.append(output(size)))
        assert log.position == everything[-1].position == Position("e", len(everything))

    for offset in range(len(everything) + 1):
        position = Position("e", offset)
        kept = max(0, len(everything) - len(log) - offset)
        assert log.missed(position) == kept
        assert log.holds(position) is (kept == 0)
        if kept == 0:
            assert log.after(position) == everything[offset:]
        else:
            with pytest.raises(LookupError):
                log.after(position)


@given(
    sizes=st.lists(st.integers(0, 300), max_size=30),
    max_events=st.integers(1, 12),
    max_bytes=st.integers(1, 2000),
)
def test_it_holds_as_many_as_fit_and_no_more(
    sizes: list[int], max_events: int, max_bytes: int
) -> None:
    log = EventLog(max_events=max_events, max_bytes=max_bytes)
    lengths: list[int] = []
    for size in sizes:
        lengths.append(len(log.append(output(size), timestamp=1)))
        assert log.held_bytes == sum(lengths[len(lengths) - len(log) :])
        assert 1 <= len(log) <= max_events
        assert log.held_bytes <= max_bytes or len(log) == 1
        forgotten = lengths[: len(lengths) - len(log)]
        if forgotten and len(log) < max_events:
            assert log.held_bytes + forgotten[-1] > max_bytes


def test_it_holds_exactly_as_many_bytes_as_it_may() -> None:
    size = len(EventLog(epoch="e").append(Pong(), timestamp=1))
    log = EventLog(epoch="e", max_bytes=2 * size)
    for _ in range(4):
        log.append(Pong(), timestamp=1)
    assert len(log) == 2


@pytest.mark.parametrize(
    "position", [Position("other", 1), Position("e", 4), Position("e", -1)], ids=str
)
def test_a_position_of_another_life_or_of_the_future_is_a_gap(position: Position) -> None:
    log = EventLog(epoch="e")
    for _ in range(3):
        log.append(Pong())
    assert not log.holds(position)
    with pytest.raises(LookupError, match=re.escape(str(position))):
        log.after(position)


def test_how_much_is_missed_is_unknown_for_another_life_and_for_no_position() -> None:
    log = EventLog(epoch="e", max_events=1)
    log.append(Pong())
    log.append(Pong())
    assert log.missed(Position("e", 0)) == 1
    assert log.missed(Position("other", 0)) is None
    assert log.missed(Position("e", 3)) is None
    assert log.missed(None) is None


def test_an_event_carries_its_position_and_time() -> None:
    entry = EventLog(epoch="e").append(Pong(), timestamp=5)
    assert decode_event(entry.json) == Pong(position=Position("e", 1), timestamp=5)


def test_an_event_that_cannot_be_encoded_leaves_the_log_as_it_was() -> None:
    class Unknown(Pong):
        """Not in the contract."""

    log = EventLog(epoch="e")
    with pytest.raises(KeyError):
        log.append(Unknown())
    assert log.position == Position("e", 0)
    assert log.append(Pong()).position == Position("e", 1)


def test_every_form_is_made_once_and_of_the_same_json() -> None:
    entry = EventLog(epoch="e").append(Pong())
    assert entry.websocket() == websocket_text_frame(entry.json)
    assert entry.sse() == sse_event(entry.json, Position("e", 1))
    assert entry.websocket() is entry.websocket()
    assert entry.sse() is entry.sse()


def test_a_named_form_has_the_wires_name_for_its_type() -> None:
    log = EventLog(epoch="e")
    for event, name in (
        (Pong(), "pong"),
        (output(3), "step:output"),
        (CustomEvent(type="a b", data=1), "a b"),
    ):
        entry = log.append(event)
        assert entry.named_sse() == sse_event(entry.json, entry.position, name=name)
        assert f"\nevent: {name}\n".encode() in entry.named_sse()
    assert b"event:" not in entry.sse()
    assert encode(Pong(timestamp=1)).named_sse().startswith(b"event: pong\ndata: ")


def test_what_is_not_for_the_log_has_no_position() -> None:
    entry = encode(Pong(timestamp=1))
    assert entry.position is None
    assert b"id" not in entry.json
    assert entry.sse() == b"data: " + entry.json + b"\n\n"


def test_two_logs_never_share_an_epoch() -> None:
    assert EventLog().position.epoch != EventLog().position.epoch


@pytest.mark.parametrize("epoch", ["", "A", "a-b", "a\n", "ä"])
def test_an_epoch_that_a_position_cannot_carry_is_refused(epoch: str) -> None:
    with pytest.raises(ValueError, match="epoch"):
        EventLog(epoch=epoch)


@pytest.mark.parametrize(("max_events", "max_bytes"), [(0, 1), (1, 0)])
def test_a_log_that_can_hold_nothing_is_refused(max_events: int, max_bytes: int) -> None:
    with pytest.raises(ValueError, match="at least one"):
        EventLog(max_events=max_events, max_bytes=max_bytes)
