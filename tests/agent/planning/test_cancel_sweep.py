"""A task of the planning agent, cancelled at each of its moments in turn."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import attrs
import pytest
import trio
import trio.testing

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
from trio_agent_rt.testing import ScriptedAnswer, ScriptedLLM


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


class _AtStep(trio.abc.Instrument):
    """Does something once, at the k-th step of any Trio task."""

    def __init__(self, k: int, act: Callable[[], object], *, before: bool) -> None:
        self.left = k
        self._act = act
        self._before = before

    def _step(self) -> None:
        self.left -= 1
        if self.left == 0:
            self._act()

    def before_task_step(self, task: trio.lowlevel.Task) -> None:
        if self._before:
            self._step()

    def after_task_step(self, task: trio.lowlevel.Task) -> None:
        if not self._before:
            self._step()


async def _cancelled_at(k: int, scenario: Scenario, *, before: bool) -> tuple[Stage, bool]:
    """One run; tells whether it lasted long enough to be cancelled."""
    stage = Stage(cleanup_timeout=3)
    cleaned_at = math.nan
    agent = create_agent(
        llm=ScriptedLLM(*scenario.answers), tools=TOOLS, executor=Executor(max_parallel=2)
    )

    async def with_cleanup(task: str, run: TaskRun) -> object:
        nonlocal cleaned_at
        try:
            return await agent(task, run)
        finally:
            async with run.cleanup():
                await trio.sleep(1)
                cleaned_at = trio.current_time()

    async def answer() -> None:
        while True:
            question = await stage.until(ConfirmationRequested)
            await trio.sleep(0.5)
            stage.answer(question.step_id)

    def cancel() -> None:
        if not stage.all(TaskCompleted):
            stage.cancel()

    at = _AtStep(k, cancel, before=before)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(answer)
        trio.lowlevel.add_instrument(at)
        await stage.play(with_cleanup)
        trio.lowlevel.remove_instrument(at)
        nursery.cancel_scope.cancel()
    assert math.isnan(cleaned_at) or cleaned_at <= trio.current_time()
    return stage, at.left <= 0


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


@pytest.mark.parametrize("before", [False, True])
@pytest.mark.parametrize("name", SCENARIOS)
async def test_at_every_moment_a_cancel_ends_the_task_and_nothing_begins_after_it(
    name: str, before: bool, autojump_clock: trio.testing.MockClock
) -> None:
    k, outcomes = 0, set[str]()
    cancelled = True
    while cancelled:
        k += 1
        stage, cancelled = await _cancelled_at(k, SCENARIOS[name], before=before)
        (completed,) = stage.all(TaskCompleted)
        outcomes.add(completed.outcome)
        if completed.outcome == "cancelled":
            assert _begun_after_the_cancel(stage.events) == []
            assert completed.receipt is not None
            interrupted = [
                each.step_id
                for each in stage.all(StepFailed)
                if not each.will_retry and each.error != "broken"
            ]
            assert sorted(completed.receipt.interrupted) == sorted(interrupted)
            detail = completed.receipt.cleanup_detail
            assert detail is None or detail.endswith(": OSError: torn")
        else:
            assert completed.output == SCENARIOS[name].output
    assert k > SCENARIOS[name].moments
    assert outcomes == {"cancelled", "succeeded"}
