"""What a model answered, held against the schema that it was given."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

import msgspec

from ....errors import LLMError
from ..language.references import kind_of, shorten

__all__ = ["checked_answer"]

_MAX_DEPTH = 40

_KINDS: Mapping[str, Callable[[object], bool]] = {
    "object": lambda value: isinstance(value, dict),
    "array": lambda value: isinstance(value, list),
    "string": lambda value: isinstance(value, str),
    "number": lambda value: isinstance(value, int | float) and not isinstance(value, bool),
    "integer": lambda value: isinstance(value, int) and not isinstance(value, bool),
    "boolean": lambda value: isinstance(value, bool),
    "null": lambda value: value is None,
}


def checked_answer(text: str, schema: Mapping[str, Any] | None) -> object:
    """The value of an answer: the text, or, with a schema, what its JSON says.

    Of the schema, `type`, `enum`, `properties`, `required` and `items` are looked at;
    whatever else it demands is the provider's to keep.

    Raises:
        LLMError: when it does not follow the schema.
    """
    if schema is None:
        return text
    try:
        value = msgspec.json.decode(text.strip())
    except (msgspec.DecodeError, UnicodeError, RecursionError) as exc:
        raise LLMError(f"the answer is not the JSON that was asked for: {exc}") from None
    _check(value, schema, "the answer", 0)
    return value


def _check(value: object, schema: object, where: str, depth: int) -> None:
    if not isinstance(schema, Mapping) or depth > _MAX_DEPTH:
        return
    rules = cast("Mapping[str, Any]", schema)
    kinds = rules.get("type")
    listed = [kinds] if isinstance(kinds, str) else _texts(kinds)
    known = [each for each in listed if each in _KINDS]
    if known and not any(_KINDS[each](value) for each in known):
        raise LLMError(f"{where} is {kind_of(value)}; asked for was: {' or '.join(known)}")
    allowed = rules.get("enum")
    if isinstance(allowed, list) and value not in allowed:
        raise LLMError(f"{where} is none of the values that were asked for")
    if isinstance(value, dict):
        fields = cast("Mapping[str, object]", value)
        for name in _texts(rules.get("required")):
            if name not in fields:
                raise LLMError(f"{where} has no {shorten(name)!r}")
        properties = rules.get("properties")
        if isinstance(properties, Mapping):
            for name, inner in cast("Mapping[str, object]", properties).items():
                if name in fields:
                    _check(fields[name], inner, f"{where}.{shorten(name)}", depth + 1)
    elif isinstance(value, list):
        for number, each in enumerate(cast("Sequence[object]", value)):
            _check(each, rules.get("items"), f"{where}[{number}]", depth + 1)


def _texts(value: object) -> list[str]:
    values = cast("Sequence[object]", value) if isinstance(value, list) else ()
    return [each for each in values if isinstance(each, str)]
