"""Whatever an agent produced, as plain JSON values.

An agent's output can hold anything: NaN, half a surrogate pair, bytes, a database
handle, itself. None of it may crash a task or reach a client as invalid JSON, so what
has no JSON form becomes a marker that a person understands, and what is too big is cut
with a marker that says how much is missing.
"""

from __future__ import annotations

import base64
import dataclasses
import datetime
import enum
import math
import numbers
import os
import uuid
from collections.abc import Iterable, Mapping, Sequence, Set, Sized, ValuesView
from decimal import Decimal
from fractions import Fraction
from typing import Any, cast

import attrs
import msgspec

__all__ = [
    "BIGGEST_INT",
    "MAX_DEPTH",
    "MAX_OUTPUT_CHARS",
    "NotWhole",
    "Plain",
    "clean_text",
    "to_jsonable",
    "to_whole_jsonable",
]

MAX_OUTPUT_CHARS = 256 * 1024
"""How much of one value goes over the wire, in characters of JSON, roughly. A log of
100 events then stays within tens of megabytes even if every event is as big."""

MAX_DEPTH = 48
"""Far beyond what a person reads, far below where a browser's or msgspec's parser ends."""

_MAX_WHOLE_DEPTH = 100
"""Of what must not be cut: as deep as `json_parse` takes it."""

BIGGEST_INT = 2**63 - 1
"""Beyond it an integer is told as a string: many parsers refuse it or round it silently."""

_OVERHEAD = 4
"""Quotes, comma and the like: what a value costs beyond its characters."""
_WHOLE_OVERHEAD = 32
"""The same where nothing is cut: a walk of very many small values would take seconds."""
_NUMBER = 16
"""What a long number costs beyond that."""
_USUAL = (dict, list, tuple)
"""What needs no questions about what else it may be."""
_NO_SCALAR = object()


def clean_text(text: str) -> str:
    """`text` with lone surrogates, which UTF-8 cannot carry, replaced by U+FFFD."""
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


@attrs.frozen
class Plain:
    """A value that `to_jsonable` has made already: it passes unchanged where it has room."""

    value: Any


def to_jsonable(value: object, *, max_chars: int = MAX_OUTPUT_CHARS) -> Any:
    """`value` as None, bool, int, float, str, list and dict, whatever it is.

    NaN and infinities become the strings "NaN", "Infinity" and "-Infinity"; dates ISO
    8601; bytes a `data:` URI; sets lists; attrs, dataclass and msgspec objects dicts.
    What has no such form becomes `<not encodable: module.Class>`. Never raises for a
    value, whatever its methods do.

    Args:
        max_chars: about how many characters of JSON to produce at most; the rest is
            cut with a marker that says how much is missing. It bounds the time too.
    """
    if type(value) is Plain:
        if max_chars >= MAX_OUTPUT_CHARS:
            return value.value
        value = value.value
    return _Walk(max_chars).value(value, 0)


class NotWhole(ValueError):
    """Why a value has no whole JSON form within the bounds, as something said of it."""


def to_whole_jsonable(value: object, *, max_chars: int) -> Any:
    """`value` as by `to_jsonable`, but whole or not at all: for what is not only shown.

    Args:
        max_chars: about how many characters of JSON it may come to.

    Raises:
        NotWhole: when something would be cut.
    """
    walk = _Walk(max_chars, _MAX_WHOLE_DEPTH, _WHOLE_OVERHEAD)
    plain = walk.value(value.value if type(value) is Plain else value, 0)
    if walk.lost is not None:
        raise NotWhole(walk.lost)
    return plain


