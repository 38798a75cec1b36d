"""A whole task with each provider's client: a plan, a tool, a streamed answer that calls a
tool, closing words; and a cancel in the middle of a stream."""

from __future__ import annotations

import json
from typing import Any

import trio

from trio_agent_rt import RealtimeAgent, Usage, create_agent
from trio_agent_rt.agent import ToolCall, tool
from trio_agent_rt.protocol import Event, StepCompleted, StepOutput

from .provider_server import HANG, Answer, Asks
from .stage import Stage

PLAN: dict[str, Any] = {
    "steps": [
        {"id": "a", "name": "Look", "tool": "look_up", "arguments": {"city": "Graz"}},
        {
            "id": "b",
            "name": "Tell",
            "type": "llm",
            "prompt": "Tell of {{a.output}}.",
            "tools": ["look_up"],
        },
    ]
}


@tool()
async def look_up(call: ToolCall, city: str) -> str:
    """Look up the weather of a city."""
    await trio.lowlevel.checkpoint()
    return f"{city}: 21 degrees"


def planned(stage: Stage, plan: dict[str, Any]) -> Answer:
    """A plan as the provider's model gives it: as text, or to a tool that it must call."""
    if stage.kind.name == "anthropic":
        return stage.format.whole(None, Asks("p", "plan", json.dumps(plan)))
    return stage.format.whole(json.dumps(plan))


async def test_a_task_is_planned_run_streamed_and_summed_up(stage: Stage) -> None:
    stage.server.answers = [
        planned(stage, PLAN),
        stage.format.streamed("Let me see. ", Asks("1", "look_up", '{"city": "Linz"}')),
        stage.format.streamed("In Linz ", "it is ", "the same."),
        stage.format.whole("Warm in both."),
    ]
    events: list[Event] = []
    async with stage.client() as llm:
        agent = create_agent(llm=llm, tools=[look_up])
        async with RealtimeAgent(agent, broadcast_interval=0) as realtime:
            with trio.fail_after(30):
                task = realtime.submit("the weather of Graz and Linz")
                events += [each async for each in task]
                completed = await task.wait()
    assert (completed.output, completed.summary) == ("In Linz it is the same.", "Warm in both.")
    assert completed.usage == Usage(input_tokens=4 * 12, output_tokens=4 * 3)
    said = "".join(each.text for each in events if isinstance(each, StepOutput))
    assert said.split() == ["Let", "me", "see.", "In", "Linz", "it", "is", "the", "same."]
    assert [each.step_id for each in events if isinstance(each, StepCompleted)] == ["a", "b"]
    # The step before and the tool that was called are what the model was told of.
    asked = [json.dumps(each, ensure_ascii=False) for each in stage.server.asked]
    assert "Tell of Graz: 21 degrees." in asked[1]
    assert "Linz: 21 degrees" in asked[2]
    assert "Linz: 21 degrees" not in asked[1]


async def test_a_cancel_in_the_middle_of_a_stream_is_seen_by_the_provider(stage: Stage) -> None:
    stage.server.answers = [planned(stage, PLAN), stage.format.streamed("In ", "Linz ", HANG)]
    async with stage.client() as llm:
        async with RealtimeAgent(create_agent(llm=llm, tools=[look_up])) as realtime:
            with trio.fail_after(30):
                task = realtime.submit("the weather of Graz and Linz")
                await stage.server.hanging.wait()
                written, began = stage.server.written, trio.current_time()
                receipt = await task.cancel("seen enough")
                await stage.server.left.wait()
    took = (stage.server.left_at - began) * 1000
    print(f"{stage.kind.name}: the server has seen the cancel of a task after {took:.1f} ms")
    assert stage.server.written == written
    assert receipt is not None
    assert (receipt.interrupted, receipt.completed, receipt.cleanup) == (("b",), ("a",), "clean")
