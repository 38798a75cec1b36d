"""One step of a run: started on entering, ended exactly once on leaving.

```
 pending ──enter──▶ running ──leave────────────▶ success | skipped   step:complete
                     │  ▲  └──exception────────▶ failed              step:error
                     │  └──retry                 (step:error, will_retry)
                     └─────cancelled───────────▶ cancelled           step:error "cancelled"
```
"""

from __future__ import annotations

import math
from contextvars import ContextVar, Token
from types import TracebackType
from typing import TYPE_CHECKING, Self, cast

import trio

from ..errors import AgentRTError
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

if TYPE_CHECKING:
    from .cleanup import Cleanup
    from .confirmation import Decision
    from .run import TaskRun

__all__ = ["CONFIRMATION_TIMEOUT", "Step", "current_step", "describe_error", "is_cancelled"]

CONFIRMATION_TIMEOUT = 300.0
"""Seconds that a question stays open unless the agent says otherwise: long enough to
come back from another window, short enough that nothing waits overnight by accident."""

MAX_ERROR_CHARS = 2000
"""An error's text is for people to read; what is longer is a dump."""

current_step: ContextVar[Step] = ContextVar("trio_agent_rt_step")
"""The step that the running code is in."""


class Step:
    """A step of a task, and what the code inside it can say. Made by `run.step`."""

    def __init__(self, run: TaskRun, planned: PlanStep) -> None:
        self.id = planned.id
        self.name = planned.name
        self.result: object = None
        """What the step came to; shown as its output when it ends."""
        self.retries = 0
        """How many attempts have failed and were tried again."""
        self._run = run
        self._started = 0.0
        self._progress = 0.0
        self._skipped: str | None = None
        self._open = False
        self._token: Token[Step] | None = None

    async def __aenter__(self) -> Self:
        """Start it, once no confirmation of the task is open.

        Raises:
            RuntimeError: when the step has run before.

        Cancellation: before the start, and then the step has not begun.
        """
        await self._run.wait_for_no_question()
        if self._run.step_status(self.id) != "pending":
            raise RuntimeError(f"step {self.id!r} has run already; a step runs once")
        if self._run.state != "executing":
            self._run.set_state("executing", f"Running: {self.name}")
        index, total = self._run.index_of(self.id)
        self._started = trio.current_time()
        self._open = True
        self._token = current_step.set(self)
        self._run.emit(
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
        self._open = False
        if self._token is not None:
            current_step.reset(self._token)
        if exc is None:
            self._complete()
        elif is_cancelled(exc):
            if self._run.cleanup_record.cancelled_at is not None:
                self._run.interrupted_steps.append(self.id)
            self._fail("cancelled", will_retry=False)
        else:
            self._fail(describe_error(exc), will_retry=False)

    def _complete(self) -> None:
        duration = int((trio.current_time() - self._started) * 1000)
        skipped = self._skipped is not None
        if not skipped:
            self._run.completed_steps.append(self.id)
        result = StepResult(
            status="skipped" if skipped else "success",
            duration=duration,
            output=(self._skipped or None) if skipped else Plain(to_jsonable(self.result)),
            retries=self.retries,
        )
        self._run.emit(StepCompleted(step_id=self.id, step_name=self.name, result=result))

    def _fail(self, error: str, *, will_retry: bool) -> None:
        self._run.emit(
            StepFailed(step_id=self.id, step_name=self.name, error=error, will_retry=will_retry)
        )

    def progress(self, percent: float, message: str = "") -> None:
        """Say how far it is. Never waits; viewers get the latest value now and then.

        Args:
            percent: 0–100; what is outside is brought inside, and within an attempt it
                never falls.
            message: what is being done.
        """
        if not self._open:
            return
        if not math.isnan(percent):
            self._progress = max(self._progress, min(float(percent), 100.0))
        self._run.emit(
            StepProgressed(step_id=self.id, progress=self._progress, message=str(message))
        )

    def output(self, text: str) -> None:
        """Stream a piece of text. Never waits; pieces may be joined, none is lost."""
        if self._open and text:
            self._run.emit(StepOutput(step_id=self.id, text=str(text)))

    def skip(self, reason: str = "") -> None:
        """End the step as skipped instead of successful when the block is left."""
        self._skipped = reason

    def retry(self, error: BaseException) -> None:
        """Say that an attempt has failed and that another follows."""
        self.retries += 1
        self._progress = 0.0
        self._fail(describe_error(error), will_retry=True)

    async def confirm(
        self, reason: str, *, expires_after: float | None = CONFIRMATION_TIMEOUT
    ) -> Decision:
        """Ask a person, and wait for the answer.

        One question of a task is open at a time; until it is answered no other step of
        the task starts. It survives reconnects of whoever is to answer.

        Args:
            reason: what the person is asked to decide.
            expires_after: how long the question stays open, in seconds, or None for as long
                as the task runs.

        Raises:
            ConfirmationRejected: when the answer is no.
            ConfirmationExpired: when nobody answered in time.

        Cancellation: withdraws the question.
        """
        return await self._run.ask(self, reason, expires_after)

    def cleanup(self, timeout: float | None = None) -> Cleanup:
        """As `TaskRun.cleanup`, named after this step."""
        return self._run.cleanup(timeout)


def is_cancelled(exc: BaseException) -> bool:
    """Whether `exc` is nothing but a cancellation."""
    members = _members(exc)
    return all(map(is_cancelled, members)) if members else isinstance(exc, trio.Cancelled)


def describe_error(exc: BaseException) -> str:
    """An exception in words for whoever watches: no stack trace, and not too long.

    Of a group, the first member that is no cancellation speaks for all.
    """
    while members := _members(exc):
        exc = next((each for each in members if not is_cancelled(each)), members[0])
    try:
        text = str(exc)
    except Exception:  # an exception whose __str__ is broken
        text = ""
    if not isinstance(exc, AgentRTError):
        text = f"{type(exc).__name__}: {text}" if text else type(exc).__name__
    text = text or type(exc).__name__
    return text if len(text) <= MAX_ERROR_CHARS else text[:MAX_ERROR_CHARS] + "…"


def _members(exc: BaseException) -> tuple[BaseException, ...]:
    if isinstance(exc, BaseExceptionGroup):
        return cast("BaseExceptionGroup[BaseException]", exc).exceptions
    return ()
