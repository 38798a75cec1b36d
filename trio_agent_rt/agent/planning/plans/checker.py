"""Each step of a plan, checked where it stands: its type, its tool, what it refers to."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from graphlib import CycleError, TopologicalSorter
from itertools import islice
from typing import Any, cast

import attrs
from attrs import frozen

from ....errors import PlanError
from ...tool import ToolSet
from ..language import Condition, Reference, parse_condition, references_in
from ..language.references import shorten
from ..language.scope import RESERVED
from .arguments import why_not_arguments
from .place import Place
from .schema import StepJSON
from .steps import (
    ConditionalStep,
    LLMStep,
    LoopStep,
    ParallelStep,
    PlannedStep,
    ToolStep,
)

__all__ = ["MAX_DEPTH", "Checker"]

MAX_DEPTH = 40
"""How deep the arguments of a step may be nested; what viewers are told is cut at about
that, and every walk through them stays far from Python's recursion limit."""

_UNSEEN = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")
"""What a name does not need: control characters, and what turns the direction of writing.
Names stand in the middle of lines, in messages and in logs."""

_FIELDS: Mapping[str, Sequence[str]] = {
    "tool": ("tool", "arguments"),
    "llm": ("prompt", "schema", "tools", "max_tool_rounds"),
    "conditional": ("condition", "then", "otherwise"),
    "loop": ("over", "while_", "body", "max_iterations"),
    "parallel": ("steps",),
}
_WRITTEN = {
    "otherwise": "else",
    "while_": "while",
    "max_iterations": "maxIterations",
    "max_tool_rounds": "maxToolRounds",
}


