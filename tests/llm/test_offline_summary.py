"""The offline client sums up what a task came to, whatever of it has been cut."""

from __future__ import annotations

import json
from typing import Any

import pytest

from trio_agent_rt.agent import ChatMessage, LLMRequest, ToolSet
from trio_agent_rt.agent.tools import default_tools
from trio_agent_rt.errors import LLMError
from trio_agent_rt.llm import OfflineClient

TOOLS = ToolSet(default_tools())


async def summary(task: str, *steps: tuple[str, object], **more: Any) -> str:
    """What the client says of these steps, each a tool and its output."""
    told_steps = [
        {"id": f"step_{number}", "name": f"Step {number}", "tool": tool, "status": "success",
         "output": output, "error": None} | more
        for number, (tool, output) in enumerate(steps, 1)
    ]  # fmt: skip
    content = json.dumps({"task": task, "steps": told_steps})
    request = LLMRequest(messages=[ChatMessage(role="user", content=content)], purpose="summary")
    return (await OfflineClient().complete(request)).text


DESCRIBED = {
    "title": "sales.csv",
    "row_count": 1200,
    "column_count": 2,
    "columns": [
        {"name": "region", "kind": "text"},
        {"name": "price", "kind": "number", "mean": 2.5, "min": 1, "max": 4, "unit": "$"},
    ],
}


async def test_a_summary_states_the_result_and_who_worded_it() -> None:
    text = await summary(
        "analyse sales.csv and save a report",
        ("file_read", {"path": "sales.csv", "lines": 1201, "bytes": 9}),
        ("csv_parse", {"row_count": 1200}),
        ("table_describe", DESCRIBED),
        ("file_write", {"path": "sales_report.md", "bytes": 812}),
    )
    assert text == (
        "sales.csv: 1,200 rows × 2 columns; price averages 2.5$ (1$ to 4$). "
        "Saved to sales_report.md (812 bytes). "
        "(Worded by fixed rules; no language model was asked.)"
    )


async def test_a_summary_speaks_the_language_of_the_task() -> None:
    text = await summary("分析 sales.csv", ("table_describe", DESCRIBED))
    assert text.startswith("sales.csv：1,200 行 × 2 列；price 平均 2.5$（1$ 至 4$）。")
    assert text.endswith("（由固定规则生成，未使用语言模型。）")


@pytest.mark.parametrize(
    ("tool", "output", "english", "chinese"),
    [
        ("math_evaluate", {"expression": "1+1", "text": "2"}, "1+1 = 2.", "1+1 = 2。"),
        ("wait", {"seconds": 10}, "Waited 10 s.", "已等待 10 秒。"),
        ("wait", {"seconds": 0.5}, "Waited 0.5 s.", "已等待 0.5 秒。"),
        ("text_search", {"query": "x", "count": 1}, "“x” is in 1 line.", "有 1 行包含“x”。"),
        ("text_search", {"query": "x", "count": 2}, "“x” is in 2 lines.", "有 2 行"),
        (
            "file_read",
            {"path": "a.txt", "lines": 3, "bytes": 9},
            "a.txt has 3 lines and 9 bytes.",
            "a.txt 有 3 行、9 字节。",
        ),
        (
            "file_read",
            {"path": "a.txt", "lines": 1, "bytes": 1},
            "a.txt has 1 line and 1 byte.",
            "a.txt 有 1 行、1 字节。",
        ),
        (
            "file_list",
            {"directory": ".", "count": 2, "entries": [{"name": "a"}, {"name": "b"}]},
            "The folder has 2 entries: a, b.",
            "当前目录 中有 2 项：a、b。",
        ),
        ("text_replace", {"count": 1}, "Replaced 1 time.", "替换了 1 处。"),
        ("text_extract", {"count": 0, "texts": []}, "Found 0.", "找到 0 项。"),
        ("text_extract", {"count": 2, "texts": ["a", "b"]}, "Found 2: a, b.", "找到 2 项：a、b。"),
        ("text_extract", {"count": 9, "texts": ["a"]}, "Found 9: a….", "找到 9 项：a…。"),
        ("datetime_format", {"text": "noon"}, "noon.", "noon。"),
        ("web_fetch", {"title": "T", "bytes": 9}, "“T”, 9 bytes.", "“T”，9 字节。"),
        ("csv_parse", {"row_count": 3}, "The table has 3 rows.", "共 3 行。"),
        ("my_tool", "anything", "Step 1: done.", "Step 1：已完成。"),
    ],
)
async def test_each_tool_has_its_sentence(
    tool: str, output: object, english: str, chinese: str
) -> None:
    assert (await summary("do it", (tool, output))).startswith(english)
    assert (await summary("做吧", (tool, output))).startswith(chinese)


@pytest.mark.parametrize("tool", TOOLS.names)
@pytest.mark.parametrize("output", [None, "cut…", [], {}, {"columns": ["<cut: 3 more items>"]}])
async def test_an_output_that_was_cut_does_no_harm(tool: str, output: object) -> None:
    assert await summary("do it", (tool, output))


async def test_failures_are_told_and_nothing_is_called_done_that_is_not() -> None:
    failed = await summary("do it", ("wait", None), status="failed", error="too late")
    assert failed.startswith("Step 1 failed: too late.")
    assert (await summary("do it")).startswith("No step was completed.")
    assert (await summary("做吧")).startswith("没有完成任何步骤。")


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"steps": 3}', "[" * 5000])
async def test_a_summary_of_something_else_is_an_error(content: str) -> None:
    request = LLMRequest(messages=[ChatMessage(role="user", content=content)], purpose="summary")
    with pytest.raises(LLMError):
        await OfflineClient().complete(request)
