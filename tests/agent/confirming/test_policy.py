"""Who answers in people's place, and what is done when the answer is no answer."""

from __future__ import annotations

import logging
from typing import Any

import pytest
import trio
import trio.testing

from tests.agent.planning.script import TOOLS, plan, step
from tests.agent.stage import Stage
from trio_agent_rt.agent import AutoConfirm, Decision, Question, ToolCall, create_agent, tool
from trio_agent_rt.protocol import ConfirmationRequested, StepFailed, TaskCompleted
from trio_agent_rt.testing import ScriptedLLM


@tool(category="rockets", needs_confirmation=True)
async def launch(call: ToolCall, stage: int) -> str:
    """Launch a stage."""
    await trio.lowlevel.checkpoint()
    return f"stage {stage} is away"


LAUNCH = plan(step("a", "launch", stage=1))


async def play(policy: Any) -> Stage:
    stage = Stage()
    agent = create_agent(llm=ScriptedLLM(LAUNCH), tools=[*TOOLS, launch], auto_confirm=policy)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(stage.play, agent)
        while not stage.all(TaskCompleted) and not stage.all(ConfirmationRequested):
            await trio.testing.wait_all_tasks_blocked()
        stage.answer("a", Decision(approved=True, by="ann"))
    return stage


@pytest.mark.parametrize(
    ("policy", "by"),
    [
        (AutoConfirm(["launch"]), "auto-confirm: tool launch"),
        (AutoConfirm(categories=["rockets"]), "auto-confirm: category rockets"),
        (lambda _: Decision(approved=True, by="a rule"), "a rule"),
    ],
)
async def test_what_a_policy_approves_nobody_is_asked_and_the_record_says_who_decided(
    policy: Any, by: str
) -> None:
    stage = await play(policy)
    assert stage.all(ConfirmationRequested) == []
    (record,) = stage.run.questions.records
    assert (record.step_id, record.outcome, record.by) == ("a", "approved", by)
    assert record.question == "launch — stage: 1"
    assert stage.all(TaskCompleted)[-1].success


async def test_what_a_policy_rejects_fails_its_step() -> None:
    stage = await play(lambda _: Decision(approved=False, reason="bad weather", by="the weather"))
    assert stage.all(ConfirmationRequested) == []
    assert [each.error for each in stage.all(StepFailed)] == ["rejected: bad weather"]
    (record,) = stage.run.questions.records
    assert (record.outcome, record.by, record.reason) == ("rejected", "the weather", "bad weather")


@pytest.mark.parametrize("policy", [None, AutoConfirm(["fire"]), lambda _: None])
async def test_what_no_policy_decides_people_are_asked(policy: Any) -> None:
    stage = await play(policy)
    assert len(stage.all(ConfirmationRequested)) == 1
    assert [each.by for each in stage.run.questions.records] == ["ann"]


@pytest.mark.parametrize("answer", [True, "yes", ZeroDivisionError("oops")])
async def test_a_policy_that_fails_approves_nothing(
    answer: object, caplog: pytest.LogCaptureFixture
) -> None:
    def policy(question: Question) -> object:
        if isinstance(answer, Exception):
            raise answer
        return answer

    with caplog.at_level(logging.ERROR):
        stage = await play(policy)
    assert len(stage.all(ConfirmationRequested)) == 1
    assert "people are asked" in caplog.text


async def test_a_policy_sees_what_is_about_to_be_done() -> None:
    seen: list[Question] = []
    await play(seen.append)
    (question,) = seen
    assert (question.tool, question.arguments, question.step_id) == (launch, {"stage": 1}, "a")
    assert question.task == "a task"


@pytest.mark.parametrize(
    ("policy", "text"),
    [
        (AutoConfirm(["lunch"]), "no tool 'lunch'; there are: add, fail, fire, hang, launch, say"),
        (AutoConfirm(categories=["rocket"]), "no category 'rocket'; there are: general, rockets"),
    ],
)
def test_a_name_of_nothing_is_refused_at_once(policy: AutoConfirm, text: str) -> None:
    with pytest.raises(ValueError, match=text):
        create_agent(llm=ScriptedLLM(), tools=[*TOOLS, launch], auto_confirm=policy)


def test_one_text_in_place_of_names_is_noticed() -> None:
    with pytest.raises(TypeError, match="several names"):
        AutoConfirm("launch")
