"""What running a plan has come to so far, and how much of it may be kept."""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import (
    Collection,
    ItemsView,
    Iterator,
    KeysView,
    Mapping,
    Sequence,
    ValuesView,
)
from types import MappingProxyType, MemberDescriptorType
from typing import cast

from attrs import define, field

from ...errors import ToolError
from .plans import PlannedStep

__all__ = ["Execution", "failure_of", "outcome_of", "size_of"]

_OVERHEAD = 48
"""Bytes that any object takes at least, about; it bounds how long the counting takes."""


_ATOMS = frozenset[type]({str, bytes, bytearray, int, float, bool, type(None)})
_USUAL = frozenset[type]({dict, list, tuple, set, frozenset})
"""What holds no more than it shows."""
_CONTAINERS = (list, tuple, set, frozenset, deque, KeysView, ValuesView, ItemsView)


@define
class Execution:
    """What running a plan came to.

    Args:
        outputs: what each step that ended well came to, by its id.
        errors: why each other step did not, by its id.
        refused: whether a person said no to a step, or did not answer.
        kept_bytes: how much all outputs take, those of steps inside others included.
        runs: how many steps have been started.
    """

    outputs: dict[str, object] = field(factory=dict[str, object])
    errors: dict[str, str] = field(factory=dict[str, str])
    refused: bool = False
    kept_bytes: int = 0
    runs: int = 0

    def keep(self, output: object, max_bytes: int) -> None:
        """Count an output that is going to be kept.

        Raises:
            ToolError: when all outputs together are too large.
        """
        kept_bytes = self.kept_bytes + size_of(output, max_bytes - self.kept_bytes)
        if kept_bytes > max_bytes:
            raise ToolError(
                "its output is too big to be passed on: with it, the outputs of this task take "
                f"more than {max_bytes:,} bytes; ask for less at a time (fewer rows, a shorter "
                "text), or have it written to a file"
            )
        self.kept_bytes = kept_bytes

    def going_on(self) -> Execution:
        """What a plan that goes on from here begins with: all but the failures."""
        return Execution(outputs=dict(self.outputs), kept_bytes=self.kept_bytes, runs=self.runs)


def size_of(value: object, most: int) -> int:
    """About how many bytes a value takes; some number above `most` if it is more than that.

    Nothing is copied, and no further looked at than that.
    """
    size = 0
    left = [value]
    seen = set[int]()
    while left and size <= most:
        each = left.pop()
        if id(each) in seen:
            continue
        size += max(sys.getsizeof(each, _OVERHEAD), _OVERHEAD)
        if type(each) in _ATOMS:
            continue
        size += _elsewhere(each)
        for inner in _inside(each):
            seen.add(id(each))
            size += _OVERHEAD * len(inner)
            if size > most:
                break
            left += inner
    return size


def _elsewhere(value: object) -> int:
    """The bytes that a view shows, which another object holds."""
    if type(value) in _USUAL:
        return 0
    if isinstance(value, memoryview):
        return value.nbytes
    # Of NumPy and its like, without importing it.
    base = getattr(value, "base", None) if hasattr(value, "dtype") else None
    nbytes = 0 if base is None else getattr(value, "nbytes", 0)
    return nbytes if type(nbytes) is int else 0


def _inside(value: object) -> Iterator[Collection[object]]:
    """What a value holds, whatever of it the value shows."""
    if type(value) not in _USUAL:
        yield from _attributes(value)
    if isinstance(value, dict | MappingProxyType):
        fields = cast("Mapping[object, object]", value)
        yield fields.keys()
        yield fields.values()
    elif isinstance(value, _CONTAINERS):
        yield cast("Collection[object]", value)


def _attributes(value: object) -> Iterator[Collection[object]]:
    fields = getattr(value, "__dict__", None)
    if type(fields) is dict:
        yield cast("dict[str, object]", fields).values()
    slots = [
        getattr(value, name)
        for kind in type(value).__mro__
        for name, slot in kind.__dict__.items()
        if type(slot) is MemberDescriptorType and hasattr(value, name)
    ]
    if slots:
        yield slots


def outcome_of(steps: Sequence[PlannedStep], outputs: Mapping[str, object]) -> object:
    """What a list of steps came to: the output of its last one, or, of several that no
    other depends on, their outputs by id."""
    needed = {each for step in steps for each in step.depends_on}
    last = [each.id for each in steps if each.id not in needed and each.id in outputs]
    if len(last) == 1:
        return outputs[last[0]]
    return {each: outputs[each] for each in last} or None


def failure_of(steps: Sequence[PlannedStep], errors: Mapping[str, str]) -> str:
    """The first failure of a list of steps in words, and how many more there are."""
    names = {each.id: each.name for each in steps}
    first, error = next(iter(errors.items()))
    text = f"{names[first]} ({first}): {error}"
    more = len(errors) - 1
    if not more:
        return text
    return f"{text} — {more} more step{'s' if more > 1 else ''} did not run to success"
