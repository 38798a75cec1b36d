r"""References of a step to the values around it.

`{{step_1.output.items[0].name}}` — a text that is exactly one reference becomes the value
itself, whatever its type; inside a longer text, references become text (JSON if they are
no strings). `{{item}}`, `{{index}}` and `{{context.lang}}` are written likewise, a field of
any name as `["unit price"]`; `\{{` stands for two braces that are meant as braces.

What looks like a reference leads somewhere or is an error. Only values can be reached: no
attributes, no calls, nothing else.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias, cast

import msgspec
from attrs import define, frozen

from ....errors import PlanError, ToolError
from ....protocol import to_jsonable
from ....protocol.jsonable import NotWhole, to_whole_jsonable

if TYPE_CHECKING:
    from .scope import Scope

__all__ = [
    "Path",
    "Reference",
    "as_text",
    "descend",
    "kind_of",
    "named",
    "parse_reference",
    "references_in",
    "resolve",
    "shorten",
    "whole_text",
]

Path: TypeAlias = tuple[str | int, ...]
"""Fields and positions, from a value inwards."""

MAX_RESOLVED_CHARS = 8 * 1024 * 1024
"""What the references in the texts of one step may come to: one long text brought in many
times must not fill the memory."""

MAX_PARTS = 100
"""Of one reference: nothing that is worth a name is deeper."""

_BRACES = re.compile(r"\\(\{\{)|\{\{([^{}]*)\}\}")
_LOOKS_LIKE_ONE = re.compile(r"[^\W\d][\w\-]*\s*(?:$|[.\[])|[\w\-]+\.output\b")
_ROOT = re.compile(r"[\w\-]+")
_PART = re.compile(r"""\s*(?:\.([^\s.\[\]{}]+)|\[(-?\d{1,9})\]|\["([^"{}]*)"\]|\['([^'{}]*)'\])""")


@frozen
class Reference:
    """A name, and the way from there to a value.

    Args:
        text: as it was written.
        root: the name that it begins with.
        path: from there on, `output` included.
    """

    text: str
    root: str
    path: Path


def parse_reference(inner: str, text: str) -> Reference:
    """The reference that stands between two pairs of braces.

    Raises:
        PlanError: when a part of it is no way into a value.
    """
    inner = inner.strip()
    root = cast("re.Match[str]", _ROOT.match(inner))
    path: list[str | int] = []
    position = root.end()
    while position < len(inner):
        part = _PART.match(inner, position)
        if part is None:
            rest = shorten(inner[position:], 40)
            raise PlanError(f"{shorten(text)}: {rest!r} leads nowhere; write .field or [0]")
        field, index, *quoted = part.groups()
        path.append(int(index) if index else next(each for each in (field, *quoted) if each))
        position = part.end()
        if len(path) > MAX_PARTS:
            raise PlanError(f"{shorten(text)} goes more than {MAX_PARTS} parts deep")
    return Reference(shorten(text), root[0], tuple(path))


def references_in(value: object) -> Iterator[Reference]:
    """Every reference in `value` and in anything inside it.

    Raises:
        PlanError: when something looks like a reference and cannot be one.
    """
    if isinstance(value, str):
        for match in _BRACES.finditer(value):
            if _is_reference(match):
                yield parse_reference(match[2], match[0])
    elif isinstance(value, Mapping):
        for each in cast("Mapping[object, object]", value).values():
            yield from references_in(each)
    elif isinstance(value, list):
        for each in cast("list[object]", value):
            yield from references_in(each)


def _is_reference(match: re.Match[str]) -> bool:
    return match[1] is None and _LOOKS_LIKE_ONE.match(match[2].strip()) is not None


def resolve(value: Any, scope: Scope) -> Any:
    """`value` with every reference in it, however deep, replaced.

    Raises:
        ToolError: when a reference leads nowhere (the text says where it ends), or when
            the texts get far too long.
    """
    return _Resolving(scope).value(value)


@define
class _Resolving:
    _scope: Scope
    _left: int = MAX_RESOLVED_CHARS

    def value(self, value: Any) -> Any:
        if isinstance(value, str):
            whole = _BRACES.fullmatch(value.strip())
            if whole and _is_reference(whole):
                return self._look_up(whole)
            return _BRACES.sub(self._replacement, value)
        if isinstance(value, Mapping):
            items = cast("Mapping[str, Any]", value).items()
            return {key: self.value(each) for key, each in items}
        if isinstance(value, list):
            return [self.value(each) for each in cast("list[Any]", value)]
        return value

    def _replacement(self, match: re.Match[str]) -> str:
        if match[1] is not None:
            return match[1]
        if not _is_reference(match):
            return match[0]
        text = whole_text(self._look_up(match), shorten(match[0]))
        self._left -= len(text)
        if self._left < 0:
            raise ToolError(
                f"{shorten(match[0])}: with it, the texts that references bring in have more "
                f"than {MAX_RESOLVED_CHARS:,} characters"
            )
        return text

    def _look_up(self, match: re.Match[str]) -> object:
        try:
            reference = parse_reference(match[2], match[0])
        except PlanError as exc:
            raise ToolError(str(exc)) from None
        return self._scope.value(reference)


def descend(found: object, part: str | int, where: str) -> object:
    """What is in `found`, one part further: a field of an object, an item of a list.

    Args:
        where: what `found` is called in the message of an error.

    Raises:
        ToolError: when there is nothing of the kind.
    """
    if isinstance(part, int):
        if not isinstance(found, Sequence) or isinstance(found, str | bytes):
            raise ToolError(f"{where} is {kind_of(found)}, not a list")
        items = cast("Sequence[object]", found)
        if not -len(items) <= part < len(items):
            raise ToolError(f"{where} has {len(items)} items, so there is no [{part}]")
        return items[part]
    if not isinstance(found, Mapping):
        raise ToolError(f"{where} is {kind_of(found)}, so it has no field {shorten(part)!r}")
    fields = cast("Mapping[str, object]", found)
    if part not in fields:
        raise ToolError(
            f"{where} has no field {shorten(part)!r}; it has: {named(map(str, fields))}"
        )
    return fields[part]


def kind_of(value: object) -> str:
    """What kind of value it is, in words that fit both Python and JSON."""
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


def named(names: Iterator[str]) -> str:
    """Some of the names, in order, for a message that says what there is."""
    return ", ".join(shorten(each, 40) for each in sorted(names)[:10]) or "none"


def shorten(text: str, length: int = 100) -> str:
    """The beginning of a text, for a message; what does not print is written out."""
    short = text if len(text) <= length else f"{text[:length]}…"
    return short if short.isprintable() else repr(short)[1:-1]


def as_text(value: object) -> str:
    """`value` as a text to show: itself if it is one, else JSON, cut where it is long."""
    plain = value if isinstance(value, str) else to_jsonable(value)
    return plain if isinstance(plain, str) else msgspec.json.encode(plain).decode()


def whole_text(value: object, what: str) -> str:
    """`value` as a text to go on with: itself if it is one, else JSON, and never cut.

    Args:
        what: what `value` is called in the message of an error.

    Raises:
        ToolError: when it is too big or too deep for that.
    """
    if isinstance(value, str):
        return value
    try:
        plain = to_whole_jsonable(value, max_chars=MAX_RESOLVED_CHARS)
    except NotWhole as exc:
        raise ToolError(f"{what} cannot be made a text: it {exc}") from None
    return plain if isinstance(plain, str) else msgspec.json.encode(plain).decode()
