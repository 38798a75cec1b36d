"""Plans as a model writes them: their schema, and what makes one fit to run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from graphlib import CycleError, TopologicalSorter
from typing import Annotated, Any, cast

import msgspec
from attrs import frozen

from ...errors import PlanError
from ...protocol import PlanStep
from ..tool import ToolSet
from .references import referenced_steps

__all__ = ["PLAN_SCHEMA", "PlannedStep", "parse_plan"]

MAX_PLAN_CHARS = 1024 * 1024
"""Far beyond any plan that a person could follow; what is longer is not even read."""

MAX_DEPTH = 40
"""How deep the arguments of a step may be nested; what viewers are told is cut at about
that, and every walk through them stays far from Python's recursion limit."""

_Text = Annotated[str, msgspec.Meta(max_length=500)]
_Id = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9_\-]{1,64}$")]


class _StepJSON(msgspec.Struct, rename="camel", kw_only=True):
    id: _Id
    tool: str
    name: _Text = ""
    description: _Text = ""
    type: str = "tool"
    arguments: dict[str, Any] = {}
    depends_on: list[str] = []
    need_confirmation: bool = False
    timeout: Annotated[float, msgspec.Meta(gt=0, le=86_400)] | None = None
    retryable: bool = False
    max_retries: Annotated[int, msgspec.Meta(ge=0, le=10)] = 0


class _PlanJSON(msgspec.Struct, kw_only=True):
    steps: list[_StepJSON] = []
    error: str | None = None


def _schema() -> dict[str, Any]:
    _, components = msgspec.json.schema_components((_PlanJSON,), ref_template="#/$defs/{name}")
    own = components.pop("_PlanJSON")
    return {**own, "title": "Plan", "$defs": components}


PLAN_SCHEMA: Mapping[str, Any] = _schema()
"""The JSON Schema that a model's plan must follow. `error`, instead of steps, is how a
planner says that it cannot plan the task."""


@frozen(kw_only=True)
class PlannedStep:
    """One step of a plan that has been checked.

    Args:
        arguments: what the tool is given; texts may hold references to other steps.
        depends_on: ids of the steps that must have ended well before, those that the
            arguments refer to included.
        timeout: seconds for one attempt, or None for the executor's default.
        max_retries: how often it may be tried again after a failure.
    """

    id: str
    name: str
    description: str
    tool: str
    arguments: Mapping[str, Any]
    depends_on: Sequence[str]
    need_confirmation: bool
    timeout: float | None
    max_retries: int

    def shown(self) -> PlanStep:
        """It as viewers are told of it."""
        return PlanStep(
            id=self.id,
            name=self.name,
            description=self.description,
            type="tool",
            tool=self.tool,
            depends_on=self.depends_on,
            need_confirmation=self.need_confirmation,
        )


def parse_plan(text: str, tools: ToolSet, *, max_steps: int) -> list[PlannedStep]:
    """The steps of a plan that a model wrote, in an order in which they can run.

    Raises:
        PlanError: for anything that keeps it from running as it stands: no JSON, a field
            of the wrong kind, no steps or too many, an unknown tool or argument, an id
            used twice, a dependency or a reference to nothing, a cycle. The text says
            which, so that a model can mend it.
    """
    if len(text) > MAX_PLAN_CHARS:
        raise PlanError(f"the plan has {len(text)} characters; {MAX_PLAN_CHARS} are allowed")
    try:
        plan = msgspec.json.decode(_without_fence(text), type=_PlanJSON)
    except msgspec.ValidationError as exc:
        raise PlanError(f"the plan does not follow its schema: {exc}") from None
    except RecursionError:
        raise PlanError("the plan is nested too deeply") from None
    except (msgspec.DecodeError, UnicodeError) as exc:
        raise PlanError(f"the plan is not valid JSON: {exc}") from None
    if plan.error:
        raise PlanError(plan.error)
    if not plan.steps:
        raise PlanError("the plan has no steps")
    if len(plan.steps) > max_steps:
        raise PlanError(f"the plan has {len(plan.steps)} steps; at most {max_steps} are allowed")
    _check_ids(each.id for each in plan.steps)
    steps = {each.id: _checked(each, tools) for each in plan.steps}
    return _in_order(steps)


def _without_fence(text: str) -> str:
    """The JSON alone: models like to wrap it in a Markdown fence."""
    text = text.strip()
    first, newline, rest = text.partition("\n")
    fenced = newline and first.startswith("```") and rest.endswith("```")
    return rest[:-3] if fenced else text


def _check_ids(ids: Iterable[str]) -> None:
    seen: set[str] = set()
    for each in ids:
        if each.endswith("\n"):  # a pattern's $ lets it pass
            raise PlanError(f"the id {each!r} has a line break in it")
        if each in seen:
            raise PlanError(f"two steps have the id {each!r}")
        seen.add(each)


def _checked(step: _StepJSON, tools: ToolSet) -> PlannedStep:
    if step.type != "tool":
        raise PlanError(f"step {step.id!r} is of the type {step.type!r}; only 'tool' can be run")
    if step.tool not in tools:
        known = ", ".join(tools.names) or "none"
        raise PlanError(f"step {step.id!r} wants the tool {step.tool!r}; the tools are: {known}")
    parameters = tools[step.tool].parameters
    properties: Mapping[str, Any] = parameters.get("properties", {})
    for name in step.arguments:
        if name not in properties and not parameters.get("additionalProperties", False):
            raise PlanError(
                f"step {step.id!r}: the tool {step.tool!r} has no argument {name!r}; "
                f"it takes: {', '.join(properties) or 'none'}"
            )
    for name in parameters.get("required", ()):
        if name not in step.arguments:
            raise PlanError(f"step {step.id!r}: the tool {step.tool!r} needs {name!r}")
    if _too_deep(step.arguments):
        raise PlanError(f"step {step.id!r}: its arguments are nested too deeply")
    return PlannedStep(
        id=step.id,
        name=step.name or step.tool,
        description=step.description,
        tool=step.tool,
        arguments=step.arguments,
        depends_on=list(dict.fromkeys([*step.depends_on, *referenced_steps(step.arguments)])),
        need_confirmation=step.need_confirmation or tools[step.tool].needs_confirmation,
        timeout=step.timeout,
        max_retries=(step.max_retries or 2) if step.retryable else step.max_retries,
    )


def _too_deep(value: object) -> bool:
    level = [value]
    for _ in range(MAX_DEPTH):
        level = [inner for each in level for inner in _inside(each)]
    return bool(level)


def _inside(value: object) -> Iterable[object]:
    if isinstance(value, dict):
        return cast("dict[str, object]", value).values()
    return cast("list[object]", value) if isinstance(value, list) else ()


def _in_order(steps: Mapping[str, PlannedStep]) -> list[PlannedStep]:
    for each in steps.values():
        for needed in each.depends_on:
            if needed not in steps:
                raise PlanError(f"step {each.id!r} depends on {needed!r}, which is not in the plan")
    try:
        order = TopologicalSorter({each.id: each.depends_on for each in steps.values()})
        return [steps[each] for each in order.static_order()]
    except CycleError as exc:
        circle: list[str] = exc.args[1]
        raise PlanError(f"the steps wait for each other: {' → '.join(circle)}") from None
