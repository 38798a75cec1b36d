"""Writing JSON."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, cast

import msgspec
from attrs import define
from msgspec import Meta

from ...errors import ToolError
from ...protocol import to_jsonable
from ..tool import ToolCall, tool
from .text import MAX_TEXT_CHARS
from .work import in_thread

__all__ = ["json_stringify", "write_json"]

_MAX_DEPTH = 100
"""What `json_parse` takes."""
_MAX_VALUES = 5_000_000
_BIGGEST = 2**63 - 1
_POLL_EVERY = 0xFFF
_JSON = ["object", "array", "string", "number", "boolean", "null"]


@tool(category="data", cancellation="thread")
async def json_stringify(
    call: ToolCall,
    value: Annotated[
        Any,
        Meta(description="what to write: an object, a list, …", extra_json_schema={"type": _JSON}),
    ],
    indent: Annotated[
        int, Meta(ge=0, le=8, description="spaces for each level; 0 for all on one line")
    ] = 2,
    sort_keys: bool = False,
) -> dict[str, Any]:
    """Write a value as JSON. What JSON does not know becomes text (dates, integers of more than
    64 bits, NaN) or is named. Gives `chars` and `text`."""
    text = await in_thread(
        call,
        lambda work: write_json(value, poll=work.poll, indent=indent, sort_keys=sort_keys),
    )
    return {"chars": len(text), "text": text}


def write_json(
    value: object,
    *,
    poll: Callable[[], None],
    indent: int = 0,
    sort_keys: bool = False,
    max_chars: int = MAX_TEXT_CHARS,
) -> str:
    """A value as JSON, whole.

    Args:
        poll: is called every millisecond or so.

    Raises:
        ToolError: when it is too big or too deep.
    """
    plain = _Plain(poll, max_chars).value(value, 0)
    data = msgspec.json.encode(plain, order="sorted" if sort_keys else None)
    poll()
    if indent:
        data = msgspec.json.format(data, indent=indent)
    poll()
    text = data.decode()
    if len(text) > max_chars:
        raise _too_big(max_chars)
    return text


def _too_big(max_chars: int) -> ToolError:
    return ToolError(f"the JSON would have more than {max_chars:,} characters")


@define
class _Plain:
    """Makes plain values of anything, whole or not at all: `to_jsonable` would cut them."""

    _poll: Callable[[], None]
    _max_chars: int
    _seen: int = 0
    _chars: int = 0

    def value(self, value: object, depth: int) -> Any:
        self._count(value)
        if depth > _MAX_DEPTH:
            raise ToolError(f"the value is nested more than {_MAX_DEPTH} levels deep")
        if isinstance(value, dict | Mapping):
            items = cast("Mapping[object, object]", value).items()
            return {self._key(key): self.value(each, depth + 1) for key, each in items}
        if isinstance(value, list | tuple):
            each_of = cast("Sequence[object]", value)
            return [self.value(each, depth + 1) for each in each_of]
        kind = type(value)
        if value is None or kind is bool:
            return value
        if kind is int and -_BIGGEST <= cast("int", value) <= _BIGGEST:
            return value
        if kind is float and math.isfinite(cast("float", value)):
            return value
        return to_jsonable(value, max_chars=self._max_chars)

    def _key(self, key: object) -> str:
        plain = to_jsonable(key)
        return plain if isinstance(plain, str) else msgspec.json.encode(plain).decode()

    def _count(self, value: object) -> None:
        self._seen += 1
        if not self._seen & _POLL_EVERY:
            self._poll()
        if self._seen > _MAX_VALUES:
            raise ToolError(f"the value holds more than {_MAX_VALUES:,} values")
        if isinstance(value, str):
            self._chars += len(value)
            if self._chars > self._max_chars:
                raise _too_big(self._max_chars)
