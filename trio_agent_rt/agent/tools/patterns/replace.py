"""Replacing pieces of a text."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

import regex
from msgspec import Meta

from ....errors import ToolError
from ...tool import ToolCall, tool
from ..text import MAX_TEXT_CHARS, require_size
from ..work import Work, in_thread
from .matching import Found, PatternText, compile_pattern, find_all

__all__ = ["text_replace"]


@tool(category="text", cancellation="thread")
async def text_replace(
    call: ToolCall,
    text: Annotated[str, Meta(description="the text to change")],
    replacement: Annotated[
        str,
        Meta(max_length=100_000, description=r"with a pattern, \1 and \g<name> stand for groups"),
    ],
    find: Annotated[
        Annotated[str, Meta(min_length=1, max_length=1000)] | None,
        Meta(description="what to replace, literally"),
    ] = None,
    pattern: PatternText | None = None,
    ignore_case: bool = False,
    limit: Annotated[int, Meta(ge=0, description="how many to replace; 0 for all")] = 0,
) -> dict[str, Any]:
    """Replace a text, or what matches a regular expression, by another one.
    Gives `count` (of what was replaced) and `text`."""
    require_size(text)
    if (find is None) == (pattern is None):
        raise ToolError("text_replace: give either `find` or `pattern`")

    def work_on(work: Work) -> dict[str, Any]:
        if find is not None and not ignore_case:
            return _literally(text, find, replacement, limit)
        if find is not None:
            compiled = compile_pattern(regex.escape(find), ignore_case=True)
            return _replace(text, compiled, lambda _: replacement, limit, work)
        compiled = compile_pattern(pattern or "", ignore_case=ignore_case)
        return _replace(text, compiled, lambda found: _expand(found, replacement), limit, work)

    return await in_thread(call, work_on)


def _literally(text: str, find: str, replacement: str, limit: int) -> dict[str, Any]:
    count = text.count(find)
    if limit:
        count = min(count, limit)
    _require_room(len(text) + count * (len(replacement) - len(find)))
    return {"count": count, "text": text.replace(find, replacement, count)}


def _replace(
    text: str,
    pattern: regex.Pattern[str],
    replacement: Callable[[Found], str],
    limit: int,
    work: Work,
) -> dict[str, Any]:
    pieces: list[str] = []
    count = place = chars = 0
    for each in find_all(pattern, text, work):
        pieces += [text[place : each.start()], replacement(each)]
        chars += len(pieces[-1])
        _require_room(chars)
        place = each.end()
        count += 1
        if count == limit:
            break
    _require_room(chars + len(text))
    return {"count": count, "text": "".join([*pieces, text[place:]])}


def _expand(found: Found, replacement: str) -> str:
    try:
        return found.expand(replacement)
    except (regex.error, IndexError, KeyError) as exc:
        raise ToolError(f"the replacement {replacement[:100]!r} cannot be used: {exc}") from None


def _require_room(chars: int) -> None:
    if chars > MAX_TEXT_CHARS:
        raise ToolError(f"the result would have more than {MAX_TEXT_CHARS:,} characters")
