"""Pieces are taken out and replaced, and no pattern takes longer than it may."""

from __future__ import annotations

import time
from typing import Any

import pytest
import trio

from tests.effort import little_effort
from trio_agent_rt.agent.tools import MAX_TEXT_CHARS, text_extract, text_replace
from trio_agent_rt.agent.tools.patterns import matching
from trio_agent_rt.errors import ToolError

from .recorded import polls_until_cancelled, run

EXPLOSIONS = [
    (r"^(a|aa)+$", "a" * 200 + "!"),
    (r"(?P<x>a)(?P>x)*(?R)?b", "a" * 5000),
    (r"(?:foobar){e<=5}$", "xyzabc" * 50_000),
]
"""Each takes longer than anybody waits. `(a+)+$` itself does not: the package sees through it."""


async def test_every_match_is_taken_with_its_line_and_its_groups() -> None:
    text = "Ann <ann@a.org>\nnobody\nBob <bob@b.org>"
    assert await run(text_extract, text=text, pattern=r"(?P<user>\w+)@(?P<host>[\w.]+)") == {
        "count": 2,
        "truncated": False,
        "texts": ["ann@a.org", "bob@b.org"],
        "report": "ann@a.org\nbob@b.org\n",
        "matches": [
            {"text": "ann@a.org", "line": 1, "groups": {"user": "ann", "host": "a.org"}},
            {"text": "bob@b.org", "line": 3, "groups": {"user": "bob", "host": "b.org"}},
        ],
    }


@pytest.mark.parametrize(
    ("arguments", "texts"),
    [
        ({"text": "a=1, b=22", "pattern": r"\w=(\d+)"}, ["1", "22"]),
        ({"text": "a=1, b=22", "pattern": r"(\w)=(\d+)"}, ["a=1", "b=22"]),
        ({"text": "x\ny\n", "pattern": "^.$"}, ["x", "y"]),
        ({"text": "ab aB", "pattern": "AB", "ignore_case": True}, ["ab", "aB"]),
        ({"text": "b a b", "pattern": r"\w", "unique": True}, ["b", "a"]),
        ({"text": "b a b", "pattern": r"\w", "limit": 2}, ["b", "a"]),
        ({"text": "电话：一二三。电话：四。", "pattern": "电话：([一-四]+)"}, ["一二三", "四"]),
        ({"text": "<b>x</b><b>y", "start": "<b>", "end": "</b>"}, ["x"]),
        ({"text": "|a|b|c", "start": "|", "end": "|"}, ["a"]),
        ({"text": "BEGIN x end", "start": "begin", "end": "END", "ignore_case": True}, [" x "]),
        ({"text": "", "pattern": "x"}, []),
    ],
)
async def test_pieces_are_what_was_asked_for(arguments: dict[str, Any], texts: list[str]) -> None:
    assert (await run(text_extract, **arguments))["texts"] == texts


@pytest.mark.parametrize(
    ("arguments", "text", "count"),
    [
        ({"text": "a.b.", "find": ".", "replacement": r"\1"}, r"a\1b\1", 2),
        ({"text": "a.b.", "find": ".", "replacement": "", "limit": 1}, "ab.", 1),
        (
            {"text": "Foo foo", "find": "FOO", "replacement": r"\0", "ignore_case": True},
            r"\0 \0",
            2,
        ),
        ({"text": "1-2", "pattern": r"(\d)-(?P<b>\d)", "replacement": r"\g<b>-\1"}, "2-1", 1),
        ({"text": "aaa", "pattern": "a", "replacement": "b", "limit": 2}, "bba", 2),
        ({"text": "ab", "pattern": "x*", "replacement": "-"}, "-a-b-", 3),
        ({"text": "无", "find": "x", "replacement": "y"}, "无", 0),
    ],
)
async def test_pieces_are_replaced(arguments: dict[str, Any], text: str, count: int) -> None:
    assert await run(text_replace, **arguments) == {"text": text, "count": count}


