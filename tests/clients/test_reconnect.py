"""Delays: full jitter, a cap, an end."""

from __future__ import annotations

import itertools

import pytest

from trio_agent_rt.clients import Reconnect


def longest(low: float, high: float) -> float:
    assert low == 0
    return high


def test_delays_are_random_from_zero_to_a_bound_that_doubles_up_to_the_cap() -> None:
    delays = Reconnect(base=0.5, cap=5.0).delays(longest)
    assert list(itertools.islice(delays, 6)) == [0.5, 1, 2, 4, 5, 5]


def test_delays_go_on_for_ever() -> None:
    delays = Reconnect(base=0.5, cap=5.0).delays(longest)
    assert next(itertools.islice(delays, 5000, None)) == 5


def test_real_delays_differ() -> None:
    found = [next(Reconnect().delays()) for _ in range(20)]
    assert len(set(found)) > 1
    assert all(0 <= each <= 0.5 for each in found)


def test_attempts_can_be_counted_or_switched_off() -> None:
    assert len(list(Reconnect(max_attempts=3).delays())) == 3
    assert list(Reconnect(enabled=False).delays()) == []


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"base": -1}, "base must be 0 or more seconds"),
        ({"cap": float("nan")}, "cap must be 0 or more seconds"),
        ({"give_up_after": -1}, "give_up_after must be 0 or more seconds"),
        ({"max_attempts": 0}, "enabled=False is for none"),
    ],
)
def test_nonsense_is_refused(options: dict[str, float], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        Reconnect(**options)  # type: ignore[arg-type]
