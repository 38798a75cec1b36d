"""What a sweep looks at by itself: how a task takes its cancel, and what it leaves as garbage."""

from __future__ import annotations

import contextlib
import gc
import socket
import time
import warnings
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import cast

import pytest
import trio

from trio_agent_rt import RealtimeAgent, TaskRun
from trio_agent_rt.agent import check_cancelled, run_in_thread
from trio_agent_rt.protocol import ConfirmationRequested
from trio_agent_rt.testing import NotCancelSafe, Sweep, SweepResult, assert_cancel_safe

Agent = Callable[[str, TaskRun], Awaitable[object]]


def swept(agent: Agent, *, clean: bool = True, real_clock: bool = False) -> SweepResult:
    async def scenario(sweep: Sweep) -> None:
        async with RealtimeAgent(agent, cleanup_timeout=2) as realtime:
            task = realtime.submit("a task")
            with sweep.cancelling(task, clean=clean):
                async for event in task:
                    if isinstance(event, ConfirmationRequested):
                        task.confirm(event.step_id)
            await realtime.submit("another").cancel()

    return assert_cancel_safe(scenario, seeds=2, real_clock=real_clock)


async def swallows(task: str, run: TaskRun) -> str:
    async with run.step("a"):
        with contextlib.suppress(BaseException):
            await trio.sleep(1)
    return "done"


async def swallows_and_tries_again(task: str, run: TaskRun) -> str:
    async with run.step("a"):
        for _ in range(3):
            try:
                await trio.sleep(1)
                break
            except BaseException:
                continue
    return "done"


async def swallows_in_a_nursery(task: str, run: TaskRun) -> str:
    async def work() -> None:
        with contextlib.suppress(BaseException):
            await trio.sleep(1)

    async with run.step("a"):
        with contextlib.suppress(BaseException):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(work)
                nursery.start_soon(work)
    return "done"


@pytest.mark.parametrize("agent", [swallows, swallows_and_tries_again, swallows_in_a_nursery])
def test_a_task_that_swallows_its_cancel_is_found(agent: Agent) -> None:
    for clean in (True, False):
        with pytest.raises(NotCancelSafe, match="has swallowed its cancel"):
            swept(agent, clean=clean)


async def shields_itself(task: str, run: TaskRun) -> None:
    async with run.step("a"):
        with trio.CancelScope(shield=True):
            await trio.sleep(120)


def test_a_task_that_takes_too_long_to_end_is_found_unless_that_is_meant() -> None:
    with pytest.raises(NotCancelSafe, match=r"ended 120 s after its cancel; it has 3 s|timed_out"):
        swept(shields_itself)
    assert swept(shields_itself, clean=False).runs > 10


async def overruns(task: str, run: TaskRun) -> None:
    async with run.step("a"):
        try:
            await trio.sleep(1)
        finally:
            async with run.cleanup():
                await trio.sleep(1000)


async def breaks(task: str, run: TaskRun) -> None:
    async with run.step("a"):
        try:
            await trio.sleep(1)
        except trio.Cancelled:
            raise OSError("torn") from None


@pytest.mark.parametrize(("agent", "told"), [(overruns, r"timed_out \(a\)"), (breaks, "raised")])
def test_a_receipt_that_is_not_clean_is_found_unless_that_is_meant(agent: Agent, told: str) -> None:
    with pytest.raises(NotCancelSafe, match=f"receipt says of the cleanup: {told}"):
        swept(agent)
    assert swept(agent, clean=False).runs > 10


def test_a_task_that_was_cancelled_and_has_not_ended_is_found() -> None:
    async def scenario(sweep: Sweep) -> None:
        async with RealtimeAgent(shields_itself) as realtime:
            task = realtime.submit("a task")
            with sweep.cancelling(task):
                await trio.sleep(1)
            if sweep.cancelled:
                sweep.check()

    with pytest.raises(NotCancelSafe, match="was cancelled, and has not ended"):
        assert_cancel_safe(scenario)


def test_a_task_that_speaks_after_its_terminal_message_is_found() -> None:
    async def scenario(sweep: Sweep) -> None:
        runs: list[TaskRun] = []

        async def agent(task: str, run: TaskRun) -> None:
            runs.append(run)
            await trio.sleep(1)

        async with RealtimeAgent(agent) as realtime:
            task = realtime.submit("a task")
            with sweep.cancelling(task):
                await task.wait()
            for run in runs:
                run.set_state("executing", "still here")

    with pytest.raises(NotCancelSafe, match="after its terminal message, and said: StatusChanged"):
        assert_cancel_safe(scenario)


kept: list[object] = []


def forgets_a_socket() -> None:
    kept.append(socket.socketpair())
    kept.clear()


def forgets_a_socket_in_a_cycle() -> None:
    cycle: list[object] = [socket.socketpair()]
    cycle.append(cycle)


NOBODY = cast("TaskRun", None)


def forgets_to_await() -> None:
    _ = overruns("a task", NOBODY)


