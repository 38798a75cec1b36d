"""The agent that comes with the library: a model plans, tools run, a model sums up."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from typing import Any

import attrs
import trio

from ...errors import LLMError, TaskError
from ..confirming import AutoConfirm, ConfirmationPolicy
from ..failures import is_under_cancel
from ..llm import LLMClient
from ..run import Answer, TaskRun
from ..tool import Tool, ToolSet
from .execution import Execution, failure_of, outcome_of
from .executor import Executor
from .planner import Planner, sum_up
from .plans import PlannedStep, shown_steps
from .prompts import PROMPT_VERSION
from .redacted import redacted_for

__all__ = ["PlanningAgent", "create_agent"]

_log = logging.getLogger(__name__)


class PlanningAgent:
    """An agent that asks a model for a plan, runs it with tools, and sums up.

    It is an `async def agent(task, run)` like any other; see `create_agent`.

    Args:
        llm: who plans, answers the plan's questions and sums up. It is told none of the
            secrets of the `RealtimeAgent`'s `redaction`.
        tools: what the plan may use.
        executor: how steps are run.
        auto_confirm: decides in people's place where a step needs a confirmation, such as
            `AutoConfirm(["file_write"])`; None for what the executor says, which asks
            people unless told otherwise.
        max_steps: how many steps a plan may have, those inside others included.
        planning_timeout: seconds for the model to plan, and again to plan anew or to sum up.
        plan_attempts: how often a plan is asked for until it is valid: from the second
            time on, the model is told what was wrong.
        max_replans: how often the model may plan anew when a step has failed, being told
            what had succeeded and what had not; 0 for never.
        replan_after_rejection: whether it may do so although a person had said no to a
            step, or had not answered.

    Raises:
        ValueError: when `AutoConfirm` names a tool or a category that there is not, or a
            number is too small.
    """

    def __init__(
        self,
        *,
        llm: LLMClient,
        tools: Iterable[Tool],
        executor: Executor | None = None,
        auto_confirm: ConfirmationPolicy | None = None,
        max_steps: int = 50,
        planning_timeout: float = 120.0,
        plan_attempts: int = 2,
        max_replans: int = 1,
        replan_after_rejection: bool = False,
    ) -> None:
        if plan_attempts < 1:
            raise ValueError(f"plan_attempts must be 1 or more, not {plan_attempts}")
        if max_replans < 0:
            raise ValueError(f"max_replans must be 0 or more, not {max_replans}")
        self.llm = llm
        self.tools: ToolSet = ToolSet(tuple(tools))
        self.prompt_version: str = PROMPT_VERSION
        """Of the texts that the model is asked with."""
        self._executor = executor or Executor()
        if auto_confirm is not None:
            self._executor = attrs.evolve(self._executor, auto_confirm=auto_confirm)
        if isinstance(self._executor.auto_confirm, AutoConfirm):
            self._executor.auto_confirm.check(self.tools)
        self._max_steps = max_steps
        self._planning_timeout = planning_timeout
        self._plan_attempts = plan_attempts
        self._max_replans = max_replans
        self._replan_after_rejection = replan_after_rejection

    def __repr__(self) -> str:
        return (
            f"<PlanningAgent llm={self.llm.name} tools={len(self.tools)} "
            f"prompt={self.prompt_version}>"
        )

    async def __call__(self, task: str, run: TaskRun) -> Answer:
        """Run one task.

        Returns:
            The output of the plan's last step (or, when several steps have no successor,
            their outputs by step id), and a summary.

        Raises:
            TaskError: when the task cannot be planned, or a step of it failed.

        Cancellation: every step that runs is interrupted; nothing runs on.
        """
        llm = redacted_for(run, self.llm)
        planner = Planner(
            llm=llm,
            tools=self.tools,
            max_steps=self._max_steps,
            attempts=self._plan_attempts,
            timeout=self._planning_timeout,
        )
        work = _Work(run, llm, steps=await planner.plan(task, run))
        run.plan(shown_steps(work.steps))
        await self._execute(work, work.steps)
        for _ in range(self._max_replans):
            if not work.execution.errors or not await self._go_on(planner, work):
                break
        if work.execution.errors:
            raise TaskError(failure_of(work.steps, work.execution.errors))
        return Answer(
            output=outcome_of(work.steps, work.execution.outputs),
            summary=await self._summary(work),
        )

    async def _execute(self, work: _Work, steps: Sequence[PlannedStep]) -> None:
        work.execution = await self._executor.execute(
            work.run, steps, tools=self.tools, llm=work.llm, before=work.execution
        )

    async def _go_on(self, planner: Planner, work: _Work) -> bool:
        """Run what the model plans instead of what has failed; tells whether it did."""
        if work.execution.refused and not self._replan_after_rejection:
            return False
        failure = failure_of(work.steps, work.execution.errors)
        work.run.set_state("planning", f"Planning anew: {failure}")
        try:
            steps = await planner.replan(work.run, work.steps, work.execution)
        except TaskError as exc:
            _log.info("no other plan from %s: %s", self.llm.name, exc)
            return False
        except Exception:
            if is_under_cancel():
                raise
            _log.exception("no other plan from %s", self.llm.name)
            return False
        begun = [each for each in work.run.planned_steps if each.status != "pending"]
        work.run.plan([*begun, *shown_steps(steps)])
        work.steps = [*work.steps, *steps]
        await self._execute(work, steps)
        return True

    async def _summary(self, work: _Work) -> str | None:
        """Closing words, or None: a task that has succeeded does not fail for them."""
        try:
            with trio.move_on_after(self._planning_timeout):
                return await sum_up(work.llm, work.run, work.steps, work.execution)
        except LLMError as exc:
            _log.warning("no summary from %s: %s", self.llm.name, exc)
        except Exception:
            _log.exception("no summary from %s", self.llm.name)
        else:
            _log.warning("no summary from %s in %g s", self.llm.name, self._planning_timeout)
        return None


@attrs.define
class _Work:
    """One task, so far."""

    run: TaskRun
    llm: LLMClient
    steps: Sequence[PlannedStep] = attrs.field(kw_only=True)
    """All that were planned."""
    execution: Execution = attrs.field(init=False, factory=Execution)


def create_agent(*, llm: LLMClient, tools: Iterable[Tool], **options: Any) -> PlanningAgent:
    """A `PlanningAgent`.

    Args:
        llm: who plans, `OfflineClient()` for one that needs no network and no key. It is
            told none of the secrets that `RealtimeAgent` is given in `redaction`.
        tools: what it may use, `default_tools()` for those that come with the library.
        options: as for `PlanningAgent`.
    """
    return PlanningAgent(llm=llm, tools=tools, **options)
