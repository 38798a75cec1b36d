"""The reference of the wire's messages, out of the codec's own tables.

What a message is called, its fields and their types come from the code; its example is the
one that the page of the wire protocol shows, which a test reads and writes with the codec.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import attrs
import msgspec

from trio_agent_rt.protocol import Command, CustomEvent, codec

__all__ = ["COMMANDS", "EVENTS", "examples", "render"]

WIRE_PROTOCOL = Path(__file__).parents[1] / "reference" / "wire-protocol.md"

COMMANDS: Mapping[str, type] = codec.COMMANDS
EVENTS: Mapping[str, type] = {**codec.EVENTS, "custom": CustomEvent}

_ENVELOPE = {"task_id", "position", "timestamp", "replay", "request_id"}
_EXAMPLE = re.compile(
    r"^<!-- test: (?:command|event) -->\n```json\n(.*?)^```$", re.MULTILINE | re.DOTALL
)
_SCALARS: Mapping[Any, str] = {
    str: "string",
    int: "whole number",
    float: "number",
    bool: "true or false",
    Any: "any JSON value",
}


def render() -> str:
    """The tables of all messages and of the values in them, as Markdown."""
    shown = examples()
    parts = ["## From clients to the server\n"]
    parts += [_message(name, cls, shown[name]) for name, cls in COMMANDS.items()]
    parts.append("## From the server to clients\n")
    parts += [_message(name, cls, shown[name]) for name, cls in EVENTS.items()]
    parts.append("## Values within messages\n")
    parts += [_value(cls) for cls in _values()]
    return "\n".join(parts)


def examples() -> Mapping[str, str]:
    """For each type of message, the JSON of its first example."""
    found: dict[str, str] = {}
    for text in _EXAMPLE.findall(WIRE_PROTOCOL.read_text(encoding="utf-8")):
        found.setdefault(msgspec.json.decode(text)["type"], text)
    return found


def _message(name: str, cls: type, example: str) -> str:
    return (
        f"### `{name}`\n\n{_says(cls)}\n\n"
        f"In Python: [`{cls.__name__}`][{_public_path(cls)}].\n\n"
        f"{_table(cls)}\n```json\n{example}```\n"
    )


def _value(cls: type) -> str:
    return (
        f"### {cls.__name__}\n\n{_says(cls)}\n\n"
        f"In Python: [`{cls.__name__}`][{_public_path(cls)}].\n\n{_table(cls)}"
    )


def _says(cls: type) -> str:
    return textwrap.dedent(cls.__doc__ or "").strip()


def _public_path(cls: type) -> str:
    import trio_agent_rt

    package = "" if cls.__name__ in trio_agent_rt.__all__ else ".protocol"
    return f"trio_agent_rt{package}.{cls.__name__}"


def _table(cls: type) -> str:
    if cls is CustomEvent:
        return ""
    hints = get_type_hints(cls)
    rows = [
        f"| `{_wire_name(each.name)}` | {_kind(hints[each.name])} | {_presence(cls, each)} |"
        for each in attrs.fields(cls)
        if each.name not in _ENVELOPE or (issubclass(cls, Command) and each.name == "task_id")
    ]
    if not rows:
        return "It has no fields.\n"
    return "\n".join(["| field | JSON | |", "|---|---|---|", *rows, ""])


def _presence(cls: type, field: attrs.Attribute[Any]) -> str:
    if field.default is attrs.NOTHING:
        return "always there"
    if issubclass(cls, Command) or field.default is None:
        return "may be left out"
    return "always there; readers may do without"


def _kind(hint: Any) -> str:
    if hint in _SCALARS:
        return _SCALARS[hint]
    if attrs.has(hint):
        return f"[{hint.__name__}](#{hint.__name__.lower()})"
    origin, args = get_origin(hint), get_args(hint)
    if origin is Literal:
        return ", ".join(f"`{each}`" for each in args)
    if origin in (Union, UnionType):
        inner = " or ".join(_kind(each) for each in args if each is not NoneType)
        return f"{inner}, or null" if NoneType in args else inner
    if get_args(hint) and origin is not None and issubclass(origin, Mapping):
        return "object"
    return f"list of {_kind(args[0])}"


def _values() -> list[type]:
    """The classes that stand within messages, in the order in which they are met."""
    found: dict[type, None] = {}
    waiting = [*COMMANDS.values(), *EVENTS.values()]
    while waiting:
        for hint in get_type_hints(waiting.pop(0)).values():
            for each in _within(hint):
                if attrs.has(each) and each not in found and each.__name__ != "Position":
                    found[each] = None
                    waiting.append(each)
    return list(found)


def _within(hint: Any) -> Iterator[Any]:
    yield hint
    for each in get_args(hint):
        yield from _within(each)


def _wire_name(name: str) -> str:
    head, *rest = name.split("_")
    return head + "".join(each.capitalize() for each in rest)