@pytest.mark.parametrize(
    ("tool", "arguments", "complaint"),
    [
        (text_extract, {"text": "x"}, "either `pattern`, or both"),
        (text_extract, {"text": "x", "pattern": "x", "start": "x", "end": "y"}, "either"),
        (text_extract, {"text": "x", "pattern": "(x"}, r"'\(x' cannot be read: missing \)"),
        (text_extract, {"text": "x" * (MAX_TEXT_CHARS + 1), "pattern": "x"}, "at most 20,000,000"),
        (text_extract, {"text": "x" * 1_000_001, "pattern": "(x)"}, "takes at most 1,000,000"),
        (text_replace, {"text": "x", "replacement": ""}, "either `find` or `pattern`"),
        (text_replace, {"text": "x", "pattern": "x", "replacement": r"\1"}, "cannot be used"),
        (text_replace, {"text": "x", "pattern": "x", "replacement": r"\g<n>"}, "cannot be used"),
        (
            text_replace,
            {"text": "x" * 1000, "find": "x", "replacement": "y" * 100_000},
            "more than 20,000,000 characters",
        ),
        (
            text_replace,
            {"text": "x" * 1000, "pattern": "x", "replacement": "y" * 100_000},
            "more than 20,000,000 characters",
        ),
    ],
)
async def test_what_cannot_be_done_is_refused(
    tool: Any, arguments: dict[str, Any], complaint: str
) -> None:
    with pytest.raises(ToolError, match=complaint):
        await run(tool, **arguments)


async def test_looking_ahead_again_and_again_gives_no_more_than_fits() -> None:
    found = await run(text_extract, text="x" * 100_000, pattern="(?=(x*))")
    assert found["truncated"]
    assert sum(map(len, found["texts"])) <= 1_000_000


@pytest.mark.parametrize(("pattern", "text"), EXPLOSIONS)
async def test_a_pattern_that_explodes_is_given_up_and_disturbs_nobody(
    pattern: str, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(matching, "TIME_LIMIT", 0.3)
    beats = 0

    async def beat() -> None:
        nonlocal beats
        while True:
            await trio.sleep(0.01)
            beats += 1

    began = time.process_time()
    with little_effort():
        async with trio.open_nursery() as nursery:
            nursery.start_soon(beat)
            with pytest.raises(ToolError, match="repetitions inside repetitions"):
                await run(text_extract, text=text, pattern=pattern)
            nursery.cancel_scope.cancel()
    assert time.process_time() - began > 0.25
    assert beats >= 3, "it held the interpreter lock"


@pytest.mark.parametrize(("pattern", "text"), EXPLOSIONS)
@pytest.mark.parametrize("tool", [text_extract, text_replace], ids=lambda tool: tool.name)
async def test_a_cancel_ends_a_pattern_that_explodes(
    tool: Any, pattern: str, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(matching, "TIME_LIMIT", 0.3)
    arguments = {"text": text, "pattern": pattern}
    if tool is text_replace:
        arguments["replacement"] = ""
    with little_effort(), trio.move_on_after(0.05) as scope:
        await run(tool, **arguments)
    assert scope.cancelled_caught


async def test_many_matches_heed_a_cancel_between_them(monkeypatch: pytest.MonkeyPatch) -> None:
    arguments = {"text": "ab" * 10_000, "pattern": "a", "replacement": "x"}
    assert await polls_until_cancelled(monkeypatch, 5, text_replace, **arguments) == 5


async def test_many_pieces_between_markers_heed_a_cancel(monkeypatch: pytest.MonkeyPatch) -> None:
    arguments = {"text": "<a>" * 100, "start": "<", "end": ">"}
    assert await polls_until_cancelled(monkeypatch, 5, text_extract, **arguments) == 5


@pytest.mark.parametrize(
    "pattern", [r"\p{L}{1000000000}", "(a{3000}){3000}", "(?:ab){20000000}", "x{,999999999}"]
)
async def test_a_pattern_that_only_compiling_would_choke_on_is_refused(pattern: str) -> None:
    with pytest.raises(ToolError, match="too complex"):
        await run(text_extract, text="a", pattern=pattern)


@pytest.mark.parametrize(
    "pattern", [r"\d{4}-\d{2}", "[{5}]{7}", r"\{9999999\}", "[\\w.]{1,300}@[\\w.]{1,300}", "a{"]
)
async def test_counts_that_come_to_little_are_no_hindrance(pattern: str) -> None:
    assert (await run(text_extract, text="-", pattern=pattern))["count"] == 0
