"""Whoever an `authenticate` hook found behind a peer."""

from __future__ import annotations

import math
import time

import pytest
import trio

from trio_agent_rt.realtime import ANONYMOUS, Principal


def test_two_of_one_id_are_the_same_whenever_they_expire() -> None:
    assert Principal("ann") == Principal("ann", expires_at=1.0)
    assert hash(Principal("ann")) == hash(Principal("ann", expires_at=1.0))
    assert Principal("ann") != Principal("bob")
    assert Principal("anonymous") == ANONYMOUS


def test_an_id_is_needed() -> None:
    with pytest.raises(ValueError, match="needs an id"):
        Principal("")


def test_receipts_say_who_asked_if_that_is_known() -> None:
    assert Principal("ann").asker == "ann asked"
    assert ANONYMOUS.asker == "a client asked"


@pytest.mark.parametrize(
    ("from_now", "expired"), [(None, False), (60.0, False), (0.0, True), (-60.0, True)]
)
def test_it_expires_at_its_time_and_not_before(from_now: float | None, expired: bool) -> None:
    ends = None if from_now is None else time.time() + from_now
    assert Principal("ann", expires_at=ends).expired is expired


async def test_its_end_is_a_deadline_of_trios_clock() -> None:
    assert Principal("ann").deadline() == math.inf
    for from_now in (60.0, -60.0):
        ends = Principal("ann", expires_at=time.time() + from_now).deadline()
        assert ends - trio.current_time() == pytest.approx(from_now, abs=5)
