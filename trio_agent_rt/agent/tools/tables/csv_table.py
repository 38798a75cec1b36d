"""Reading CSV as people really save it."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Sequence
from typing import Annotated, Any

from attrs import define, field
from msgspec import Meta

from ....errors import ToolError
from ...tool import ToolCall, tool
from ..text import require_size
from ..work import Work, in_thread

__all__ = ["csv_parse"]

_DELIMITERS = (",", ";", "\t", "|")
_SAMPLE_CHARS = 64 * 1024
_SAMPLE_ROWS = 50

_MAX_COLUMNS = 2000
_MAX_ROWS = 500_000
_MAX_CELLS = 3_000_000
"""Small cells cost many times their text: together a few hundred megabytes."""

_POLL_EVERY = 500
_DECLARED = re.compile(r"sep=(.)\r?\n", re.IGNORECASE)
"""The first line by which spreadsheets tell each other the delimiter."""


@tool(category="data", cancellation="thread")
async def csv_parse(
    call: ToolCall,
    text: Annotated[str, Meta(description="the CSV text, with a row of column names")],
    delimiter: Annotated[
        str | None, Meta(description="one character; left out, it is found among , ; tab and |")
    ] = None,
    header: Annotated[
        bool, Meta(description="false if the first row is data; columns are then column_1, …")
    ] = True,
) -> dict[str, Any]:
    """Parse CSV. Gives `columns`, `row_count`, `delimiter`, `ragged_rows` (with more or fewer
    cells than columns), `warnings` and `rows`: objects by column name whose values are texts,
    or null where a row is too short."""
    require_size(text)
    if "\0" in text:
        raise ToolError("this is not CSV: it holds zero bytes")
    if delimiter is not None and (len(delimiter) != 1 or delimiter in '"\r\n'):
        raise ToolError(f"the delimiter must be one character, not {delimiter!r}")
    return await in_thread(call, lambda work: _parse(text, delimiter, header, work))


def _parse(text: str, delimiter: str | None, header: bool, work: Work) -> dict[str, Any]:
    work.poll()
    text = text.removeprefix("\ufeff")
    declared = _DECLARED.match(text)
    if declared:
        text = text[declared.end() :]
        delimiter = delimiter or declared[1]
    if not text or text.isspace():
        raise ToolError("the CSV text is empty")
    delimiter = delimiter or _sniff(text)
    source = _Rows(text, delimiter)
    rows = iter(source)
    first = next(rows, None)
    if first is None or not any(cell.strip() for cell in first):
        raise ToolError("the CSV has no row of column names")
    if len(first) > _MAX_COLUMNS:
        raise ToolError(f"the CSV has {len(first):,} columns; at most {_MAX_COLUMNS:,} are taken")
    names = _unique_names(first) if header else [f"column_{n + 1}" for n in range(len(first))]
    table = _Table(names)
    if not header:
        table.add(first, source.line)
    for row in rows:
        table.add(row, source.line)
        if not len(table.rows) % _POLL_EVERY:
            work.poll(source.percent, f"{len(table.rows):,} rows")
    return {
        "columns": names,
        "row_count": len(table.rows),
        "delimiter": delimiter,
        "ragged_rows": table.shorter + table.longer,
        "warnings": table.warnings(),
        "rows": table.rows,
    }


class _Rows:
    """The rows of a CSV text that are not blank lines; to be iterated once."""

    def __init__(self, text: str, delimiter: str) -> None:
        self._size = len(text)
        self._file = io.StringIO(text, newline=None)
        self._delimiter = delimiter
        self._ended = False
        self.line = 0
        """The line on which the present row ends, from 1."""

    @property
    def percent(self) -> float:
        """How much of the text has been read."""
        return 100 * self._file.tell() / self._size

    def __iter__(self) -> Iterator[list[str]]:
        reader = csv.reader(self._lines(), delimiter=self._delimiter)
        began = 1
        try:
            for row in reader:
                self.line = reader.line_num
                if self._ended:  # the reader asked for another line in the midst of a row
                    raise ToolError(
                        f"the CSV is broken: a quote that opens in the row of line {began} "
                        "is never closed"
                    )
                began = self.line + 1
                if row:
                    yield row
        except csv.Error as exc:
            why = _explain(exc)
            raise ToolError(f"the CSV is broken at line {reader.line_num}: {why}") from None

    def _lines(self) -> Iterator[str]:
        yield from iter(self._file.readline, "")
        self._ended = True


def _explain(exc: csv.Error) -> str:
    if "field larger" in str(exc):
        return "a cell is longer than 131,072 characters (perhaps a quote is never closed)"
    return str(exc)


def _sniff(text: str) -> str:
    """The delimiter that cuts the first rows most evenly into more than one cell."""
    sample = text[:_SAMPLE_CHARS]
    if len(text) > _SAMPLE_CHARS:
        sample = sample[: sample.rfind("\n") + 1] or sample
    best, best_score = ",", (0.0, 0)
    for delimiter in _DELIMITERS:
        widths: list[int] = []
        try:
            for row in _Rows(sample, delimiter):
                widths.append(len(row))
                if len(widths) == _SAMPLE_ROWS:
                    break
        except ToolError:  # the whole text will say better what is wrong
            pass
        if widths and widths[0] > 1:
            even = sum(width == widths[0] for width in widths) / len(widths)
            if (even, widths[0]) > best_score:
                best, best_score = delimiter, (even, widths[0])
    return best


def _unique_names(cells: Sequence[str]) -> list[str]:
    """Column names: trimmed, none empty, no two alike."""
    taken: dict[str, int] = {}
    for number, cell in enumerate(cells, 1):
        wanted = name = " ".join(cell.split()) or f"column_{number}"
        while name in taken:
            taken[wanted] += 1
            name = f"{wanted}_{taken[wanted]}"
        taken[name] = 1
    return [*taken]


@define
class _Table:
    """The rows so far, each as an object, and what was wrong with them."""

    names: Sequence[str]
    rows: list[dict[str, str | None]] = field(init=False, factory=list["dict[str, str | None]"])
    shorter: int = field(init=False, default=0)
    longer: int = field(init=False, default=0)
    _first_shorter: int = field(init=False, default=0)
    _first_longer: int = field(init=False, default=0)

    def add(self, cells: Sequence[str], line: int) -> None:
        count = len(self.rows) + 1
        if count > _MAX_ROWS or count * len(self.names) > _MAX_CELLS:
            raise ToolError(
                f"the CSV is too large: at most {_MAX_ROWS:,} rows and {_MAX_CELLS:,} cells "
                "are taken"
            )
        row: dict[str, str | None] = dict(zip(self.names, cells, strict=False))
        if len(cells) < len(self.names):
            row |= dict.fromkeys(self.names[len(cells) :])
            self.shorter += 1
            self._first_shorter = self._first_shorter or line
        elif len(cells) > len(self.names):
            self.longer += 1
            self._first_longer = self._first_longer or line
        self.rows.append(row)

    def warnings(self) -> list[str]:
        found: list[str] = []
        if self.shorter:
            found.append(
                f"{self.shorter} row(s) have fewer cells than there are columns, first on line "
                f"{self._first_shorter}; what lacks counts as missing"
            )
        if self.longer:
            found.append(
                f"{self.longer} row(s) have more cells than there are columns, first on line "
                f"{self._first_longer}; what is too much was left out"
            )
        return found
