"""Running a checked plan: dependencies, bounded concurrency, time-outs, retries.

A coordinator starts every step whose dependencies have ended well, in the plan's order,
as long as there is room, and waits for the next one to end. A step that fails takes the
steps that depend on it with it (they are skipped); what does not depend on it goes on.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import attrs
import trio

from ...errors import PlanError, StepTimeout
from ..confirming import ConfirmationPolicy, Question, decided_by
from ..failures import describe_error
from ..run import TaskRun
from ..step import Step
from ..tool import Tool, ToolSet
from .plan import PlannedStep
from .references import as_text, resolve

__all__ = ["Execution", "Executor"]


@attrs.define
class Execution:
    """What running a plan came to.

    Args:
        outputs: what each step that ended well came to, by its id.
        errors: why each other step did not, by its id.
    """

    outputs: dict[str, object] = attrs.field(factory=dict[str, object])
    errors: dict[str, str] = attrs.field(factory=dict[str, str])


@attrs.frozen(kw_only=True)
class Executor:
    """How plans are run.

    Args:
        max_parallel: how many steps of a task may run at the same time.
        step_timeout: seconds for one attempt of a step that names no time-out itself.
        confirmation_timeout: seconds that a question stays open, or None for no limit.
        auto_confirm: decides in people's place where a step needs a confirmation, or None
            to ask them always.
        retry_delay: seconds before the first retry, at most; it doubles each time and
            the real delay is random below it (full jitter), so that retries of many
            tasks do not fall on the same moment.
        max_retry_delay: seconds that no delay exceeds.
        jitter: `(0, longest)` to the seconds that a delay really takes.
    """

    max_parallel: int = attrs.field(default=4, validator=attrs.validators.ge(1))
    step_timeout: float = attrs.field(default=300.0, validator=attrs.validators.gt(0))
    confirmation_timeout: float | None = 300.0
    auto_confirm: ConfirmationPolicy | None = None
    retry_delay: float = attrs.field(default=0.5, validator=attrs.validators.ge(0))
    max_retry_delay: float = attrs.field(default=10.0, validator=attrs.validators.ge(0))
    jitter: Callable[[float, float], float] = random.uniform

    async def execute(
        self, run: TaskRun, steps: Sequence[PlannedStep], *, tools: ToolSet | None = None
    ) -> Execution:
        """Run the steps of a plan that viewers have been told of.

        Args:
            run: the task that they are steps of; its plan has them.
            steps: what to run; those that are free to start do so in this order.
            tools: what they are run with, or None for the run's own.

        Returns:
            What each step came to; a step that fails is told of there, and not raised.

        Raises:
            PlanError: when steps are left that wait for each other, or for none of these.

        Cancellation: every step that runs is interrupted, and its tool has ended.
        """
        work = _Work(run, run.tools if tools is None else tools)
        waiting = list(steps)
        send, receive = trio.open_memory_channel[_Ended](len(steps))
        running = 0
        async with trio.open_nursery() as nursery:
            while True:
                self._skip_orphans(run, waiting, work.execution)
                for step in [each for each in waiting if _ready(each, work.execution)]:
                    if running < self.max_parallel:
                        waiting.remove(step)
                        running += 1
                        # Trio runs new Trio tasks in any order: wait for each one's start.
                        await nursery.start(self._run_step, work, step, send)
                if not running:
                    break
                ended = await receive.receive()
                running -= 1
                if ended.error is None:
                    work.execution.outputs[ended.step_id] = ended.output
                else:
                    work.execution.errors[ended.step_id] = describe_error(ended.error)
        if waiting:
            ids = ", ".join(each.id for each in waiting)
            raise PlanError(f"steps that wait for what never comes: {ids}")
        return work.execution

    def _skip_orphans(self, run: TaskRun, waiting: list[PlannedStep], execution: Execution) -> None:
        for step in list(waiting):  # in the plan's order, so dependents of dependents follow
            lost = next((each for each in step.depends_on if each in execution.errors), None)
            if lost is not None:
                waiting.remove(step)
                reason = f"skipped, because {lost} did not succeed"
                execution.errors[step.id] = reason
                run.skip(step.id, reason)

    async def _run_step(
        self,
        work: _Work,
        step: PlannedStep,
        send: trio.MemorySendChannel[_Ended],
        task_status: trio.TaskStatus[None],
    ) -> None:
        """Run one step, and send what came of it; what is no step's failure is raised."""
        ended = _Ended(step.id)
        started = False
        try:
            async with work.run.step(step.id) as shown:
                started = True
                task_status.started()
                ended.output = shown.result = await self._attempts(work, shown, step)
        except Exception as exc:
            if not started:
                raise
            ended.error = exc
        send.send_nowait(ended)

    async def _attempts(self, work: _Work, shown: Step, step: PlannedStep) -> object:
        tool = work.tools[step.tool]
        arguments = resolve(step.arguments, work.execution.outputs)
        if step.need_confirmation or tool.needs_confirmation:
            question = Question(
                tool=tool,
                arguments=arguments,
                step_id=step.id,
                task=work.run.task,
                context=work.run.context,
            )
            await shown.confirm(
                _question(step, arguments),
                expires_after=self.confirmation_timeout,
                decision=decided_by(self.auto_confirm, question),
            )
        retries = max(step.max_retries, 2 if tool.retryable else 0)
        while True:
            try:
                return await self._attempt(tool, shown, step, arguments)
            except Exception as exc:
                # Under a cancel nothing is tried again, and what a tool raised is kept.
                if shown.retries >= retries or trio.current_effective_deadline() == -math.inf:
                    raise
                shown.retry(exc)
            doubled = self.retry_delay * 2.0 ** min(shown.retries - 1, 100)
            await trio.sleep(self.jitter(0, min(self.max_retry_delay, doubled)))

    async def _attempt(
        self, tool: Tool, shown: Step, step: PlannedStep, arguments: Mapping[str, Any]
    ) -> object:
        timeout = step.timeout or self.step_timeout
        with trio.move_on_after(timeout):
            return await tool.run(shown, arguments)
        raise StepTimeout(f"took longer than {timeout:g} s")


@attrs.frozen
class _Work:
    """What the steps of one execution share."""

    run: TaskRun
    tools: ToolSet
    execution: Execution = attrs.field(factory=Execution)


@attrs.define
class _Ended:
    """How one step ended."""

    step_id: str
    output: object = None
    error: Exception | None = None


def _ready(step: PlannedStep, execution: Execution) -> bool:
    return all(each in execution.outputs for each in step.depends_on)


def _question(step: PlannedStep, arguments: Mapping[str, Any]) -> str:
    """What a person is asked: the tool and its arguments, long ones shortened."""
    shown: list[str] = []
    for name, value in arguments.items():
        text = " ".join(as_text(value).split())
        short = text if len(text) <= 60 else f"{text[:60]}… ({len(text)} characters)"
        shown.append(f"{name}: {short}")
    return f"{step.tool} — {'; '.join(shown)}" if shown else step.tool
