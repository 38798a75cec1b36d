"""A plan that is none, or that fails, is planned again: within bounds, and with its reason."""

from __future__ import annotations

import json
import logging
from typing import Any

import pytest
import trio
import trio.testing

from tests.agent.planning.script import SAY, TOOLS, plan, play, step
from tests.agent.stage import NO, Stage
from trio_agent_rt.agent import Executor, LLMRequest, Step, ToolCall, create_agent, tool
from trio_agent_rt.agent.planning.prompts import PROMPT_VERSION
from trio_agent_rt.errors import LLMError
from trio_agent_rt.llm import OfflineClient
from trio_agent_rt.protocol import (
    ConfirmationRequested,
    PlanCreated,
    PlanUpdated,
    StatusChanged,
    StepStarted,
)
from trio_agent_rt.testing import ScriptedAnswer, ScriptedLLM

Clock = trio.testing.MockClock

FAILS = plan(step("a", "say", text="x" * 9000), step("b", "fail", "a", why="broken"),
             step("c", "say", "b", text="never"))  # fmt: skip
MENDED = plan(step("d", "say", text="{{a.output}}"), step("e", "say", "d", text="done"))

# --- a plan that is none


async def test_an_invalid_plan_is_explained_to_the_model_and_asked_for_again(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    _, llm, completed = await play(plan(step("a", "fly")), SAY, "ok")
    assert completed.output == "hello"
    assert [each.purpose for each in llm.requests] == ["plan", "replan", "summary"]
    *_, said, mend = llm.requests[1].messages
    assert said.role == "assistant"
    assert json.loads(said.content) == plan(step("a", "fly"))
    assert mend.role == "user"
    assert "step 'a' wants the tool 'fly'; the tools are: add, say" in mend.content
    assert f"invalid plan from scripted (prompt {PROMPT_VERSION}): step 'a'" in caplog.text


@pytest.mark.parametrize(
    ("answers", "attempts", "error", "asked"),
    [
        (["no", "nor this", SAY], 2, "the plan is not valid JSON: ", 2),
        (["no", "nor this", SAY], 3, None, 4),
        (["no", SAY], 1, "the plan is not valid JSON: ", 1),
        (["no", {"error": "I give up"}], 2, "the plan is not valid JSON: ", 2),
        (["no", LLMError("down")], 2, "the plan is not valid JSON: ", 2),
        ([{"error": "nobody can"}, SAY], 2, "nobody can", 1),
        ([LLMError("down"), SAY], 2, "down", 1),
    ],
)
async def test_a_plan_is_asked_for_so_often_and_the_first_real_reason_is_told(
    answers: list[ScriptedAnswer], attempts: int, error: str | None, asked: int
) -> None:
    _, llm, completed = await play(*answers, plan_attempts=attempts)
    assert len(llm.requests) == asked
    assert (completed.error or "").startswith(error or "")
    assert completed.success == (error is None)


async def test_all_attempts_share_the_time_for_planning(autojump_clock: Clock) -> None:
    async def slow(request: LLMRequest) -> str:
        await trio.sleep(20)
        return "no plan"

    _, _, completed = await play(slow, slow, slow, plan_attempts=3, planning_timeout=30)
    assert trio.current_time() == 30
    assert (completed.error or "").startswith("the plan is not valid JSON: ")


async def test_a_plan_of_a_megabyte_is_not_given_back_whole() -> None:
    _, llm, _ = await play("x" * 1_000_000, SAY)
    assert sum(len(each.content) for each in llm.requests[1].messages) < 50_000


@pytest.mark.parametrize("options", [{"plan_attempts": 0}, {"max_replans": -1}])
def test_options_that_make_no_sense_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(options))):
        create_agent(llm=ScriptedLLM(), tools=TOOLS, **options)


# --- a plan that fails


async def test_the_model_plans_the_rest_and_what_has_run_stays_in_the_plan() -> None:
    stage, llm, completed = await play(FAILS, MENDED, "ok")
    assert completed.success
    assert completed.output == "done"
    assert [each.step_id for each in stage.all(StepStarted)] == ["a", "b", "d", "e"]
    (updated,) = stage.all(PlanUpdated)
    assert [(each.id, each.status) for each in updated.plan.steps] == [
        ("a", "success"),
        ("b", "failed"),
        ("c", "skipped"),
        ("d", "pending"),
        ("e", "pending"),
    ]
    assert updated.plan.id == stage.all(PlanCreated)[0].plan.id
    assert updated.plan.steps[3].depends_on == ["a"]
    states = [(each.state, each.message) for each in stage.all(StatusChanged)]
    assert ("planning", "Planning anew: B (b): broken — 1 more step did not run to success") in (
        states
    )
    assert [each.purpose for each in llm.requests] == ["plan", "replan", "summary"]
    summed = json.loads(llm.requests[2].messages[-1].content)
    assert [each["id"] for each in summed["steps"]] == ["a", "d", "e"]


async def test_the_model_is_told_what_succeeded_and_what_did_not_and_why() -> None:
    _, llm, _ = await play(FAILS, {"error": "no way"})
    *_, said, asked = llm.requests[1].messages
    assert (said.role, json.loads(said.content)) == ("assistant", FAILS)
    told = json.loads(next(each for each in asked.content.splitlines() if each.startswith("[")))
    assert [(each["id"], each["status"], each["error"]) for each in told] == [
        ("a", "success", None),
        ("b", "failed", "broken"),
        ("c", "failed", "skipped, because b did not succeed"),
    ]
    assert len(told[0]["output"]) < 4100
    assert "a, b, c" in asked.content


