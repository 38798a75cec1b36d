"""Counting frames, however they are cut into pieces."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.transports.websocket.peers import BINARY, CONTINUATION, PING, TEXT, frame
from trio_agent_rt.transports.websocket.frames import FrameBudget

frames = st.builds(
    frame,
    st.sampled_from([TEXT, BINARY, PING]),
    st.integers(0, 70_000).map(bytes),
    mask=st.booleans(),
)


def spend_in_pieces(budget: FrameBudget, data: bytes, cuts: list[int]) -> bool:
    at = 0
    held = True
    for cut in sorted({each % (len(data) + 1) for each in cuts} | {len(data)}):
        held = budget.spend(data[at:cut], 0.0)
        at = cut
    return held


@given(st.lists(frames, max_size=5), st.lists(st.integers(0, 10**6), max_size=30))
def test_how_the_bytes_arrive_makes_no_difference(sent: list[bytes], cuts: list[int]) -> None:
    # As many small frames as the budget has left after `sent`, found one by one.
    data = b"".join(sent)
    whole, cut = FrameBudget(0.0), FrameBudget(0.0)
    assert whole.spend(data, 0.0)
    assert spend_in_pieces(cut, data, cuts)
    for _ in range(600):
        held = whole.spend(frame(PING), 0.0)
        assert cut.spend(frame(PING), 0.0) is held


@pytest.mark.parametrize(
    "each",
    [frame(PING), frame(TEXT), frame(TEXT, fin=False)],
    ids=["control", "message", "fragment"],
)
def test_a_burst_of_small_frames_runs_out_and_time_fills_it(each: bytes) -> None:
    budget = FrameBudget(0.0)
    assert budget.spend(each * 500, 0.0)
    assert not budget.spend(each * 2, 0.0)
    assert budget.spend(each * 150, 1.0)
    assert not budget.spend(each * 100, 1.0)


def test_a_big_message_may_come_in_many_frames() -> None:
    budget = FrameBudget(0.0)
    piece = frame(CONTINUATION, bytes(1024), fin=False)
    message = frame(TEXT, b"", fin=False) + piece * 8000 + frame(CONTINUATION)
    assert budget.spend(message, 0.0)


def test_a_message_that_never_ends_runs_out_however_slow_it_comes() -> None:
    budget = FrameBudget(0.0)
    fragment = frame(TEXT, b"", fin=False)
    assert budget.spend(fragment * 100, 0.0)
    assert all(budget.spend(fragment * 100, float(second)) for second in range(1, 100))
    assert not budget.spend(fragment * 100, 100.0)
    ended = FrameBudget(0.0)
    assert all(
        ended.spend(fragment * 99 + frame(CONTINUATION), float(second)) for second in range(200)
    )


@given(st.binary(max_size=5000))
def test_arbitrary_bytes_never_fail(data: bytes) -> None:
    FrameBudget(0.0).spend(data, 1.0)
