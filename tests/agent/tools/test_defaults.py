"""The default tools are complete, described, honest about stopping, and work together."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import trio

from trio_agent_rt.agent import Tool, ToolSet
from trio_agent_rt.agent.tools import default_tools, wait
from trio_agent_rt.errors import ToolError

from .recorded import RecordedCall, run

NAMES = (
    "file_read",
    "file_list",
    "file_write",
    "web_fetch",
    "web_search",
    "csv_parse",
    "table_describe",
    "json_parse",
    "json_stringify",
    "text_search",
    "text_extract",
    "text_replace",
    "math_evaluate",
    "datetime_format",
    "wait",
)
TOOLS = ToolSet(default_tools())
by_tool = pytest.mark.parametrize("tool", TOOLS, ids=lambda tool: tool.name)


def test_there_is_a_tool_for_each_purpose() -> None:
    assert TOOLS.names == NAMES


@by_tool
def test_a_model_can_read_what_a_tool_takes(tool: Tool) -> None:
    schema = json.loads(json.dumps(tool.parameters))
    assert schema["type"] == "object"
    assert schema["additionalProperties"] is False
    assert len(tool.description) > 20
    for parameter in schema["properties"].values():
        assert {"type", "anyOf", "enum"} & set(parameter)


@by_tool
async def test_arguments_that_do_not_fit_are_refused_by_name(tool: Tool) -> None:
    with pytest.raises(ToolError, match=f"^{tool.name}: .*`"):
        await run(tool, **{_required_kind(tool): None})
    with pytest.raises(ToolError, match=f"^{tool.name}: .*`surplus`"):
        await run(tool, surplus=1)


def _required_kind(tool: Tool) -> str:
    """The first argument that may not be null."""
    properties: dict[str, Any] = tool.parameters["properties"]
    return next(name for name, schema in properties.items() if "null" not in json.dumps(schema))


@by_tool
async def test_every_tool_is_a_checkpoint(tool: Tool, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("x")
    arguments: dict[str, dict[str, Any]] = {
        "file_read": {"path": "a.txt"},
        "file_list": {},
        "file_write": {"path": "b.txt", "text": "x"},
        "web_fetch": {"url": "http://1.1.1.1/"},
        "web_search": {"query": "x"},
        "csv_parse": {"text": "a\n1"},
        "table_describe": {"table": []},
        "json_parse": {"text": "1"},
        "json_stringify": {"value": 1},
        "text_search": {"text": "x", "query": "x"},
        "text_extract": {"text": "x", "pattern": "x"},
        "text_replace": {"text": "x", "find": "x", "replacement": "y"},
        "datetime_format": {},
        "math_evaluate": {"expression": "1"},
        "wait": {"seconds": 0},
    }
    call = ToolSet(default_tools(root=tmp_path))[tool.name]
    with trio.CancelScope() as scope:
        scope.cancel()
        await call.run(RecordedCall(), arguments[tool.name])
    assert scope.cancelled_caught
    assert not (tmp_path / "b.txt").exists()


async def test_a_file_goes_the_whole_way_to_its_report(tmp_path: Path) -> None:
    (tmp_path / "销售.csv").write_bytes('地区,金额\n北,"1,200"\n南,800\n'.encode("gb18030"))
    tools = ToolSet(default_tools(root=tmp_path))
    read = await run(tools["file_read"], path="销售.csv")
    parsed = await run(tools["csv_parse"], text=read["text"])
    described = await run(tools["table_describe"], table=parsed, language="zh")
    await run(tools["file_write"], path="out/报告.md", text=described["report"])
    assert "| 金额 | 2 | 0 | 1,000 | 800 | 1,200 | 2,000 |" in (tmp_path / "out/报告.md").read_text(
        encoding="utf-8"
    )


# --- wait


async def test_waiting_takes_its_time_and_tells_of_it(autojump_clock: trio.abc.Clock) -> None:
    call = RecordedCall()
    began = trio.current_time()
    assert await wait.run(call, {"seconds": 10}) == {"seconds": 10}
    assert trio.current_time() - began == pytest.approx(10)
    assert call.told == sorted(call.told)
    assert call.told[0] == 0
    assert call.told[-1] == 100
    assert 90 <= len(call.told) <= 102
    assert call.messages[50] == "5.0 of 10 s"


@pytest.mark.parametrize(("seconds", "most"), [(0.25, 5), (3600, 3602), (0, 1)])
async def test_waiting_tells_no_more_often_than_is_of_use(
    autojump_clock: trio.abc.Clock, seconds: float, most: int
) -> None:
    call = RecordedCall()
    began = trio.current_time()
    await wait.run(call, {"seconds": seconds})
    assert trio.current_time() - began == pytest.approx(seconds)
    assert 1 <= len(call.told) <= most


async def test_waiting_ends_at_once_when_cancelled(autojump_clock: trio.abc.Clock) -> None:
    began = trio.current_time()
    with trio.move_on_after(2.25):
        await run(wait, seconds=3600)
    assert trio.current_time() - began == pytest.approx(2.25)


@pytest.mark.parametrize("seconds", [-1, 3601, float("nan"), float("inf"), "10", None, True])
async def test_a_time_that_cannot_be_waited_is_refused(seconds: object) -> None:
    with pytest.raises(ToolError, match=r"wait: .*`seconds`"):
        await run(wait, seconds=seconds)
