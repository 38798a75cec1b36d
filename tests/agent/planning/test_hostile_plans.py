"""A planning agent ends in time and in words, whatever its model says and whoever cancels."""

from __future__ import annotations

from typing import Any

import pytest
import trio
import trio.testing

from tests.agent.planning.script import SAY, TOOLS, plan, play, step
from tests.agent.stage import Stage
from trio_agent_rt.agent import (
    Executor,
    LLMRequest,
    create_agent,
)
from trio_agent_rt.protocol import (
    StepCompleted,
    StepFailed,
    StepStarted,
    TaskCompleted,
)
from trio_agent_rt.testing import ScriptedLLM

Clock = trio.testing.MockClock


async def cancel_when_blocked(stage: Stage) -> None:
    await trio.testing.wait_all_tasks_blocked()
    stage.cancel()


@pytest.mark.parametrize(
    ("answers", "started"),
    [(["hang"], 0), ([plan(step("a", "hang"), step("b", "hang"))], 2), ([SAY, "hang"], 1)],
    ids=["planning", "running", "summing up"],
)
async def test_a_cancel_ends_it_wherever_it_is(answers: list[Any], started: int) -> None:
    closed = False

    async def think(request: LLMRequest) -> str:
        nonlocal closed
        try:
            await trio.sleep_forever()
            raise AssertionError
        finally:
            closed = True

    thinking = "hang" in answers
    llm = ScriptedLLM(*(think if each == "hang" else each for each in answers))
    stage = Stage()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(stage.play, create_agent(llm=llm, tools=TOOLS))
        nursery.start_soon(cancel_when_blocked, stage)
    (completed,) = stage.all(TaskCompleted)
    assert completed.outcome == "cancelled"
    assert stage.error is None
    assert closed == thinking
    assert len(stage.all(StepStarted)) == started
    assert {each.error for each in stage.all(StepFailed)} == (set() if thinking else {"cancelled"})


# --- hostile plans


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (
            {"text": "{{a.output.__class__}}"},
            "B (b): {{a.output.__class__}}: a.output is a text, so it has no field '__class__'",
        ),
        ({"text": "{{b.output}}"}, "the steps wait for each other: b → b"),
        ({"text": "{{" * 10_000}, None),
        ({"text": "\udcff"}, "the plan is not valid JSON: "),
        ({"text": None}, "B (b): say: Expected `str`, got `null` - at `text`"),
        ({"text": 10**400}, "B (b): say: Expected `str`, got `int` - at `text`"),
        ({"text": ["x"] * 1000}, "B (b): say: Expected `str`, got `array` - at `text`"),
        ({"text": {"{{a.output}}": 1}}, "B (b): say: Expected `str`, got `object` - at `text`"),
    ],
    ids=range(8),
)
async def test_whatever_the_plan_the_task_ends_and_says_why(
    arguments: dict[str, Any], error: str | None, autojump_clock: Clock
) -> None:
    second = {**step("b", "say", "a"), "arguments": arguments}
    _, _, completed = await play(plan(step("a", "say", text="x"), second))
    assert completed.success == (error is None)
    assert (completed.error or "").startswith(error or "")


async def test_fifty_steps_that_all_hang_are_cut_off_in_their_time(autojump_clock: Clock) -> None:
    steps = plan(*({**step(f"s{n}", "hang"), "timeout": 1, "maxRetries": 2} for n in range(50)))
    executor = Executor(max_parallel=10, retry_delay=0)
    stage, _, completed = await play(steps, executor=executor)
    assert completed.outcome == "failed"
    assert trio.current_time() == 15
    assert len([each for each in stage.all(StepFailed) if not each.will_retry]) == 50


async def test_a_plan_by_a_model_cannot_talk_a_tool_out_of_its_question(
    autojump_clock: Clock,
) -> None:
    quiet = {**step("a", "fire"), "needConfirmation": False}
    stage, _, completed = await play(plan(quiet), executor=Executor(confirmation_timeout=5))
    assert completed.error == "A (a): expired: nobody answered within 5 s"
    assert stage.all(StepCompleted) == []
