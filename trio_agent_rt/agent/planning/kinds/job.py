"""What the executor needs to know of a step to run it, whatever its type."""

from __future__ import annotations

import functools
import math
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from typing import Any

import trio
from attrs import field, frozen

from ....protocol import PlanStep
from ...confirming import ConfirmationPolicy, Decision, Question, decided_by
from ...llm import LLMClient
from ...run import TaskRun
from ...step import Step
from ...tool import Tool, ToolSet
from ..language import Scope
from ..plans import PlannedStep, ids_of
from ..questions import shown_call

__all__ = ["Job", "Site", "shown_inside", "skip_inside"]


@frozen(kw_only=True)
class Site:
    """What a step has at hand while it runs.

    Args:
        step: it as viewers see it.
        scope: the values that it may refer to.
        llm: who answers prompts, if there is anyone.
        confirmation_timeout: seconds that a question stays open, or None for no limit.
        auto_confirm: decides in people's place whether a tool may run, if anything does.
        run_inside: runs steps inside it to their ends; what came of them is in the scope.
    """

    run: TaskRun
    step: Step
    scope: Scope
    tools: ToolSet
    llm: LLMClient | None
    confirmation_timeout: float | None
    auto_confirm: ConfirmationPolicy | None
    run_inside: Callable[[Sequence[PlannedStep], Scope], Awaitable[None]]

    def question(
        self, what: str, arguments: Mapping[str, Any], tool: Tool | None = None
    ) -> Callable[[], str]:
        """Tells what a person is asked: the tool and its arguments, long ones shortened."""
        code = tool is not None and tool.category == "code"
        return functools.partial(shown_call, what, arguments, self.run.redact, code=code)

    async def ask(
        self,
        reason: str,
        tool: Tool | None,
        arguments: Mapping[str, Any],
        clock: trio.CancelScope | None = None,
    ) -> None:
        """Ask a person, unless the policy decides.

        Args:
            tool: what is to be run, or None for no tool, of which people are always asked.
            arguments: what it is to be given.
            clock: a deadline that stands still while the question is open.

        Raises:
            ConfirmationRejected, ConfirmationExpired: as `Step.confirm`.

        Cancellation: withdraws the question.
        """
        left = math.inf if clock is None else clock.deadline - trio.current_time()
        if clock is not None:
            clock.deadline = math.inf
        try:
            await self.step.confirm(
                reason,
                expires_after=self.confirmation_timeout,
                decision=None if tool is None else self._decided(tool, arguments),
            )
        finally:
            if clock is not None:
                clock.deadline = trio.current_time() + left

    def _decided(self, tool: Tool, arguments: Mapping[str, Any]) -> Decision | None:
        question = Question(
            tool=tool,
            arguments=arguments,
            step_id=self.step.id,
            task=self.run.task,
            context=self.run.context,
        )
        return decided_by(self.auto_confirm, question)


@frozen(kw_only=True)
class Job:
    """One step, ready to be run.

    Args:
        attempt: does its work once; it is given the scope that holds its deadline.
        question: what a person is asked before; it takes long values to words, so it is
            for when somebody is asked.
        asks: whether a person is.
        timeout: seconds for one attempt, or None for no limit.
        retries: how often it may be tried again.
        tool: what it runs, or None when that is no tool.
        arguments: what it gives the tool.
    """

    attempt: Callable[[trio.CancelScope], Awaitable[object]]
    question: Callable[[], str]
    asks: bool
    timeout: float | None
    retries: int = 0
    tool: Tool | None = None
    arguments: Mapping[str, Any] = field(factory=dict[str, Any])


def shown_inside(run: TaskRun, steps: Sequence[PlannedStep], suffix: str) -> Iterator[PlanStep]:
    """What viewers have been told of these steps and of those inside them.

    Args:
        suffix: what their ids end in, or go on with, if there are loops.
    """
    ids = set(ids_of(steps))
    for each in run.planned_steps:
        planned_id, dot, rest = each.id.partition(".")
        if planned_id in ids and f"{dot}{rest}.".startswith(f"{suffix}."):
            yield each


def skip_inside(run: TaskRun, steps: Sequence[PlannedStep], suffix: str, reason: str) -> None:
    """End those of these steps, and of those inside them, that have not started."""
    for each in list(shown_inside(run, steps, suffix)):
        if each.status == "pending":
            run.skip(each.id, reason)
