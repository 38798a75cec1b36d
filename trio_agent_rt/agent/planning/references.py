"""References of one step's arguments to another step's output.

`{{step_1.output.items[0].name}}` — a text that is exactly one reference becomes the value
itself, whatever its type; inside a longer text, references become text (JSON if they are
no strings). Only outputs can be reached: no attributes, no calls, nothing else.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast

import msgspec

from ...errors import ToolError
from ...protocol import to_jsonable

__all__ = ["as_text", "referenced_steps", "resolve"]

_REFERENCE = re.compile(
    r"\{\{\s*([A-Za-z0-9_\-]+)\.output((?:\.[^\s.\[\]{}]+|\[\d{1,9}\])*)\s*\}\}"
)
_PART = re.compile(r"\.([^\s.\[\]{}]+)|\[(\d+)\]")


def referenced_steps(value: object) -> Iterator[str]:
    """The ids of the steps that `value`, or anything inside it, refers to."""
    if isinstance(value, str):
        yield from (match[1] for match in _REFERENCE.finditer(value))
    elif isinstance(value, Mapping):
        for each in cast("Mapping[object, object]", value).values():
            yield from referenced_steps(each)
    elif isinstance(value, list):
        for each in cast("list[object]", value):
            yield from referenced_steps(each)


def resolve(value: Any, outputs: Mapping[str, object]) -> Any:
    """`value` with every reference in it, however deep, replaced.

    Args:
        outputs: what each step that has ended well came to, by its id.

    Raises:
        ToolError: when a reference leads nowhere; the text says where it ends.
    """
    if isinstance(value, str):
        whole = _REFERENCE.fullmatch(value.strip())
        if whole:
            return _look_up(whole, outputs)
        return _REFERENCE.sub(lambda match: as_text(_look_up(match, outputs)), value)
    if isinstance(value, Mapping):
        items = cast("Mapping[str, Any]", value).items()
        return {key: resolve(each, outputs) for key, each in items}
    if isinstance(value, list):
        return [resolve(each, outputs) for each in cast("list[Any]", value)]
    return value


def _look_up(match: re.Match[str], outputs: Mapping[str, object]) -> object:
    step_id, path = match[1], match[2]
    if step_id not in outputs:
        raise ToolError(f"{match[0]}: step {step_id!r} has no output")
    found: object = outputs[step_id]
    where = f"{step_id}.output"
    for part in _PART.finditer(path):
        found = _descend(found, part[1], part[2], f"{match[0]}: {where}")
        where += part[0]
    return found


def _descend(found: object, key: str | None, index: str | None, where: str) -> object:
    if index is not None:
        if not isinstance(found, Sequence) or isinstance(found, str | bytes):
            raise ToolError(f"{where} is {_kind(found)}, not a list")
        items = cast("Sequence[object]", found)
        if int(index) >= len(items):
            raise ToolError(f"{where} has {len(items)} items, so there is no [{index}]")
        return items[int(index)]
    if not isinstance(found, Mapping):
        raise ToolError(f"{where} is {_kind(found)}, so it has no field {key!r}")
    fields = cast("Mapping[str | None, object]", found)
    if key not in fields:
        known = ", ".join(sorted(str(each) for each in fields)[:10]) or "none"
        raise ToolError(f"{where} has no field {key!r}; it has: {known}")
    return fields[key]


def _kind(value: object) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "true or false"
        case str():
            return "a text"
        case int() | float():
            return "a number"
        case Mapping():
            return "an object"
        case list() | tuple():
            return "a list"
        case _:
            return f"a {type(value).__name__}"


def as_text(value: object) -> str:
    """`value` as a text: itself if it is one, else JSON."""
    plain = value if isinstance(value, str) else to_jsonable(value)
    return plain if isinstance(plain, str) else msgspec.json.encode(plain).decode()
