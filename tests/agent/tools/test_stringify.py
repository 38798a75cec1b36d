"""Any value is written as JSON, whole, or refused."""

from __future__ import annotations

import datetime
import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trio_agent_rt.agent.tools import json_stringify
from trio_agent_rt.errors import ToolError

from .recorded import polls_until_cancelled, run

_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63) + 1, 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.one_of(
        st.lists(inner), st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner)
    ),
    max_leaves=20,
)


@given(_VALUES, st.sampled_from([0, 2]), st.booleans())
async def test_what_is_written_is_the_value(value: Any, indent: int, sort_keys: bool) -> None:
    written = await run(json_stringify, value=value, indent=indent, sort_keys=sort_keys)
    assert json.loads(written["text"]) == value


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (float("nan"), '"NaN"'),
        (2**70, f'"{2**70}"'),
        (datetime.date(2026, 1, 2), '"2026-01-02"'),
        (Decimal("1.50"), '"1.50"'),
        ("\ud800", '"\ufffd"'),
        ({1: (2,), None: "中"}, '{"1":[2],"null":"中"}'),
        (object(), '"<not encodable: builtins.object>"'),
    ],
)
async def test_what_json_does_not_know_is_told_all_the_same(value: object, text: str) -> None:
    assert (await run(json_stringify, value=value, indent=0))["text"] == text


async def test_it_is_laid_out_as_asked() -> None:
    value = {"b": [1], "a": {}}
    assert (await run(json_stringify, value=value))[
        "text"
    ] == '{\n  "b": [\n    1\n  ],\n  "a": {}\n}'
    sorted_ = await run(json_stringify, value=value, indent=0, sort_keys=True)
    assert sorted_ == {"text": '{"a":{},"b":[1]}', "chars": 16}


def deep(levels: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(levels - 1):
        value = [value]
    return value


async def test_nothing_is_cut_and_what_is_too_big_is_refused() -> None:
    big = "x" * 1_000_000
    assert (await run(json_stringify, value=[big], indent=0))["chars"] == 1_000_004
    assert json.loads((await run(json_stringify, value=deep(90)))["text"]) == deep(90)
    with pytest.raises(ToolError, match="more than 20,000,000 characters"):
        await run(json_stringify, value=[big] * 21)
    with pytest.raises(ToolError, match="more than 20,000,000 characters"):
        await run(json_stringify, value=[["\n" * 15] * 1000] * 1000)
    with pytest.raises(ToolError, match="nested more than 100 levels"):
        await run(json_stringify, value=deep(102))


async def test_what_contains_itself_is_refused() -> None:
    circle: list[Any] = []
    circle.append(circle)
    with pytest.raises(ToolError, match="nested more than 100 levels"):
        await run(json_stringify, value=circle)


async def test_writing_heeds_a_cancel_in_the_middle(monkeypatch: pytest.MonkeyPatch) -> None:
    value = [list(range(100))] * 1000
    assert await polls_until_cancelled(monkeypatch, 5, json_stringify, value=value) == 5
