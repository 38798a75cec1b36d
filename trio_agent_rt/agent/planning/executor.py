"""Running a checked plan: dependencies, bounded concurrency, time-outs, retries.

A coordinator starts every step whose dependencies have ended well, in the plan's order,
as long as there is room, and waits for the next one to end. A step that fails takes the
steps that depend on it with it (they are skipped); what does not depend on it goes on.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import attrs
import trio

from ...errors import ConfirmationExpired, ConfirmationRejected, StepTimeout, TaskError
from ..run import TaskRun
from ..step import Step, describe_error
from .plan import PlannedStep
from .references import resolve

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
        retry_delay: seconds before the first retry, at most; it doubles each time and
            the real delay is random below it (full jitter), so that retries of many
            tasks do not fall on the same moment.
        max_retry_delay: seconds that no delay exceeds.
    """

    max_parallel: int = 4
    step_timeout: float = 300.0
    confirmation_timeout: float | None = 300.0
    retry_delay: float = 0.5
    max_retry_delay: float = 10.0
    jitter: Callable[[float, float], float] = random.uniform

    async def execute(self, run: TaskRun, steps: Sequence[PlannedStep]) -> Execution:
        """Run the steps of a plan that viewers have been told of.

        Raises nothing for a step that fails: see `Execution.errors`.

        Cancellation: every step that runs is interrupted, and its tool has ended.
        """
        execution = Execution()
        waiting = list(steps)
        send, receive = trio.open_memory_channel[tuple[str, object, Exception | None]](len(steps))
        running = 0
        async with trio.open_nursery() as nursery:
            while waiting or running:
                self._skip_orphans(run, waiting, execution)
                for step in [each for each in waiting if _ready(each, execution)]:
                    if running < self.max_parallel:
                        waiting.remove(step)
                        running += 1
                        nursery.start_soon(self._run_step, run, step, execution.outputs, send)
                if not running:
                    break
                step_id, output, error = await receive.receive()
                running -= 1
                if error is None:
                    execution.outputs[step_id] = output
                else:
                    execution.errors[step_id] = describe_error(error)
        return execution

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
        run: TaskRun,
        step: PlannedStep,
        outputs: Mapping[str, object],
        send: trio.MemorySendChannel[tuple[str, object, Exception | None]],
    ) -> None:
        output: object = None
        error: Exception | None = None
        try:
            async with run.step(step.id) as shown:
                output = shown.result = await self._attempts(run, shown, step, outputs)
        except Exception as exc:
            error = exc
        send.send_nowait((step.id, output, error))

    async def _attempts(
        self, run: TaskRun, shown: Step, step: PlannedStep, outputs: Mapping[str, object]
    ) -> object:
        arguments = resolve(step.arguments, outputs)
        if step.need_confirmation:
            await shown.confirm(_question(step, arguments), expires_after=self.confirmation_timeout)
        retries = max(step.max_retries, 2 if run.tools[step.tool].retryable else 0)
        while True:
            try:
                return await self._attempt(run, shown, step, arguments)
            except (ConfirmationRejected, ConfirmationExpired):
                raise
            except Exception as exc:
                if shown.retries >= retries:
                    raise
                shown.retry(exc)
            longest = min(self.max_retry_delay, self.retry_delay * 2.0 ** (shown.retries - 1))
            await trio.sleep(self.jitter(0, longest))

    async def _attempt(
        self, run: TaskRun, shown: Step, step: PlannedStep, arguments: Mapping[str, Any]
    ) -> object:
        timeout = step.timeout or self.step_timeout
        with trio.move_on_after(timeout) as scope:
            return await run.tools[step.tool].run(shown, arguments)
        if scope.cancelled_caught:
            raise StepTimeout(f"took longer than {timeout:g} s")
        raise TaskError("the tool ended without a result")


def _ready(step: PlannedStep, execution: Execution) -> bool:
    return all(each in execution.outputs for each in step.depends_on)


def _question(step: PlannedStep, arguments: Mapping[str, Any]) -> str:
    """What a person is asked: the tool and its arguments, long ones shortened."""
    shown: list[str] = []
    for name, value in arguments.items():
        text = value if isinstance(value, str) else repr(value)
        short = text if len(text) <= 60 else f"{text[:60]}… ({len(text)} characters)"
        shown.append(f"{name}: {short}")
    return f"{step.tool} — {'; '.join(shown)}" if shown else step.tool
