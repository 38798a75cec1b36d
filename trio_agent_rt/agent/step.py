"""One step of a run: started on entering, ended exactly once on leaving.

```
 pending ──enter──▶ running ──leave────────────▶ success | skipped   step:complete
                     │  ▲  └──exception────────▶ failed              step:error
                     │  └──retry                 (step:error, will_retry)
                     └─────cancelled───────────▶ cancelled           step:error "cancelled"
```
"""

from __future__ import annotations

import contextlib
from contextvars import ContextVar, Token
from types import TracebackType
from typing import TYPE_CHECKING, Self

import trio

from ..protocol import (
    Plain,
    PlanStep,
    StepCompleted,
    StepFailed,
    StepOutput,
    StepProgressed,
    StepResult,
    StepStarted,
    to_jsonable,
)
from .cleanup import Cleanup
from .failures import came_of_cancel, describe_error, is_cancelled

if TYPE_CHECKING:
    from .confirming import Decision
    from .run import TaskRun

__all__ = ["CONFIRMATION_TIMEOUT", "Step", "current_step", "describe_error", "is_cancelled"]

CONFIRMATION_TIMEOUT = 300.0
"""Seconds that a question stays open unless the agent says otherwise: long enough to
come back from another window, short enough that nothing waits overnight by accident."""

current_step: ContextVar[Step] = ContextVar("trio_agent_rt_step")
"""The step that the running code is in."""


class Step:
    """A step of a task, and what the code inside it can say. Made by `run.step`."""

    def __init__(self, run: TaskRun, planned: PlanStep) -> None:
        self.id: str = planned.id
        self.name: str = planned.name
        self.result: object = None
        """What the step came to; shown as its output when it ends."""
        self.retries: int = 0
        """How many attempts have failed and were tried again."""
        self.run = run
        """The run of the task that it is a step of."""
        self.running: bool = False
        """Whether it has started and not ended."""
        self._started = 0.0
        self._in_cleanup = False
        self._progress = 0.0
        self._skipped: str | None = None
        self._token: Token[Step] | None = None

    async def __aenter__(self) -> Self:
        """Start it, once no confirmation of the task is open.

        Raises:
            RuntimeError: when the step has run before, or is no longer in the plan.

        Cancellation: before the start, and then the step has not begun.
        """
        await self.run.questions.wait_for_none()
        status = self.run.step_status(self.id)
        if status is None:
            raise RuntimeError(f"step {self.id!r} is no longer in the plan")
        if status != "pending":
            raise RuntimeError(f"step {self.id!r} is {status} already; a step runs once")
        if self.run.state != "executing":
            self.run.set_state("executing", f"Running: {self.name}")
        index, total = self.run.index_of(self.id)
        self._started = trio.current_time()
        self.running = True
        self._in_cleanup = self.run.cleanup_record.cancelled_at is not None
        self._token = current_step.set(self)
        self.run.emit(
            StepStarted(step_id=self.id, step_name=self.name, step_index=index, total_steps=total)
        )
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """End it. Never waits, and swallows nothing."""
        self.run.questions.withdraw(self.id)
        self.running = False
        if self._token is not None:
            with contextlib.suppress(ValueError):  # left in another Trio task than entered
                current_step.reset(self._token)
        record = self.run.cleanup_record
        record.has_ended(self.id)
        if exc is None:
            self._complete()
            return
        under_cancel = record.cancelled_at is not None and came_of_cancel(exc)
        interrupted = under_cancel and not self._in_cleanup
        if interrupted:
            self.run.interrupted_steps.append(self.id)
        if under_cancel and not is_cancelled(exc) and not isinstance(exc, GeneratorExit):
            record.raised(exc, self.id)
        text = "cancelled" if interrupted or is_cancelled(exc) else describe_error(exc)
        self._fail(text, will_retry=False)

    def _complete(self) -> None:
        duration = int((trio.current_time() - self._started) * 1000)
        skipped = self._skipped is not None
        if not skipped and not self._in_cleanup:
            self.run.completed_steps.append(self.id)
        result = StepResult(
            status="skipped" if skipped else "success",
            duration=duration,
            output=(self._skipped or None) if skipped else Plain(to_jsonable(self.result)),
            retries=self.retries,
        )
        self.run.emit(StepCompleted(step_id=self.id, step_name=self.name, result=result))

    def _fail(self, error: str, *, will_retry: bool) -> None:
        self.run.emit(
            StepFailed(step_id=self.id, step_name=self.name, error=error, will_retry=will_retry)
        )

    def progress(self, percent: float, message: str = "") -> None:
        """Say how far it is. Never waits; viewers get the latest value now and then.

        Args:
            percent: 0–100; what is outside is brought inside, and within an attempt it
                never falls.
            message: what is being done.
        """
        if not self.running:
            return
        # In this order NaN, which is never greater, changes nothing.
        self._progress = float(max(self._progress, min(percent, 100.0)))
        self.run.emit(
            StepProgressed(
                step_id=self.id,
                progress=self._progress,
                message=str(message),
                task_id=self.run.task_id,
            )
        )

    def output(self, text: str) -> None:
        """Stream a piece of text. Never waits; pieces may be joined, none is lost."""
        if self.running and text:
            self.run.emit(StepOutput(step_id=self.id, text=str(text), task_id=self.run.task_id))

    def skip(self, reason: str = "") -> None:
        """End the step as skipped instead of successful when the block is left."""
        self._skipped = reason

    def retry(self, error: BaseException) -> None:
        """Say that an attempt has failed and that another follows."""
        if not self.running:
            return
        self.retries += 1
        self._progress = 0.0
        self._fail(describe_error(error), will_retry=True)

    async def confirm(
        self,
        reason: str,
        *,
        expires_after: float | None = CONFIRMATION_TIMEOUT,
        decision: Decision | None = None,
    ) -> Decision:
        """Ask a person, and wait for the answer.

        One question of a task is open at a time; until it is answered no other step of
        the task starts. It survives reconnects of whoever is to answer.

        Args:
            reason: what the person is asked to decide.
            expires_after: how long the question stays open, in seconds, or None for as long
                as the task runs.
            decision: an answer that is there already, a policy's for example: nobody is
                asked, and it stands in the record of the task like any other. None to ask.

        Raises:
            ConfirmationRejected: when the answer is no.
            ConfirmationExpired: when nobody answered in time.
            RuntimeError: when the step does not run, or ends while it asks.
            ValueError: when `expires_after` is negative or no number.

        Cancellation: withdraws the question.
        """
        if decision is None:
            return await self.run.questions.ask(self, reason, expires_after)
        await trio.lowlevel.checkpoint()
        return self.run.questions.note(self, reason, decision)

    def cleanup(self, timeout: float | None = None) -> Cleanup:
        """As `TaskRun.cleanup`; this step is named if it overruns, wherever the code runs."""
        return Cleanup(self.run.cleanup_record, self.id, timeout)
