"""A step that runs a tool is tried again only where that may change anything."""

from __future__ import annotations

import trio
import trio.testing

from tests.agent.planning.work import Workshop, failing, planned
from tests.agent.stage import Stage
from trio_agent_rt.agent import ToolCall, tool
from trio_agent_rt.errors import ToolError
from trio_agent_rt.protocol import StepFailed

Clock = trio.testing.MockClock


async def test_what_says_that_trying_again_changes_nothing_is_not_tried_again(
    autojump_clock: Clock,
) -> None:
    refused = ToolError("it may not be asked", retryable=False)
    shop = Workshop({"a": failing(ToolError("busy"), refused)})
    stage = shop.stage(steps := [planned("a", max_retries=5)], retryable=True)
    await shop.play(steps, stage)
    assert shop.calls["a"] == 2
    assert [(each.error, each.will_retry) for each in stage.all(StepFailed)] == [
        ("busy", True),
        ("it may not be asked", False),
    ]


async def test_arguments_that_do_not_fit_are_not_tried_again(autojump_clock: Clock) -> None:
    @tool(retryable=True)
    async def a(call: ToolCall, number: int) -> int:
        """Give it back."""
        await trio.lowlevel.checkpoint()
        return number

    shop = Workshop()
    stage = Stage(tools=[a])
    await shop.play([planned("a", arguments={"number": "many"}, max_retries=5)], stage)
    assert "Expected `int`" in shop.errors["a"]
    assert [each.will_retry for each in stage.all(StepFailed)] == [False]
