"""What a tool is to be given, held against what its schema says that it takes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

from ..language.references import kind_of, shorten

__all__ = ["why_not_arguments"]

_ELSEWHERE = frozenset(
    {
        "patternProperties",
        "$ref",
        "$dynamicRef",
        "allOf",
        "anyOf",
        "oneOf",
        "if",
        "dependentSchemas",
    }
)
"""Where a schema may name more properties than in `properties`."""

_MAX_NAMES_CHARS = 2000
"""Of the names that a tool takes, in a message for a model."""


def why_not_arguments(parameters: Mapping[str, Any], arguments: object) -> str | None:
    """Why these are no arguments for a tool with such parameters, or None.

    Only names are looked at, values are the tool's to check. `additionalProperties` says
    whether a tool takes others than its schema lists, and schemas that `@tool` makes always
    have it. One without that lists no properties takes anything, as JSON Schema has it. One
    that lists some takes no others, unless there are more schemas beside the list: a model
    that has mistyped a name is better told so.

    Args:
        parameters: the tool's schema; of one that is odd, what can be understood is used.
        arguments: what a model wrote.
    """
    if not isinstance(arguments, Mapping):
        return f"takes an object with the names of its arguments, not {kind_of(arguments)}"
    given = cast("Mapping[object, object]", arguments)
    listed: object = parameters.get("properties")
    taken = list(cast("Mapping[str, object]", listed)) if isinstance(listed, Mapping) else []
    more: object = parameters.get("additionalProperties")
    if more is None:
        more = not taken or not _ELSEWHERE.isdisjoint(parameters)
    if more is False and "patternProperties" not in parameters:
        unknown = next((each for each in given if each not in taken), None)
        if unknown is not None:
            names = shorten(", ".join(taken), _MAX_NAMES_CHARS) or "none"
            return f"has no argument {shorten(str(unknown))!r}; it takes: {names}"
    needed: object = parameters.get("required")
    for each in cast("Sequence[object]", needed) if isinstance(needed, list) else ():
        if isinstance(each, str) and each not in given:
            return f"needs {shorten(each)!r}"
    return None
