"""The closing words of a task, from what its steps came to."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, cast

from ...errors import LLMError
from .speech import DISCLAIMER
from .words import Language, language_of, lift

__all__ = ["summarise"]

_MAX_COLUMNS = 3
_INTERMEDIATE = frozenset({"file_read", "csv_parse", "json_parse", "json_stringify"})
"""Tools whose output another step works on; they are told of only if nothing else is."""


def summarise(content: str) -> str:
    """What a task came to, in its own language; made from the JSON that tells its steps.

    Raises:
        LLMError: when `content` is no such JSON.
    """
    try:
        told = json.loads(content)
    except (ValueError, RecursionError):
        told = None
    fields = cast("dict[str, Any]", told) if isinstance(told, dict) else {}
    if not isinstance(fields.get("steps"), list):
        raise LLMError("the offline client sums up the steps of a task and nothing else")
    language = language_of(lift(str(fields.get("task", ""))))
    steps = [_Fields(each) for each in cast("list[Any]", fields["steps"])]
    done = [each for each in steps if each.text("status") == "success"]
    telling = [each for each in done if each.text("tool") not in _INTERMEDIATE]
    sentences = [_result(each, language) for each in telling or done[-1:]]
    sentences += [_failure(each, language) for each in steps if each.text("status") == "failed"]
    if not sentences:
        sentences = ["没有完成任何步骤。" if language == "zh" else "No step was completed."]
    return ("" if language == "zh" else " ").join([*sentences, DISCLAIMER[language]])


class _Fields:
    """An object of which any field may be missing, cut or of another kind."""

    def __init__(self, value: object) -> None:
        self._value: Mapping[str, Any] = {}
        if isinstance(value, Mapping):
            self._value = cast("Mapping[str, Any]", value)

    def text(self, name: str) -> str:
        value = self._value.get(name)
        return value if isinstance(value, str) else ""

    def number(self, name: str) -> str:
        """A number as people write it, or "?"."""
        value = self._value.get(name)
        if isinstance(value, bool) or not isinstance(value, int | float):
            return "?"
        return f"{value:,}" if isinstance(value, int) else f"{value:,.6g}"

    def fields(self, name: str) -> _Fields:
        return _Fields(self._value.get(name))

    def texts(self, name: str) -> Sequence[str]:
        value = self._value.get(name)
        items = cast("Sequence[object]", value) if isinstance(value, list | tuple) else ()
        return [each for each in items if isinstance(each, str)]

    def list(self, name: str) -> Sequence[_Fields]:
        value = self._value.get(name)
        items = cast("list[object]", value) if isinstance(value, list) else []
        return [_Fields(each) for each in items]


def _result(step: _Fields, language: Language) -> str:
    zh = language == "zh"
    output = step.fields("output")
    match step.text("tool"):
        case "table_describe":
            return _table(output, zh)
        case "csv_parse":
            rows = output.number("row_count")
            return f"共 {rows} 行。" if zh else f"The table has {_many(rows, 'row')}."
        case "math_evaluate":
            return f"{output.text('expression')} = {output.text('text')}{'。' if zh else '.'}"
        case "wait":
            seconds = output.number("seconds")
            return f"已等待 {seconds} 秒。" if zh else f"Waited {seconds} s."
        case "file_write":
            path, size = output.text("path"), output.number("bytes")
            return (
                f"已保存到 {path}（{size} 字节）。"
                if zh
                else f"Saved to {path} ({_many(size, 'byte')})."
            )
        case "file_read":
            path, lines, size = output.text("path"), output.number("lines"), output.number("bytes")
            if zh:
                return f"{path} 有 {lines} 行、{size} 字节。"
            return f"{path} has {_many(lines, 'line')} and {_many(size, 'byte')}."
        case "text_search":
            query, count = output.text("query"), output.number("count")
            if zh:
                return f"有 {count} 行包含“{query}”。"
            return f"“{query}” is in {_many(count, 'line')}."
        case "file_list":
            return _folder(output, zh)
        case "text_extract":
            return _pieces(output, zh)
        case "text_replace":
            count = output.number("count")
            if zh:
                return f"替换了 {count} 处。"
            return f"Replaced {_many(count, 'time')}."
        case "datetime_format":
            return f"{output.text('text')}{'。' if zh else '.'}"
        case "web_fetch":
            title, size = output.text("title") or output.text("url"), output.number("bytes")
            return f"“{title}”，{size} 字节。" if zh else f"“{title}”, {_many(size, 'byte')}."
        case _:
            name = step.text("name") or step.text("id")
            return f"{name}：已完成。" if zh else f"{name}: done."


def _many(number: str, of_what: str) -> str:
    return f"{number} {of_what}{'' if number == '1' else 's'}"


def _table(output: _Fields, zh: bool) -> str:
    title, rows, columns = (
        output.text("title"),
        output.number("row_count"),
        output.number("column_count"),
    )
    figures = [each for each in output.list("columns") if each.text("kind") == "number"]
    told = [_column(each, zh) for each in figures[:_MAX_COLUMNS]]
    if zh:
        text = f"{title or '表格'}：{rows} 行 × {columns} 列"
        return "；".join([text, *told]) + "。"
    text = f"{title or 'The table'}: {_many(rows, 'row')} × {_many(columns, 'column')}"
    return "; ".join([text, *told]) + "."


def _column(column: _Fields, zh: bool) -> str:
    name, unit = column.text("name"), column.text("unit")
    mean, low, high = (column.number(each) + unit for each in ("mean", "min", "max"))
    if zh:
        return f"{name} 平均 {mean}（{low} 至 {high}）"
    return f"{name} averages {mean} ({low} to {high})"


def _folder(output: _Fields, zh: bool) -> str:
    folder, count = output.text("directory"), output.number("count")
    names = [each.text("name") for each in output.list("entries")][:5]
    more = "…" if count != str(len(names)) else ""
    if zh:
        shown = f"：{'、'.join(names)}{more}" if names else ""
        return f"{'当前目录' if folder == '.' else folder} 中有 {count} 项{shown}。"
    shown = f": {', '.join(names)}{more}" if names else ""
    where = "The folder" if folder == "." else folder
    return f"{where} has {count} entr{'y' if count == '1' else 'ies'}{shown}."


def _pieces(output: _Fields, zh: bool) -> str:
    count = output.number("count")
    texts = output.texts("texts")[:5]
    more = "…" if count != str(len(texts)) else ""
    if zh:
        return f"找到 {count} 项" + (f"：{'、'.join(texts)}{more}。" if texts else "。")
    return f"Found {count}" + (f": {', '.join(texts)}{more}." if texts else ".")


def _failure(step: _Fields, language: Language) -> str:
    name, error = step.text("name") or step.text("id"), step.text("error")
    if language == "zh":
        return f"{name} 失败：{error}。"
    return f"{name} failed: {error}."
