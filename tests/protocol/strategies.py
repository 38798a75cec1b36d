"""Arbitrary messages, made from the fields that their classes declare."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import NoneType, UnionType
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

import attrs
from hypothesis import strategies as st

from trio_agent_rt.protocol import RESERVED_TYPES, Command, CustomEvent, Event, Position, messages

T = TypeVar("T")


def _leaves(base: type[T]) -> list[type[T]]:
    classes = [getattr(messages, name) for name in messages.__all__]
    return [
        each
        for each in classes
        if isinstance(each, type) and issubclass(each, base) and each is not base
    ]


COMMANDS = _leaves(Command)
EVENTS = _leaves(Event)

texts = st.text(max_size=20)  # without lone surrogates, which do not come back the same
identifiers = st.text(min_size=1, max_size=20)
whole_numbers = st.integers(-(2**63) + 1, 2**63 - 1)
real_numbers = st.floats(allow_nan=False, allow_infinity=False)
json_values = st.recursive(
    st.none() | st.booleans() | whole_numbers | real_numbers | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)
positions = st.builds(
    Position,
    epoch=st.text("0123456789abcdefghijklmnopqrstuvwxyz", min_size=1, max_size=32),
    offset=st.integers(0, 10**16 - 1),
)

_BY_NAME: Mapping[tuple[type, str], st.SearchStrategy[Any]] = {
    (Command, "task"): texts.map(lambda text: text + "x"),
    (Command, "task_id"): identifiers,
    (Command, "step_id"): identifiers,
    (Command, "confirmation_id"): st.none() | identifiers,
    (CustomEvent, "type"): texts.filter(lambda text: text not in RESERVED_TYPES),
}
"""Fields that may not hold all that their type allows."""
_BY_HINT: Mapping[Any, st.SearchStrategy[Any]] = {
    Any: json_values,
    str: texts,
    int: whole_numbers,
    float: real_numbers,
    bool: st.booleans(),
    Position: positions,
}


def of_class(cls: type[T]) -> st.SearchStrategy[T]:
    """Arbitrary values of a message class, or of a class that stands in one."""
    hints = get_type_hints(cls)
    fields: dict[str, st.SearchStrategy[Any]] = {}
    for each in attrs.fields(cls):
        hint = hints[each.name]
        narrow = next(
            (
                narrow
                for (base, name), narrow in _BY_NAME.items()
                if issubclass(cls, base) and name == each.name
            ),
            None,
        )
        if narrow is None:
            fields[each.name] = _of_hint(hint)
        else:
            fields[each.name] = st.none() | narrow if NoneType in get_args(hint) else narrow
    return st.builds(cls, **fields)


def _of_hint(hint: Any) -> st.SearchStrategy[Any]:
    if hint in _BY_HINT:
        return _BY_HINT[hint]
    if attrs.has(hint):
        return of_class(hint)
    origin, args = get_origin(hint), get_args(hint)
    if origin is Literal:
        return st.sampled_from(args)
    if origin in (Union, UnionType):
        return st.one_of([st.none() if each is NoneType else _of_hint(each) for each in args])
    if origin is Sequence:
        items = st.lists(_of_hint(args[0]), max_size=3)
        return items | items.map(tuple)
    assert origin is Mapping, hint
    return st.dictionaries(texts, json_values, max_size=3)


commands = st.one_of([of_class(each) for each in COMMANDS])
events = st.one_of([of_class(each) for each in EVENTS])
