"""Cleanup may await under a cancel, up to a bound, and what it came to is on record."""

from __future__ import annotations

import logging

import pytest
import trio
import trio.testing

from tests.agent.stage import Stage
from trio_agent_rt.agent import TaskRun
from trio_agent_rt.agent.cleanup import CleanupRecord
from trio_agent_rt.protocol import Receipt, TaskCompleted


def receipt(completed: TaskCompleted) -> Receipt:
    assert completed.receipt is not None
    return completed.receipt


async def hang_until_cancelled(stage: Stage, cancel_after: float = 0.0) -> None:
    """Hang until the cancel, which comes after some time."""
    await trio.sleep(cancel_after)
    stage.cancel()
    await trio.sleep_forever()


async def test_it_awaits_although_the_task_is_cancelled(
    autojump_clock: trio.testing.MockClock,
) -> None:
    stage = Stage()
    cleaned = False

    async def agent(task: str, run: TaskRun) -> object:
        nonlocal cleaned
        async with run.step("a") as step:
            try:
                await hang_until_cancelled(stage)
            finally:
                async with step.cleanup():
                    await trio.sleep(3)
                    cleaned = True

    completed = await stage.play(agent)
    assert cleaned
    assert trio.current_time() == 3
    assert receipt(completed).duration == 3000
    assert receipt(completed).cleanup == "clean"
    assert receipt(completed).cleanup_detail is None
    assert receipt(completed).interrupted == ("a",)


async def test_what_overruns_is_cut_off_counted_from_the_cancel_and_named(
    caplog: pytest.LogCaptureFixture, autojump_clock: trio.testing.MockClock
) -> None:
    stage = Stage(cleanup_timeout=5)
    reached: list[str] = []

    async def agent(task: str, run: TaskRun) -> object:
        async with run.step("a"):
            try:
                await hang_until_cancelled(stage, 100)
            finally:
                async with run.cleanup():
                    await trio.sleep(2)
                async with run.cleanup():
                    reached.append("second")
                    await trio.sleep(2)
                async with run.cleanup():
                    reached.append("third")
                    await trio.sleep(2)
                    reached.append("end of third")
                reached.append("after")

    completed = await stage.play(agent)
    assert reached == ["second", "third", "after"]
    assert trio.current_time() == 105
    assert receipt(completed).cleanup == "timed_out"
    assert receipt(completed).cleanup_detail == "a"
    assert [each.message for each in caplog.records] == ["cleanup of a was cut off at its deadline"]
    assert caplog.records[0].levelno == logging.WARNING


async def test_every_step_that_overruns_is_named(autojump_clock: trio.testing.MockClock) -> None:
    stage = Stage(cleanup_timeout=1)

    async def agent(task: str, run: TaskRun) -> object:
        async def one(name: str, seconds: float) -> None:
            async with run.step(name) as step:
                try:
                    await trio.sleep_forever()
                finally:
                    async with step.cleanup(seconds):
                        await trio.sleep_forever()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(one, "b", 2)
            nursery.start_soon(one, "a", 1)
            await trio.testing.wait_all_tasks_blocked()
            stage.cancel()

    completed = await stage.play(agent)
    assert receipt(completed).cleanup_detail == "a, b"


@pytest.mark.parametrize(("own", "ends"), [(0.5, 0.5), (20, 20), (0, 0), (None, 5)])
async def test_a_step_may_ask_for_a_time_of_its_own(
    own: float | None, ends: float, autojump_clock: trio.testing.MockClock
) -> None:
    stage = Stage(cleanup_timeout=5)

    async def agent(task: str, run: TaskRun) -> object:
        async with run.step("a") as step:
            try:
                await hang_until_cancelled(stage)
            finally:
                async with step.cleanup(own):
                    await trio.sleep_forever()

    completed = await stage.play(agent)
    assert trio.current_time() == ends
    assert receipt(completed).cleanup == "timed_out"