@frozen
class Checker:
    """Checks steps of one plan.

    Args:
        around: every id of the plan, with that of the step around it.
        given: ids of steps that ended well before.
        taken: ids of all steps before.
    """

    tools: ToolSet
    around: Mapping[str, str | None] = attrs.field(kw_only=True)
    given: Collection[str] = attrs.field(kw_only=True)
    taken: Collection[str] = attrs.field(kw_only=True)

    def steps(
        self, listed: Sequence[StepJSON], above: Place, *, in_order: bool, **loop: bool
    ) -> tuple[list[PlannedStep], set[str]]:
        """The steps of a list, and the ids outside of it that they refer to.

        Args:
            above: the place of the step around them.
            in_order: whether they run one after the other.
            loop: whether they know an `item`, and an `index`.

        Raises:
            PlanError: when one of them cannot run.
        """
        order = {each.id: number for number, each in enumerate(listed)}
        beside = order if above.above is not None else {*order, *self.given}
        inherited = {"item": above.item, "index": above.index, **loop}
        checked: list[PlannedStep] = []
        needed_outside = set[str]()
        for number, each in enumerate(listed):
            before = number if in_order else None
            place = Place(step_id=each.id, order=order, before=before, above=above, **inherited)
            try:
                step, needed = self._step(each, place)
            except _Explained:
                raise
            except PlanError as exc:
                raise _Explained(f"step {each.id!r}: {exc}") from None
            if in_order and checked:
                needed[checked[-1].id] = None
            checked.append(attrs.evolve(step, depends_on=[x for x in needed if x in beside]))
            needed_outside.update(name for name in needed if name not in order)
        return (checked if in_order else _in_order(checked)), needed_outside

    def _step(self, step: StepJSON, place: Place) -> tuple[PlannedStep, dict[str, None]]:
        """The step, and the ids that it needs, in order."""
        needed: dict[str, None] = {}
        for name in step.depends_on:
            if not place.sees(name):
                raise _Explained(f"step {step.id!r} depends on {self._why_not(name, step, place)}")
            needed[name] = None
        _check_fields(step)
        made, referred = self._typed(step, place)
        for each in referred:
            needed[each] = None
        return made, needed

    def _typed(self, step: StepJSON, place: Place) -> tuple[PlannedStep, list[str]]:
        match step.type:
            case "tool":
                return self._tool(step, place)
            case "llm":
                return self._llm(step, place)
            case "conditional":
                return self._conditional(step, place)
            case "loop":
                return self._loop(step, place)
            case "parallel":
                return self._parallel(step, place)

    def _names(self, references: Iterable[Reference], step: StepJSON, place: Place) -> list[str]:
        """The ids of the steps that are referred to."""
        names: list[str] = []
        for each in references:
            name = each.root
            if name in RESERVED:
                if name != "context" and not getattr(place, name):
                    raise PlanError(
                        f"{each.text}: there is no {name!r} here; only the body of a loop "
                        f"{'over a list ' if name == 'item' else ''}has one"
                    )
                continue
            if not place.sees(name):
                raise PlanError(f"{each.text} refers to {self._why_not(name, step, place)}")
            if each.path[:1] != ("output",):
                raise PlanError(f"{each.text}: write {name}.output for what that step came to")
            names.append(name)
        return names

    def _why_not(self, name: str, step: StepJSON, place: Place) -> str:
        """Why a step cannot be waited for, after "depends on" or "refers to"."""
        shown = repr(shorten(name))
        if name == step.id:
            return f"{shown}, which is itself"
        if name not in self.around:
            if name in self.taken:
                return f"{shown}, which did not succeed"
            known = ", ".join(islice(dict.fromkeys(place.names()), 12))
            return f"{shown}, which is not in the plan; there are: {known}"
        outer = self.around[step.id]
        while outer is not None:
            if name == outer:
                return f"{shown}, which it is inside of"
            outer = self.around[outer]
        if any(name in each.order for each in (place, *place.around())):
            return f"{shown}, which comes after it"
        return (
            f"{shown}, which is inside {self.around[name]!r}; from outside, "
            f"{{{{{self.around[name]}.output}}}} is what it came to"
        )

    # --- one type each

    def _tool(self, step: StepJSON, place: Place) -> tuple[PlannedStep, list[str]]:
        name = _required(step, "tool", step.tool)
        if name not in self.tools:
            raise _Explained(
                f"step {step.id!r} wants the tool {shorten(name)!r}; {self._known_tools()}"
            )
        tool = self.tools[name]
        why_not = why_not_arguments(tool.parameters, step.arguments)
        if why_not is not None:
            raise PlanError(f"the tool {name!r} {why_not}")
        if _too_deep(step.arguments):
            raise PlanError("its arguments are nested too deeply")
        made = ToolStep(
            **_common(step, name, asks=tool.needs_confirmation),
            tool=name,
            arguments=step.arguments,
            max_retries=_retries(step),
        )
        return made, self._names(references_in(step.arguments), step, place)

    def _llm(self, step: StepJSON, place: Place) -> tuple[PlannedStep, list[str]]:
        prompt = _required(step, "prompt", step.prompt)
        for name in step.tools or ():
            if name not in self.tools:
                raise _Explained(
                    f"step {step.id!r} wants the tool {shorten(name)!r}; {self._known_tools()}"
                )
        if _too_deep(step.schema or {}):
            raise PlanError("its schema is nested too deeply")
        made = LLMStep(
            **_common(step, "llm"),
            prompt=prompt,
            schema=step.schema or None,
            tools=tuple(dict.fromkeys(step.tools or ())),
            max_tool_rounds=step.max_tool_rounds or 5,
            max_retries=_retries(step),
        )
        return made, self._names(references_in(prompt), step, place)

    def _conditional(self, step: StepJSON, place: Place) -> tuple[PlannedStep, list[str]]:
        condition = parse_condition(_required(step, "condition", step.condition))
        if not step.then and not step.otherwise:
            raise PlanError("it needs steps in 'then' or in 'else'")
        then, needed = self.steps(step.then or [], place, in_order=True)
        otherwise, more = self.steps(step.otherwise or [], place, in_order=True)
        made = ConditionalStep(
            **_common(step, "conditional"), condition=condition, then=then, otherwise=otherwise
        )
        return made, [*self._names(condition.references, step, place), *sorted(needed | more)]

    def _loop(self, step: StepJSON, place: Place) -> tuple[PlannedStep, list[str]]:
        body = _required(step, "body", step.body)
        if (step.over is None) == (step.while_ is None):
            raise PlanError("it needs either 'over', a list, or 'while', a condition")
        references: list[Reference] = list(references_in(step.over))
        if isinstance(step.over, str) and (
            len(references) != 1 or not step.over.strip().endswith("}}")
        ):
            raise PlanError("'over' must be a list, or one reference to a list")
        if _too_deep(step.over):
            raise PlanError("its list is nested too deeply")
        names = self._names(references, step, place)
        over = step.over is not None
        steps, needed = self.steps(body, place, in_order=True, index=True, item=over or place.item)
        condition: Condition | None = None
        if step.while_ is not None:
            condition = parse_condition(step.while_)
            # It is looked at between two iterations: it sees what the last one came to.
            order = {each.id: number for number, each in enumerate(body)}
            between = Place(order=order, above=place, index=True, item=place.item)
            seen = self._names(condition.references, step, between)
            names += [each for each in seen if each not in order]
        made = LoopStep(
            **_common(step, "loop"),
            body=steps,
            over=step.over,
            condition=condition,
            max_iterations=step.max_iterations or 100,
        )
        return made, [*names, *sorted(needed)]

    def _parallel(self, step: StepJSON, place: Place) -> tuple[PlannedStep, list[str]]:
        listed = _required(step, "steps", step.steps)
        steps, needed = self.steps(listed, place, in_order=False)
        return ParallelStep(**_common(step, "parallel"), steps=steps), sorted(needed)

    def _known_tools(self) -> str:
        return f"the tools are: {', '.join(self.tools.names) or 'none'}"


