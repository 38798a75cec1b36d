"""Who answers the questions of a task: a person at the keyboard, an option, or nobody."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Literal, Protocol, TypeAlias

import trio
from attrs import define

from ...errors import AgentRTError
from ...protocol import ConfirmationRequested, Outcome
from ..lines import Reading, count, span
from .keyboard import Keyboard
from .screen import Screen

__all__ = ["REMARKS", "Answers", "Policy", "Steerable"]

Policy: TypeAlias = Literal["ask", "approve", "reject", "leave"]
"""`ask` a person, `approve` or `reject` all, or `leave` the answer to somebody else."""

_BRIEF = 12
"""Lines of a question that are shown where nobody here decides about it."""

REMARKS: dict[Outcome, str] = {
    "already_decided": "somebody else had answered already",
    "expired": "too late: the question was not open any more",
    "unknown": "no such question is open",
}
"""What is said of an answer that has changed nothing."""


class Steerable(Protocol):
    """A task whose questions can be answered, here or over the wire."""

    def confirm(self, step: ConfirmationRequested) -> Outcome | Awaitable[Outcome]:
        """Say yes."""
        ...

    def reject(
        self, step: ConfirmationRequested, reason: str | None = None
    ) -> Outcome | Awaitable[Outcome]:
        """Say no."""
        ...


@define
class Answers:
    """Answers questions, as its policy says.

    Args:
        policy: who answers.
        keyboard: where a person types, for `ask`.
        remark: what is said of an answer that nobody was asked for: why it was given.
    """

    policy: Policy
    keyboard: Keyboard | None = None
    remark: str = ""
    refused: bool = False
    """Whether a person has said no."""

    async def answer(
        self, question: ConfirmationRequested, task: Steerable, screen: Screen, turn: trio.Lock
    ) -> None:
        """Answer one question. What goes wrong with it is shown, not raised.

        Args:
            turn: held while a person is asked, who can only answer one at a time.

        Cancellation: takes the prompt back; nothing is answered.
        """
        approved, reason = self.policy == "approve", self.remark or None
        if not screen.tells_questions and self.policy != "ask":
            _tell_briefly(question, screen)
        if self.policy == "leave":
            screen.note(self.remark or "somebody has to answer this")
            return
        if self.policy == "ask" and self.keyboard is not None:
            async with turn:
                approved, reason = await self._ask(self.keyboard, question, screen)
        else:
            screen.note(f"{'approved' if approved else 'rejected'}: {self.remark}")
        try:
            given = task.confirm if approved else None
            outcome = given(question) if given else task.reject(question, reason)
            if isinstance(outcome, Awaitable):
                outcome = await outcome
        except AgentRTError as exc:
            screen.note(f"the answer did not arrive: {exc}")
        else:
            if outcome in REMARKS:
                screen.note(REMARKS[outcome])

    async def _ask(
        self, keyboard: Keyboard, question: ConfirmationRequested, screen: Screen
    ) -> tuple[bool, str | None]:
        """Ask until there is an answer. Nobody says yes to what was not shown to them."""
        reading = Reading(question.reason)
        screen.quote(question.step_name, reading.page())
        prompt = _prompt(question, reading)
        keyboard.forget_typed()
        while True:
            line = None
            with screen.asking(prompt) as asked:
                line = await keyboard.read_line()
                asked.typed = line is not None
            if line is None:
                screen.note("end of input, taken for a no")
            meaning = False if line is None else keyboard.meaning(line)
            if meaning is False or (meaning and not reading.hidden):
                self.refused = self.refused or not meaning
                return meaning, None if meaning else "the person at the terminal said no"
            if reading.hidden and line is not None and keyboard.wants_more(line):
                screen.quote("", reading.page())
                prompt = _prompt(question, reading)
            elif reading.hidden:
                hidden = count(reading.hidden, "more line")
                prompt = f"  {hidden} of it are hidden: please type v to see them, or n for no: "
            else:
                prompt = "  Please type y for yes or n for no: "


def _prompt(question: ConfirmationRequested, reading: Reading) -> str:
    if not reading.hidden:
        return f"  Allow it? [y/n{_open_for(question)}] "
    hidden = count(reading.hidden, "more line")
    return f"  {hidden} hidden. Allow it? [v to see them, or n{_open_for(question)}] "


def _tell_briefly(question: ConfirmationRequested, screen: Screen) -> None:
    reading = Reading(question.reason)
    lines = reading.brief(_BRIEF)
    left = reading.hidden - len(lines)
    screen.quote(question.step_name, [*lines, f"({count(left, 'more line')})"] if left else lines)


def _open_for(question: ConfirmationRequested) -> str:
    if question.expires_at is None or question.timestamp is None or question.replay:
        return ""
    return f", within {span((question.expires_at - question.timestamp) / 1000)}"
