"""A question is read whole: what was not shown is counted."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from trio_agent_rt.cli.lines import Reading


def _all(reading: Reading) -> tuple[list[str], int]:
    shown, pages = reading.page(), 1
    while reading.hidden:
        shown += reading.page()
        pages += 1
    return shown, pages


def test_a_program_of_the_usual_bound_is_one_page() -> None:
    text = "code_execute —\ncode (20000 characters):\n" + "\n".join(["| " + "x" * 118] * 166)
    shown, pages = _all(Reading(text))
    assert pages == 1
    assert "\n".join(shown) == text


@given(st.lists(st.text("ab的\n", max_size=9000), max_size=9))
def test_nothing_is_left_out_or_told_twice(parts: list[str]) -> None:
    text = "\n".join(parts).strip("\n")
    shown, _ = _all(Reading(text))
    assert "".join(shown) == text.replace("\n", "")
    assert all(len(each) <= 2000 for each in shown)


def test_what_is_long_comes_in_pages_and_the_rest_is_counted() -> None:
    reading = Reading("\n".join(str(n) for n in range(5000)))
    assert reading.page() == [str(n) for n in range(200)]
    assert reading.hidden == 4800
    assert len(reading.page()) == 1000
    assert reading.hidden == 3800


def test_one_giant_line_comes_in_pages_too() -> None:
    reading = Reading("x" * 1_000_000)
    assert sum(map(len, reading.page())) == 24_000
    assert reading.hidden == 488


def test_what_a_terminal_would_obey_is_gone() -> None:
    assert Reading("\x1b[2Ja\rb").page() == ["a", "b"]
