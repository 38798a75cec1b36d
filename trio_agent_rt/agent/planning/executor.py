"""Running a checked plan: dependencies, bounded concurrency, time-outs, retries.

A coordinator starts every step whose dependencies have ended well, in the plan's order,
as long as there is room, and waits for the next one to end. A step that fails takes the
steps that depend on it with it (they are skipped); what does not depend on it goes on.

A step with others inside has a coordinator of its own for these, and takes no room itself:
so however deep steps are nested, those that do work can.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence

import attrs
import trio

from ...errors import PlanError, StepTimeout, ToolError
from ...ungrouping import Ungrouping
from ..confirming import ConfirmationPolicy
from ..failures import describe_error, is_definite, is_under_cancel, refusal_in
from ..llm import LLMClient
from ..run import TaskRun
from ..step import Step
from ..tool import ToolSet
from .execution import Execution
from .kinds import Job, Site, job_for, shown_inside, skip_inside
from .language import Scope
from .plans import LLMStep, PlannedStep, ToolStep
from .redacted import redacted_for

__all__ = ["Executor"]


@attrs.frozen(kw_only=True)
class Executor:
    """How plans are run.

    Args:
        max_parallel: how many steps of a task may work at the same time; those that only
            run others inside them do not count.
        step_timeout: seconds for one attempt of a step that names no time-out itself.
        confirmation_timeout: seconds that a question stays open, or None for no limit.
        auto_confirm: decides in people's place where a step needs a confirmation, or None
            to ask them always.
        retry_delay: seconds before the first retry, at most; it doubles each time and
            the real delay is random below it (full jitter), so that retries of many
            tasks do not fall on the same moment.
        max_retry_delay: seconds that no delay exceeds.
        max_output_bytes: how much the outputs of a task's steps may take in memory, all
            together and about; the step that goes beyond fails.
        max_runs: how many steps a task may start, each iteration of a loop counted.
        jitter: `(0, longest)` to the seconds that a delay really takes.
    """

    max_parallel: int = attrs.field(default=4, validator=attrs.validators.ge(1))
    step_timeout: float = attrs.field(default=300.0, validator=attrs.validators.gt(0))
    confirmation_timeout: float | None = 300.0
    auto_confirm: ConfirmationPolicy | None = None
    retry_delay: float = attrs.field(default=0.5, validator=attrs.validators.ge(0))
    max_retry_delay: float = attrs.field(default=10.0, validator=attrs.validators.ge(0))
    max_output_bytes: int = attrs.field(default=64 * 1024**2, validator=attrs.validators.ge(0))
    max_runs: int = attrs.field(default=5000, validator=attrs.validators.ge(1))
    jitter: Callable[[float, float], float] = random.uniform

    async def execute(
        self,
        run: TaskRun,
        steps: Sequence[PlannedStep],
        *,
        tools: ToolSet | None = None,
        llm: LLMClient | None = None,
        before: Execution | None = None,
    ) -> Execution:
        """Run the steps of a plan that viewers have been told of.

        Args:
            run: the task that they are steps of; its plan has them.
            steps: what to run; those that are free to start do so in this order.
            tools: what they are run with, or None for the run's own.
            llm: who is asked by steps that ask a model; the run's secrets are masked.
            before: what ran before, if these steps go on from there.

        Returns:
            What each step came to; a step that fails is told of there, and not raised.

        Raises:
            PlanError: when steps are left that wait for each other, or for none of these.

        Cancellation: every step that runs is interrupted, and its tool has ended.
        """
        execution = Execution() if before is None else before.going_on()
        tools = run.tools if tools is None else tools
        llm = None if llm is None else redacted_for(run, llm)
        work = _Work(run, tools, llm, execution, room=self.max_parallel)
        scope = Scope(outputs=execution.outputs, errors=execution.errors, context=run.context)
        with Ungrouping():
            await self._run_all(work, steps, scope)
        return execution

    async def _run_all(self, work: _Work, steps: Sequence[PlannedStep], scope: Scope) -> None:
        waiting = list(steps)
        running = set[str]()
        async with trio.open_nursery() as nursery:
            while True:
                self._skip_orphans(work.run, waiting, scope)
                free = [each for each in waiting if _is_free(each, scope)]
                step = next((each for each in free if work.room >= _room(each)), None)
                if step is not None:
                    waiting.remove(step)
                    running.add(step.id)
                    work.room -= _room(step)
                    # Trio runs new Trio tasks in any order: wait for each one's start.
                    await nursery.start(self._run_step, work, step, scope, running)
                elif running or free:  # what takes the room may be inside another step
                    await work.changed.park()
                else:
                    break
        if waiting:
            ids = ", ".join(each.id for each in waiting)
            raise PlanError(f"steps that wait for what never comes: {ids}")

    def _skip_orphans(self, run: TaskRun, waiting: list[PlannedStep], scope: Scope) -> None:
        for step in list(waiting):  # in the plan's order, so dependents of dependents follow
            lost = next((each for each in step.depends_on if each in scope.errors), None)
            if lost is not None:
                waiting.remove(step)
                reason = f"skipped, because {lost} did not succeed"
                scope.errors[step.id] = reason
                run.skip(step.id + scope.suffix, reason)
                skip_inside(run, step.inside, scope.suffix, reason)

    async def _run_step(
        self,
        work: _Work,
        step: PlannedStep,
        scope: Scope,
        running: set[str],
        task_status: trio.TaskStatus[None],
    ) -> None:
        """Run one step, and note what came of it; what is no step's failure is raised."""
        started = False
        try:
            async with work.run.step(step.id + scope.suffix) as shown:
                started = True
                task_status.started()
                output = await self._attempts(work, shown, step, scope)
                work.execution.keep(output, self.max_output_bytes)
                shown.result = output
            scope.outputs[step.id] = output
        except Exception as exc:
            if not started:
                raise
            scope.errors[step.id] = describe_error(exc)
            if refusal_in(exc) is not None:
                work.execution.refused = True
            if step.inside and not is_under_cancel():
                reason = f"skipped, because {step.id} did not succeed"
                skip_inside(work.run, step.inside, scope.suffix, reason)
        finally:
            running.discard(step.id)
            work.room += _room(step)
            work.changed.unpark_all()

    async def _attempts(self, work: _Work, shown: Step, step: PlannedStep, scope: Scope) -> object:
        work.execution.runs += 1
        if work.execution.runs > self.max_runs:
            raise ToolError(f"this task has started {self.max_runs:,} steps, the most that it may")

        async def run_inside(steps: Sequence[PlannedStep], scope: Scope) -> None:
            await self._run_all(work, steps, scope)

        site = Site(
            run=work.run,
            step=shown,
            scope=scope,
            tools=work.tools,
            llm=work.llm,
            confirmation_timeout=self.confirmation_timeout,
            auto_confirm=self.auto_confirm,
            run_inside=run_inside,
        )
        job = job_for(step, site, self.step_timeout)
        if job.asks:
            await site.ask(job.question(), job.tool, job.arguments)
        while True:
            try:
                return await self._attempt(job, work, step, scope)
            except Exception as exc:
                refusal = refusal_in(exc)
                if refusal is not None:
                    raise refusal from None
                # Under a cancel nothing is tried again, and what a tool raised is kept.
                if shown.retries >= job.retries or is_definite(exc) or is_under_cancel():
                    raise
                shown.retry(exc)
            doubled = self.retry_delay * 2.0 ** min(shown.retries - 1, 100)
            await trio.sleep(self.jitter(0, min(self.max_retry_delay, doubled)))

    async def _attempt(self, job: Job, work: _Work, step: PlannedStep, scope: Scope) -> object:
        before = len(work.run.questions.records)
        timeout = math.inf if job.timeout is None else job.timeout
        with trio.move_on_after(timeout) as clock:
            return await job.attempt(clock)
        asking = {step.id + scope.suffix}
        asking.update(each.id for each in shown_inside(work.run, step.inside, scope.suffix))
        for each in work.run.questions.records[before:]:
            if each.outcome == "withdrawn" and each.step_id in asking:
                work.execution.refused = True  # nobody has agreed in time
        raise StepTimeout(f"took longer than {timeout:g} s")


@attrs.define
class _Work:
    """What the steps of one execution share, however deep they stand."""

    run: TaskRun
    tools: ToolSet
    llm: LLMClient | None
    execution: Execution
    room: int = attrs.field(kw_only=True)
    """How many more steps may work now."""
    changed: trio.lowlevel.ParkingLot = attrs.field(init=False, factory=trio.lowlevel.ParkingLot)
    """Where coordinators wait for a step to end."""


def _room(step: PlannedStep) -> int:
    return 1 if isinstance(step, ToolStep | LLMStep) else 0


def _is_free(step: PlannedStep, scope: Scope) -> bool:
    return all(each in scope.outputs for each in step.depends_on)
