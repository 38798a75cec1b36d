"""The sweep finds what it is for, names the moment, and comes back to it."""

from __future__ import annotations

import threading
from typing import Any

import pytest
import trio

from trio_agent_rt import RealtimeAgent, TaskRun
from trio_agent_rt.testing import (
    FakeAgent,
    Moment,
    NotCancelSafe,
    Sweep,
    Works,
    assert_cancel_safe,
)


async def three_checkpoints() -> None:
    for _ in range(3):
        await trio.lowlevel.checkpoint()


def test_every_step_of_every_variant_and_seed_is_cancelled_once() -> None:
    moments: list[Moment] = []

    async def scenario(sweep: Sweep) -> None:
        moments.append(sweep.moment)
        with trio.CancelScope() as scope, sweep.cancelling(scope):
            await three_checkpoints()

    result = assert_cancel_safe(scenario, seeds=[3, 5])
    assert result.runs == len(moments) == len(set(moments))
    assert (result.seeds, result.variants) == (2, 2)
    assert {each.seed for each in moments} == {3, 5}
    for seed in (3, 5):
        steps = [each.step for each in moments if (each.seed, each.variant) == (seed, "woken")]
        assert steps == list(range(1, len(steps) + 1))
        assert len(steps) > 3
    assert "2 seeds, 2 variants" in str(result)


def test_a_scenario_without_a_sweep_is_cancelled_as_a_whole() -> None:
    ends: list[str] = []

    async def scenario() -> None:
        try:
            await three_checkpoints()
            ends.append("done")
        except trio.Cancelled:
            ends.append("cancelled")
            raise

    assert_cancel_safe(scenario, seeds=1, variants=["cancelled"])
    assert ends.count("done") >= 1
    assert ends.count("cancelled") == 3


async def forgets_its_lock(sweep: Sweep) -> None:
    """What is woken and then cancelled has the lock in its hands, and lets it fall."""
    send, receive = trio.open_memory_channel[str](1)
    send.send_nowait("the only one")
    taken: list[str] = []

    async def take() -> None:
        item = await receive.receive()
        await trio.lowlevel.checkpoint()
        taken.append(item)

    with trio.CancelScope() as scope, sweep.cancelling(scope):
        await take()
    if not taken:
        with trio.fail_after(1):
            await receive.receive()


def test_a_failure_names_its_moment_and_one_line_that_has_it_again() -> None:
    with pytest.raises(NotCancelSafe) as caught:
        assert_cancel_safe(forgets_its_lock)
    moment = caught.value.moment
    assert f"only={moment!r}" in str(caught.value)
    assert isinstance(caught.value.__cause__, trio.TooSlowError)
    with pytest.raises(NotCancelSafe) as again:
        assert_cancel_safe(forgets_its_lock, only=moment)
    assert again.value.moment == moment
    assert assert_cancel_safe(forgets_its_lock, only=Moment(0, "woken", 10_000)).runs == 1


def test_the_line_that_a_failure_prints_has_all_that_it_takes() -> None:
    async def scenario(sweep: Sweep) -> None:
        with trio.CancelScope() as scope, sweep.cancelling(scope):
            await trio.lowlevel.checkpoint()
        if sweep.cancelled:
            await trio.sleep(20)

    ways: list[dict[str, Any]] = [{"timeout": 10}, {"timeout": 0.01, "real_clock": True}]
    for options in ways:
        with pytest.raises(NotCancelSafe) as caught:
            assert_cancel_safe(scenario, seeds=1, **options)
        line = str(caught.value).rpartition("again: ")[2].partition("\n")[0]
        assert "assert_cancel_safe(scenario, only=Moment(" in line
        with pytest.raises(NotCancelSafe):
            eval(line, {**globals(), "scenario": scenario})


def test_a_scenario_in_which_nothing_can_be_cancelled_is_refused() -> None:
    async def forgets(sweep: Sweep) -> None:
        await trio.lowlevel.checkpoint()

    async def aims_at_nothing(sweep: Sweep) -> None:
        with sweep.cancelling(trio.CancelScope()):
            pass
        await trio.lowlevel.checkpoint()

    for scenario in (forgets, aims_at_nothing):
        with pytest.raises(ValueError, match="no step at which it could be cancelled"):
            assert_cancel_safe(scenario)
        with pytest.raises(ValueError, match="no step at which it could be cancelled"):
            assert_cancel_safe(scenario, only=Moment(0, "woken", 1))


def test_a_scenario_keeps_its_own_default() -> None:
    given: set[object] = set()

    async def scenario(number: object = 7, *more: object, **other: object) -> None:
        given.update({number, *more, *other})
        await trio.sleep(1)

    assert assert_cancel_safe(scenario, seeds=1).steps
    assert given == {7}