@pytest.mark.parametrize(
    "answer",
    [
        {"error": "no way"},
        LLMError("down"),
        OSError("a bug"),
        "no plan",
        plan(step("b", "say", text="again")),
        plan(step("x", "say", text="{{b.output}}")),
    ],
)
async def test_without_another_plan_the_task_fails_for_what_had_failed(
    answer: ScriptedAnswer,
) -> None:
    stage, _, completed = await play(FAILS, answer)
    assert completed.error == "B (b): broken — 1 more step did not run to success"
    assert stage.all(PlanUpdated) == []


@pytest.mark.parametrize(
    ("steps", "complaint"),
    [
        (plan(step("b", "say", text="again")), "the id 'b' is that of an earlier step; take"),
        (plan(step("x", "say", text="{{b.output}}")), "{{b.output}} refers to 'b', which did not"),
        (plan(step("x", "say", "c", text="")), "step 'x' depends on 'c', which did not succeed"),
    ],
)
async def test_another_plan_that_is_none_is_explained_too(
    steps: dict[str, Any], complaint: str
) -> None:
    _, llm, completed = await play(FAILS, steps, MENDED, "ok")
    assert completed.output == "done"
    assert complaint in llm.requests[2].messages[-1].content


@pytest.mark.parametrize(("most", "asked"), [(0, 1), (1, 2), (3, 4)])
async def test_it_is_planned_anew_so_often_and_no_more(most: int, asked: int) -> None:
    again = [plan(step(f"b{number}", "fail", why=f"broken {number}")) for number in range(9)]
    _, llm, completed = await play(FAILS, *again, max_replans=most)
    assert len(llm.requests) == asked
    last = f"B{most - 1} (b{most - 1}): broken {most - 1}" if most else "B (b): broken — 1 more"
    assert (completed.error or "").startswith(last)


async def test_a_model_that_declines_is_not_asked_again() -> None:
    _, llm, _ = await play(FAILS, {"error": "no way"}, MENDED, max_replans=5)
    assert len(llm.requests) == 2


async def test_ids_of_steps_inside_others_are_taken_too() -> None:
    whole = {"id": "p", "type": "parallel", "steps": [step("x", "fail", why="no")]}
    _, llm, _ = await play(plan(whole), plan(step("x", "say", text="x")), SAY, "ok")
    assert "the id 'x' is that of an earlier step" in llm.requests[2].messages[-1].content


@pytest.mark.parametrize("allowed", [False, True])
@pytest.mark.parametrize("inside", [False, True])
async def test_after_a_person_has_said_no_it_is_planned_anew_only_if_that_is_allowed(
    allowed: bool, inside: bool
) -> None:
    stage = Stage()
    fire = step("a", "fire")
    whole = {"id": "p", "type": "parallel", "steps": [fire]} if inside else fire
    llm = ScriptedLLM(plan(whole), plan(step("z", "say", text="then not")), "ok")
    agent = create_agent(llm=llm, tools=TOOLS, replan_after_rejection=allowed)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(stage.play, agent)
        await stage.until(ConfirmationRequested)
        stage.answer("a", NO)
    assert len(llm.requests) == (3 if allowed else 1)
    assert (stage.error is None) == allowed


async def test_nor_after_nobody_has_answered(autojump_clock: Clock) -> None:
    _, llm, completed = await play(
        plan(step("a", "fire")), MENDED, executor=Executor(confirmation_timeout=5)
    )
    assert completed.error == "A (a): expired: nobody answered within 5 s"
    assert len(llm.requests) == 1


async def test_nor_after_a_no_to_a_tool_that_asks_in_a_nursery() -> None:
    @tool()
    async def pay(call: Step) -> None:
        """Pay."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(call.confirm, "pay?")

    stage = Stage()
    llm = ScriptedLLM(plan({**step("a", "pay"), "maxRetries": 2}), MENDED)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(stage.play, create_agent(llm=llm, tools=[*TOOLS, pay]))
        await stage.until(ConfirmationRequested)
        stage.answer("a", NO)
    assert len(stage.all(ConfirmationRequested)) == len(llm.requests) == 1


async def test_nor_after_a_time_out_around_it_withdrew_the_question(
    autojump_clock: Clock,
) -> None:
    whole = {"id": "p", "type": "parallel", "timeout": 5, "steps": [step("a", "fire")]}
    _, llm, _ = await play(plan(whole), MENDED)
    assert len(llm.requests) == 1


async def test_a_model_that_thinks_for_too_long_is_not_waited_for(autojump_clock: Clock) -> None:
    async def think(request: LLMRequest) -> str:
        await trio.sleep_forever()
        raise AssertionError

    _, _, completed = await play(FAILS, think, planning_timeout=30)
    assert trio.current_time() == 30
    assert (completed.error or "").startswith("B (b): broken")


async def test_the_offline_client_says_that_it_has_no_other_plan() -> None:
    stage = Stage(context={})
    stage.run.task = "read nothing.txt"
    agent = create_agent(llm=OfflineClient(), tools=[_reader()])
    completed = await stage.play(agent)
    assert (completed.error or "").endswith("(step_1): gone")
    assert stage.all(PlanUpdated) == []


def _reader() -> Any:
    from trio_agent_rt.errors import ToolError

    @tool()
    async def file_read(call: ToolCall, path: str) -> str:
        """Read."""
        await trio.lowlevel.checkpoint()
        raise ToolError("gone")

    return file_read
