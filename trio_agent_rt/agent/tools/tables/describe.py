"""What a table's columns hold, in figures and as a report."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any

from msgspec import Meta

from ...tool import ToolCall, tool
from ..work import Work, in_thread
from .cells import Figure, cell_text, is_missing, number_reader
from .report import Language, report
from .shape import to_columns

__all__ = ["table_describe"]

_NUMERIC_SHARE = 0.9
"""A column is one of numbers if at least so much of what is not missing is one: a stray
"unknown" must not hide the mean of a thousand figures."""

_MOST_COMMON = 3
_MAX_SHOWN = 80
_POLL_EVERY = 0xFFF

_NUMBER_READERS = (number_reader("point"), number_reader("comma"))


@tool(category="data", cancellation="thread")
async def table_describe(
    call: ToolCall,
    table: Annotated[
        dict[str, Any] | list[Any],
        Meta(description="the output of csv_parse, {columns, rows}, or a list of objects"),
    ],
    title: Annotated[str, Meta(description="what to call the table, a file name for example")] = "",
    language: Annotated[Language, Meta(description="the language of the report")] = "en",
) -> dict[str, Any]:
    """Describe the columns of a table. Gives `title`, `row_count`, `column_count`, `columns`,
    `warnings` and `report`, all of it in Markdown. A column of numbers has `count`, `missing`,
    `mean`, `min`, `max`, `sum`, `unit` and `not_numeric`; one of texts has `count`, `missing`,
    `unique` and `most_common`."""
    return await in_thread(call, lambda work: _describe(table, title, language, work))


def _describe(table: object, title: str, language: Language, work: Work) -> dict[str, Any]:
    columns = to_columns(table, work)
    described: list[dict[str, Any]] = []
    for number, (name, values) in enumerate(columns.values.items()):
        percent = 100 * number / len(columns.values)
        work.poll(percent, str(name))
        described.append({"name": str(name), **_describe_column(values, work)})
    return {
        "title": title,
        "row_count": columns.row_count,
        "column_count": len(described),
        "columns": described,
        "warnings": list(columns.warnings),
        "report": report(title, columns.row_count, described, columns.warnings, language),
    }


def _describe_column(values: Sequence[object], work: Work) -> Mapping[str, Any]:
    present: list[object] = []
    for number, value in enumerate(values):
        if not number & _POLL_EVERY:
            work.poll()
        if not is_missing(value):
            present.append(value)
    missing = len(values) - len(present)
    if not present:
        return {"kind": "empty", "count": 0, "missing": missing}
    for read in _NUMBER_READERS:
        figures = _figures(present, read, work)
        if figures is not None:
            strays = len(present) - len(figures)
            return {
                "kind": "number",
                "missing": missing,
                "not_numeric": strays,
                **_numbers(figures),
            }
    return {"kind": "text", "missing": missing, **_texts(present, work)}


def _figures(
    values: Sequence[object], read: Callable[[object], Figure | None], work: Work
) -> Sequence[Figure] | None:
    """The numbers in a column of numbers, all of one unit; None if it is not one."""
    allowed = int(len(values) * (1 - _NUMERIC_SHARE))
    strays = 0
    units: Counter[str] = Counter()
    found: list[Figure] = []
    for number, value in enumerate(values):
        if not number & _POLL_EVERY:
            work.poll()
        figure = read(value)
        if figure is None:
            strays += 1
            if strays > allowed:
                return None
        else:
            found.append(figure)
            if figure.value:  # a bare 0 among percentages is one of them
                units[figure.unit] += 1
    unit = units.most_common(1)[0][0] if units else found[0].unit
    found = [Figure(each.value, unit) for each in found if each.unit == unit or not each.value]
    return found if len(values) - len(found) <= allowed else None


def _numbers(figures: Sequence[Figure]) -> Mapping[str, Any]:
    values = [figure.value for figure in figures]
    try:
        total = math.fsum(values)
        mean = total / len(values)
    except OverflowError:
        total = None
        mean = math.fsum(value / len(values) for value in values)
    return {
        "count": len(values),
        "mean": _plain(mean),
        "min": _plain(min(values)),
        "max": _plain(max(values)),
        "sum": None if total is None else _plain(total),
        "unit": figures[0].unit,
    }


def _plain(number: float) -> int | float:
    """Whole numbers as such: 3 reads better than 3.0."""
    return int(number) if number.is_integer() and abs(number) < 2**53 else number


def _texts(values: Sequence[object], work: Work) -> Mapping[str, Any]:
    counts: Counter[str] = Counter()
    for number, value in enumerate(values):
        if not number & _POLL_EVERY:
            work.poll()
        counts[cell_text(value)] += 1
    return {
        "count": len(values),
        "unique": len(counts),
        "most_common": [
            {"value": _shortened(text), "count": count}
            for text, count in counts.most_common(_MOST_COMMON)
        ],
    }


def _shortened(text: str) -> str:
    return text if len(text) <= _MAX_SHOWN else text[:_MAX_SHOWN] + "…"
