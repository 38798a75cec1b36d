"""A thread that polls is waited for; one that does not is left behind, and that is told."""

from __future__ import annotations

import logging
import sys
import threading
from collections.abc import Awaitable, Callable, Generator
from contextlib import ExitStack, contextmanager

import pytest
import trio
import trio.testing

from tests.agent.stage import Stage
from tests.agent.stopping.left_threads import an_end
from trio_agent_rt.agent import TaskRun, check_cancelled, run_abandoned, run_in_thread
from trio_agent_rt.errors import ToolError
from trio_agent_rt.protocol import TaskCompleted

RunIt = Callable[..., Awaitable[object]]


class Deaf:
    """A function that polls nothing, and returns when it is let go."""

    def __init__(self, error: Exception | None = None) -> None:
        self.begun = threading.Event()
        self.go = threading.Event()
        self.error = error

    def __call__(self) -> str:
        self.begun.set()
        assert self.go.wait(20)
        if self.error is not None:
            raise self.error
        return "done"


@contextmanager
def deaf(error: Exception | None = None) -> Generator[Deaf]:
    function = Deaf(error)
    try:
        yield function
    finally:
        function.go.set()


class Polls:
    """A function that polls until it is cancelled, and then does one thing more."""

    def __init__(self, at_the_end: Callable[[], object] = lambda: None) -> None:
        self.begun = threading.Event()
        self.left = False
        self._at_the_end = at_the_end

    def __call__(self) -> None:
        self.begun.set()
        try:
            while True:
                check_cancelled()
        finally:
            self._at_the_end()
            self.left = True


async def begun(function: Deaf | Polls) -> None:
    await trio.to_thread.run_sync(function.begun.wait, 10)


async def cancelled_in(
    stage: Stage,
    run_it: RunIt,
    function: Deaf | Polls,
    afterwards: Callable[[], None] = lambda: None,
) -> TaskCompleted:
    """A step that runs a function in a thread, cancelled when that has begun."""
    completed: list[TaskCompleted] = []

    async def agent(task: str, run: TaskRun) -> object:
        async with run.step("a") as step:
            step.result = await run_it(step, function)
            await trio.lowlevel.checkpoint()
            return step.result

    async def play() -> None:
        completed.append(await stage.play(agent))

    with trio.fail_after(10):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(play)
            await begun(function)
            stage.cancel()
            afterwards()
    return completed[0]


@pytest.mark.parametrize("run_it", [run_in_thread, run_abandoned])
async def test_it_gives_what_the_function_returns_or_raises(run_it: RunIt) -> None:
    async def agent(task: str, run: TaskRun) -> object:
        async with run.step("a") as step:
            assert await run_it(step, divmod, 7, 2) == (3, 1)
            assert await run_it(step, int, "ff", base=16) == 255
            with pytest.raises(ZeroDivisionError):
                await run_it(step, divmod, 7, 0)
            with pytest.raises(SystemExit):
                await run_it(step, sys.exit)
        return "ok"

    assert (await Stage().play(agent)).output == "ok"


# --- thread: it is waited for


async def test_one_that_polls_leaves_and_the_end_waits_for_that() -> None:
    function = Polls()
    completed = await cancelled_in(Stage(), run_in_thread, function)
    assert function.left
    assert completed.receipt is not None
    assert completed.receipt.interrupted == ("a",)
    assert (completed.receipt.cleanup, completed.receipt.cleanup_detail) == ("clean", None)


async def test_what_a_function_raises_on_its_way_out_is_reported() -> None:
    def at_the_end() -> None:
        raise OSError("no disk")

    completed = await cancelled_in(Stage(), run_in_thread, Polls(at_the_end))
    assert completed.receipt is not None
    assert completed.receipt.interrupted == ("a",)
    assert completed.receipt.cleanup == "raised"
    assert completed.receipt.cleanup_detail == "a: OSError: no disk"


async def test_what_one_that_hears_nothing_raises_is_reported_too() -> None:
    with deaf(OSError("no disk")) as function:
        completed = await cancelled_in(Stage(), run_in_thread, function, function.go.set)
    assert completed.receipt is not None
    assert completed.receipt.interrupted == ("a",)
    assert completed.receipt.cleanup_detail == "a: OSError: no disk"


async def test_one_that_comes_to_its_end_all_the_same_has_done_what_it_did() -> None:
    gave: list[object] = []
    with deaf() as function, trio.CancelScope() as scope:
        async with trio.open_nursery() as nursery:

            async def tool() -> None:
                gave.append(await run_in_thread(Quiet(), function))
                await trio.lowlevel.checkpoint()
                gave.append("not reached")

            nursery.start_soon(tool)
            await begun(function)
            scope.cancel()
            function.go.set()
    assert gave == ["done"]
    assert scope.cancelled_caught


