"""A cancel ends a plan wherever it is, and each of its steps once."""

from __future__ import annotations

import math

import trio
import trio.testing

from tests.agent.planning.work import Workshop, failing, hang, planned
from tests.agent.stage import Stage
from trio_agent_rt.agent import ToolCall, ToolStep
from trio_agent_rt.errors import ToolError
from trio_agent_rt.protocol import (
    StepFailed,
    StepStarted,
    TaskCompleted,
)

Clock = trio.testing.MockClock


async def cancelled(
    shop: Workshop, stage: Stage, steps: list[ToolStep], cancel_at: float
) -> dict[str, tuple[str, bool]]:
    """Cancel at a moment; tells how each step that failed did."""
    async with trio.open_nursery() as nursery:
        nursery.start_soon(shop.play, steps, stage)
        await trio.sleep(cancel_at)
        before = dict(shop.calls)
        stage.cancel()
    assert dict(shop.calls) == before, "a tool was started after the cancel"
    assert trio.current_time() == cancel_at
    assert [each.outcome for each in stage.all(TaskCompleted)] == ["cancelled"]
    return {each.step_id: (each.error, each.will_retry) for each in stage.all(StepFailed)}


CANCELLED = ("cancelled", False)


async def test_a_cancel_while_steps_run_in_parallel_and_others_wait(autojump_clock: Clock) -> None:
    shop = Workshop({"a": hang, "b": hang}, max_parallel=2)
    stage = shop.stage(steps := [*map(planned, "abc"), planned("d", "a")])
    assert await cancelled(shop, stage, steps, 5) == {"a": CANCELLED, "b": CANCELLED}
    assert stage.run.interrupted_steps in (["a", "b"], ["b", "a"])
    assert {each.step_id for each in stage.all(StepStarted)} == {"a", "b"}


async def test_a_cancel_before_the_first_step() -> None:
    shop = Workshop()
    stage = shop.stage(steps := [planned("a")])
    stage.cancel()
    assert (await shop.play(steps, stage)).outcome == "cancelled"
    assert stage.all(StepStarted) == []


async def test_a_cancel_in_the_back_off_means_no_further_attempt(autojump_clock: Clock) -> None:
    shop = Workshop({"a": failing(ToolError("no"))}, jitter=lambda least, most: 10)
    stage = shop.stage(steps := [planned("a", max_retries=3)])
    assert await cancelled(shop, stage, steps, 5) == {"a": CANCELLED}
    assert [(each.error, each.will_retry) for each in stage.all(StepFailed)] == [
        ("no", True),
        CANCELLED,
    ]
    assert stage.run.interrupted_steps == ["a"]


async def test_a_cancel_while_a_step_waits_for_an_answer(autojump_clock: Clock) -> None:
    shop = Workshop()
    stage = shop.stage(steps := [planned("a", need_confirmation=True), planned("b")])
    assert await cancelled(shop, stage, steps, 5) == {"a": CANCELLED}
    assert shop.calls == {}
    assert stage.answer("a") == "expired"


async def test_under_a_cancel_what_a_tool_raises_is_kept_and_not_tried_again(
    autojump_clock: Clock,
) -> None:
    async def grumble(call: ToolCall) -> object:
        try:
            await trio.sleep_forever()
        finally:
            raise ToolError("could not stop well")

    shop = Workshop({"a": grumble})
    stage = shop.stage(steps := [planned("a", max_retries=3)])
    assert await cancelled(shop, stage, steps, 5) == {"a": CANCELLED}
    assert len(stage.all(StepFailed)) == 1
    record = stage.run.cleanup_record
    assert (record.outcome, record.detail) == ("raised", "a: could not stop well")


async def test_a_tool_that_raises_a_group_under_a_cancel_is_interrupted_and_on_record(
    autojump_clock: Clock,
) -> None:
    async def grumble(call: ToolCall) -> object:
        async def child() -> None:
            try:
                await trio.sleep_forever()
            finally:
                raise OSError("torn")

        async with trio.open_nursery() as nursery:
            nursery.start_soon(child)
            nursery.start_soon(trio.sleep_forever)
        return None

    shop = Workshop({"a": grumble, "b": hang})
    stage = shop.stage(steps := [planned("a", max_retries=3), planned("b")])
    assert await cancelled(shop, stage, steps, 5) == {"a": CANCELLED, "b": CANCELLED}
    assert set(stage.run.interrupted_steps) == {"a", "b"}
    assert stage.run.cleanup_record.detail == "a: OSError: torn"


async def test_a_cancel_waits_for_the_cleanup_of_a_tool(autojump_clock: Clock) -> None:
    cleaned_at = math.nan

    async def careful(call: ToolCall) -> object:
        nonlocal cleaned_at
        try:
            await trio.sleep_forever()
        finally:
            with trio.CancelScope(shield=True, deadline=trio.current_time() + 3):
                await trio.sleep(2)
                cleaned_at = trio.current_time()

    shop = Workshop({"a": careful})
    stage = shop.stage(steps := [planned("a")])
    async with trio.open_nursery() as nursery:
        nursery.start_soon(shop.play, steps, stage)
        await trio.sleep(5)
        stage.cancel()
    assert cleaned_at == trio.current_time() == 7


async def test_a_time_out_that_falls_together_with_a_cancel_is_a_cancel(
    autojump_clock: Clock,
) -> None:
    shop = Workshop({"a": hang})
    stage = shop.stage(steps := [planned("a", timeout=5, max_retries=2)])
    assert await cancelled(shop, stage, steps, 5) == {"a": CANCELLED}
