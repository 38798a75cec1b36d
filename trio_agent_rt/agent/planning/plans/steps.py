"""The steps of a plan that has been checked, one class for each type."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, ClassVar

from attrs import frozen

from ....protocol import PlanStep
from ..language import Condition

__all__ = [
    "ConditionalStep",
    "LLMStep",
    "LoopStep",
    "ParallelStep",
    "PlannedStep",
    "ToolStep",
    "ids_of",
    "shown_steps",
]


@frozen(kw_only=True)
class PlannedStep:
    """One step of a plan that has been checked; it is of one of the types below.

    Args:
        depends_on: ids of the steps beside it that must have ended well before, those that
            it refers to included.
        need_confirmation: whether a person is asked before it runs.
        timeout: seconds for one attempt, or None for the executor's default; for a step
            with others inside, seconds for all of it, or None for no limit.
    """

    type: ClassVar[str] = ""
    """What plans call it."""

    id: str
    name: str
    description: str = ""
    depends_on: Sequence[str] = ()
    need_confirmation: bool = False
    timeout: float | None = None

    @property
    def inside(self) -> Sequence[PlannedStep]:
        """The steps inside it."""
        return ()

    def shown(self, *, suffix: str = "", around: str | None = None) -> PlanStep:
        """It as viewers are told of it, without the steps inside it.

        Args:
            suffix: what its id and those beside it end in: `.2` in a second iteration.
            around: the id of the step around it; it is told as the first dependency.
        """
        needed = [each + suffix for each in self.depends_on]
        return PlanStep(
            id=self.id + suffix,
            name=self.name,
            description=self.description,
            type=self.type,
            tool=self.tool if isinstance(self, ToolStep) else None,
            depends_on=[around, *needed] if around else needed,
            parent_id=around,
            need_confirmation=self.need_confirmation,
        )


@frozen(kw_only=True)
class ToolStep(PlannedStep):
    """Runs a tool.

    Args:
        arguments: what the tool is given; texts may hold references.
        max_retries: how often it may be tried again after a failure.
    """

    type: ClassVar[str] = "tool"

    tool: str
    arguments: Mapping[str, Any]
    max_retries: int = 0


@frozen(kw_only=True)
class LLMStep(PlannedStep):
    """Asks a language model, and streams its answer.

    Args:
        prompt: what it is asked; it may hold references.
        schema: the JSON Schema of the answer, or None for plain text.
        tools: names of the tools that the model may call on the way.
        max_tool_rounds: how often it may do so before it has to answer.
        max_retries: how often it may be asked again after a failure.
    """

    type: ClassVar[str] = "llm"

    prompt: str
    schema: Mapping[str, Any] | None = None
    tools: Sequence[str] = ()
    max_tool_rounds: int = 5
    max_retries: int = 0


@frozen(kw_only=True)
class ConditionalStep(PlannedStep):
    """Runs one list of steps or another, one step after the other."""

    type: ClassVar[str] = "conditional"

    condition: Condition
    then: Sequence[PlannedStep] = ()
    otherwise: Sequence[PlannedStep] = ()

    @property
    def inside(self) -> Sequence[PlannedStep]:
        """The steps of both branches."""
        return [*self.then, *self.otherwise]


@frozen(kw_only=True)
class LoopStep(PlannedStep):
    """Runs its steps, one after the other, again and again.

    Args:
        over: a list, or a reference to one: an iteration for each item.
        condition: instead: an iteration as long as it is true.
        max_iterations: more of them fail the step.
    """

    type: ClassVar[str] = "loop"

    body: Sequence[PlannedStep]
    over: str | Sequence[Any] | None = None
    condition: Condition | None = None
    max_iterations: int = 100

    @property
    def inside(self) -> Sequence[PlannedStep]:
        """The steps of its body."""
        return self.body


@frozen(kw_only=True)
class ParallelStep(PlannedStep):
    """Runs its steps at the same time, as far as they do not depend on each other."""

    type: ClassVar[str] = "parallel"

    steps: Sequence[PlannedStep]

    @property
    def inside(self) -> Sequence[PlannedStep]:
        """Its steps."""
        return self.steps


def shown_steps(
    steps: Iterable[PlannedStep], *, suffix: str = "", around: str | None = None
) -> Iterator[PlanStep]:
    """Steps as viewers are told of them: flat, each followed by those inside it.

    Those inside a loop are told as those of its first iteration.
    """
    for each in steps:
        shown = each.shown(suffix=suffix, around=around)
        yield shown
        first = f"{suffix}.1" if isinstance(each, LoopStep) else suffix
        yield from shown_steps(each.inside, suffix=first, around=shown.id)


def ids_of(steps: Iterable[PlannedStep]) -> Iterator[str]:
    """The ids of steps and of all that is inside them, as the plan has them."""
    for each in steps:
        yield each.id
        yield from ids_of(each.inside)