async def test_one_that_does_not_poll_is_left_behind_at_the_deadline_and_named(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with deaf() as function:
        completed = await cancelled_in(Stage(cleanup_timeout=0.1), run_in_thread, function)
    assert completed.receipt is not None
    assert 100 <= completed.receipt.duration < 5000
    assert completed.receipt.interrupted == ("a",)
    assert completed.receipt.cleanup == "timed_out"
    assert completed.receipt.cleanup_detail == "a (its thread was left behind)"
    assert "left behind: a (its thread was left behind)" in caplog.text


async def test_a_cancel_before_the_thread_has_a_place_waits_for_nothing() -> None:
    stage = Stage(cleanup_timeout=20)

    async def agent(task: str, run: TaskRun) -> object:
        async with run.step("a") as step:
            await run_in_thread(step, ran.append, "never")
        return "never"

    async def play() -> None:
        completed.append(await stage.play(agent))

    ran: list[str] = []
    completed: list[TaskCompleted] = []
    limiter = trio.to_thread.current_default_thread_limiter()
    limiter.total_tokens = 1
    try:
        with deaf() as function, trio.fail_after(5):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(run_in_thread, Quiet(), function)
                await begun(function)
                async with trio.open_nursery() as playing:
                    playing.start_soon(play)
                    await trio.testing.wait_all_tasks_blocked(0.01)
                    stage.cancel()
                assert not function.go.is_set()
                function.go.set()
    finally:
        limiter.total_tokens = 40
    assert ran == []
    assert stage.error is None
    assert completed[0].receipt is not None
    assert completed[0].receipt.interrupted == ("a",)
    assert (completed[0].receipt.cleanup, completed[0].receipt.cleanup_detail) == ("clean", None)


async def test_threads_that_are_stuck_hold_up_only_their_kind() -> None:
    limiter = trio.to_thread.current_default_thread_limiter()
    limiter.total_tokens = 1
    try:
        with deaf() as function, trio.fail_after(5):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(run_abandoned, Quiet(), function)
                await trio.testing.wait_all_tasks_blocked(0.01)
                assert await run_in_thread(Quiet(), len, "abc") == 3
                assert await trio.to_thread.run_sync(len, "abc") == 3
                nursery.cancel_scope.cancel()
    finally:
        limiter.total_tokens = 40


@pytest.mark.parametrize("run_it", [run_in_thread, run_abandoned])
async def test_threads_that_were_left_behind_hold_up_nobody_up_to_a_bound_that_is_told(
    run_it: RunIt,
) -> None:
    limiter = trio.to_thread.current_default_thread_limiter()
    limiter.total_tokens = 1
    try:
        with an_end() as ended, trio.fail_after(5):
            with ExitStack() as stack:
                for _ in range(4):
                    assert await run_it(Quiet(), len, "abc") == 3
                    function = stack.enter_context(deaf())
                    await cancelled_in(Stage(cleanup_timeout=0), run_it, function)
                with pytest.raises(ToolError, match=r"4 were left behind .* \(a\)"):
                    await run_it(Quiet(), len, "abc")
            await ended.wait()
            assert await run_it(Quiet(), len, "abc") == 3
    finally:
        limiter.total_tokens = 40


def test_polling_outside_of_a_thread_is_refused() -> None:
    with pytest.raises(RuntimeError, match="this thread wasn't created by Trio"):
        check_cancelled()


# --- abandon: it is not


async def test_one_that_is_abandoned_goes_on_and_the_receipt_says_so(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with deaf() as function:
        completed = await cancelled_in(Stage(cleanup_timeout=60), run_abandoned, function)
    assert completed.receipt is not None
    assert completed.receipt.interrupted == ("a",)
    assert completed.receipt.cleanup == "timed_out"
    assert completed.receipt.cleanup_detail == "a (its thread was left behind)"
    assert "left behind: a (its thread was left behind)" in caplog.text


@pytest.mark.parametrize(("ends", "cleanup"), [(False, "timed_out"), (True, "clean")])
async def test_one_that_was_left_by_a_time_out_is_told_of_by_a_later_receipt(
    ends: bool, cleanup: str
) -> None:
    stage = Stage()

    async def agent(task: str, run: TaskRun) -> object:
        async with run.step("a") as step:
            with trio.move_on_after(0.05):
                await run_abandoned(step, function)
        if ends:
            function.go.set()
            await ended.wait()
        stage.cancel()
        await trio.lowlevel.checkpoint()

    with deaf() as function, an_end() as ended, trio.fail_after(5):
        completed = await stage.play(agent)
    assert completed.receipt is not None
    assert completed.receipt.cleanup == cleanup


@pytest.mark.parametrize(
    ("error", "level"), [(None, logging.INFO), (OSError("no disk"), logging.ERROR)]
)
async def test_how_one_that_was_left_behind_ended_is_in_the_log(
    caplog: pytest.LogCaptureFixture, error: Exception | None, level: int
) -> None:
    caplog.set_level(logging.INFO)
    with an_end() as ended, trio.fail_after(5):
        with deaf(error) as function:
            await cancelled_in(Stage(), run_abandoned, function)
        await ended.wait()
    assert caplog.records[-1].levelno == level
    assert ("no disk" in caplog.text) == (error is not None)


class Quiet:
    """A `ToolCall` that nobody listens to."""

    def progress(self, percent: float, message: str = "") -> None: ...

    def output(self, text: str) -> None: ...
