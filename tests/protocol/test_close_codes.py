"""Close codes and the advice they carry."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trio_agent_rt.protocol import CloseCode, may_reconnect, shorten_reason

CONTRACT = {
    1000: False,
    1001: True,
    1003: False,
    1007: False,
    1008: False,
    1009: False,
    1011: True,
    1013: True,
    4000: True,
    4001: True,
    4002: True,
    4500: False,
    4501: False,
    4502: False,
}
"""Every code of the contract, and whether a client comes back after it."""


def test_the_codes_are_those_of_the_contract() -> None:
    assert {int(code) for code in CloseCode} == set(CONTRACT)


@pytest.mark.parametrize(("code", "again"), CONTRACT.items())
def test_each_code_says_whether_to_reconnect(code: int, again: bool) -> None:
    assert may_reconnect(code) is again
    assert may_reconnect(CloseCode(code)) is again


@given(st.integers(4000, 4999))
def test_private_codes_say_it_by_their_range(code: int) -> None:
    assert may_reconnect(code) is (code < 4500)


def test_a_connection_that_broke_is_tried_again() -> None:
    assert may_reconnect(None)
    assert may_reconnect(1006)


@given(st.text(st.characters(), max_size=200))
def test_a_reason_fits_a_close_frame_whatever_it_holds(reason: str) -> None:
    short = shorten_reason(reason)
    assert len(short.encode()) <= 123
    clean = reason.encode("utf-8", "replace").decode()
    assert clean.startswith(short)
    if len(clean.encode()) <= 123:
        assert short == clean


def test_a_reason_is_cut_between_two_characters() -> None:
    assert shorten_reason("x" + "ä" * 100) == "x" + "ä" * 61
    assert shorten_reason("ä" * 100) == "ä" * 61
    assert shorten_reason("x" * 200) == "x" * 123