class Breaks:
    def __del__(self) -> None:
        raise OSError("in a finaliser")


@pytest.mark.parametrize(
    ("act", "told"),
    [
        (forgets_a_socket, "ResourceWarning: unclosed <socket"),
        (forgets_a_socket_in_a_cycle, "ResourceWarning: unclosed <socket"),
        (forgets_to_await, "coroutine 'overruns' was never awaited"),
        (Breaks, "OSError.'in a finaliser'. in"),
    ],
)
@pytest.mark.parametrize("by_somebody", [False, True])
def test_what_is_left_to_the_garbage_collector_is_found(
    act: Callable[[], object], told: str, *, by_somebody: bool
) -> None:
    async def scenario() -> None:
        with trio.CancelScope(shield=True):
            await trio.lowlevel.checkpoint()
        try:
            await trio.sleep(1)
        except trio.Cancelled:
            act()
            raise

    if by_somebody:
        gc.freeze()
    else:
        gc.unfreeze()
    try:
        with pytest.raises(NotCancelSafe, match=f"to the garbage collector: .*{told}"):
            assert_cancel_safe(scenario)
        assert (gc.get_freeze_count() > 0) == by_somebody
    finally:
        gc.freeze()  # as all tests have it


def test_an_async_generator_that_is_not_closed_is_found() -> None:
    async def numbers() -> AsyncGenerator[int]:
        try:
            yield 1
        finally:
            with trio.CancelScope(shield=True):
                await trio.sleep(1)

    async def scenario() -> None:
        async for _ in numbers():
            await trio.sleep(1)

    with pytest.raises(NotCancelSafe, match=r"Async generator .*numbers.* was garbage collected"):
        assert_cancel_safe(scenario)


def test_other_warnings_go_where_they_went_before() -> None:
    async def scenario() -> None:
        await trio.sleep(1)
        warnings.warn("mine", DeprecationWarning, stacklevel=1)

    with pytest.warns(DeprecationWarning, match="mine"):
        assert_cancel_safe(scenario, seeds=1)


async def runs_steps_at_once(task: str, run: TaskRun) -> None:
    async def one(name: str) -> None:
        async with run.step(name) as step:
            for turn in range(3):
                step.progress(30 * turn)
                await trio.sleep(0.3)

    async with trio.open_nursery() as nursery:
        for name in "abc":
            nursery.start_soon(one, name)


async def asks(task: str, run: TaskRun) -> None:
    async with run.step("a") as step:
        await step.confirm("May it go on?")
        try:
            await trio.sleep(1)
        finally:
            async with run.cleanup():
                await trio.sleep(1.5)
            async with run.cleanup():
                await trio.sleep(0.4)


async def closes_its_generator(task: str, run: TaskRun) -> None:
    async def numbers() -> AsyncGenerator[int]:
        try:
            for number in range(3):
                yield number
        finally:
            async with run.cleanup():
                await trio.sleep(1)

    async with run.step("g"), contextlib.aclosing(numbers()) as each:
        async for _ in each:
            await trio.sleep(1)


async def has_sockets(task: str, run: TaskRun) -> None:
    async with run.step("a"):
        one, two = trio.socket.socketpair()
        with one, two:
            await trio.sleep(1)


async def has_something_in_the_background(task: str, run: TaskRun) -> None:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(trio.sleep_forever)
        async with run.step("a"):
            await trio.sleep(1)
        nursery.cancel_scope.cancel()


async def gives_up_on_one_part(task: str, run: TaskRun) -> None:
    async with run.step("a"):
        with trio.move_on_after(1):
            await trio.sleep(5)
        async with run.cleanup():
            await trio.sleep(1)


async def asks_for_more_time(task: str, run: TaskRun) -> None:
    async with run.step("a"):
        try:
            await trio.sleep(1)
        finally:
            async with run.cleanup(timeout=30):
                await trio.sleep(20)


async def waits_for_a_shielded_end(task: str, run: TaskRun) -> None:
    """The cleanup at its good end overruns; the cancel has not reached it."""
    async with run.step("a"):
        with trio.CancelScope(shield=True):
            with trio.move_on_after(0.5):
                await trio.sleep(1)


GOOD = [
    runs_steps_at_once,
    asks,
    closes_its_generator,
    has_sockets,
    has_something_in_the_background,
    gives_up_on_one_part,
    asks_for_more_time,
    waits_for_a_shielded_end,
]


@pytest.mark.parametrize("agent", GOOD)
def test_an_agent_that_behaves_is_not_accused(agent: Agent) -> None:
    assert swept(agent).runs > 10


def test_a_thread_that_polls_is_not_accused_on_the_real_clock() -> None:
    def poll() -> None:
        for _ in range(10):
            check_cancelled()
            time.sleep(0.001)

    async def agent(task: str, run: TaskRun) -> None:
        async with run.step("t") as step:
            await run_in_thread(step, poll)

    assert swept(agent, real_clock=True).runs > 10
