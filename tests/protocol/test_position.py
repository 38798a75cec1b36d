"""Positions as text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.protocol.strategies import positions
from trio_agent_rt.protocol import Position, new_epoch


@given(positions)
def test_a_position_is_read_back_from_its_text(position: Position) -> None:
    assert Position.parse(str(position)) == position


@pytest.mark.parametrize(
    "text",
    [
        "",
        "-",
        "ab",
        "ab-",
        "-1",
        "ab-01",
        "ab--1",
        "ab-1.0",
        "ab-1 ",
        " ab-1",
        "ab-1\n",
        "ab-1-2",
        "AB-1",
        "ä-1",
        "ab-١",
        "ab-" + "9" * 17,
        "a" * 33 + "-1",
        "ab-\ud800",
        "ab-1\0",
        "x" * 1_000_000,
    ],
)
def test_what_is_no_position_is_none(text: str) -> None:
    assert Position.parse(text) is None


@given(st.text(st.characters()))
def test_no_text_raises(text: str) -> None:
    position = Position.parse(text)
    assert position is None or str(position) == text


def test_a_new_epoch_fits_a_position_and_is_never_the_same() -> None:
    epochs = {new_epoch() for _ in range(1000)}
    assert len(epochs) == 1000
    for epoch in epochs:
        assert Position.parse(f"{epoch}-1") == Position(epoch, 1)


def test_positions_of_two_epochs_differ() -> None:
    assert Position("a", 1) != Position("b", 1)
    assert len({Position("a", 1), Position("a", 1), Position("b", 1)}) == 2
