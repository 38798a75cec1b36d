"""Taking pieces out of a text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any

from attrs import frozen
from msgspec import Meta

from ....errors import ToolError
from ...tool import ToolCall, tool
from ..text import require_size
from ..work import Work, in_thread
from .matching import Lines, PatternText, compile_pattern, find_all

__all__ = ["text_extract"]

_MAX_MATCHES = 1000
_MAX_CHARS = 1_000_000
"""Of all that is given: what looks ahead can match the rest of the text again and again."""
_MAX_COUNTED_CHARS = 20_000_000
"""Beyond it what is found is not even counted."""

Marker = Annotated[str, Meta(min_length=1, max_length=1000)]


@tool(category="text", cancellation="thread")
async def text_extract(
    call: ToolCall,
    text: Annotated[str, Meta(description="the text to take pieces out of")],
    pattern: PatternText | None = None,
    start: Annotated[
        Marker | None, Meta(description="instead of a pattern: what stands before each piece")
    ] = None,
    end: Annotated[Marker | None, Meta(description="and what stands after it")] = None,
    ignore_case: bool = False,
    unique: Annotated[bool, Meta(description="each different piece once")] = False,
    limit: Annotated[int, Meta(ge=1, le=_MAX_MATCHES)] = _MAX_MATCHES,
) -> dict[str, Any]:
    """Take all pieces out of a text that match a regular expression, or stand between two
    markers. Gives `count` and `truncated`, `texts` (the pieces), `report` (one a line) and
    `matches`, each with `text`, `line` and `groups` (the named ones). A piece is what the only
    group of the pattern has matched, or else the whole match."""
    require_size(text)
    if (pattern is None) == (start is None or end is None):
        raise ToolError("text_extract: give either `pattern`, or both `start` and `end`")

    def work_on(work: Work) -> dict[str, Any]:
        if pattern is not None:
            found = _matched(text, pattern, ignore_case, work)
        else:
            found = _between(text, start or "", end or "", ignore_case, work)
        return _collect(found, Lines(text), unique, limit)

    return await in_thread(call, work_on)


@frozen
class _Piece:
    text: str
    place: int
    groups: Mapping[str, str | None]


def _matched(text: str, pattern: str, ignore_case: bool, work: Work) -> Iterator[_Piece]:
    compiled = compile_pattern(pattern, ignore_case=ignore_case)
    group = 1 if compiled.groups == 1 else 0
    for each in find_all(compiled, text, work):
        piece = each.group(group)
        if piece is not None:
            yield _Piece(piece, each.start(), each.groupdict())


def _between(text: str, start: str, end: str, ignore_case: bool, work: Work) -> Iterator[_Piece]:
    folded = text.lower() if ignore_case else text
    if len(folded) != len(text):  # a few characters are two in small letters
        raise ToolError("text_extract: this text cannot be searched with `ignore_case`")
    if ignore_case:
        start, end = start.lower(), end.lower()
    place = 0
    while (found := folded.find(start, place)) >= 0:
        begin = found + len(start)
        stop = folded.find(end, begin)
        if stop < 0:
            return
        work.poll(100 * stop / len(text))
        yield _Piece(text[begin:stop], begin, {})
        place = stop + len(end)


def _collect(found: Iterator[_Piece], lines: Lines, unique: bool, limit: int) -> dict[str, Any]:
    matches: list[dict[str, Any]] = []
    seen: set[str] = set()
    chars = count = 0
    for each in found:
        if unique:
            if each.text in seen:
                continue
            if chars <= _MAX_CHARS:
                seen.add(each.text)
        count += 1
        chars += len(each.text) + sum(len(value or "") for value in each.groups.values())
        if chars > _MAX_COUNTED_CHARS:
            break
        if len(matches) >= limit or chars > _MAX_CHARS:
            continue
        line = lines.number_at(each.place)
        matches.append({"text": each.text, "line": line, "groups": dict(each.groups)})
    texts = [each["text"] for each in matches]
    return {
        "count": count,
        "truncated": count > len(matches),
        "texts": texts,
        "report": "".join(f"{each}\n" for each in texts),
        "matches": matches,
    }
