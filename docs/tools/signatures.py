"""Tells griffe, which reads sources, how the classes that attrs completes are made."""

from __future__ import annotations

import importlib
import inspect
from typing import Any

import attrs
from griffe import Class, Extension, Function, Parameter, ParameterKind, Parameters

__all__ = ["AttrsSignatures"]

_KINDS = {
    inspect.Parameter.POSITIONAL_OR_KEYWORD: ParameterKind.positional_or_keyword,
    inspect.Parameter.KEYWORD_ONLY: ParameterKind.keyword_only,
}


class AttrsSignatures(Extension):
    """Gives each class of attrs the `__init__` that its fields make."""

    def on_class(self, *, cls: Class, **_: Any) -> None:
        """Called by griffe for each class, with what it has found of it."""
        if "__init__" in cls.members or not cls.decorators:
            return
        made = getattr(importlib.import_module(cls.module.path), cls.name, None)
        if isinstance(made, type) and attrs.has(made):
            init = Function("__init__", parameters=_parameters(cls, made), returns="None")
            cls.set_member("__init__", init)


def _parameters(cls: Class, made: type) -> Parameters:
    fields = {each.alias: each for each in attrs.fields(made)}
    found = list(inspect.signature(made.__init__).parameters.values())[1:]
    return Parameters(
        Parameter("self", kind=ParameterKind.positional_or_keyword),
        *[
            Parameter(
                each.name,
                kind=_KINDS[each.kind],
                default=_default(fields[each.name]),
                annotation=_annotation(cls, fields[each.name]),
            )
            for each in found
        ],
    )


def _annotation(cls: Class, field: attrs.Attribute[Any]) -> Any:
    own = cls.members.get(field.name)
    return str(field.type) if own is None else getattr(own, "annotation", None)


def _default(field: attrs.Attribute[Any]) -> str | None:
    if field.default is attrs.NOTHING:
        return None
    return "…" if hasattr(field.default, "factory") else repr(field.default)
