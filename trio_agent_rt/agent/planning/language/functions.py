"""What a condition can do with values: compare, reckon, and a few functions.

Each looks at so much of a value and no more, and makes nothing that is larger than what
it was given.
"""

from __future__ import annotations

import ast
import math
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias, cast

from attrs import define

from ....errors import ToolError
from ....protocol.jsonable import NotWhole, to_whole_jsonable
from .references import kind_of, whole_text

__all__ = ["FUNCTIONS", "OPERATORS", "Effort", "Refused", "compare", "is_true"]

Number: TypeAlias = int | float

MAX_ITEMS = 10_000
"""Of a list that is searched, or values that two objects are compared by."""
MAX_CHARS = 100_000
"""Of a text that is changed."""
MAX_BITS = 10_000
MAX_EFFORT = 32 * 1024**2
"""Characters that one evaluation looks at, all it does together: a tenth of a second or so."""
MAX_COMPARED_CHARS = 8 * 1024**2
"""Of a list or an object that is compared."""
_ITEM = 32
"""What an item that is looked at counts as, beyond its characters."""
_PART = 500
"""The same of a value within two that are compared: it is first made plain."""


class Refused(Exception):
    """Why a condition cannot be read, or has no answer."""


@define
class Effort:
    """What one evaluation of a condition may still look at."""

    _left: int = MAX_EFFORT

    def spend(self, chars: int) -> None:
        """Count what is going to be looked at.

        Raises:
            Refused: when that is too much for one condition.
        """
        self._left -= chars
        if self._left < 0:
            raise Refused(
                f"it looks at too much: at most {MAX_EFFORT:,} characters, all values together"
            )

    def spend_on(self, values: Sequence[object]) -> None:
        """Count values that are looked through once."""
        for each in values:
            if isinstance(each, str):
                self.spend(len(each))
            elif isinstance(each, list | tuple):
                self.spend(len(cast("Sequence[object]", each)) * _ITEM)


def is_true(value: object) -> bool:
    """Whether a value counts as true: not null, false, 0, nor empty."""
    if value is None or isinstance(value, bool | str | Number):
        return bool(value)
    return _length(value) > 0


def compare(operator: type[ast.cmpop], left: object, right: object, effort: Effort) -> bool:
    """What a comparison of two values comes to.

    Raises:
        Refused: when they cannot be compared so.
    """
    if operator in _EQUALITY:
        return _equal(left, right, effort) is _EQUALITY[operator]
    if operator in _MEMBERSHIP:
        return _contains(right, left, effort) is _MEMBERSHIP[operator]
    numbers = _is_number(left) and _is_number(right)
    if not numbers and not (isinstance(left, str) and isinstance(right, str)):
        raise Refused(
            f"{kind_of(left)} and {kind_of(right)} cannot be compared by size"
            + ("; see first whether it is null" if left is None or right is None else "")
        )
    effort.spend_on([left])
    return _ORDERS[operator](left, right)


_EQUALITY: Mapping[type[ast.cmpop], bool] = {
    ast.Eq: True,
    ast.NotEq: False,
    ast.Is: True,
    ast.IsNot: False,
}
_MEMBERSHIP: Mapping[type[ast.cmpop], bool] = {ast.In: True, ast.NotIn: False}
_ORDERS: Mapping[type[ast.cmpop], Callable[[Any, Any], bool]] = {
    ast.Lt: lambda left, right: left < right,
    ast.LtE: lambda left, right: left <= right,
    ast.Gt: lambda left, right: left > right,
    ast.GtE: lambda left, right: left >= right,
}


def _is_number(value: object) -> bool:
    return isinstance(value, Number) and not isinstance(value, bool)


def _is_scalar(value: object) -> bool:
    return value is None or isinstance(value, str | Number)


def _equal(left: object, right: object, effort: Effort) -> bool:
    """As in JSON: 1 is 1.0, and is not true."""
    if _is_scalar(left) or _is_scalar(right):
        alike = _is_scalar(left) and isinstance(left, bool) == isinstance(right, bool)
        if isinstance(left, str) and isinstance(right, str) and len(left) == len(right):
            effort.spend(len(left))
        return alike and _is_scalar(right) and left == right
    return _plain(left, effort) == _plain(right, effort)


def _plain(value: object, effort: Effort) -> object:
    """The value as JSON has it, whole: what is cut would be equal to something else."""
    left, seen = [value], 0
    while left:
        each = left.pop()
        if isinstance(each, Mapping):
            inner = cast("Mapping[object, object]", each)
            seen += len(inner)
            left += inner.values() if seen <= MAX_ITEMS else ()
        elif isinstance(each, list | tuple):
            items = cast("Sequence[object]", each)
            seen += len(items)
            left += items if seen <= MAX_ITEMS else ()
        if seen > MAX_ITEMS:
            raise Refused(f"values with more than {MAX_ITEMS:,} parts are not compared")
        effort.spend(_PART + (len(each) if isinstance(each, str) else 0))
    try:
        return to_whole_jsonable(value, max_chars=MAX_COMPARED_CHARS)
    except NotWhole as exc:
        raise Refused(f"{kind_of(value)} cannot be compared: it {exc}") from None


