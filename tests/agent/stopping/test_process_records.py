"""What ending a program took is in the receipt, and has a bound whatever the program does."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from typing import Any

import pytest
import trio
import trio.testing

from tests.agent.stage import Stage
from trio_agent_rt.agent import Command, TaskRun, run_process
from trio_agent_rt.protocol import StepOutput, TaskCompleted

from .programs import HEARS_NOTHING, living, sh

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc"),
    pytest.mark.hang_guard(30),
]

DEAF = sh(f"{HEARS_NOTHING} echo $$; sleep 60 & wait; sleep 60")


async def cancelled(stage: Stage, command: Command) -> tuple[int, TaskCompleted]:
    """The session of the program that a step runs, cancelled when it has said it."""
    completed: list[TaskCompleted] = []

    async def agent(task: str, run: TaskRun) -> object:
        async with run.step("a") as step:
            await run_process(step, command)

    async def play() -> None:
        completed.append(await stage.play(agent))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(play)
        session = int((await stage.until(StepOutput)).text)
        stage.cancel()
    return session, completed[0]


async def test_one_that_is_killed_in_time_is_a_clean_end_of_an_interrupted_step() -> None:
    stage = Stage(cleanup_timeout=10)
    session, completed = await cancelled(stage, Command(DEAF, stream=True, grace=0.1))
    assert completed.receipt is not None
    assert completed.receipt.interrupted == ("a",)
    assert completed.receipt.cleanup == "clean"
    assert 100 <= completed.receipt.duration < 5000
    assert not living(session)


async def test_half_of_the_time_for_cleanup_is_kept_for_the_kill() -> None:
    stage = Stage(cleanup_timeout=1)
    session, completed = await cancelled(stage, Command(DEAF, stream=True, grace=60))
    assert completed.receipt is not None
    assert completed.receipt.cleanup == "clean"
    assert 500 <= completed.receipt.duration < 1000
    assert not living(session)


async def test_a_shutdown_that_shortens_the_time_shortens_the_grace() -> None:
    stage = Stage(cleanup_timeout=60)
    completed: list[TaskCompleted] = []

    async def agent(task: str, run: TaskRun) -> object:
        async with run.step("a") as step:
            await run_process(step, Command(DEAF, stream=True, grace=60))

    async def play() -> None:
        completed.append(await stage.play(agent))

    with trio.fail_after(10):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(play)
            session = int((await stage.until(StepOutput)).text)
            stage.cancel()
            await trio.testing.wait_all_tasks_blocked()
            stage.run.cleanup_record.bound(trio.current_time() + 0.5)
    assert not living(session)


async def test_without_any_time_it_is_killed_at_once_and_still_reaped() -> None:
    stage = Stage(cleanup_timeout=0)
    session, completed = await cancelled(stage, Command(DEAF, stream=True, grace=60))
    assert not living(session)
    assert completed.receipt is not None
    assert (completed.receipt.cleanup, completed.receipt.cleanup_detail) == ("timed_out", "a")


async def test_one_that_cannot_be_killed_is_named_and_waited_for_no_longer(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    processes: list[trio.Process] = []
    real_open: Callable[..., Any] = trio.lowlevel.open_process

    async def remembered(*args: Any, **options: Any) -> trio.Process:
        processes.append(await real_open(*args, **options))
        return processes[0]

    with monkeypatch.context() as patch:
        patch.setattr("trio.lowlevel.open_process", remembered)
        patch.setattr("os.killpg", lambda group, number: None)  # as of one in the kernel's hands
        patch.setattr("os.kill", lambda pid, number: None)
        with trio.fail_after(5):
            session, completed = await cancelled(
                Stage(cleanup_timeout=0.2), Command(DEAF, stream=True)
            )
    os.killpg(session, signal.SIGKILL)
    await processes[0].wait()
    lives_on = f"a (process group {session} lives on)"
    assert completed.receipt is not None
    assert completed.receipt.cleanup_detail == f"a, {lives_on}"
    assert f"left behind: {lives_on}" in caplog.text


async def test_a_step_that_times_out_ends_its_program_too() -> None:
    stage = Stage()

    async def agent(task: str, run: TaskRun) -> object:
        async with run.step("a") as step:
            with trio.move_on_after(0.5):
                await run_process(step, Command(DEAF, stream=True, grace=0.1))
            return "went on"

    completed = await stage.play(agent)
    assert completed.output == "went on"
    assert not living(int(stage.all(StepOutput)[0].text))
