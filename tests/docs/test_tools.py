"""The page of the default tools and `default_tools()` say the same.

For a new tool, add a row to both tables of the page, where `default_tools()` has it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import pytest

from trio_agent_rt.agent import Tool
from trio_agent_rt.agent.tools import SearchResult, default_tools

from .pages import REPOSITORY

PAGE = REPOSITORY / "docs" / "reference" / "tools.md"


class Engine:
    """A search engine that finds nothing."""

    async def search(self, query: str, limit: int) -> Sequence[SearchResult]:
        return []


TOOLS = default_tools(search=Engine())
ROWS = re.findall(r"^\| `(\w+)` \|.*$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
LINES = [line for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith("| `")]


def first_row(tool: Tool) -> str:
    """What the first table says of a tool."""
    required = tool.parameters.get("required", ())
    names = [each if each in required else f"{each}?" for each in tool.parameters["properties"]]
    stops = f"`{tool.cancellation}`"
    stops += ", asks a person first" if tool.needs_confirmation else ""
    stops += ", may be retried" if tool.retryable else ""
    arguments = ", ".join(f"`{each}`" for each in names)
    return f"| `{tool.name}` | {tool.category} | {arguments} | {stops} |"


def test_every_tool_has_a_row_in_both_tables_in_order() -> None:
    names = [each.name for each in TOOLS]
    assert [*names, *names] == ROWS


@pytest.mark.parametrize("tool", TOOLS, ids=lambda tool: tool.name)
def test_what_the_page_says_of_a_tool_is_so(tool: Tool) -> None:
    assert first_row(tool) in LINES
    (second,) = [each for each in LINES[len(TOOLS) :] if each.startswith(f"| `{tool.name}` |")]
    for given in re.findall(r"`(\w+)`", second.split("|")[2]):
        assert f"`{given}`" in tool.description, f"its description says nothing of {given}"
