"""What a server lists is made fit for plans, models and viewers, or refused with its name."""

from __future__ import annotations

from typing import Any

import pytest
import trio

from trio_agent_rt.errors import ToolServerFailed
from trio_agent_rt.mcp import open_mcp_tools
from trio_agent_rt.mcp.listed import checked_schema, tool_names

from .hostile import TOOL, declaring
from .serving import Call, the_tools


@pytest.mark.parametrize(
    ("given", "names"),
    [
        (["read", "write"], ["fs_read", "fs_write"]),
        (["read.file", "lies/größe", ""], ["fs_read_file", "fs_lies_gr__e", "fs_"]),
        (["a.b", "a b", "a_b", "a_b_2"], ["fs_a_b", "fs_a_b_2", "fs_a_b_3", "fs_a_b_2_2"]),
        (["x" * 99] * 2, ["fs_" + "x" * 61, "fs_" + "x" * 59 + "_2"]),
    ],
)
def test_each_is_valid_and_no_two_are_the_same(given: list[str], names: list[str]) -> None:
    assert tool_names(given, "fs_") == names


def test_an_empty_name_is_still_a_name() -> None:
    assert tool_names(["", ""]) == ["_", "__2"]


def test_many_of_one_name_take_no_time() -> None:
    names = tool_names(["x"] * 20_000)
    assert len(set(names)) == 20_000
    assert names[:3] == ["x", "x_2", "x_3"]


def nested(levels: int) -> dict[str, Any]:
    schema: dict[str, Any] = {}
    for _ in range(levels):
        schema = {"properties": {"a": schema}}
    return {"type": "object", **schema}


LIST = "tool 2 of its list is not as the protocol has it: "
SCHEMA = "the schema of its tool 't' is of no use: "


@pytest.mark.parametrize(
    ("tool", "why"),
    [
        ({"inputSchema": {"type": "object", "properties": ["a"]}},
         LIST + "inputSchema.properties: Input should be a valid dictionary"),
        ({"inputSchema": {"type": "object", "required": "a"}},
         LIST + "inputSchema.required: Input should be a valid list"),
        ({"inputSchema": {"type": ["object", "null"]}},
         LIST + "inputSchema.type: Input should be 'object'"),
        ({"inputSchema": {"$ref": "#"}}, LIST + "inputSchema.type: Field required"),
        ({"description": ["x"]}, LIST + "description: Input should be a valid string"),
        ({"inputSchema": {"type": "object", "additionalProperties": "x"}},
         SCHEMA + "'additionalProperties' is neither true, false nor a schema"),
        ({"inputSchema": nested(30)}, SCHEMA + "it is nested more than 48 deep"),
    ],
)  # fmt: skip
async def test_a_tool_that_is_of_no_use_is_named_when_its_server_is_opened(
    tool: Any, why: str
) -> None:
    with trio.fail_after(30), pytest.raises(ToolServerFailed) as caught:
        async with open_mcp_tools(declaring(TOOL, {**TOOL, **tool})):
            raise AssertionError("it was opened")
    assert str(caught.value).partition(": ")[2] == why


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "object"},
        {"type": "object", "properties": None, "required": None},
        {"type": "object", "anyOf": [3], "$ref": 5},
        {"type": "object", "properties": {"b": True}, "additionalProperties": {}},
        nested(20),
    ],
)
async def test_a_schema_that_says_little_is_taken_as_it_is(schema: dict[str, Any]) -> None:
    with trio.fail_after(30):
        async with the_tools(declaring({**TOOL, "inputSchema": schema})) as tools:
            assert None not in tools["t"].parameters.values()
            assert '"arguments": {"x": 1}' in str(await tools["t"].run(Call(), {"x": 1}))


def test_a_schema_that_nobody_could_read_is_refused() -> None:
    with pytest.raises(ToolServerFailed, match="'t' is of no use: it has more than 262,144 char"):
        checked_schema("t", {"type": "object", "title": "x" * 300_000})


async def test_a_server_has_a_thousand_tools_at_most() -> None:
    with trio.fail_after(30), pytest.raises(ToolServerFailed, match="more than 1000 tools"):
        async with open_mcp_tools(declaring(*[TOOL] * 1001)):
            raise AssertionError("it was opened")
