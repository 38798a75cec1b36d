"""No overrun is silent, however it comes about, and no error hides what was interrupted."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from contextlib import suppress

import pytest
import trio

from tests.agent.stage import Stage
from tests.agent.test_cleanup import hang_until_cancelled, receipt
from trio_agent_rt.agent import TaskRun


async def late_in_a_thread() -> None:
    await trio.to_thread.run_sync(time.sleep, 0.15)


async def late_in_a_shield() -> None:
    with trio.CancelScope(shield=True):
        await trio.sleep(0.15)


async def late_and_deaf() -> None:
    with suppress(trio.Cancelled):
        await trio.sleep_forever()


async def late_without_a_checkpoint() -> None:
    block = time.sleep
    block(0.15)


async def late_and_translated() -> None:
    try:
        await trio.sleep_forever()
    except trio.Cancelled as exc:
        raise OSError("no goodbye") from exc


@pytest.mark.parametrize(
    "clean_up",
    [
        late_in_a_thread,
        late_in_a_shield,
        late_and_deaf,
        late_without_a_checkpoint,
        late_and_translated,
    ],
)
async def test_an_overrun_that_no_cut_off_comes_out_of_is_named_all_the_same(
    clean_up: Callable[[], Awaitable[None]],
) -> None:
    stage = Stage(cleanup_timeout=0.05)

    async def agent(task: str, run: TaskRun) -> object:
        async with run.step("a"):
            try:
                await hang_until_cancelled(stage)
            finally:
                async with run.cleanup():
                    await clean_up()

    told = receipt(await stage.play(agent))
    assert (told.cleanup, told.cleanup_detail) == ("timed_out", "a")
    assert told.interrupted == ("a",)


async def test_a_nursery_in_it_that_raises_hides_no_interrupted_step() -> None:
    stage = Stage()

    async def agent(task: str, run: TaskRun) -> object:
        async def flush() -> None:
            raise OSError("disk full")

        async with run.step("a"):
            try:
                await hang_until_cancelled(stage)
            finally:
                async with run.cleanup(), trio.open_nursery() as nursery:
                    nursery.start_soon(flush)

    completed = await stage.play(agent)
    assert completed.outcome == "cancelled"
    assert receipt(completed).interrupted == ("a",)
    assert receipt(completed).cleanup_detail == "a: OSError: disk full"
