"""What a model says in tests of the planning agent, and the tools that it says it of."""

from __future__ import annotations

from typing import Any

import trio

from tests.agent.stage import Stage
from trio_agent_rt.agent import ToolCall, create_agent, tool
from trio_agent_rt.errors import ToolError
from trio_agent_rt.protocol import TaskCompleted
from trio_agent_rt.testing import ScriptedAnswer, ScriptedLLM

__all__ = ["SAY", "TOOLS", "plan", "play", "step"]


@tool()
async def add(call: ToolCall, numbers: list[float]) -> float:
    """Add numbers."""
    call.output("adding")
    await trio.sleep(1)
    return sum(numbers)


@tool()
async def say(call: ToolCall, text: str) -> str:
    """Say it."""
    await trio.lowlevel.checkpoint()
    return text


@tool(needs_confirmation=True)
async def fire(call: ToolCall) -> str:
    """Fire the rocket."""
    await trio.lowlevel.checkpoint()
    return "fired"


@tool()
async def fail(call: ToolCall, why: str) -> None:
    """Fail."""
    await trio.lowlevel.checkpoint()
    raise ToolError(why)


@tool()
async def hang(call: ToolCall) -> None:
    """Never end."""
    await trio.sleep_forever()


TOOLS = (add, say, fire, fail, hang)


def step(step_id: str, tool: str, *depends_on: str, **arguments: Any) -> dict[str, Any]:
    return {
        "id": step_id,
        "name": step_id.upper(),
        "tool": tool,
        "arguments": arguments,
        "dependsOn": list(depends_on),
    }


def plan(*steps: dict[str, Any]) -> dict[str, Any]:
    return {"steps": list(steps)}


SAY = plan(step("a", "say", text="hello"))


async def play(
    *answers: ScriptedAnswer, context: dict[str, Any] | None = None, **options: Any
) -> tuple[Stage, ScriptedLLM, TaskCompleted]:
    """Run a task whose model says these things."""
    llm = ScriptedLLM(*answers)
    stage = Stage(context=context)
    completed = await stage.play(create_agent(llm=llm, tools=TOOLS, **options))
    return stage, llm, completed