class _Explained(PlanError):
    """Names its step already."""


def _common(step: StepJSON, kind: str, *, asks: bool = False) -> dict[str, Any]:
    return {
        "id": step.id,
        "name": " ".join(_UNSEEN.sub(" ", step.name).split()) or kind,
        "description": step.description,
        "need_confirmation": step.need_confirmation or asks,
        "timeout": step.timeout,
    }


def _required(step: StepJSON, name: str, value: Any) -> Any:
    if not value or (isinstance(value, str) and not value.strip()):
        raise PlanError(f"a step of the type {step.type!r} needs {name!r}")
    return value


def _check_fields(step: StepJSON) -> None:
    for kind, fields in _FIELDS.items():
        for name in fields:
            value = getattr(step, name)
            if kind != step.type and value not in (None, [], {}, ""):
                written = _WRITTEN.get(name, name)
                raise PlanError(f"{written!r} is for the type {kind!r}; it is of {step.type!r}")
    if step.type not in {"tool", "llm"} and (step.retryable or step.max_retries):
        raise PlanError("with steps inside it cannot be tried again as a whole; say it of those")


def _retries(step: StepJSON) -> int:
    return (step.max_retries or 2) if step.retryable else step.max_retries


def _in_order(steps: Iterable[PlannedStep]) -> list[PlannedStep]:
    """Steps in an order in which they can run."""
    by_id: Mapping[str, PlannedStep] = {each.id: each for each in steps}
    try:
        order = TopologicalSorter({each.id: each.depends_on for each in by_id.values()})
        return [by_id[each] for each in order.static_order() if each in by_id]
    except CycleError as exc:
        circle: list[str] = exc.args[1]
        raise _Explained(f"the steps wait for each other: {' → '.join(circle)}") from None


def _too_deep(value: object) -> bool:
    level = [value]
    for _ in range(MAX_DEPTH):
        level = [inner for each in level for inner in _inside(each)]
    return bool(level)


def _inside(value: object) -> Iterable[object]:
    if isinstance(value, dict):
        return cast("dict[str, object]", value).values()
    return cast("list[object]", value) if isinstance(value, list) else ()
