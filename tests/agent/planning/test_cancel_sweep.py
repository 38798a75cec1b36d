"""A task of the planning agent, cancelled at each of its moments in turn."""

from __future__ import annotations

import trio

from tests.agent.planning.script import plan
from tests.agent.stage import Stage
from trio_agent_rt.agent import Executor, TaskRun, ToolCall, create_agent, tool
from trio_agent_rt.errors import ToolError
from trio_agent_rt.protocol import (
    ConfirmationRequested,
    Event,
    StatusChanged,
    StepFailed,
    StepStarted,
    TaskCompleted,
)
from trio_agent_rt.testing import ScriptedLLM, Sweep, assert_cancel_safe


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


PLAN = plan(
    {"id": "a", "tool": "flaky"},
    {"id": "b", "tool": "ask", "dependsOn": ["a"]},
    {"id": "c", "tool": "crowd"},
    {"id": "d", "tool": "ask", "dependsOn": ["a"]},
    {"id": "e", "tool": "flaky", "dependsOn": ["b", "c"]},
)


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


async def _one_run(sweep: Sweep) -> TaskCompleted:
    """The task is cancelled at one moment, and nothing of it begins after that."""
    stage = Stage(cleanup_timeout=3)
    agent = create_agent(
        llm=ScriptedLLM(PLAN, "done"), tools=(flaky, ask, crowd), executor=Executor(max_parallel=2)
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
            each.step_id for each in stage.all(StepFailed) if not each.will_retry
        }
        assert completed.receipt.cleanup_detail in {None, "c: OSError: torn"}
    else:
        assert completed.output == {"d": 2, "e": 1}
    return completed


def test_at_every_moment_a_cancel_ends_the_task_and_nothing_begins_after_it() -> None:
    outcomes = set[str]()

    async def scenario(sweep: Sweep) -> None:
        outcomes.add((await _one_run(sweep)).outcome)

    result = assert_cancel_safe(scenario, seeds=2)
    assert result.steps > 40
    assert outcomes == {"cancelled", "succeeded"}
