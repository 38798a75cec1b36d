"""The description of a table as Markdown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, TypeAlias

__all__ = ["Language", "report"]

Language: TypeAlias = Literal["en", "zh"]
"""What a report is written in."""

_WORDS: Mapping[Language, Mapping[str, str]] = {
    "en": {
        "title": "Table",
        "size": "{rows} rows × {columns} columns.",
        "numbers": "Columns of numbers",
        "number_heads": "column|count|missing|mean|min|max|sum",
        "texts": "Columns of text",
        "text_heads": "column|count|missing|unique|most common",
        "different": "all different",
        "empty": "Columns without any value",
        "strays": "{name}: {count} value(s) are no numbers and were left out.",
        "notes": "Notes",
    },
    "zh": {
        "title": "表格",
        "size": "{rows} 行 × {columns} 列。",
        "numbers": "数值列",
        "number_heads": "列|数量|缺失|平均值|最小值|最大值|合计",
        "texts": "文本列",
        "text_heads": "列|数量|缺失|不同值|最常见",
        "different": "各不相同",
        "empty": "没有任何值的列",
        "strays": "{name}：有 {count} 个值不是数字，未计入。",
        "notes": "说明",
    },
}


def report(
    title: str,
    row_count: int,
    columns: Sequence[Mapping[str, Any]],
    warnings: Sequence[str],
    language: Language,
) -> str:
    """The report on a table whose columns have been described."""
    words = _WORDS[language]
    by_kind = {
        kind: [each for each in columns if each["kind"] == kind]
        for kind in ("number", "text", "empty")
    }
    parts = [
        f"# {_inline(title or words['title'])}",
        words["size"].format(rows=f"{row_count:,}", columns=f"{len(columns):,}"),
    ]
    if by_kind["number"]:
        rows = [_number_row(each) for each in by_kind["number"]]
        parts += [f"## {words['numbers']}", _table(words["number_heads"].split("|"), rows)]
    if by_kind["text"]:
        rows = [_text_row(each, words) for each in by_kind["text"]]
        parts += [f"## {words['texts']}", _table(words["text_heads"].split("|"), rows)]
    if by_kind["empty"]:
        names = ", ".join(_inline(each["name"]) for each in by_kind["empty"])
        parts += [f"## {words['empty']}", names]
    notes = [
        words["strays"].format(name=_inline(each["name"]), count=each["not_numeric"])
        for each in by_kind["number"]
        if each["not_numeric"]
    ]
    notes += [_inline(each) for each in warnings]
    if notes:
        parts += [f"## {words['notes']}", "\n".join(f"- {each}" for each in notes)]
    return "\n\n".join(parts) + "\n"


def _number_row(column: Mapping[str, Any]) -> Sequence[str]:
    unit = column["unit"]
    figures = [_figure(column[key], unit) for key in ("mean", "min", "max", "sum")]
    return [column["name"], f"{column['count']:,}", f"{column['missing']:,}", *figures]


def _text_row(column: Mapping[str, Any], words: Mapping[str, str]) -> Sequence[str]:
    common = ", ".join(f"{each['value']} ({each['count']:,})" for each in column["most_common"])
    if column["unique"] == column["count"] > 1:
        common = words["different"]
    counts = [f"{column[key]:,}" for key in ("count", "missing", "unique")]
    return [column["name"], *counts, common]


def _figure(number: int | float | None, unit: str) -> str:
    if number is None:
        return ""
    if abs(number) >= 1e15:
        text = f"{number:.6g}"
    elif isinstance(number, int):
        text = f"{number:,}"
    elif abs(number) >= 1000:
        text = f"{number:,.2f}"
    else:
        text = f"{number:.6g}"
    return f"{unit}{text}" if unit in ("$", "£", "¥") else f"{text}{unit}"


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(f"| {' | '.join(_inline(each) for each in line)} |" for line in lines)


def _inline(text: str) -> str:
    """Text that cannot break out of a line or a cell."""
    return " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;")
