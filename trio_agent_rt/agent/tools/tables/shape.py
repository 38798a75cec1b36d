"""The forms in which a table comes, all turned into columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Sized
from typing import Any, cast

from attrs import field, frozen

from ....errors import ToolError
from ..work import Work

__all__ = ["Columns", "to_columns"]

_MAX_COLUMNS = 2000
_POLL_EVERY = 0xFFF


@frozen
class Columns:
    """A table column by column."""

    row_count: int
    values: Mapping[str, Sequence[object]]
    warnings: Sequence[str] = field(factory=tuple[str, ...])


def to_columns(table: object, work: Work) -> Columns:
    """The columns of a table in any of these forms:

    - `{"columns": [names], "rows": [lists or objects]}`, what `csv_parse` gives
    - a list of objects, of lists, or of plain values (one column, `value`)
    - an object with exactly one member that is a list of objects: that list
    - any other object: one row

    Raises:
        ToolError: when it is none of them.
    """
    if isinstance(table, Mapping):
        return _from_object(cast("Mapping[str, object]", table), work)
    if isinstance(table, list | tuple):
        return _from_rows(cast("Sequence[object]", table), None, (), work)
    raise ToolError("this is no table: a list of objects or {columns, rows} is expected")


def _from_object(table: Mapping[str, object], work: Work) -> Columns:
    rows = table.get("rows")
    if isinstance(rows, list | tuple):
        names = table.get("columns")
        warnings = table.get("warnings")
        return _from_rows(
            cast("Sequence[object]", rows),
            [str(each) for each in cast("list[object]", names)]
            if isinstance(names, list)
            else None,
            [str(each) for each in cast("list[object]", warnings)][:20]
            if isinstance(warnings, list)
            else (),
            work,
        )
    lists = [value for value in table.values() if _is_list_of_objects(value)]
    inner = cast("Sequence[object]", lists[0]) if len(lists) == 1 else [table]
    return _from_rows(inner, None, (), work)


def _is_list_of_objects(value: object) -> bool:
    items = cast("list[object]", value) if isinstance(value, list) else []
    return bool(items) and isinstance(items[0], Mapping)


def _from_rows(
    rows: Sequence[object], names: Sequence[str] | None, warnings: Sequence[str], work: Work
) -> Columns:
    if not rows:
        return Columns(0, dict.fromkeys(names or (), ()), warnings)
    if isinstance(rows[0], Mapping):
        objects = _all_of(Mapping, rows, "an object")
        names = names or _keys(objects, work)
        _require_few(names)
        return Columns(len(rows), {name: _column(objects, name, work) for name in names}, warnings)
    if isinstance(rows[0], list | tuple):
        lists = _all_of((list, tuple), rows, "a list")
        width = max(len(row) for row in lists)
        _require_few(range(width))
        names = names or [f"column_{number + 1}" for number in range(width)]
        return Columns(
            len(rows),
            {name: _cells(lists, place, work) for place, name in enumerate(names)},
            warnings,
        )
    return Columns(len(rows), {names[0] if names else "value": rows}, warnings)


def _all_of(kind: type | tuple[type, ...], rows: Sequence[object], what: str) -> Sequence[Any]:
    for number, row in enumerate(rows, 1):
        if not isinstance(row, kind):
            raise ToolError(f"row {number} of the table is not {what} as the first one is")
    return rows


def _keys(rows: Sequence[Mapping[str, Any]], work: Work) -> Sequence[str]:
    keys: dict[str, None] = {}
    for number, row in enumerate(rows):
        if not number & _POLL_EVERY:
            work.poll()
        keys |= dict.fromkeys(row)
        _require_few(keys)
    return [*keys]


def _require_few(columns: Sized) -> None:
    if len(columns) > _MAX_COLUMNS:
        raise ToolError(f"the table has too many columns; at most {_MAX_COLUMNS:,} are described")


def _column(rows: Sequence[Mapping[str, Any]], name: str, work: Work) -> Sequence[object]:
    work.poll()
    return [row.get(name) for row in rows]


def _cells(rows: Sequence[Sequence[Any]], place: int, work: Work) -> Sequence[object]:
    work.poll()
    return [row[place] if place < len(row) else None for row in rows]
