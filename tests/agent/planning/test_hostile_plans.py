"""A planning agent ends in time and in words, whatever its model says and whoever cancels."""

from __future__ import annotations

from typing import Any

import pytest
import trio
import trio.testing

from tests.agent.planning.script import SAY, TOOLS, plan, play, step
from tests.agent.stage import Stage
from tests.effort import little_effort
from trio_agent_rt.agent import (
    Executor,
    LLMRequest,
    ToolCall,
    create_agent,
    tool,
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


def nested(depth: int) -> str:
    """Steps inside steps, as text: no JSON encoder goes as deep."""
    opening = "".join(f'{{"id":"p{number}","type":"parallel","steps":[' for number in range(depth))
    return f'{{"steps":[{opening}{{"id":"x","tool":"say"}}{"]}" * depth}]}}'


def loop(step_id: str, *body: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {"id": step_id, "type": "loop", "body": list(body), **fields}


def when(condition: str) -> dict[str, Any]:
    branch = step("x", "say", text="x")
    return {"id": "c", "type": "conditional", "condition": condition, "then": [branch]}


def at_once(step_id: str, *steps: dict[str, Any]) -> dict[str, Any]:
    return {"id": step_id, "type": "parallel", "steps": list(steps)}


BIG = step("big", "repeat", text="x", times=1_000_000)
HI = step("hi", "say", text="hi")

HOSTILE: list[tuple[Any, str | None]] = [
    # too many, too deep
    (plan(*(step(f"s{n}", "hang") for n in range(10_000))), "the plan has 10000 steps; at most 50"),
    (plan(at_once("p", *(step(f"s{n}", "hang") for n in range(10_000)))), "has 10001 steps"),
    (nested(6), "more than 5 levels"),
    (nested(200), "more than 5 levels"),
    (nested(20_000), "the plan is nested too deeply"),
    ({"steps": [step("a", "say", text="x")] * 2}, "two steps have the id 'a'"),
    # what leads nowhere
    (plan(at_once("p", step("x", "say", "y", text=""), step("y", "say", "x", text=""))),
     "the steps wait for each other: "),
    (plan(step("a", "say", text="{{env.SECRET}}")), "'env', which is not in the plan"),
    (plan(step("a", "say", text="{{context.secret}}")), "context has no field 'secret'"),
    (plan(step("a", "say", text="{{context.__class__}}")), "context has no field '__class__'"),
    (plan(loop("l", HI, over="{{context.lang}}")), "{{context.lang}} is a text, not a list"),
    (plan(step("x\u202ey", "say", text="")), "Expected `str` matching regex"),
    # expressions
    (plan(when("9**9**9")), "is not understood"),
    (plan(when("'x' * 9999999999 == ''")), "a text is no number"),
    (plan(when("1" + " * 9999999999" * 60)), "it is nested more than 40 levels deep"),
    (plan(when("index > 1")), "there is no 'index' here"),
    (plan(when("1" + " * 99999999999999999999999" * 38)), None),
    (plan(when("__import__('os')")), "there is no function '__import__'"),
    (plan(when("().__class__.__bases__")), "it is a list, so it has no field '__class__'"),
    (plan(when("matches('a' * 30, '(a+)+$')")), "there is no function 'matches'"),
    # without end
    (plan(loop("l", HI, **{"while": "true"}, maxIterations=10**9)), "Expected `int` <= 1000"),
    (plan(loop("l", HI, **{"while": "true"}, maxIterations=1000)), "still true after 1000"),
    (plan(loop("l", HI, over=[0] * 100_000, maxIterations=1000)), "the list has 100,000 items"),
    (plan(loop("l", loop("m", loop("n", HI, over=[0] * 100), over=[0] * 100), over=[0] * 100)),
     "the most that it may"),
    # too large
    (plan(step("a", "repeat", text="x", times=10_000_000)), "too big to be passed on"),
    (plan(loop("l", BIG, over=[0] * 10)), "iteration 6: BIG (big): its output is too big"),
    (plan(BIG, step("b", "say", text="{{big.output}}" * 20)), "bring in have more than 8"),
    (plan(BIG, {"id": "m", "type": "llm", "prompt": "{{big.output}} " * 5_000}), "bring in"),
    (plan(BIG, step("b", "add", numbers="{{big.output}}")), "Expected `array`, got `str`"),
    # wrong kinds
    (plan({"id": "m", "type": "llm", "prompt": ["x"]}), "Expected `str | null`, got `array`"),
    (plan({"id": "l", "type": "loop", "over": {"a": 1}, "body": [HI]}), "got `object`"),
    (plan({**HI, "type": "exec"}), "Invalid enum value 'exec'"),
    (plan({**HI, "then": [HI]}), "two steps have the id 'hi'"),
]  # fmt: skip


@tool()
async def repeat(call: ToolCall, text: str, times: int) -> str:
    """Repeat a text."""
    await trio.lowlevel.checkpoint()
    return text * times


@pytest.mark.parametrize(("hostile", "error"), HOSTILE, ids=range(len(HOSTILE)))
async def test_a_hostile_plan_ends_in_words_and_the_task_beside_it_does_not_notice(
    hostile: Any, error: str | None, autojump_clock: Clock
) -> None:
    executor = Executor(max_output_bytes=6_000_000, max_runs=1010)
    options: dict[str, Any] = {"tools": [*TOOLS, repeat], "executor": executor, "max_replans": 0}
    beside = plan(loop("l", step("a", "add", numbers=["{{item}}"]), over=[1, 2, 3]))
    good = create_agent(llm=ScriptedLLM(beside, "fine"), **options)
    bad = create_agent(llm=ScriptedLLM(hostile), plan_attempts=1, **options)
    stage, other = Stage(context={"lang": "en"}), Stage()
    with little_effort():
        async with trio.open_nursery() as nursery:
            nursery.start_soon(other.play, good)
            nursery.start_soon(stage.play, bad)
    (completed,) = stage.all(TaskCompleted)
    assert completed.success == (error is None)
    assert (error or "") in (completed.error or "")
    assert len(completed.error or "") < 2100
    (completed,) = other.all(TaskCompleted)
    assert (completed.output, completed.summary, completed.duration) == ([1, 2, 3], "fine", 3000)


async def test_an_output_that_cannot_be_kept_fails_its_step_and_is_not_tried_again() -> None:
    calls = 0

    @tool(retryable=True)
    async def flood(call: ToolCall) -> list[str]:
        """Give too much."""
        nonlocal calls
        calls += 1
        await trio.lowlevel.checkpoint()
        return ["x" * 1000] * 3000 + [str(number) for number in range(100_000)]

    stage = Stage()
    steps = plan(step("a", "flood"), step("b", "say", "a", text="x"), step("c", "say", text="ok"))
    agent = create_agent(
        llm=ScriptedLLM(steps), tools=[*TOOLS, flood], executor=Executor(max_output_bytes=5_000_000)
    )
    completed = await stage.play(agent)
    assert calls == 1
    assert completed.error == (
        "A (a): its output is too big to be passed on: with it, the outputs of this task take "
        "more than 5,000,000 bytes; ask for less at a time (fewer rows, a shorter text), or have "
        "it written to a file — 1 more step did not run to success"
    )
    assert stage.run.completed_steps == ["c"]


async def test_names_are_told_without_what_nobody_sees() -> None:
    odd = {**step("a", "fail", why="no"), "name": " a\n\x00b\u202ec \t 家👩‍👧 "}
    _, _, completed = await play(plan(odd), max_replans=0)
    assert completed.error == "a b c 家👩‍👧 (a): no"


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
