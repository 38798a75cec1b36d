"""JSON is parsed or refused with a place, and lines are found."""

from __future__ import annotations

import contextlib
import json
from typing import Any

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st

from trio_agent_rt.agent.tools import MAX_TEXT_CHARS, json_parse, text_search
from trio_agent_rt.agent.tools.work import Work
from trio_agent_rt.errors import ToolError

from .recorded import run

# --- json_parse


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('{"a": [1, 2.5, "é", null, true]}', {"a": [1, 2.5, "é", None, True]}),
        ("\ufeff[]", []),
        (" 3 ", 3),
        ("null", None),
        ('"x"', "x"),
        (str(2**70), 2**70),
        ("[" * 100 + "]" * 100, json.loads("[" * 100 + "]" * 100)),
    ],
)
async def test_json_becomes_its_value(text: str, value: Any) -> None:
    assert await run(json_parse, text=text) == value


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "it is empty"),
        ("  \n", "it is empty"),
        ('{\n  "a": 1,\n}', r"(property name|trailing comma).*line [23], column"),
        ('{"a" 1}', r"line 1, column 6"),
        ("[1] x", r"extra data \(line 1, column 5\)"),
        ("{'a': 1}", r"double quotes \(line 1, column 2\)"),
        ('"\x01"', "control character"),
        ("NaN", "NaN is not a JSON number"),
        ("[-Infinity]", "-Infinity is not a JSON number"),
        ("1" * 5000, "more than 4,300 digits"),
        ("[" * 101 + "]" * 101, "more than 100 levels"),
        ('{"a":' * 101 + "1" + "}" * 101, "more than 100 levels"),
        ("[" * 100_000, "more than 100 levels"),
        ("[]," * 1_000_001, "more than 1,000,000 objects and lists"),
        ("1" * (MAX_TEXT_CHARS + 1), "at most 20,000,000 are taken"),
    ],
)
async def test_what_is_no_json_is_refused_with_a_reason(text: str, complaint: str) -> None:
    with pytest.raises(ToolError, match=complaint):
        await run(json_parse, text=text)


_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(-1e9, 1e9) | st.text(),
    lambda inner: st.one_of(st.lists(inner), st.dictionaries(st.text(), inner)),
    max_leaves=20,
)


@given(_VALUES)
async def test_any_value_that_was_written_is_read_back(value: Any) -> None:
    assert await run(json_parse, text=json.dumps(value)) == value


@given(st.text())
async def test_any_text_is_parsed_or_refused(text: str) -> None:
    with contextlib.suppress(ToolError):
        value = await run(json_parse, text=text)
        assert value == json.loads(text)


@pytest.mark.parametrize("item", [1, 1.5, {"a": "b"}])
async def test_parsing_heeds_a_cancel_in_the_middle(
    item: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    really_poll = Work.poll
    polls = 0

    def poll_and_cancel(work: Work, percent: float | None = None, message: str = "") -> None:
        nonlocal polls
        polls += 1
        if polls == 3:
            trio.from_thread.run_sync(scope.cancel)
        really_poll(work, percent, message)

    monkeypatch.setattr(Work, "poll", poll_and_cancel)
    with trio.CancelScope() as scope:
        await run(json_parse, text=json.dumps([item] * 40_000))
    assert scope.cancelled_caught
    assert polls == 3, "it went on after the cancel"
    polls = 3
    await run(json_parse, text=json.dumps([item] * 40_000))
    assert polls > 3 + 9, "it does not poll while it parses"


# --- text_search


async def test_lines_are_found_in_whatever_case_with_their_numbers() -> None:
    text = "Start\nERROR one\r\nfine\ran error\n"
    assert await run(text_search, text=text, query="Error") == {
        "query": "Error",
        "count": 2,
        "truncated": False,
        "report": "2: ERROR one\n4: an error\n",
        "matches": [{"line": 2, "text": "ERROR one"}, {"line": 4, "text": "an error"}],
    }


async def test_a_query_is_literal() -> None:
    assert (await run(text_search, text="a.b\naxb\n", query="a.b"))["count"] == 1
    assert (await run(text_search, text="straße\n", query="STRASSE"))["count"] == 1
    assert (await run(text_search, text="发生错误\n正常\n", query="错误"))["count"] == 1


async def test_many_matches_are_counted_and_cut() -> None:
    found = await run(text_search, text="x\n" * 1500, query="x")
    assert (found["count"], len(found["matches"]), found["truncated"]) == (1500, 1000, True)


async def test_a_long_line_is_shown_around_what_was_found() -> None:
    found = await run(text_search, text="a" * 5000 + "needle" + "b" * 5000, query="needle")
    shown = found["matches"][0]["text"]
    assert "needle" in shown
    assert len(shown) < 500
    assert shown.startswith("…")
    assert shown.endswith("…")


@pytest.mark.parametrize("query", ["", "a\nb", "x" * 1001])
async def test_a_query_that_cannot_be_found_is_refused(query: str) -> None:
    with pytest.raises(ToolError):
        await run(text_search, text="text", query=query)