class _Walk:
    def __init__(self, budget: int, max_depth: int = MAX_DEPTH, overhead: int = _OVERHEAD) -> None:
        self.lost: str | None = None
        """What was cut, if anything."""
        self._budget = self._left = budget
        self._max_depth = max_depth
        self._overhead = overhead
        self._open: set[int] = set()
        """Ids of the objects that the present one is inside of."""

    def value(self, value: object, depth: int) -> Any:
        self._left -= self._overhead
        if type(value) is str:
            return self._text(value)
        if value is None or value is True or value is False:
            return value
        if type(value) is int:
            return self._integer(value)
        if type(value) is float:
            return self._real(value)
        if depth >= self._max_depth:
            self.lost = f"is nested more than {self._max_depth} levels deep"
            return self._text("<cut: too deeply nested>")
        if id(value) in self._open:
            self.lost = "contains itself"
            return self._text("<cut: contains itself>")
        self._open.add(id(value))
        try:
            return self._other(value, depth)
        except (
            Exception,
            SystemExit,
            GeneratorExit,
        ) as exc:  # a property, an iterator or a __str__ of somebody's class
            if isinstance(exc, RecursionError | MemoryError):
                self.lost = "is too big or nested too deeply"
            return self._text(_marker(type(value)))
        finally:
            self._open.discard(id(value))

    def _text(self, text: str) -> str:
        size = len(text)
        room = self._left
        self._left = room - size
        if size > room and size > (room := max(room, 0)):
            self._too_big()
            return f"{clean_text(text[:room])}… [cut: {len(text) - room} more characters]"
        return clean_text(text)

    def _too_big(self) -> None:
        self.lost = (
            f"is too big: at most {self._budget:,} characters are taken, of which each value "
            f"counts as {self._overhead} and what is in it"
        )

    def _integer(self, number: int) -> int | str:
        if -1000 < number < 10000:
            return number
        if -BIGGEST_INT <= number <= BIGGEST_INT:
            self._left -= _NUMBER
            return number
        if number.bit_length() > 4096:
            self.lost = f"holds an integer of {number.bit_length():,} bits"
            return self._text(f"<an integer of {number.bit_length()} bits>")
        return self._text(str(number))

    def _real(self, number: float) -> float | str:
        self._left -= _NUMBER
        if math.isfinite(number):
            return number
        return "NaN" if math.isnan(number) else "Infinity" if number > 0 else "-Infinity"

    def _other(self, value: object, depth: int) -> Any:
        if type(value) in _USUAL:
            return self._container(cast("Mapping[Any, Any] | Sequence[Any]", value), depth)
        scalar = _scalar(value)
        if scalar is not _NO_SCALAR:
            return self.value(scalar, depth + 1)
        if isinstance(value, bytes | bytearray | memoryview):
            return self._bytes(memoryview(cast("bytes", value)))
        fields = _fields(value)
        if fields is not None:
            return self._items(fields.items(), fields, depth)
        if isinstance(value, Mapping | Sequence | Set | ValuesView) or _is_array(value):
            return self._container(cast("Mapping[Any, Any] | Sequence[Any]", value), depth)
        return self._text(_marker(type(value)))

    def _container(self, values: Mapping[Any, Any] | Sequence[Any], depth: int) -> Any:
        if isinstance(values, Mapping):
            return self._items(values.items(), values, depth)
        return self._list(values, depth)

    def _bytes(self, view: memoryview) -> str:
        if not view.c_contiguous:
            view = memoryview(view.tobytes())
        room = max(self._left, 0) * 3 // 4
        head = view.cast("B")[:room]
        text = "data:application/octet-stream;base64," + base64.b64encode(head).decode()
        self._left -= len(text)
        if view.nbytes <= room:
            return text
        self._too_big()
        return f"{text}… [cut: {view.nbytes - room} more bytes]"

    def _items(
        self, items: Iterable[tuple[object, object]], whole: Sized, depth: int
    ) -> dict[str, Any]:
        result: dict[str, Any] = {}
        for done, (key, value) in enumerate(items):
            if self._left <= 0:
                self._too_big()
                result["…"] = f"<cut: {_rest(whole, done)} fields>"
                break
            if type(key) is str:
                text = self._text(key)
            else:
                text = str(self.value(key, self._max_depth - 1))
            if text in result:  # 1 and "1", or two that differed in what was cut or replaced
                text = f"{text} ({done})"
            result[text] = self.value(value, depth + 1)
        return result

    def _list(self, values: Sequence[object], depth: int) -> list[Any]:
        result: list[Any] = []
        for done, value in enumerate(values):
            if self._left <= 0:
                self._too_big()
                result.append(f"<cut: {_rest(values, done)} items>")
                break
            result.append(self.value(value, depth + 1))
        return result


def _rest(whole: Sized, done: int) -> str:
    """How many are left, if `whole` can be believed."""
    try:
        count = len(whole) - done
    except Exception:  # it has no length, or its class says that it has none
        count = 0
    return f"{count} more" if count > 0 else "more"


def _scalar(value: object) -> object:
    """A plain value that stands for `value`, or _NO_SCALAR."""
    match value:
        case enum.Enum():
            return cast("object", value.value)
        case str():
            return str.__str__(value)
        case numbers.Integral():
            return int(value)
        case Decimal() | Fraction() | uuid.UUID() | complex():
            return str(value)
        case numbers.Real():
            return float(value)
        case datetime.datetime() | datetime.date() | datetime.time():
            return value.isoformat()
        case datetime.timedelta():
            return value.total_seconds()
        case os.PathLike():
            return os.fsdecode(cast("os.PathLike[str]", value))
        case BaseException():
            return f"{type(value).__name__}: {value}".removesuffix(": ")
        case _ if hasattr(value, "dtype") and getattr(value, "ndim", None) == 0:
            return cast("Any", value).item()  # of NumPy and its like, without importing it
        case _:
            return _NO_SCALAR


def _fields(value: object) -> dict[str, object] | None:
    """The fields of a record of one of the usual kinds, or None."""
    kind = type(value)
    if attrs.has(kind):
        return {each.name: getattr(value, each.name) for each in attrs.fields(kind)}
    if dataclasses.is_dataclass(kind):
        return {each.name: getattr(value, each.name) for each in dataclasses.fields(kind)}
    if isinstance(value, msgspec.Struct):
        return msgspec.structs.asdict(value)
    if isinstance(value, tuple) and hasattr(kind, "_asdict"):
        return cast("Any", value)._asdict()
    dump = getattr(kind, "model_dump", None)  # pydantic, without importing it
    return cast("dict[str, object]", dump(value)) if callable(dump) else None


def _is_array(value: object) -> bool:
    return hasattr(value, "dtype") and hasattr(value, "__len__") and hasattr(value, "__iter__")


def _marker(kind: type) -> str:
    """What is said of a value of that class; a metaclass has no say in it."""
    names = [type.__dict__[each].__get__(kind) for each in ("__module__", "__qualname__")]
    module, name = (each if type(each) is str else "?" for each in names)
    return f"<not encodable: {module}.{name}>"