async def test_inside_of_trio_it_says_where_it_is_to_be_called() -> None:
    with pytest.raises(RuntimeError, match="from a plain function"):
        assert_cancel_safe(three_checkpoints)


def test_a_task_of_an_agent_is_cancelled_by_its_own_name() -> None:
    outcomes: set[str] = set()

    async def scenario(sweep: Sweep) -> None:
        async with RealtimeAgent(FakeAgent(Works(1))) as realtime:
            task = realtime.submit("a task")
            with sweep.cancelling(task):
                completed = await task.wait()
            outcomes.add(completed.outcome)
            assert sweep.cancelled or completed.success

    assert_cancel_safe(scenario, seeds=2)
    assert outcomes == {"cancelled", "succeeded"}


def test_an_agent_that_swallows_its_cancel_is_found() -> None:
    async def stubborn(task: str, run: TaskRun) -> str:
        for _ in range(2):
            with trio.move_on_after(5) as scope:
                try:
                    await trio.sleep(1)
                except trio.Cancelled:
                    scope.shield = True
        return "done"

    async def scenario(sweep: Sweep) -> None:
        async with RealtimeAgent(stubborn) as realtime:
            task = realtime.submit("a task")
            with sweep.cancelling(task):
                completed = await task.wait()
            assert completed.outcome == ("cancelled" if sweep.cancelled else "succeeded")

    with pytest.raises(NotCancelSafe):
        assert_cancel_safe(scenario)


def test_a_scenario_that_hangs_is_found_without_waiting() -> None:
    async def scenario(sweep: Sweep) -> None:
        done = trio.Event()
        with trio.CancelScope() as scope, sweep.cancelling(scope):
            await trio.lowlevel.checkpoint()
            done.set()
        await done.wait()

    with pytest.raises(NotCancelSafe, match="not over after 60 s"):
        assert_cancel_safe(scenario, timeout=60)


async def waits_for_a_thread(sweep: Sweep) -> None:
    go_on = threading.Event()
    with trio.CancelScope() as scope, sweep.cancelling(scope):
        await trio.lowlevel.checkpoint()
    threading.Timer(0.01, go_on.set).start()
    with trio.move_on_after(30) as patience:
        await trio.to_thread.run_sync(go_on.wait)
    assert not patience.cancel_called, "it was too slow"


def test_what_the_kernel_or_a_thread_does_is_waited_for_on_the_real_clock() -> None:
    with pytest.raises(NotCancelSafe, match=r"(?s)it was too slow.*give real_clock=True"):
        assert_cancel_safe(waits_for_a_thread)
    assert assert_cancel_safe(waits_for_a_thread, seeds=2, real_clock=True).runs > 4


def test_a_failure_on_the_real_clock_says_how_to_have_it_again() -> None:
    async def scenario(sweep: Sweep) -> None:
        with trio.CancelScope() as scope, sweep.cancelling(scope):
            await trio.lowlevel.checkpoint()
        assert not sweep.cancelled
        await trio.lowlevel.checkpoint()

    with pytest.raises(NotCancelSafe, match=r"much the same run again.*, real_clock=True\)"):
        assert_cancel_safe(scenario, real_clock=True)

    with pytest.raises(NotCancelSafe, match=r"not over after 0\.05 s\n"):
        assert_cancel_safe(trio.sleep_forever, real_clock=True, timeout=0.05, only=LATE)


LATE = Moment(0, "cancelled", 1_000_000)


def test_what_goes_wrong_while_cancelling_is_not_lost() -> None:
    async def scenario(sweep: Sweep) -> None:
        def cancel() -> None:
            raise OSError("no cancel today")

        with sweep.cancelling(cancel):
            await three_checkpoints()

    with pytest.raises(NotCancelSafe, match="no cancel today"):
        assert_cancel_safe(scenario)


def test_a_stride_takes_other_steps_with_each_seed() -> None:
    steps: list[tuple[int, int]] = []

    async def scenario(sweep: Sweep) -> None:
        with trio.CancelScope() as scope, sweep.cancelling(scope):
            for _ in range(10):
                await trio.lowlevel.checkpoint()
        if sweep.cancelled:
            steps.append((sweep.moment.seed, sweep.moment.step))

    assert_cancel_safe(scenario, seeds=3, stride=3, variants=["cancelled"])
    assert sorted(step for _, step in steps) == list(range(1, len(steps) + 1))
    assert {seed for seed, _ in steps} == {0, 1, 2}


def test_nothing_to_run_is_refused() -> None:
    with pytest.raises(ValueError, match="nothing to run"):
        assert_cancel_safe(three_checkpoints, seeds=0)
    with pytest.raises(ValueError, match="stride"):
        assert_cancel_safe(three_checkpoints, stride=0)