async def test_an_error_in_it_is_on_record_and_goes_on(
    autojump_clock: trio.testing.MockClock,
) -> None:
    stage = Stage()

    async def agent(task: str, run: TaskRun) -> object:
        async with run.step("a"):
            try:
                await hang_until_cancelled(stage)
            finally:
                async with run.cleanup():
                    raise OSError("no goodbye")

    completed = await stage.play(agent)
    assert completed.outcome == "cancelled"
    assert receipt(completed).cleanup == "raised"
    assert receipt(completed).cleanup_detail == "a: OSError: no goodbye"
    assert isinstance(stage.error, OSError)


async def test_an_error_that_the_user_handles_is_on_record_all_the_same(
    autojump_clock: trio.testing.MockClock,
) -> None:
    stage = Stage()

    async def agent(task: str, run: TaskRun) -> object:
        try:
            await hang_until_cancelled(stage)
        finally:
            with pytest.raises(OSError, match="no goodbye"):
                async with run.cleanup():
                    raise OSError("no goodbye")

    completed = await stage.play(agent)
    assert stage.error is None
    assert receipt(completed).cleanup_detail == "task: OSError: no goodbye"


async def test_an_error_beside_the_cut_off_is_not_lost(
    autojump_clock: trio.testing.MockClock,
) -> None:
    stage = Stage(cleanup_timeout=1)

    async def agent(task: str, run: TaskRun) -> object:
        async def fail_when_cut_off() -> None:
            try:
                await trio.sleep_forever()
            finally:
                raise OSError("torn")

        try:
            await hang_until_cancelled(stage)
        finally:
            async with run.cleanup(), trio.open_nursery() as nursery:
                nursery.start_soon(fail_when_cut_off)
                nursery.start_soon(trio.sleep_forever)

    completed = await stage.play(agent)
    assert receipt(completed).cleanup == "timed_out"
    assert isinstance(stage.error, ExceptionGroup)
    assert stage.error.subgroup(OSError) is not None


async def test_the_first_error_is_told_and_a_cut_off_weighs_more(
    autojump_clock: trio.testing.MockClock,
) -> None:
    stage = Stage()

    async def agent(task: str, run: TaskRun) -> object:
        try:
            await hang_until_cancelled(stage)
        finally:
            for each in ("first", "second"):
                with pytest.raises(OSError, match=each):
                    async with run.cleanup():
                        raise OSError(each)
            assert run.cleanup_record.detail == "task: OSError: first"
            async with run.cleanup():
                await trio.sleep_forever()
            with pytest.raises(OSError, match="third"):
                async with run.cleanup():
                    raise OSError("third")

    assert receipt(await stage.play(agent)).cleanup == "timed_out"


async def test_without_a_cancel_the_time_counts_from_its_beginning(
    autojump_clock: trio.testing.MockClock,
) -> None:
    stage = Stage(cleanup_timeout=5)

    async def agent(task: str, run: TaskRun) -> object:
        await trio.sleep(100)
        async with run.cleanup():
            await trio.sleep(4)
        async with run.cleanup():
            await trio.sleep(4)
        with trio.move_on_after(1):
            async with run.cleanup():
                await trio.sleep_forever()
        return "ended"

    completed = await stage.play(agent)
    assert completed.success
    assert trio.current_time() == 113
    assert stage.run.cleanup_record.outcome == "timed_out"


async def test_one_that_runs_when_the_cancel_comes_keeps_its_deadline(
    autojump_clock: trio.testing.MockClock,
) -> None:
    stage = Stage(cleanup_timeout=5)

    async def agent(task: str, run: TaskRun) -> object:
        async with run.cleanup():
            await hang_until_cancelled(stage, 3)
        await trio.lowlevel.checkpoint()

    completed = await stage.play(agent)
    assert trio.current_time() == 5
    assert receipt(completed).duration == 2000
    assert receipt(completed).cleanup == "timed_out"


async def test_what_came_of_cleanups_before_the_cancel_is_not_in_the_receipt(
    autojump_clock: trio.testing.MockClock,
) -> None:
    stage = Stage(cleanup_timeout=1)

    async def agent(task: str, run: TaskRun) -> object:
        async with run.cleanup():
            await trio.sleep_forever()
        assert run.cleanup_record.outcome == "timed_out"
        await hang_until_cancelled(stage)

    completed = await stage.play(agent)
    assert receipt(completed).cleanup == "clean"
    assert receipt(completed).cleanup_detail is None


