"""What the tests of tools share: a call that remembers, and how to run a tool with it."""

from __future__ import annotations

from typing import Any

from trio_agent_rt.agent import Tool

__all__ = ["RecordedCall", "run"]


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
