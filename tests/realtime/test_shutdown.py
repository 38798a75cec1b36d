"""The end of a server: in order, bounded, and the same however it comes about."""

# pyright: reportPossiblyUnboundVariable=false
# A cancel scope may end a block early; these blocks are run through.

from __future__ import annotations

from typing import Any

import pytest
import trio
import trio.testing

from tests.realtime.viewing import quick, stepping, viewer
from trio_agent_rt.agent import TaskRun
from trio_agent_rt.errors import ShuttingDown
from trio_agent_rt.protocol import (
    CommandFailed,
    Event,
    StepFailed,
    StepStarted,
    SubmitTask,
    TaskCompleted,
)
from trio_agent_rt.realtime import RealtimeAgent, RunningTask


async def finishing(task: str, run: TaskRun) -> object:
    async with run.step("work"):
        await trio.sleep(float(task))
    return "finished"


async def test_leaving_the_block_cancels_what_runs_and_waits_for_its_end() -> None:
    async with RealtimeAgent(stepping) as realtime:
        running = realtime.submit("hang")
        await trio.testing.wait_all_tasks_blocked()
    assert realtime.phase == "closed"
    assert running.completed is not None
    assert running.completed.receipt is not None
    assert running.completed.receipt.reason == "the server is shutting down"


async def test_running_tasks_are_given_the_drain_time_and_no_more(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with RealtimeAgent(finishing, drain_timeout=10) as realtime:
        short, long = realtime.submit("5"), realtime.submit("60")
        await trio.testing.wait_all_tasks_blocked()
        start = trio.current_time()
        await realtime.shut_down()
        assert trio.current_time() - start == pytest.approx(10)
        assert (await short.wait()).outcome == "succeeded"
        assert (await long.wait()).outcome == "cancelled"


async def test_the_drain_ends_with_the_last_task(autojump_clock: trio.testing.MockClock) -> None:
    async with RealtimeAgent(finishing, drain_timeout=1000) as realtime:
        realtime.submit("5")
        await trio.testing.wait_all_tasks_blocked()
        start = trio.current_time()
    assert trio.current_time() - start == pytest.approx(5)


async def test_a_second_request_can_shorten_the_drain_but_not_lengthen_it(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with RealtimeAgent(finishing, drain_timeout=100) as realtime:
        running = realtime.submit("1000")
        await trio.testing.wait_all_tasks_blocked()
        start = trio.current_time()
        realtime.begin_shutdown(50)
        realtime.begin_shutdown(500)
        await trio.sleep(10)
        assert realtime.phase == "draining"
        realtime.begin_shutdown(0)
        assert (await running.wait()).outcome == "cancelled"
        assert trio.current_time() - start == pytest.approx(10)


async def test_the_phases_can_be_seen(autojump_clock: trio.testing.MockClock) -> None:
    phases: list[str] = []

    async def agent(task: str, run: TaskRun) -> object:
        try:
            await trio.sleep_forever()
        finally:
            async with run.cleanup():
                phases.append(realtime.phase)
                await trio.sleep(1)

    realtime = RealtimeAgent(agent, drain_timeout=5)
    phases.append(realtime.phase)
    async with realtime:
        phases.append(realtime.phase)
        realtime.submit("x")
        await trio.testing.wait_all_tasks_blocked()
        realtime.begin_shutdown()
        await realtime.wait_draining()
        phases.append(realtime.phase)
        await realtime.wait_tasks_ended()
    phases.append(realtime.phase)
    assert phases == ["closed", "serving", "draining", "cancelling", "closed"]


async def test_while_draining_new_work_is_refused_and_viewers_are_told(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with RealtimeAgent(finishing, drain_timeout=10) as realtime, viewer(realtime) as me:
        me.send(SubmitTask(task="5"))
        await me.until(StepStarted)
        realtime.begin_shutdown()
        assert (await me.until(CommandFailed)).code == "shutting_down"
        answer = await me.answer(SubmitTask(task="1", request_id="r"))
        assert isinstance(answer, CommandFailed)
        assert answer.code == "shutting_down"
        with pytest.raises(ShuttingDown):
            realtime.submit("1")
        async with viewer(realtime, session=me.connection.session_id) as late:
            await late.until(TaskCompleted)
        assert (await me.until(TaskCompleted)).success


async def test_every_terminal_message_is_queued_for_every_viewer_before_tasks_ended() -> None:
    async with RealtimeAgent(stepping) as realtime, viewer(realtime) as me:
        me.send(SubmitTask(task="hang"))
        await me.until(StepStarted)
        await realtime.shut_down()
        assert (await me.until(StepFailed)).error == "cancelled"
        assert (await me.until(TaskCompleted)).outcome == "cancelled"


async def test_queued_tasks_get_their_terminal_message_too() -> None:
    async with RealtimeAgent(stepping, busy="queue") as realtime, viewer(realtime) as me:
        for task_id in ("a", "b", "c"):
            await me.answer(SubmitTask(task="hang", task_id=task_id, request_id=task_id))
        await me.until(StepStarted)
        await realtime.shut_down()
        ended = {(await me.until(TaskCompleted)).task_id for _ in range(3)}
        assert ended == {"a", "b", "c"}
        assert len([each for each in me.events if isinstance(each, StepStarted)]) == 1


async def test_an_outer_cancel_has_the_same_order() -> None:
    told: list[Event] = []
    cleaned = False

    async def agent(task: str, run: TaskRun) -> object:
        nonlocal cleaned
        try:
            async with run.step("work"):
                await trio.sleep_forever()
        finally:
            async with run.cleanup():
                for _ in range(10):
                    await trio.lowlevel.checkpoint()
                cleaned = True

    with trio.CancelScope() as outer:
        async with RealtimeAgent(agent) as realtime, viewer(realtime) as me:
            me.send(SubmitTask(task="x"))
            await me.until(StepStarted)
            outer.cancel()
            with trio.CancelScope(shield=True):
                await realtime.wait_tasks_ended()
                told += await me.rest()
            await trio.sleep_forever()
    assert outer.cancelled_caught
    assert cleaned
    assert isinstance(told[-1], TaskCompleted)
    assert realtime.phase == "closed"


async def test_a_cleanup_is_cut_off_at_the_bound_of_the_shutdown(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async def agent(task: str, run: TaskRun) -> object:
        async with run.step("greedy"):
            try:
                await trio.sleep_forever()
            finally:
                async with run.cleanup(timeout=10_000):
                    await trio.sleep(10_000)

    with trio.CancelScope() as outer:
        async with RealtimeAgent(agent, cleanup_timeout=5, drain_timeout=3) as realtime:
            running = realtime.submit("x")
            await trio.testing.wait_all_tasks_blocked()
            start = trio.current_time()
            outer.cancel()
            await trio.sleep_forever()
    assert trio.current_time() - start == pytest.approx(8)
    assert running.completed is not None
    assert running.completed.receipt is not None
    assert running.completed.receipt.cleanup == "timed_out"
    assert running.completed.receipt.cleanup_detail == "greedy"


async def test_a_cancel_begun_before_the_shutdown_keeps_its_bound(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async def agent(task: str, run: TaskRun) -> object:
        try:
            await trio.sleep_forever()
        finally:
            async with run.cleanup(timeout=10_000):
                await trio.sleep(10_000)

    async with RealtimeAgent(agent, cleanup_timeout=5) as realtime:
        running = realtime.submit("x")
        await trio.testing.wait_all_tasks_blocked()
        running.request_cancel("first")
        await trio.sleep(100)
        start = trio.current_time()
        await realtime.shut_down()
        assert trio.current_time() - start == pytest.approx(5)
        assert running.completed is not None
        assert running.completed.receipt is not None
        assert running.completed.receipt.reason == "first"


class Boom(Exception):
    pass


async def test_the_users_own_exception_comes_out_as_it_is() -> None:
    running: RunningTask | None = None
    with pytest.raises(Boom) as caught:
        async with RealtimeAgent(stepping) as realtime:
            running = realtime.submit("hang")
            await trio.testing.wait_all_tasks_blocked()
            raise Boom("mine")
    assert str(caught.value) == "mine"
    assert running is not None
    assert running.completed is not None


async def test_the_users_own_exception_comes_out_as_it_is_under_a_cancel_too() -> None:
    with trio.CancelScope() as outer:
        with pytest.raises(Boom) as caught:
            async with RealtimeAgent(stepping) as realtime:
                realtime.submit("hang")
                await trio.testing.wait_all_tasks_blocked()
                outer.cancel()
                raise Boom("mine")
        assert str(caught.value) == "mine"
        assert not isinstance(caught.value, BaseExceptionGroup)


@pytest.mark.parametrize("cancelled", [False, True])
async def test_a_group_of_the_users_own_nursery_stays_a_group(cancelled: bool) -> None:
    async def fail() -> None:
        raise Boom("mine")

    with trio.CancelScope() as outer:
        with pytest.RaisesGroup(Boom):
            async with RealtimeAgent(stepping) as realtime, trio.open_nursery() as nursery:
                realtime.submit("hang")
                await trio.testing.wait_all_tasks_blocked()
                if cancelled:
                    outer.cancel()
                nursery.start_soon(fail)


async def test_opening_it_under_a_cancel_ends_in_good_order() -> None:
    for after in range(6):
        realtime = RealtimeAgent(stepping)
        with trio.CancelScope() as outer:
            async with trio.open_nursery() as nursery:

                async def cancel_soon(checkpoints: int, scope: trio.CancelScope) -> None:
                    for _ in range(checkpoints):
                        await trio.lowlevel.cancel_shielded_checkpoint()
                    scope.cancel()

                nursery.start_soon(cancel_soon, after, outer)
                if not after:
                    outer.cancel()
                async with realtime:
                    realtime.submit("x")  # a block that is run is given what takes work
                    await trio.sleep_forever()
        assert outer.cancelled_caught
        assert realtime.phase == "closed"


async def test_no_trio_task_outlives_the_block() -> None:
    before = trio.lowlevel.current_statistics().tasks_living
    async with RealtimeAgent(stepping, busy="parallel") as realtime:
        async with viewer(realtime) as me:
            for _ in range(5):
                me.send(SubmitTask(task="hang"))
                await me.until(StepStarted)
        running = realtime.submit("x")
        async for _ in running:
            pass
        await running.wait()
    assert trio.lowlevel.current_statistics().tasks_living == before


async def test_it_opens_once_and_works_only_while_it_is_open() -> None:
    realtime = RealtimeAgent(quick)
    with pytest.raises(ShuttingDown):
        realtime.submit("x")
    async with realtime:
        assert await realtime.submit("x").result() == "done: x"
    with pytest.raises(ShuttingDown):
        realtime.submit("x")
    with pytest.raises(ShuttingDown):
        async with viewer(realtime):
            pass
    with pytest.raises(RuntimeError, match="once"):
        async with realtime:
            pass


async def test_a_viewer_that_leaves_after_the_end_harms_nobody() -> None:
    realtime = RealtimeAgent(quick, linger=30)
    await realtime.__aenter__()
    async with viewer(realtime) as me:
        me.send(SubmitTask(task="x"))
        await me.until(TaskCompleted)
        await realtime.__aexit__(None, None, None)


@pytest.mark.parametrize(
    "option",
    [
        "buffer_size",
        "broadcast_interval",
        "linger",
        "max_queued",
        "cleanup_timeout",
        "drain_timeout",
    ],
)
def test_a_senseless_option_is_refused_at_once(option: str) -> None:
    with pytest.raises(ValueError, match=f"{option} must be"):
        RealtimeAgent(quick, **{option: -1})  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize("agent", [None, 5, "agent"])
def test_what_is_no_agent_is_refused_at_once(agent: Any) -> None:
    with pytest.raises(TypeError, match="async function"):
        RealtimeAgent(agent)


def test_a_buffer_counts_whole_events() -> None:
    with pytest.raises(TypeError, match="buffer_size"):
        RealtimeAgent(quick, buffer_size=1.5)  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize("task", [None, 5, ""])
async def test_a_task_that_says_nothing_is_refused(task: Any) -> None:
    async with RealtimeAgent(quick) as realtime:
        with pytest.raises(ValueError, match="task must be a text"):
            realtime.submit(task)
        with pytest.raises(ValueError, match="cannot be broadcast"):
            realtime.broadcast(task)
