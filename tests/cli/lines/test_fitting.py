"""What is left out where there is no room is told of, and is what matters least."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from trio_agent_rt.cli.lines import fitted


@given(st.lists(st.integers(0, 9), max_size=40), st.integers(-1, 20))
def test_it_fits_and_nothing_is_missing(weights: list[int], height: int) -> None:
    shown = fitted(weights, height)
    assert len(shown) <= max(height, 0)
    indexes = [n for each in shown for n in ([each] if isinstance(each, int) else each)]
    assert indexes == (list(range(len(weights))) if height > 0 else [])
    gaps = [each for each in shown if isinstance(each, range)]
    assert all(len(each) > 1 or height == 1 for each in gaps)


def test_the_light_ones_are_shown_before_the_heavy_ones() -> None:
    assert fitted([5, 5, 0, 5, 5, 1, 5, 5], 5) == [range(2), 2, range(3, 5), 5, range(6, 8)]
    assert fitted([5, 5, 0, 5, 5, 1, 5, 5], 3) == [range(2), 2, range(3, 8)]


def test_one_row_takes_its_own_place_and_not_a_word_about_it() -> None:
    assert fitted([0, 5, 0, 5, 5], 4) == [0, 1, 2, range(3, 5)]
