"""From what a model wrote to steps that can run, or to words that say what to mend."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

import msgspec

from ....errors import PlanError
from ...tool import ToolSet
from ..language.references import shorten
from ..language.scope import RESERVED
from .checker import Checker
from .place import Place
from .schema import PlanJSON, StepJSON
from .steps import PlannedStep

__all__ = ["MAX_NESTING", "MAX_PLAN_CHARS", "Declined", "parse_plan"]

MAX_PLAN_CHARS = 1024 * 1024
"""Far beyond any plan that a person could follow; what is longer is not even read."""

MAX_NESTING = 5
"""How many steps may stand inside each other."""


class Declined(PlanError):
    """The model says that there is no plan; the text is its own."""


def parse_plan(
    text: str,
    tools: ToolSet,
    *,
    max_steps: int,
    given: Collection[str] = (),
    taken: Collection[str] = (),
) -> list[PlannedStep]:
    """The steps of a plan that a model wrote, in an order in which they can run.

    Args:
        max_steps: how many it may have, those inside others included.
        given: ids of steps that have ended well: a plan that goes on from there may
            refer to them.
        taken: ids that no step of it may have.

    Raises:
        PlanError: for anything that keeps it from running as it stands: no JSON, a field
            of the wrong kind, no steps or too many, an unknown tool or argument, an id
            used twice, a dependency or a reference to nothing, a cycle. The text says
            which, so that a model can mend it.
    """
    plan = _decoded(text)
    if any(map(str.isalnum, plan.error or "")):
        raise Declined(plan.error)  # small models also write a dot, or a comma
    if not plan.steps:
        raise PlanError("the plan has no steps")
    around = _ids(plan.steps, max_steps, taken)
    checker = Checker(tools, around=around, given=given, taken=taken)
    outermost = Place(order=dict.fromkeys(given, 0))
    steps, needed = checker.steps(plan.steps, outermost, in_order=False)
    assert needed <= set(given)
    return steps


def _decoded(text: str) -> PlanJSON:
    if len(text) > MAX_PLAN_CHARS:
        raise PlanError(f"the plan has {len(text)} characters; {MAX_PLAN_CHARS} are allowed")
    try:
        return msgspec.json.decode(_without_fence(text), type=PlanJSON)
    except msgspec.ValidationError as exc:
        raise PlanError(f"the plan does not follow its schema: {shorten(str(exc), 500)}") from None
    except RecursionError:
        raise PlanError("the plan is nested too deeply") from None
    except (msgspec.DecodeError, UnicodeError) as exc:
        raise PlanError(f"the plan is not valid JSON: {exc}") from None


def _without_fence(text: str) -> str:
    """The JSON alone: models like to wrap it in a Markdown fence."""
    text = text.strip()
    first, newline, rest = text.partition("\n")
    fenced = newline and first.startswith("```") and rest.endswith("```")
    return rest[:-3] if fenced else text


def _ids(
    steps: Sequence[StepJSON], max_steps: int, taken: Collection[str]
) -> dict[str, str | None]:
    """Every id of the plan, with that of the step around it."""
    around: dict[str, str | None] = {}
    count = 0
    level: list[tuple[StepJSON, str | None]] = [(each, None) for each in steps]
    for _ in range(MAX_NESTING):
        count += len(level)
        for step, outer in level if count <= max_steps else ():
            _check_id(step.id, around, taken)
            around[step.id] = outer
        level = [(each, step.id) for step, _ in level for each in _inside(step)]
        if not level:
            break
    else:
        raise PlanError(
            f"steps inside steps inside steps: more than {MAX_NESTING} levels; "
            f"{shorten(level[0][0].id)!r} is too deep"
        )
    if count > max_steps:
        raise PlanError(f"the plan has {count} steps; at most {max_steps} are allowed")
    return around


def _inside(step: StepJSON) -> Iterator[StepJSON]:
    for listed in (step.then, step.otherwise, step.body, step.steps):
        yield from listed or ()


def _check_id(step_id: str, seen: Collection[str], taken: Collection[str]) -> None:
    if step_id.endswith("\n"):  # a pattern's $ lets it pass
        raise PlanError(f"the id {step_id!r} has a line break in it")
    if step_id in RESERVED:
        raise PlanError(f"no step can have the id {step_id!r}: it has a meaning of its own")
    if step_id in seen:
        raise PlanError(f"two steps have the id {step_id!r}")
    if step_id in taken:
        raise PlanError(f"the id {step_id!r} is that of an earlier step; take another")
