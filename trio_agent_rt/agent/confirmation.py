"""A question to a person: asked in a step's scope, decided once, gone with the step.

```
            decide ──▶ approved | rejected      the first answer wins
  open ─────┤
            ├─ time over ──▶ expired            a late answer changes nothing
            └─ step ends ──▶ withdrawn          cancelled, or failed otherwise
```
"""

from __future__ import annotations

import math
from typing import Literal, TypeAlias

import attrs
import trio

from ..protocol import Outcome

__all__ = ["Confirmation", "ConfirmationState", "Decision"]

ConfirmationState: TypeAlias = Literal["open", "decided", "expired", "withdrawn"]


@attrs.frozen(kw_only=True)
class Decision:
    """What a person answered."""

    approved: bool
    reason: str | None = None


@attrs.define(eq=False)
class Confirmation:
    """One question of one step."""

    step_id: str
    state: ConfirmationState = "open"
    decision: Decision | None = None
    _decided: trio.Event = attrs.field(factory=trio.Event)

    def decide(self, decision: Decision) -> Outcome:
        """Answer it; tells what the answer came to, and never waits."""
        if self.state == "open":
            self.state, self.decision = "decided", decision
            self._decided.set()
            return "applied"
        return self.outcome_of_late_answer

    @property
    def outcome_of_late_answer(self) -> Outcome:
        """What an answer comes to now that it is no longer open."""
        return "already_decided" if self.state == "decided" else "expired"

    async def wait(self, expires_after: float | None) -> Decision | None:
        """The decision, or None when nobody decided within `expires_after` seconds.

        Cancellation: withdraws the question.
        """
        try:
            with trio.move_on_after(math.inf if expires_after is None else expires_after):
                await self._decided.wait()
            if self.state == "open":
                self.state = "expired"
        finally:
            if self.state == "open":
                self.state = "withdrawn"
        return self.decision
