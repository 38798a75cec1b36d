"""The tools that an agent has when it is given no others."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import trio
from msgspec import Meta

from ..tool import Tool, ToolCall, tool
from .clock import datetime_format
from .expression import math_evaluate
from .files import MAX_FILE_BYTES, file_tools
from .patterns import text_extract, text_replace
from .programs import CodeLimits, code_execute_tool
from .stringify import json_stringify
from .tables import csv_parse, table_describe
from .text import json_parse, text_search
from .web import SearchProvider, WebAccess, web_fetch_tool, web_search_tool

__all__ = ["MAX_WAIT", "default_tools", "wait"]

MAX_WAIT = 3600.0
"""The longest that `wait` waits, in seconds."""

_FASTEST_PROGRESS = 0.1
"""The default `broadcast_interval`."""

_SLOWEST_PROGRESS = 1.0
"""So that a long wait still looks alive."""


def default_tools(
    *,
    root: Path | str = ".",
    max_file_bytes: int = MAX_FILE_BYTES,
    web: WebAccess | None = None,
    search: SearchProvider | None = None,
    code: bool | CodeLimits = False,
) -> list[Tool]:
    """New list of the default tools: files, web, CSV, JSON, tables, text, arithmetic, waiting.

    Args:
        root: the folder that the file tools may use; nothing outside of it can be read
            or written, through links either.
        max_file_bytes: the largest file that is read or written.
        web: what `web_fetch` may reach and how much of it; None for the public web.
        search: the search engine of `web_search`; None for none, which it says when asked.
        code: whether there is a `code_execute`, and what a program may use; it is no
            sandbox, see `code_execute_tool`.

    Raises:
        ValueError: when `root` is not a folder that exists.
    """
    return [
        *file_tools(root, max_file_bytes=max_file_bytes),
        web_fetch_tool(web),
        web_search_tool(search),
        csv_parse,
        table_describe,
        json_parse,
        json_stringify,
        text_search,
        text_extract,
        text_replace,
        math_evaluate,
        datetime_format,
        wait,
        *([code_execute_tool(None if code is True else code)] if code else []),
    ]


@tool(category="time")
async def wait(
    call: ToolCall,
    seconds: Annotated[float, Meta(ge=0, le=MAX_WAIT, description="how long, in seconds")],
) -> dict[str, Any]:
    """Wait for some seconds, an hour at most, and tell how far it is. Gives `seconds`."""
    start = trio.current_time()
    interval = min(max(seconds / 100, _FASTEST_PROGRESS), _SLOWEST_PROGRESS)
    await trio.lowlevel.checkpoint()
    while (passed := trio.current_time() - start) < seconds:
        call.progress(100 * passed / seconds, f"{passed:.1f} of {seconds:g} s")
        await trio.sleep_until(start + min(seconds, passed + interval))
    call.progress(100, f"{seconds:g} s")
    return {"seconds": seconds}
