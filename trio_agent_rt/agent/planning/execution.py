"""What running a plan has come to so far, and how much of it may be kept."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence, Set
from typing import cast

from attrs import define, field

from ...errors import ToolError
from .plans import PlannedStep

__all__ = ["Execution", "failure_of", "outcome_of", "size_of"]

_OVERHEAD = 48
"""Bytes that any object takes at least, about; it bounds how long the counting takes."""


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
                "its output cannot be kept: with it, the outputs of this task take more than "
                f"{max_bytes:,} bytes"
            )
        self.kept_bytes = kept_bytes

    def going_on(self) -> Execution:
        """What a plan that goes on from here begins with: all but the failures."""
        return Execution(outputs=dict(self.outputs), kept_bytes=self.kept_bytes, runs=self.runs)


def size_of(value: object, most: int) -> int:
    """About how many bytes a value takes; some number above `most` if it is more than that."""
    size = 0
    left = [value]
    seen = set[int]()
    while left and size <= most:
        each = left.pop()
        if id(each) in seen:
            continue
        size += max(sys.getsizeof(each, _OVERHEAD), _OVERHEAD)
        inner = _inside(each)
        if inner:
            seen.add(id(each))
            size += _OVERHEAD * len(inner)
            if size <= most:
                left += inner
    return size


def _inside(value: object) -> Sequence[object]:
    if isinstance(value, dict):
        fields = cast("dict[object, object]", value)
        return [*fields.keys(), *fields.values()]
    if isinstance(value, list | tuple):
        return cast("Sequence[object]", value)
    if isinstance(value, set | frozenset):
        return list(cast("Set[object]", value))
    fields = getattr(value, "__dict__", None)
    return list(cast("dict[str, object]", fields).values()) if type(fields) is dict else ()


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
