"""A model plans, tools run, a model sums up; and what goes wrong says what it was."""

from __future__ import annotations

import json
import logging

import pytest
import trio
import trio.testing

from tests.agent.planning.script import SAY, TOOLS, plan, play, step
from tests.agent.stage import Stage
from trio_agent_rt.agent import (
    PLAN_SCHEMA,
    PROMPT_VERSION,
    ChatMessage,
    LLMRequest,
    PlanningAgent,
    create_agent,
)
from trio_agent_rt.errors import LLMError, PlanError, TaskError
from trio_agent_rt.protocol import (
    ConfirmationRequested,
    PlanCreated,
    TaskCompleted,
)
from trio_agent_rt.testing import ScriptedAnswer, ScriptedLLM

Clock = trio.testing.MockClock

# --- all goes well


async def test_from_the_task_to_the_summary(autojump_clock: Clock) -> None:
    stage, llm, completed = await play(
        plan(
            step("sum", "add", numbers=[1, 2]),
            step("tell", "say", text="it is {{sum.output}}"),
        ),
        "  The sum is 3.\n",
    )
    assert completed.success
    assert completed.output == "it is 3.0"
    assert completed.summary == "The sum is 3."
    assert stage.told() == [
        "StatusChanged planning",
        "PlanCreated",
        "StatusChanged executing",
        "StepStarted sum",
        "StepOutput sum",
        "StepCompleted sum",
        "StepStarted tell",
        "StepCompleted tell",
        "TaskCompleted",
    ]
    (created,) = stage.all(PlanCreated)
    assert [(each.id, each.name, each.tool, each.depends_on) for each in created.plan.steps] == [
        ("sum", "SUM", "add", []),
        ("tell", "TELL", "say", ["sum"]),
    ]
    assert [each.purpose for each in llm.requests] == ["plan", "summary"]


async def test_the_model_is_told_the_tools_the_context_and_the_task() -> None:
    _, llm, _ = await play(SAY, context={"lang": "de", "odd": {1, 2}})
    request = llm.requests[0]
    assert request.schema == PLAN_SCHEMA
    assert [each.name for each in request.tools] == ["add", "say", "fire", "fail", "hang"]
    system, context, user = request.messages
    assert system.role == "system"
    listed = json.loads(system.content.rpartition("Tools:\n")[2])
    assert [each["name"] for each in listed] == ["add", "say", "fire", "fail", "hang"]
    assert listed[1]["parameters"]["required"] == ["text"]
    assert context == ChatMessage(role="user", content='Context: {"lang":"de","odd":[1,2]}')
    assert user == ChatMessage(role="user", content="a task")


async def test_without_a_context_nothing_is_said_of_one() -> None:
    _, llm, _ = await play(SAY)
    assert [each.role for each in llm.requests[0].messages] == ["system", "user"]


async def test_the_summary_is_made_of_what_the_steps_came_to(autojump_clock: Clock) -> None:
    _, llm, _ = await play(
        plan(step("a", "add", numbers=[1]), step("b", "say", text="x" * 10_000)), "ok"
    )
    request = llm.requests[1]
    assert request.schema is None
    told = json.loads(request.messages[-1].content)
    assert told["task"] == "a task"
    first, second = told["steps"]
    assert first == {
        "id": "a",
        "name": "A",
        "tool": "add",
        "status": "success",
        "output": 1.0,
        "error": None,
    }
    assert len(second["output"]) < 4_100
    assert "more characters" in second["output"]


async def test_the_output_is_that_of_the_last_step(autojump_clock: Clock) -> None:
    _, _, completed = await play(
        plan(
            step("a", "add", numbers=[1]),
            step("c", "say", "a", "b", text="last"),
            step("b", "add", numbers=[2]),
        )
    )
    assert completed.output == "last"


async def test_of_several_last_steps_each_has_its_output_told(autojump_clock: Clock) -> None:
    _, _, completed = await play(
        plan(
            step("a", "add", numbers=[1]),
            step("b", "say", "a", text="x"),
            step("c", "say", "a", text="y"),
        )
    )
    assert completed.output == {"b": "x", "c": "y"}


async def test_a_plan_in_a_fence_is_understood() -> None:
    _, _, completed = await play(f"```json\n{json.dumps(SAY)}\n```")
    assert completed.output == "hello"


async def test_a_tool_asks_before_it_runs() -> None:
    stage = Stage()
    agent = create_agent(llm=ScriptedLLM(plan(step("a", "fire"))), tools=TOOLS)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(stage.play, agent)
        asked = await stage.until(ConfirmationRequested)
        assert asked.reason == "fire"
        stage.answer("a")
    assert stage.all(TaskCompleted)[0].output == "fired"


async def test_it_runs_its_own_tools_whatever_the_run_has() -> None:
    stage = Stage(tools=())
    completed = await stage.play(create_agent(llm=ScriptedLLM(SAY), tools=TOOLS))
    assert completed.output == "hello"


