"""What a tool of a server gives becomes plain values, whatever it is made of."""

from __future__ import annotations

from typing import Any

import pytest
from mcp import types

from trio_agent_rt.mcp.results import plain_result

TEXT = types.TextContent(type="text", text="hello")
PICTURE = types.ImageContent(type="image", data="AAAA", mime_type="image/png")
PAGE = types.EmbeddedResource(
    type="resource",
    resource=types.TextResourceContents(uri="file:///a", mime_type="text/plain", text="a"),
)
BLOB = types.EmbeddedResource(
    type="resource",
    resource=types.BlobResourceContents(uri="file:///b", mime_type=None, blob="QkI="),
)
LINK = types.ResourceLink(type="resource_link", uri="file:///c", name="c")


@pytest.mark.parametrize(
    ("content", "structured", "value"),
    [
        ([], None, None),
        ([TEXT], None, "hello"),
        ([TEXT, TEXT], None, ["hello", "hello"]),
        ([PICTURE], None, {"type": "image", "mime_type": "image/png", "data": "AAAA"}),
        (
            [PAGE],
            None,
            {"type": "resource", "uri": "file:///a", "mime_type": "text/plain", "text": "a"},
        ),
        ([BLOB], None, {"type": "resource", "uri": "file:///b", "mime_type": None, "data": "QkI="}),
        ([LINK], None, {"type": "resource_link", "uri": "file:///c", "name": "c"}),
        ([TEXT], {"sum": 3}, {"sum": 3}),
        (
            [TEXT, LINK],
            {"sum": 3},
            {
                "structured": {"sum": 3},
                "content": [{"type": "resource_link", "uri": "file:///c", "name": "c"}],
            },
        ),
    ],
)
def test_each_kind_of_content(content: list[Any], structured: Any, value: Any) -> None:
    result = types.CallToolResult(content=content, structured_content=structured)
    assert plain_result(result, max_chars=1000) == value


def test_what_is_too_long_is_cut_and_a_picture_comes_whole_or_not_at_all() -> None:
    picture = types.ImageContent(type="image", data="A" * 5000, mime_type="image/png")
    text = types.TextContent(type="text", text="x" * 5000)
    shown = plain_result(types.CallToolResult(content=[picture, text]), max_chars=1000)
    assert shown[0] == {
        "type": "image",
        "mime_type": "image/png",
        "data": None,
        "missing_chars": 5000,
    }
    assert "cut" in shown[1]
    assert len(shown[1]) < 1100
