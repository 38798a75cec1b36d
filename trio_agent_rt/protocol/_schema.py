"""How one attrs class looks on the wire, worked out once from its annotations.

Outwards nothing is refused: a field that holds a value of another type than it declares
is brought to the declared one, so that an agent's slip breaks neither its task nor the
clients that watch it. Inwards msgspec checks each field.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import NoneType, UnionType
from typing import Any, Literal, TypeAlias, Union, cast, get_args, get_origin, get_type_hints

import attrs
import msgspec

from .jsonable import BIGGEST_INT, to_jsonable

__all__ = ["Record", "record_of"]

_Out: TypeAlias = Callable[[Any, int], Any]
"""A field's value and about how many characters it may take, to plain JSON values."""
_Into: TypeAlias = Callable[[Any], Any]

_LEAST_SHARE = 16 * 1024
"""Characters that every item of a list may take, however many there are: enough for a
tool's JSON Schema. A plan of 100 steps with huge results then stays below 2 MB."""


@attrs.frozen
class _Field:
    name: str
    wire: str
    omit_none: bool
    nullable: bool
    out: _Out
    into: _Into | None


@attrs.frozen
class Record:
    """One class of messages: to a JSON object and back."""

    cls: type
    fields: Sequence[_Field]
    struct: type[msgspec.Struct]

    def to_wire(self, value: object, chars: int) -> Any:
        """The JSON object of `value`, each of its fields cut to about `chars` characters."""
        if type(value) is not self.cls:
            return to_jsonable(value, max_chars=chars)
        result: dict[str, Any] = {}
        for each in self.fields:
            item = getattr(value, each.name)
            if item is None and each.nullable:
                if not each.omit_none:
                    result[each.wire] = None
                continue
            result[each.wire] = each.out(item, chars)
        return result

    def from_wire(self, data: Any) -> dict[str, Any]:
        """The fields of a JSON object, checked; msgspec.ValidationError if they do not fit."""
        return self._fields_of(msgspec.convert(data, self.struct))

    def _fields_of(self, struct: msgspec.Struct) -> dict[str, Any]:
        result: dict[str, Any] = {}
        for each in self.fields:
            item = getattr(struct, each.name)
            if item is msgspec.UNSET or (item is None and not each.nullable):
                continue  # the class's own default
            result[each.name] = item if item is None or each.into is None else each.into(item)
        return result

    def build(self, struct: msgspec.Struct) -> Any:
        """The value of a checked struct."""
        return self.cls(**self._fields_of(struct))


_records: dict[type, Record] = {}


def record_of(
    cls: type, *, skip: Iterable[str] = (), limits: Mapping[str, Any] | None = None
) -> Record:
    """The wire form of an attrs class.

    Args:
        skip: fields that travel in the envelope instead.
        limits: for a field, the narrower type that a peer's value must fit.
    """
    hints = get_type_hints(cls)
    fields: list[_Field] = []
    struct_fields: list[tuple[str, Any, Any] | tuple[str, Any]] = []
    for each in attrs.fields(cls):
        if each.name in skip:
            continue
        hint = hints[each.name]
        kind, out, into = _wire_type(hint)
        kind = (limits or {}).get(each.name, kind)
        nullable = hint is Any or NoneType in get_args(hint)
        fields.append(
            _Field(each.name, _camel(each.name), each.default is None, nullable, out, into)
        )
        if each.default is attrs.NOTHING:
            struct_fields.append((each.name, kind))
        else:
            struct_fields.append((each.name, kind | None | msgspec.UnsetType, msgspec.UNSET))
    struct = msgspec.defstruct(cls.__name__, struct_fields, rename="camel", kw_only=True)
    return Record(cls, tuple(fields), struct)


def _nested(cls: type) -> Record:
    if cls not in _records:
        _records[cls] = record_of(cls)
    return _records[cls]


def _wire_type(hint: Any) -> tuple[Any, _Out, _Into | None]:
    """What msgspec is to expect for a hint, and how values are converted each way."""
    if hint in _SCALARS:
        return hint, _SCALARS[hint], None
    if attrs.has(hint):
        record = _nested(hint)
        return record.struct, record.to_wire, record.build
    origin, args = get_origin(hint), get_args(hint)
    if origin is Literal:
        return hint, _text, None
    if origin in (Union, UnionType):
        (inner,) = (each for each in args if each is not NoneType)
        kind, out, into = _wire_type(inner)
        return kind | None, out, into
    if origin is Sequence:
        kind, out, into = _wire_type(args[0])
        return list[kind], _each_out(out), _each_into(into)
    if origin is Mapping:
        return dict[str, Any], _anything, None
    raise TypeError(f"no wire form for {hint!r}")


def _text(item: Any, chars: int) -> str:
    if type(item) is str and len(item) <= chars:
        return item
    plain = to_jsonable(item, max_chars=chars)
    return plain if type(plain) is str else str(plain)


def _whole(item: Any, chars: int) -> int:
    if type(item) is int and -BIGGEST_INT <= item <= BIGGEST_INT:
        return item
    return round(_number(item, chars))


def _number(item: Any, chars: int) -> float:
    if type(item) is float and math.isfinite(item):
        return item
    plain = to_jsonable(item, max_chars=chars)
    if type(plain) is bool:
        return int(plain)
    return plain if isinstance(plain, int | float) else 0


def _flag(item: Any, chars: int) -> bool:
    return item if type(item) is bool else bool(to_jsonable(item, max_chars=chars))


def _anything(item: Any, chars: int) -> Any:
    return to_jsonable(item, max_chars=chars)


_SCALARS: Mapping[Any, _Out] = {
    Any: _anything,
    str: _text,
    int: _whole,
    float: _number,
    bool: _flag,
}


def _each_out(convert: _Out) -> _Out:
    def out(values: Any, chars: int) -> list[Any]:
        if not isinstance(values, list | tuple):
            plain = to_jsonable(values, max_chars=chars)
            values = cast("list[Any]", plain) if isinstance(plain, list) else [plain]
        items = cast("Sequence[Any]", values)
        share = min(chars, max(chars // max(len(items), 1), _LEAST_SHARE))
        return [convert(each, share) for each in items]

    return out


def _each_into(convert: _Into | None) -> _Into:
    def into(values: list[Any]) -> tuple[Any, ...]:
        return tuple(values if convert is None else map(convert, values))

    return into


def _camel(name: str) -> str:
    head, *rest = name.split("_")
    return head + "".join(each.capitalize() for each in rest)