def _contains(container: object, wanted: object, effort: Effort) -> bool:
    if isinstance(container, str):
        if not isinstance(wanted, str):
            raise Refused(f"{kind_of(wanted)} cannot be looked for in a text")
        effort.spend_on([container])
        return wanted in container
    if isinstance(container, Mapping):
        return isinstance(wanted, str) and wanted in container
    if not _is_scalar(wanted):
        raise Refused(f"{kind_of(wanted)} cannot be looked for")
    items = _items(container)
    effort.spend_on([items])
    return any(_is_scalar(each) and _equal(each, wanted, effort) for each in items)


def _items(value: object) -> Sequence[object]:
    if not isinstance(value, list | tuple):
        raise Refused(f"{kind_of(value)} is no list")
    items = cast("Sequence[object]", value)
    if len(items) > MAX_ITEMS:
        raise Refused(f"a list of {len(items):,} items is too long; {MAX_ITEMS:,} are looked at")
    return items


def _number(value: object) -> Number:
    if not isinstance(value, Number) or isinstance(value, bool):
        raise Refused(f"{kind_of(value)} is no number")
    if isinstance(value, int) and value.bit_length() > MAX_BITS:
        raise Refused("the numbers get too large")
    if isinstance(value, float) and not math.isfinite(value):
        raise Refused("the numbers are not finite")
    return value


def _reckoning(operate: Callable[[Any, Any], Number]) -> Callable[[object, object], Number]:
    def reckon(left: object, right: object) -> Number:
        first, second = _number(left), _number(right)
        try:
            return _number(operate(first, second))
        except ZeroDivisionError:
            raise Refused("it divides by zero") from None
        except OverflowError:
            raise Refused("the numbers get too large") from None

    return reckon


OPERATORS: Mapping[type[ast.operator], Callable[[object, object], Number]] = {
    ast.Add: _reckoning(lambda left, right: left + right),
    ast.Sub: _reckoning(lambda left, right: left - right),
    ast.Mult: _reckoning(lambda left, right: left * right),
    ast.Div: _reckoning(lambda left, right: left / right),
    ast.Mod: _reckoning(lambda left, right: left % right),
}
"""Of numbers alone: no text gets longer."""


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise Refused(f"{kind_of(value)} is no text")
    if len(value) > MAX_CHARS:
        raise Refused(f"a text of {len(value):,} characters is too long; {MAX_CHARS:,} are taken")
    return value


def _length(value: object) -> int:
    if isinstance(value, str | Mapping | list | tuple):
        return len(cast("Sequence[object]", value))
    raise Refused(f"{kind_of(value)} has no length")


def _to_number(value: object) -> Number:
    if not isinstance(value, str):
        return _number(value)
    text = _text(value).strip()
    if re.fullmatch(r"[+-]?\d{1,300}", text, re.ASCII):
        return int(text)
    if re.fullmatch(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?", text, re.ASCII):
        return _number(float(text))
    raise Refused("the text is no number")


def _to_text(value: object) -> str:
    if not _is_scalar(value):
        raise Refused(f"{kind_of(value)} is not made a text")
    try:
        return whole_text(value, kind_of(value))
    except ToolError as exc:
        raise Refused(str(exc)) from None


def _numbers(values: Sequence[object]) -> Sequence[Number]:
    listed = _items(values[0]) if len(values) == 1 and not _is_scalar(values[0]) else values
    return [_number(each) for each in listed]


def _extreme(name: str, choose: Callable[[Sequence[Number]], Number]) -> Callable[..., Number]:
    def extreme(*values: object) -> Number:
        numbers = _numbers(values)
        if not numbers:
            raise Refused(f"the {name} of nothing is not known")
        return choose(numbers)

    return extreme


def _total(values: object) -> Number:
    return _number(sum(_numbers([values])))


def _of_number(function: Callable[[Any], Number]) -> Callable[[object], Number]:
    return lambda value: function(_number(value))


def _of_text(function: Callable[[str], str]) -> Callable[[object], str]:
    return lambda value: function(_text(value))


def _starts_with(text: object, start: object) -> bool:
    return _text(text).startswith(_text(start))


def _ends_with(text: object, end: object) -> bool:
    return _text(text).endswith(_text(end))


FUNCTIONS: Mapping[str, tuple[Callable[..., object], int, int]] = {
    "abs": (_of_number(abs), 1, 1),
    "contains": (_contains, 2, 2),
    "endswith": (_ends_with, 2, 2),
    "len": (_length, 1, 1),
    "lower": (_of_text(str.lower), 1, 1),
    "max": (_extreme("max", max), 1, 20),
    "min": (_extreme("min", min), 1, 20),
    "number": (_to_number, 1, 1),
    "round": (_of_number(round), 1, 1),
    "startswith": (_starts_with, 2, 2),
    "sum": (_total, 1, 1),
    "text": (_to_text, 1, 1),
    "trim": (_of_text(str.strip), 1, 1),
    "upper": (_of_text(str.upper), 1, 1),
}
"""What a condition may call, by name, with how many values each takes."""
