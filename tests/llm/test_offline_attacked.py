"""Whatever a client sends as a task, it is planned or refused in no time to speak of.

Planning runs in the event loop, where nothing else can run meanwhile. None of these measures
a time: rules that try every way to cut a text take so long that the guard against hanging
ends the test, or that it never ends.
"""

from __future__ import annotations

import pytest
import trio

from trio_agent_rt.agent.tools import default_tools
from trio_agent_rt.llm.offline.client import plan_task

TOOLS = {each.name for each in default_tools()}
LENGTH = 2000

REPEATED = [
    " ",
    "\t\n",
    " ,",
    ",",
    "，",
    '"',
    "'",
    "“",
    "「",
    "1",
    "1.",
    "(1)",
    "a.",
    "a/",
    "=",
    "等于",
    "和",
    "并且",
    "and ",
    "the ",
    "in ",
    "with ",
    "sqrt",
    "目录",
    "替换为",
    "count ",
    "replace ",
    "a.txt ",
]
BEGINNINGS = ["x", "calculate ", "列出 ", "replace a", "find ", "把 a.txt 中"]


def filled(beginning: str, repeated: str, end: str) -> str:
    """A task as long as one may be."""
    times = (LENGTH - len(beginning) - len(end)) // len(repeated)
    return beginning + repeated * times + end


@pytest.mark.hang_guard(10)
@pytest.mark.parametrize("repeated", REPEATED)
async def test_a_text_of_one_thing_over_and_over_is_soon_planned_or_refused(repeated: str) -> None:
    for beginning in BEGINNINGS:
        await trio.lowlevel.checkpoint()
        plan = plan_task(filled(beginning, repeated, "y"), TOOLS)
        assert ("steps" in plan) != ("error" in plan)


async def test_blanks_between_words_count_once() -> None:
    spread = plan_task("find   errors \t in\u3000 log.txt ,   then  save   it", TOOLS)
    assert spread == plan_task("find errors in log.txt, then save it", TOOLS)


async def test_blanks_within_quotes_are_kept() -> None:
    search = plan_task('find  "a   b"  in log.txt', TOOLS)["steps"][-1]
    assert search["arguments"]["query"] == "a   b"


async def test_a_new_line_among_blanks_still_ends_a_clause() -> None:
    steps = plan_task("calculate 1+1  \n\n  calculate 2+2", TOOLS)["steps"]
    assert [each["arguments"]["expression"] for each in steps] == ["1+1", "2+2"]


@pytest.mark.parametrize(
    ("task", "paths"),
    [
        ("read " + "a" * 500 + " b.txt", ["b.txt"]),
        ("打开C:\\data\\a.csv", ["C:\\data\\a.csv"]),
        ("读取a.csv和b.txt", ["a.csv", "b.txt"]),
        ("read x(1)(2).txt", ["x(1)(2).txt"]),
        ("read v1.2/ and (1).txt", ["(1).txt"]),
    ],
)
async def test_names_are_found_behind_what_is_none(task: str, paths: list[str]) -> None:
    steps = plan_task(task, TOOLS)["steps"]
    assert [each["arguments"]["path"] for each in steps if each["tool"] == "file_read"] == paths


async def test_a_number_with_many_digits_is_still_calculated() -> None:
    (step,) = plan_task("calculate " + "1" * 60 + ".5e3 + 2e", TOOLS)["steps"]
    assert step["arguments"]["expression"] == "1" * 60 + ".5e3 + 2e"