async def test_a_second_cancel_gives_no_more_time(autojump_clock: trio.testing.MockClock) -> None:
    stage = Stage(cleanup_timeout=5)

    async def agent(task: str, run: TaskRun) -> object:
        try:
            await hang_until_cancelled(stage)
        finally:
            async with run.cleanup():
                await trio.sleep(4)
                stage.cancel()
            async with run.cleanup():
                await trio.sleep_forever()

    await stage.play(agent)
    assert trio.current_time() == 5


@pytest.mark.parametrize("begun", [True, False])
async def test_a_shutdown_bounds_cleanups_that_run_and_those_to_come(
    begun: bool, autojump_clock: trio.testing.MockClock
) -> None:
    stage = Stage(cleanup_timeout=100)

    async def agent(task: str, run: TaskRun) -> object:
        if not begun:
            run.cleanup_record.bound(trio.current_time() + 2)
        async with run.cleanup(1000), trio.open_nursery() as nursery:
            nursery.start_soon(trio.sleep_forever)
            if begun:
                run.cleanup_record.bound(trio.current_time() + 2)
                run.cleanup_record.bound(trio.current_time() + 50)
        return None

    await stage.play(agent)
    assert trio.current_time() == 2


async def test_a_bound_does_not_lengthen_a_shorter_one(
    autojump_clock: trio.testing.MockClock,
) -> None:
    stage = Stage(cleanup_timeout=1)

    async def agent(task: str, run: TaskRun) -> object:
        async with run.cleanup():
            run.cleanup_record.bound(trio.current_time() + 2)
            await trio.sleep_forever()
        return None

    await stage.play(agent)
    assert trio.current_time() == 1


async def test_nested_ones_have_each_their_own_time(autojump_clock: trio.testing.MockClock) -> None:
    stage = Stage(cleanup_timeout=5)

    async def agent(task: str, run: TaskRun) -> object:
        async with run.step("a"):
            try:
                await hang_until_cancelled(stage)
            finally:
                async with run.cleanup():
                    async with run.cleanup(1):
                        await trio.sleep_forever()
                    assert trio.current_time() == 1
                    await trio.sleep(3)

    completed = await stage.play(agent)
    assert trio.current_time() == 4
    assert receipt(completed).cleanup == "timed_out"


async def test_after_a_cut_off_the_users_code_runs_on_until_it_awaits(
    autojump_clock: trio.testing.MockClock,
) -> None:
    stage = Stage(cleanup_timeout=1)
    seen: list[str] = []

    async def agent(task: str, run: TaskRun) -> object:
        try:
            await hang_until_cancelled(stage)
        finally:
            async with run.cleanup() as cleanup:
                try:
                    await trio.sleep_forever()
                except trio.Cancelled:
                    seen.append("cut off")
                    raise
            seen.append(f"after, caught: {cleanup.scope.cancelled_caught}")
            try:
                await trio.lowlevel.checkpoint()
            except trio.Cancelled:
                seen.append("still cancelled")
                raise

    completed = await stage.play(agent)
    assert seen == ["cut off", "after, caught: True", "still cancelled"]
    assert completed.outcome == "cancelled"


async def test_it_swallows_no_cancel_of_a_scope_inside_of_it(
    autojump_clock: trio.testing.MockClock,
) -> None:
    stage = Stage()

    async def agent(task: str, run: TaskRun) -> object:
        async with run.cleanup():
            with trio.move_on_after(1) as inner:
                await trio.sleep_forever()
            assert inner.cancelled_caught
        assert run.cleanup_record.outcome == "clean"
        return None

    assert (await stage.play(agent)).success


async def test_what_has_ended_after_all_is_told_of_no_more_and_the_rest_is() -> None:
    record = CleanupRecord(5)
    record.cancel(0)
    record.left_behind("a (goes on)")
    record.left_behind("b (goes on)")
    record.ended_after_all("a (goes on)")
    assert (record.outcome, record.detail) == ("timed_out", "b (goes on)")
    record.ended_after_all("b (goes on)")
    assert (record.outcome, record.detail) == ("clean", None)
