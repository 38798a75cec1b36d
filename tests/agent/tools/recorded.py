"""What the tests of tools share: a call that remembers, and how to run a tool with it."""

from __future__ import annotations

from typing import Any

import pytest
import trio

from trio_agent_rt.agent import Tool
from trio_agent_rt.agent.tools.work import Work

__all__ = ["RecordedCall", "polls_until_cancelled", "run"]


class RecordedCall:
    """A `ToolCall` that remembers what a tool told it."""

    def __init__(self) -> None:
        self.told: list[float] = []
        self.messages: list[str] = []

    def progress(self, percent: float, message: str = "") -> None:
        self.told.append(percent)
        self.messages.append(message)

    def output(self, text: str) -> None:
        self.messages.append(text)


async def run(tool: Tool, /, **arguments: Any) -> Any:
    """What `tool` gives for these arguments."""
    return await tool.run(RecordedCall(), arguments)


async def polls_until_cancelled(
    monkeypatch: pytest.MonkeyPatch, at: int, tool: Tool, /, **arguments: Any
) -> int:
    """How often a tool polls when it is cancelled at its poll number `at`; `at` if it heeds it."""
    really_poll = Work.poll
    polls = 0

    def poll(work: Work, percent: float | None = None, message: str = "") -> None:
        nonlocal polls
        polls += 1
        if polls == at:
            trio.from_thread.run_sync(scope.cancel)
        really_poll(work, percent, message)

    monkeypatch.setattr(Work, "poll", poll)
    with trio.CancelScope() as scope:
        await run(tool, **arguments)
    assert scope.cancelled_caught, f"it ended uncancelled after {polls} polls"
    return polls
