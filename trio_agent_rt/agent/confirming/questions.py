"""What one task asks people: one question at a time, each decided once, all of them recorded.

While a question is open no step of the task starts. Whoever answers names the step, and
may name the question: an answer to an earlier question of the same step changes nothing.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from typing import TYPE_CHECKING

import trio

from ...errors import ConfirmationExpired, ConfirmationRejected
from ...protocol import ConfirmationRecord, ConfirmationRequested, Outcome
from .confirmation import Confirmation, Decision

if TYPE_CHECKING:
    from ..run import TaskRun
    from ..step import Step

__all__ = ["Questions"]


class Questions:
    """The questions of one task.

    Args:
        run: the task's.
        wall_clock: Unix time in seconds.
    """

    def __init__(self, run: TaskRun, wall_clock: Callable[[], float]) -> None:
        self.records: list[ConfirmationRecord] = []
        """What was asked, and what became of it, in the order in which that was decided;
        the terminal message tells it."""
        self._run = run
        self._wall_clock = wall_clock
        self._numbers = itertools.count(1)
        self._by_id: dict[str, Confirmation] = {}
        self._latest: dict[str, Confirmation] = {}
        """By the id of the step that has asked it."""
        self._asking = trio.Lock()
        self._pending: Confirmation | None = None
        self._gate = trio.lowlevel.ParkingLot()

    @property
    def open(self) -> bool:
        """Whether one is open."""
        return self._pending is not None

    async def wait_for_none(self) -> None:
        """Wait until no question is open: no step starts beside one.

        Cancellation: safe, nothing has happened.
        """
        await trio.lowlevel.checkpoint()
        while self._pending is not None:
            await self._gate.park()
            # It may have been cancelled after it was let go and before it ran again.
            await trio.lowlevel.checkpoint_if_cancelled()

    async def ask(self, step: Step, reason: str, expires_after: float | None) -> Decision:
        """Ask, one question at a time, and wait for the answer; see `Step.confirm`."""
        if expires_after is not None and not expires_after >= 0:
            raise ValueError(f"expires_after must be 0 or more seconds, not {expires_after}")
        async with self._asking:
            await trio.lowlevel.checkpoint_if_cancelled()  # taking a lock shields its checkpoint
            question = self._pending = self._new(step, reason)
            self._by_id[question.id] = self._latest[step.id] = question
            try:
                self._run.set_state("waiting", f"Waiting for a confirmation: {step.name}")
                self._run.emit(
                    ConfirmationRequested(
                        step_id=step.id,
                        step_name=step.name,
                        reason=question.text,
                        expires_at=self._expiry(expires_after),
                        confirmation_id=question.id,
                    )
                )
                decision = await question.wait(expires_after)
            finally:
                self._close(question)
        if decision is None:
            if question.state == "expired" and expires_after is not None:
                raise ConfirmationExpired(expires_after)
            raise RuntimeError(f"step {step.id!r} ended while it asked")
        return _approved(decision)

    def note(self, step: Step, reason: str, decision: Decision) -> Decision:
        """Record the answer to a question that nobody was asked. Never waits.

        Raises:
            ConfirmationRejected: when the answer is no.
            RuntimeError: when the step does not run.
        """
        question = self._new(step, reason)
        question.decide(decision)
        self._record(question)
        return _approved(decision)

    def decide(
        self, step_id: str, decision: Decision, confirmation_id: str | None = None
    ) -> Outcome:
        """Answer a question of a step; the first answer wins.

        Args:
            confirmation_id: which one; None for the latest of the step.
        """
        if confirmation_id is None:
            question = self._latest.get(step_id)
        else:
            question = self._by_id.get(confirmation_id)
        if question is None or question.step_id != step_id:
            return "unknown"
        outcome = question.decide(decision)
        if outcome == "applied":
            self._close(question)
        return outcome

    def withdraw(self, step_id: str) -> None:
        """The step ends: if it still asks, nobody is to answer."""
        question = self._pending
        if question is not None and question.step_id == step_id:
            question.withdraw()
            self._close(question)

    def late_answers(self) -> dict[str, Outcome]:
        """What an answer comes to now that the task has ended, by the id of each question,
        and of each step that has asked one."""
        asked = self._latest | self._by_id
        return {key: each.outcome_of_late_answer for key, each in asked.items()}

    def _new(self, step: Step, reason: str) -> Confirmation:
        if not step.running:
            raise RuntimeError(f"step {step.id!r} does not run, so it cannot ask")
        question_id = f"{self._run.task_id}.{next(self._numbers)}"
        return Confirmation(question_id, step.id, step.name, str(reason), self._now_ms())

    def _close(self, question: Confirmation) -> None:
        """Let steps start again, and say so, once; under a cancel nothing goes on."""
        if self._pending is not question:
            return
        self._pending = None
        self._record(question)
        self._gate.unpark_all()
        decided, name, run = question.decision, question.step_name, self._run
        if decided is not None:
            run.set_state("executing", f"{'Approved' if decided.approved else 'Rejected'}: {name}")
        elif question.state == "expired":
            run.set_state("executing", f"Nobody confirmed in time: {name}")
        elif run.cleanup_record.cancelled_at is None:
            run.set_state("executing", f"No longer asking: {name}")

    def _record(self, question: Confirmation) -> None:
        decision = question.decision
        self.records.append(
            ConfirmationRecord(
                step_id=question.step_id,
                step_name=question.step_name,
                question=question.text,
                outcome=question.outcome,
                by=None if decision is None else decision.by,
                reason=None if decision is None else decision.reason,
                asked_at=question.asked_at,
                closed_at=self._now_ms(),
            )
        )

    def _now_ms(self) -> int:
        return int(self._wall_clock() * 1000)

    def _expiry(self, expires_after: float | None) -> int | None:
        if expires_after is None or math.isinf(expires_after):
            return None
        return int((self._wall_clock() + expires_after) * 1000)


def _approved(decision: Decision) -> Decision:
    if not decision.approved:
        raise ConfirmationRejected(decision.reason)
    return decision
