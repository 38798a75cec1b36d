"""What one cell of a table says: nothing, a number, or a text."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from typing import Any, Literal, TypeAlias, cast

from attrs import frozen

__all__ = ["Figure", "cell_text", "is_missing", "number_reader"]

NumberStyle: TypeAlias = Literal["point", "comma"]
"""Which sign separates the decimals: 1,234.5 or 1.234,5."""

_MISSING = frozenset({"", "na", "n/a", "#n/a", "null", "nan", "-"})

_PATTERN = r"""
    (?P<sign>[+\-−]?)\s*
    (?P<before>[$€£¥￥]?)\s*
    (?P<inner>[+\-−]?)
    (?P<whole>[0-9]{{1,3}}(?:[{thousands}][0-9]{{3}})+|[0-9]*)
    (?:{decimal}(?P<decimals>[0-9]*))?
    (?:[eE](?P<exponent>[+-]?[0-9]{{1,3}}))?
    \s*(?P<after>[%％€元]?)
"""
_SPACES = "\u00a0\u202f '’"
_PATTERNS = {
    "point": re.compile(_PATTERN.format(thousands="," + _SPACES, decimal=r"\."), re.VERBOSE),
    "comma": re.compile(_PATTERN.format(thousands="." + _SPACES, decimal=","), re.VERBOSE),
}
_UNITS = {"￥": "¥", "％": "%"}
_MAX_CHARS = 64
"""No number that people write is longer."""


@frozen
class Figure:
    """A number as a cell shows it."""

    value: float
    unit: str = ""
    """`%` or a currency sign, or nothing."""


def is_missing(value: object) -> bool:
    """Whether a cell says that there is no value."""
    if isinstance(value, str):
        return value.strip().casefold() in _MISSING
    return value is None or (isinstance(value, float) and math.isnan(value))


def number_reader(style: NumberStyle) -> Callable[[object], Figure | None]:
    """A function that gives the number in a cell, or None if it holds no finite one."""
    pattern = _PATTERNS[style]

    def read(value: object) -> Figure | None:
        if isinstance(value, str):
            return _written(value.strip(), pattern)
        if isinstance(value, bool) or not isinstance(value, int | float):
            return None
        return _finite(value)

    return read


def _written(text: str, pattern: re.Pattern[str]) -> Figure | None:
    found = pattern.fullmatch(text) if len(text) <= _MAX_CHARS else None
    if found is None:
        return None
    whole = re.sub(r"[^0-9]", "", found["whole"])
    decimals = found["decimals"] or ""
    sign = found["sign"] + found["inner"]
    if not (whole or decimals) or len(sign) > 1 or (found["before"] and found["after"]):
        return None
    digits = f"{whole or '0'}.{decimals or '0'}e{found['exponent'] or '0'}"
    unit = found["before"] or found["after"]
    value = float(digits)
    return _finite(-value if sign in ("-", "−") else value, _UNITS.get(unit, unit))


def _finite(value: int | float, unit: str = "") -> Figure | None:
    try:
        number = float(value)
    except OverflowError:
        return None
    return Figure(number, unit) if math.isfinite(number) else None


def cell_text(value: object) -> str:
    """A cell that is no number, as text: trimmed, nested values as JSON."""
    if isinstance(value, str):
        return value.strip()
    if isinstance(value, bool | int | float):
        return str(value).lower()
    try:
        return json.dumps(cast("Any", value), ensure_ascii=False, default=str)
    except (TypeError, ValueError, RecursionError):
        return str(type(value).__name__)
