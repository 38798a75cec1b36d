"""Limits are checked, and the token bucket keeps its rate."""

from __future__ import annotations

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trio_agent_rt.realtime import Limits, RateLimit


@pytest.mark.parametrize("name", [each.name for each in attrs.fields(Limits)])
@pytest.mark.parametrize("value", [0, -1, float("nan")])
def test_a_limit_must_be_positive(name: str, value: float) -> None:
    with pytest.raises(ValueError, match=name):
        Limits(**{name: value})  # pyright: ignore[reportArgumentType]


@given(
    rate=st.floats(0.1, 100),
    burst=st.integers(1, 50),
    gaps=st.lists(st.floats(0, 2), min_size=1, max_size=100),
)
def test_no_stretch_of_time_lets_more_pass_than_burst_and_rate(
    rate: float, burst: int, gaps: list[float]
) -> None:
    bucket = RateLimit(rate, burst)
    now, passed = 0.0, list[float]()
    for gap in gaps:
        now += gap
        if bucket.allow(now):
            passed.append(now)
    for first, start in enumerate(passed):
        for last, end in enumerate(passed[first:], 1):
            assert last <= burst + (end - start) * rate + 1e-6


def test_a_burst_passes_at_once_and_then_the_rate() -> None:
    bucket = RateLimit(10, 3)
    assert [bucket.allow(5.0) for _ in range(4)] == [True, True, True, False]
    assert bucket.allow(5.11)
    assert not bucket.allow(5.12)
