"""Text: decoding it, reading JSON from it, finding lines in it."""

from __future__ import annotations

import codecs
import io
import json
from typing import Annotated, Any, cast

from msgspec import Meta

from ...errors import ToolError
from ..tool import ToolCall, tool
from .work import Work, in_thread

__all__ = ["MAX_TEXT_CHARS", "decode_text", "json_parse", "require_size", "text_search"]

MAX_TEXT_CHARS = 20_000_000
"""The longest text that a tool takes."""

_MAX_DEPTH = 100
"""Nobody nests deeper on purpose, and what passes on the result recurses."""

_MAX_CONTAINERS = 1_000_000
"""More would keep the collector of garbage busy for seconds, and everybody waiting."""

_MAX_MATCHES = 1000
_MAX_LINE = 400
_POLL_EVERY = 0xFFF

_UTF16_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def decode_text(data: bytes) -> tuple[str, str]:
    """The text of a file and the encoding it was in.

    UTF-8 if it is, marked UTF-16 (what spreadsheets export), GB18030 if that reads like
    Chinese, else Latin-1.

    Raises:
        ToolError: for what is not text; the sentence lacks the subject.
    """
    if data.startswith(_UTF16_MARKS):
        try:
            return data.decode("utf-16"), "utf-16"
        except UnicodeDecodeError:
            raise ToolError("is not a text file: its UTF-16 is broken") from None
    if b"\0" in data:
        raise ToolError("is not a text file: it holds zero bytes")
    try:
        marked = data.startswith(codecs.BOM_UTF8)
        return data.decode("utf-8-sig"), "utf-8-sig" if marked else "utf-8"
    except UnicodeDecodeError:
        pass
    try:
        text = data.decode("gb18030")
    except UnicodeDecodeError:
        pass
    else:
        if _reads_like_chinese(text):
            return text, "gb18030"
    return data.decode("latin-1"), "latin-1"


def _reads_like_chinese(text: str) -> bool:
    """Whether most of it beyond ASCII are characters in everyday use.

    GB18030 reads nearly any pair of bytes as some character, "für" among them, but such
    accidents give rare ones.
    """
    beyond = "".join(each for each in text[:200_000] if each > "\x7f")
    everyday = beyond.encode("gb2312", "ignore").decode("gb2312")
    return len(everyday) * 2 >= len(beyond)


def require_size(text: str) -> None:
    """Refuse a text that is too long to work on.

    Raises:
        ToolError: when it is.
    """
    if len(text) > MAX_TEXT_CHARS:
        raise ToolError(
            f"the text has {len(text):,} characters; at most {MAX_TEXT_CHARS:,} are taken"
        )


@tool(category="data", cancellation="thread")
async def json_parse(
    call: ToolCall, text: Annotated[str, Meta(description="a JSON document")]
) -> Any:
    """Parse JSON. Gives the value itself: an object, a list, a text, a number, …"""
    require_size(text)
    return await in_thread(call, lambda work: _parse_json(text, work))


def _parse_json(text: str, work: Work) -> Any:
    seen = 0

    def count() -> None:
        nonlocal seen
        seen += 1
        if not seen & _POLL_EVERY:
            work.poll()

    def integer(digits: str) -> int:
        count()
        return int(digits)

    def real(digits: str) -> float:
        count()
        return float(digits)

    def pairs(items: list[tuple[str, Any]]) -> dict[str, Any]:
        count()
        return dict(items)

    def constant(name: str) -> Any:
        raise ToolError(f"the text is not JSON: {name} is not a JSON number; null is")

    work.poll()
    if text.count("[") + text.count("{") > _MAX_CONTAINERS:
        raise ToolError(f"the JSON holds more than {_MAX_CONTAINERS:,} objects and lists")
    try:
        value = json.loads(
            text.removeprefix("\ufeff"),
            parse_int=integer,
            parse_float=real,
            object_pairs_hook=pairs,
            parse_constant=constant,
        )
    except json.JSONDecodeError as exc:
        what = "it is empty" if not text.strip() else exc.msg[:1].lower() + exc.msg[1:]
        raise ToolError(
            f"the text is not JSON: {what} (line {exc.lineno}, column {exc.colno})"
        ) from None
    except RecursionError:
        raise _too_deep() from None
    except ValueError:
        raise ToolError("the text holds an integer of more than 4,300 digits") from None
    _require_depth(value, work)
    return value


def _require_depth(value: Any, work: Work) -> None:
    level: list[Any] = [[value]]  # the values that hold values, level by level
    for _ in range(_MAX_DEPTH + 1):
        deeper: list[Any] = []
        for number, each in enumerate(level):
            if not number & _POLL_EVERY:
                work.poll()
            members = cast("dict[str, Any]", each).values() if isinstance(each, dict) else each
            deeper += [item for item in members if isinstance(item, dict | list)]
        if not deeper:
            return
        level = deeper
    raise _too_deep()


def _too_deep() -> ToolError:
    return ToolError(f"the JSON is nested more than {_MAX_DEPTH} levels deep")


@tool(category="text", cancellation="thread")
async def text_search(
    call: ToolCall,
    text: Annotated[str, Meta(description="the text to search")],
    query: Annotated[
        str, Meta(min_length=1, max_length=1000, description="what to find, literally")
    ],
) -> dict[str, Any]:
    """Find the lines that contain a text, in whatever case. Gives `query`, `count` (of lines),
    `truncated`, `report` (the lines as text) and `matches`, each with `line` and `text`."""
    require_size(text)
    if "\n" in query or "\r" in query:
        raise ToolError("text_search looks at one line at a time; the query has several")
    return await in_thread(call, lambda work: _search(text, query, work))


def _search(text: str, query: str, work: Work) -> dict[str, Any]:
    wanted = query.casefold()
    matches: list[dict[str, Any]] = []
    count = done = 0
    for number, line in enumerate(io.StringIO(text, newline=None), 1):
        done += len(line)
        if not number & _POLL_EVERY:
            work.poll(100 * done / len(text))
        folded = line.casefold()
        place = folded.find(wanted)
        if place >= 0:
            count += 1
            if len(matches) < _MAX_MATCHES:
                matches.append({"line": number, "text": _around(line.rstrip("\n"), place)})
    report = "".join(f"{each['line']}: {each['text']}\n" for each in matches)
    return {
        "query": query,
        "count": count,
        "truncated": count > len(matches),
        "report": report,
        "matches": matches,
    }


def _around(line: str, place: int) -> str:
    """The part of a long line around `place`."""
    if len(line) <= _MAX_LINE:
        return line
    start = max(0, min(place - _MAX_LINE // 4, len(line) - _MAX_LINE))
    end = start + _MAX_LINE
    return ("…" if start else "") + line[start:end] + ("…" if end < len(line) else "")
