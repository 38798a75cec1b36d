"""A task of the planning agent, cancelled at each of its moments in turn."""

from __future__ import annotations

from collections.abc import Sequence

import attrs
import pytest
import trio

from tests.agent.planning.script import plan
from tests.agent.stage import Stage
from trio_agent_rt.agent import (
    Executor,
    LLMResponse,
    TaskRun,
    ToolCall,
    ToolUse,
    create_agent,
    tool,
)
from trio_agent_rt.errors import ToolError
from trio_agent_rt.protocol import (
    ConfirmationRequested,
    Event,
    StatusChanged,
    StepFailed,
    StepStarted,
    TaskCompleted,
)
from trio_agent_rt.testing import ScriptedAnswer, ScriptedLLM, Sweep, assert_cancel_safe


@tool(retryable=True)
async def flaky(call: ToolCall) -> int:
    """Fails at first."""
    call.progress(50)
    await trio.sleep(1)
    if getattr(call, "retries", 0) == 0:
        raise ToolError("not yet")
    return 1


@tool(needs_confirmation=True)
async def ask(call: ToolCall) -> int:
    """Asks first."""
    await trio.sleep(1)
    return 2


@tool()
async def crowd(call: ToolCall) -> int:
    """Has Trio tasks of its own, one of which does not take a cancel well."""

    async def grumble() -> None:
        ended = False
        try:
            await trio.sleep(1)
            ended = True
        finally:
            if not ended:
                raise OSError("torn")

    async with trio.open_nursery() as nursery:
        nursery.start_soon(grumble)
        nursery.start_soon(trio.sleep, 2)
    return 3


@tool()
async def broken(call: ToolCall) -> None:
    """Fails, after a moment."""
    await trio.sleep(1)
    raise ToolError("broken")


@attrs.frozen
class Scenario:
    """What the model says, what the task comes to, and how many moments it has at least."""

    answers: Sequence[ScriptedAnswer]
    output: object
    moments: int


def _use(name: str) -> LLMResponse:
    return LLMResponse(text="I see. ", tool_uses=[ToolUse(id="1", name=name)])


def _step(step_id: str, tool: str, *depends_on: str) -> dict[str, object]:
    return {"id": step_id, "tool": tool, "dependsOn": depends_on}


SCENARIOS = {
    "tools": Scenario(
        [
            plan(
                _step("a", "flaky"),
                _step("b", "ask", "a"),
                _step("c", "crowd"),
                _step("d", "ask", "a"),
                _step("e", "flaky", "b", "c"),
            ),
            "done",
        ],
        {"d": 2, "e": 1},
        40,
    ),
    "a model that streams and calls tools": Scenario(
        [
            plan(
                {"id": "m", "type": "llm", "prompt": "?", "tools": ["ask", "broken", "crowd"],
                 "maxRetries": 1, "schema": {"type": "object"}},
                _step("b", "flaky"),
            ),
            _use("ask"),
            _use("broken"),
            _use("crowd"),
            "no json",
            '{"n": 1}',
            "done",
        ],
        {"m": {"n": 1}, "b": 1},
        60,
    ),
    "loops": Scenario(
        [
            plan(
                {"id": "l", "type": "loop", "over": [1, 2],
                 "body": [_step("x", "flaky"), _step("y", "ask")]},
                {"id": "w", "type": "loop", "while": "index < 2", "body": [_step("z", "crowd")]},
            ),
            "done",
        ],
        {"l": [2, 2], "w": [3, 3]},
        60,
    ),
    "branches": Scenario(
        [
            plan(
                {
                    "id": "p",
                    "type": "parallel",
                    "steps": [
                        {"id": "c", "type": "conditional", "condition": "true",
                         "then": [_step("t", "ask")], "else": [_step("u", "crowd")]},
                        _step("x", "crowd"),
                        _step("y", "flaky"),
                    ],
                },
                {"id": "q", "type": "conditional", "condition": "p.output.x == 3",
                 "needConfirmation": True, "then": [_step("z", "flaky")]},
            ),
            "done",
        ],
        1,
        50,
    ),
    "planning anew": Scenario(
        [
            "no plan",
            plan(_step("a", "flaky"), _step("b", "broken", "a"), _step("c", "ask", "b")),
            plan(_step("a", "ask")),
            plan(_step("d", "ask", "a")),
            "done",
        ],
        2,
        40,
    ),
}  # fmt: skip
TOOLS = (flaky, ask, crowd, broken)


def _begun_after_the_cancel(events: list[Event]) -> list[Event]:
    said = next(
        number
        for number, each in enumerate(events)
        if isinstance(each, StatusChanged) and each.cancelling
    )
    return [
        each
        for each in events[said:]
        if isinstance(each, StepStarted | ConfirmationRequested)
        or (isinstance(each, StepFailed) and each.will_retry)
    ]


async def _one_run(sweep: Sweep, scenario: Scenario) -> TaskCompleted:
    """The task is cancelled at one moment, and nothing of it begins after that."""
    stage = Stage(cleanup_timeout=3)
    agent = create_agent(
        llm=ScriptedLLM(*scenario.answers), tools=TOOLS, executor=Executor(max_parallel=2)
    )
    cleaned = False

    async def with_cleanup(task: str, run: TaskRun) -> object:
        nonlocal cleaned
        try:
            return await agent(task, run)
        finally:
            async with run.cleanup():
                await trio.sleep(1)
                cleaned = True

    async def answer() -> None:
        while True:
            question = await stage.until(ConfirmationRequested)
            await trio.sleep(0.5)
            stage.answer(question.step_id)

    def cancel() -> None:
        if not stage.all(TaskCompleted):
            stage.cancel()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(answer)
        with sweep.cancelling(cancel):
            await stage.play(with_cleanup)
        nursery.cancel_scope.cancel()
    (completed,) = stage.all(TaskCompleted)
    began = any(isinstance(each, StepStarted) for each in stage.events)
    assert cleaned or not began
    if completed.outcome == "cancelled":
        assert sweep.cancelled
        assert _begun_after_the_cancel(stage.events) == []
        assert completed.receipt is not None
        assert set(completed.receipt.interrupted) == {
            each.step_id
            for each in stage.all(StepFailed)
            if not each.will_retry and each.error != "broken"
        }
        detail = completed.receipt.cleanup_detail
        assert detail is None or detail.endswith(": OSError: torn")
    else:
        assert completed.output == scenario.output
    return completed


@pytest.mark.parametrize("name", SCENARIOS)
def test_at_every_moment_a_cancel_ends_the_task_and_nothing_begins_after_it(name: str) -> None:
    outcomes = set[str]()

    async def scenario(sweep: Sweep) -> None:
        outcomes.add((await _one_run(sweep, SCENARIOS[name])).outcome)

    result = assert_cancel_safe(scenario, seeds=1, name=name)
    assert result.steps > SCENARIOS[name].moments
    assert outcomes == {"cancelled", "succeeded"}
