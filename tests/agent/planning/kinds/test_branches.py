"""One branch of two runs, or several steps at once; viewers see which."""

from __future__ import annotations

from typing import Any

import pytest
import trio
import trio.testing

from tests.agent.planning.script import TOOLS, plan, play, step
from tests.agent.stage import NO, Stage
from trio_agent_rt.agent import Executor, create_agent
from trio_agent_rt.protocol import (
    ConfirmationRequested,
    PlanCreated,
    StepCompleted,
    StepFailed,
    StepStarted,
)
from trio_agent_rt.testing import ScriptedLLM

Clock = trio.testing.MockClock


def choice(condition: str, **fields: Any) -> dict[str, Any]:
    return {
        "id": "c",
        "type": "conditional",
        "condition": condition,
        "then": [step("yes", "say", text="then")],
        "else": [step("no", "say", text="else"), step("more", "say", text="{{no.output}}!")],
        **fields,
    }


def at_once(*steps: dict[str, Any], step_id: str = "p", **fields: Any) -> dict[str, Any]:
    return {"id": step_id, "type": "parallel", "steps": list(steps), **fields}


def skipped(stage: Stage) -> dict[str, object]:
    return {
        each.step_id: each.result.output
        for each in stage.all(StepCompleted)
        if each.result.status == "skipped"
    }


def started(stage: Stage) -> list[str]:
    return [each.step_id for each in stage.all(StepStarted)]


# --- conditional


@pytest.mark.parametrize(
    ("text", "output", "ran", "left"),
    [
        ("x", "then", ["yes"], dict.fromkeys(("no", "more"), "not taken: a.output == 'x' is true")),
        ("y", "else!", ["no", "more"], {"yes": "not taken: a.output == 'x' is false"}),
    ],
)  # fmt: skip
async def test_one_branch_runs_and_the_other_is_told_as_skipped(
    text: str, output: str, ran: list[str], left: dict[str, str]
) -> None:
    stage, _, completed = await play(plan(step("a", "say", text=text), choice("a.output == 'x'")))
    assert completed.output == output
    assert started(stage) == ["a", "c", *ran]
    assert skipped(stage) == left


async def test_viewers_see_a_flat_plan_in_which_steps_depend_on_the_one_around_them() -> None:
    stage, _, _ = await play(plan(step("a", "say", text="x"), choice("a.output == 'x'")))
    (created,) = stage.all(PlanCreated)
    assert [(each.id, each.type, each.depends_on) for each in created.plan.steps] == [
        ("a", "tool", []),
        ("c", "conditional", ["a"]),
        ("yes", "tool", ["c"]),
        ("no", "tool", ["c"]),
        ("more", "tool", ["c", "no"]),
    ]
    # Of c and what depends on it from outside, only this tells which is inside.
    assert [each.parent_id for each in created.plan.steps] == [None, None, "c", "c", "c"]


async def test_a_branch_that_is_empty_comes_to_nothing() -> None:
    quiet = choice("false", **{"else": []})
    stage, _, completed = await play(plan(quiet, step("b", "say", "c", text="[{{c.output}}]")))
    assert completed.output == "[null]"
    assert started(stage) == ["c", "b"]


async def test_a_failure_inside_fails_the_step_around_it_and_skips_the_rest() -> None:
    bad = choice("true", then=[step("x", "fail", why="broken"), step("y", "say", text="")])
    after = step("z", "say", "c", text="never")
    stage, _, completed = await play(plan(bad, after), max_replans=0)
    assert completed.error == (
        "conditional (c): X (x): broken — 1 more step did not run to success"
        " — 1 more step did not run to success"
    )
    assert {each.step_id: each.error for each in stage.all(StepFailed)}["x"] == "broken"
    assert set(skipped(stage)) == {"y", "no", "more", "z"}


async def test_with_a_step_that_is_skipped_all_that_is_inside_it_is(autojump_clock: Clock) -> None:
    lost = at_once(choice("true"), step_id="p", dependsOn=["a"])
    stage, _, _ = await play(plan(step("a", "fail", why="no"), lost), max_replans=0)
    reason = "skipped, because a did not succeed"
    assert skipped(stage) == dict.fromkeys(["p", "c", "yes", "no", "more"], reason)


async def test_a_condition_without_an_answer_fails_its_step_and_skips_what_is_inside() -> None:
    stage, _, completed = await play(
        plan(step("a", "say", text="x"), choice("a.output.n > 1")), max_replans=0
    )
    assert completed.error == (
        "conditional (c): a.output.n: a.output is a text, so it has no field 'n'"
    )
    assert set(skipped(stage)) == {"yes", "no", "more"}


async def test_a_whole_branch_can_be_asked_for() -> None:
    stage = Stage()
    agent = create_agent(llm=ScriptedLLM(plan(choice("true", needConfirmation=True))), tools=TOOLS)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(stage.play, agent)
        asked = await stage.until(ConfirmationRequested)
        assert asked.reason == 'conditional — if: "true"'
        stage.answer("c", NO)
    assert started(stage) == ["c"]
    assert set(skipped(stage)) == {"yes", "no", "more"}


async def test_a_step_around_others_that_takes_too_long_interrupts_them(
    autojump_clock: Clock,
) -> None:
    slow = at_once(step("x", "hang"), step("y", "hang", "x"), timeout=3)
    stage, _, completed = await play(plan(slow), max_replans=0)
    assert trio.current_time() == 3
    assert completed.error == "parallel (p): took longer than 3 s"
    assert {each.step_id: each.error for each in stage.all(StepFailed)} == {
        "x": "cancelled",
        "p": "took longer than 3 s",
    }
    assert set(skipped(stage)) == {"y"}
    assert completed.outcome == "failed"


# --- parallel


async def test_steps_run_at_once_and_come_to_an_object_by_id(autojump_clock: Clock) -> None:
    _, _, completed = await play(plan(at_once(*(step(x, "add", numbers=[1]) for x in "zyx"))))
    assert completed.output == {"z": 1, "y": 1, "x": 1}
    assert list(completed.output) == ["z", "y", "x"]
    assert trio.current_time() == 1


async def test_so_many_work_at_once_however_deep_they_are_nested(autojump_clock: Clock) -> None:
    nested = [
        at_once(
            at_once(*(step(f"{a}{b}", "add", numbers=[1]) for b in "xyz"), step_id=f"in_{a}"),
            step_id=f"out_{a}",
        )
        for a in "abcdef"
    ]
    _, _, completed = await play(plan(*nested), executor=Executor(max_parallel=2))
    assert completed.success
    assert trio.current_time() == 9


async def test_a_single_place_is_enough_for_any_nesting(autojump_clock: Clock) -> None:
    inner = at_once(choice("true"), step_id="inner")
    _, _, completed = await play(
        plan(at_once(at_once(inner, step_id="middle"))), executor=Executor(max_parallel=1)
    )
    assert completed.output == {"middle": {"inner": {"c": "then"}}}


async def test_no_step_anywhere_starts_beside_an_open_question(autojump_clock: Clock) -> None:
    stage = Stage()
    first = at_once(step("ask", "fire"), step("other", "add", numbers=[1]))
    second = at_once(step("far", "say", text="x"), step_id="q")
    agent = create_agent(llm=ScriptedLLM(plan(first, second)), tools=TOOLS)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(stage.play, agent)
        await stage.until(ConfirmationRequested)
        before = started(stage)
        await trio.sleep(10)
        assert started(stage) == before
        stage.answer("ask")
    assert set(started(stage)) == {"p", "ask", "other", "q", "far"}
