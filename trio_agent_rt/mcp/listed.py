"""What a server lists, made fit for plans, models and viewers: names, and schemas.

The SDK has checked the list against the protocol, which says no more of a schema than that
it is an object with `properties` and `required`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, cast

import msgspec

from ..errors import ToolServerFailed
from ..protocol.jsonable import MAX_DEPTH, MAX_OUTPUT_CHARS

__all__ = ["checked_schema", "tool_names"]

_MAX_CHARS = 64
"""What models take; see `Tool`."""


def tool_names(given: Iterable[str], prefix: str = "") -> list[str]:
    """A name for each of the given ones, in their order.

    What no name may have becomes `_`; one that is too long is cut, and one that is there
    already is numbered.
    """
    names: dict[str, None] = {}
    numbers: dict[str, int] = {}
    for each in given:
        whole = re.sub(r"[^A-Za-z0-9_\-]", "_", prefix + each)[:_MAX_CHARS] or "_"
        name, number = whole, numbers.get(whole, 1)
        while name in names:
            number += 1
            name = f"{whole[: _MAX_CHARS - len(str(number)) - 1]}_{number}"
        names[name], numbers[whole] = None, number
    return list(names)


def checked_schema(name: str, schema: Mapping[str, Any]) -> dict[str, Any]:
    """The schema of a tool's arguments; what servers write as null is left out.

    Raises:
        ToolServerFailed: when models or viewers could not be given it.
    """
    kept = {
        key: value
        for key, value in schema.items()
        if value is not None or key not in {"properties", "required", "additionalProperties"}
    }
    more: object = kept.get("additionalProperties", True)
    if not isinstance(more, bool | Mapping):
        raise _unfit(name, "'additionalProperties' is neither true, false nor a schema")
    level: list[object] = [kept]
    for _ in range(MAX_DEPTH):
        level = [inner for each in level for inner in _inside(each)]
    if level:
        raise _unfit(name, f"it is nested more than {MAX_DEPTH} deep")
    if len(msgspec.json.encode(kept)) > MAX_OUTPUT_CHARS:
        raise _unfit(name, f"it has more than {MAX_OUTPUT_CHARS:,} characters")
    return kept


def _unfit(name: str, why: str) -> ToolServerFailed:
    return ToolServerFailed(f"the schema of its tool {name!r} is of no use: {why}")


def _inside(value: object) -> Iterable[object]:
    if isinstance(value, Mapping):
        return cast("Mapping[str, object]", value).values()
    return cast("list[object]", value) if isinstance(value, list) else ()