async def test_several_tasks_at_once_share_one_agent(autojump_clock: Clock) -> None:
    async def answer(request: LLMRequest) -> str:
        await trio.sleep(1)
        return json.dumps(SAY) if request.purpose == "plan" else "ok"

    agent = create_agent(llm=ScriptedLLM(*[answer] * 20), tools=TOOLS)
    stages = [Stage() for _ in range(10)]
    async with trio.open_nursery() as nursery:
        for stage in stages:
            nursery.start_soon(stage.play, agent)
    assert [each.all(TaskCompleted)[0].output for each in stages] == ["hello"] * 10
    assert trio.current_time() == 2


def test_it_says_what_it_is() -> None:
    agent = create_agent(llm=ScriptedLLM(name="oracle"), tools=TOOLS)
    assert isinstance(agent, PlanningAgent)
    assert repr(agent) == f"<PlanningAgent llm=oracle tools=5 prompt={PROMPT_VERSION}>"
    assert [each.name for each in agent.tools] == ["add", "say", "fire", "fail", "hang"]


# --- it does not


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        ("I would rather not.", "the plan is not valid JSON: "),
        ({"error": "nobody can do that"}, "nobody can do that"),
        ({"steps": []}, "the plan has no steps"),
        (plan(step("a", "fly")), "step 'a' wants the tool 'fly'; the tools are: add, say"),
        (plan(step("a", "say", "a", text="")), "the steps wait for each other: a → a"),
        (plan(*(step(f"s{n}", "hang") for n in range(4))), "the plan has 4 steps; at most 3"),
        (plan(step("a", "say", words="")), "step 'a': the tool 'say' has no argument 'words'"),
        ("[" * 100_000, "the plan "),
        (LLMError("the quota is used up"), "the quota is used up"),
        (OSError("no network"), "OSError: no network"),
    ],
)
async def test_why_there_is_no_plan_is_told(answer: ScriptedAnswer, error: str) -> None:
    stage, llm, completed = await play(answer, max_steps=3, plan_attempts=1)
    assert completed.outcome == "failed"
    assert completed.error is not None
    assert completed.error.startswith(error)
    assert stage.all(PlanCreated) == []
    assert len(llm.requests) == 1


async def test_a_model_that_plans_for_too_long_is_given_up(autojump_clock: Clock) -> None:
    async def think(request: LLMRequest) -> str:
        await trio.sleep_forever()
        raise AssertionError

    stage, _, completed = await play(think, planning_timeout=30)
    assert completed.error == "scripted had no plan within 30 s"
    assert isinstance(stage.error, PlanError)
    assert trio.current_time() == 30


async def test_a_step_that_fails_fails_the_task_and_names_it() -> None:
    stage, llm, completed = await play(plan(step("a", "fail", why="it is broken")))
    assert completed.outcome == "failed"
    assert completed.error == "A (a): it is broken"
    assert isinstance(stage.error, TaskError)
    assert [each.purpose for each in llm.requests] == ["plan", "replan"]


@pytest.mark.parametrize(
    ("others", "more"),
    [(1, "1 more step did not run to success"), (2, "2 more steps did not run to success")],
)
async def test_how_many_more_did_not_succeed_is_told(others: int, more: str) -> None:
    _, _, completed = await play(
        plan(
            step("a", "fail", why="broken"),
            *(step(f"s{number}", "say", "a", text="x") for number in range(others)),
            step("fine", "say", text="x"),
        )
    )
    assert completed.error == f"A (a): broken — {more}"


async def test_a_bad_argument_fails_its_step_with_the_field() -> None:
    _, _, completed = await play(plan(step("a", "add", numbers=["x"])))
    assert completed.error == "A (a): add: Expected `float`, got `str` - at `numbers[0]`"


@pytest.mark.parametrize("error", [LLMError("down"), ValueError("a bug"), ExceptionGroup(
    "g", [OSError("net")])])  # fmt: skip
async def test_a_summary_that_fails_does_not_fail_the_task(
    error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    _, _, completed = await play(SAY, error)
    assert completed.success
    assert completed.output == "hello"
    assert completed.summary is None
    (record,) = caplog.records
    assert record.message.startswith("no summary from scripted")
    assert (record.levelno == logging.ERROR) == (not isinstance(error, LLMError))


async def test_a_summary_that_takes_too_long_is_done_without(
    autojump_clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    async def think(request: LLMRequest) -> str:
        await trio.sleep_forever()
        raise AssertionError

    _, _, completed = await play(SAY, think, planning_timeout=30)
    assert completed.success
    assert completed.summary is None
    assert trio.current_time() == 30
    assert [each.message for each in caplog.records] == ["no summary from scripted in 30 s"]


async def test_an_empty_summary_is_none() -> None:
    _, _, completed = await play(SAY, " \n")
    assert completed.summary is None
