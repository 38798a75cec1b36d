"""A question to a person: asked in a step's scope, decided once, gone with the step.

```
            decide ──▶ approved | rejected      the first answer wins
  open ─────┤
            ├─ time over ──▶ expired            a late answer changes nothing
            └─ step ends ──▶ withdrawn          cancelled, or failed otherwise
```

An answer and the end of the time, or a cancel, cannot both win: the question is closed
in the moment in which either comes, not when the Trio task that asked is next run.
"""

from __future__ import annotations

import math
from typing import Literal, TypeAlias

import attrs
import trio

from ...protocol import ConfirmationOutcome, Outcome

__all__ = ["Confirmation", "ConfirmationState", "Decision"]

ConfirmationState: TypeAlias = Literal["open", "decided", "expired", "withdrawn"]
"""Where a question stands: only an open one can be answered."""


@attrs.frozen(kw_only=True)
class Decision:
    """What was answered.

    Args:
        approved: whether the step may go on.
        reason: what was said to it.
        by: whose answer it is, for the record of the task; None if that is not known.
    """

    approved: bool
    reason: str | None = None
    by: str | None = None


@attrs.define(eq=False)
class Confirmation:
    """One question of one step; `id` tells it from the others of its task."""

    id: str
    step_id: str
    step_name: str
    text: str
    """What people are asked."""
    asked_at: int
    """Unix time in milliseconds."""
    state: ConfirmationState = "open"
    decision: Decision | None = None
    _asker: trio.lowlevel.Task | None = None
    """Who waits for the answer, while it waits."""

    def decide(self, decision: Decision) -> Outcome:
        """Answer it; tells what the answer came to, and never waits."""
        if self.state != "open":
            return self.outcome_of_late_answer
        self.decision = decision
        self._close("decided")
        return "applied"

    def withdraw(self) -> None:
        """Nobody is to answer it any more; never waits."""
        if self.state == "open":
            self._close("withdrawn")

    @property
    def outcome(self) -> ConfirmationOutcome:
        """What became of it, once it is no longer open."""
        if self.decision is not None:
            return "approved" if self.decision.approved else "rejected"
        return "expired" if self.state == "expired" else "withdrawn"

    @property
    def outcome_of_late_answer(self) -> Outcome:
        """What an answer comes to now that it is no longer open."""
        return "already_decided" if self.state == "decided" else "expired"

    async def wait(self, expires_after: float | None) -> Decision | None:
        """The decision, or None when there is none: nobody decided within
        `expires_after` seconds, or the question was withdrawn.

        Cancellation: withdraws the question.
        """
        seconds = math.inf if expires_after is None else expires_after
        with trio.move_on_after(seconds) as limit:
            if self.state == "open":
                self._asker = trio.lowlevel.current_task()
                await trio.lowlevel.wait_task_rescheduled(self._abort)
            else:
                await trio.lowlevel.checkpoint()
        if limit.cancelled_caught and self.state == "withdrawn":
            self.state = "expired"
        return self.decision

    def _close(self, state: ConfirmationState) -> None:
        self.state = state
        if self._asker is not None:
            trio.lowlevel.reschedule(self._asker)
            self._asker = None

    def _abort(self, _: object) -> trio.lowlevel.Abort:
        """The time is over, or the step is cancelled: `wait` knows which."""
        self.state, self._asker = "withdrawn", None
        return trio.lowlevel.Abort.SUCCEEDED
