"""Scenarios with real programs and threads, on the real clock: each run takes its time."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Awaitable, Callable

import trio

from tests.sweeps.stage import staged
from trio_agent_rt import TaskRun
from trio_agent_rt.agent import Command, check_cancelled, run_in_thread, run_process
from trio_agent_rt.errors import ShuttingDown
from trio_agent_rt.testing import Sweep

__all__ = ["SCENARIOS"]

GRACE = 0.02

ENDS_WELL = Command(["sh", "-c", "echo well"], grace=GRACE)

DEAF = "trap '' TERM INT HUP; sleep 60 & (sleep 60 & wait) & echo begun; "
"""For a shell that only SIGKILL ends, with a child and a grandchild that inherit that."""

LIVES_ON = Command(["sh", "-c", f"{DEAF} sleep 0.06"], grace=GRACE, stream=True)
"""What it leaves in the background is ended when it has come to its own end."""


async def _runs_programs(task: str, run: TaskRun) -> str:
    async with run.step("ends well") as step:
        said = (await run_process(step, ENDS_WELL)).stdout
    if task == "a task":
        async with run.step("lives on") as step:
            await run_process(step, LIVES_ON)
    return said.strip()


async def _runs_both_at_once(task: str, run: TaskRun) -> str:
    async def one(name: str, command: Command) -> None:
        async with run.step(name) as step:
            await run_process(step, command)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(one, "ends well", ENDS_WELL)
        nursery.start_soon(one, "lives on", LIVES_ON)
    return "well"


async def a_step_runs_programs(sweep: Sweep) -> None:
    async with staged(_runs_programs) as stage:
        task = stage.realtime.submit("a task")
        with sweep.cancelling(task):
            completed = await task.wait()
        assert sweep.cancelled or completed.output == "well"
        if completed.receipt is not None:
            assert completed.receipt.cleanup == "clean"
        await stage.serve_the_next()


async def programs_run_side_by_side(sweep: Sweep) -> None:
    async with staged(_runs_both_at_once) as stage:
        task = stage.realtime.submit("a task")
        with sweep.cancelling(task):
            completed = await task.wait()
        assert sweep.cancelled or completed.output == "well"


async def programs_are_cancelled_from_outside() -> None:
    async with staged(_runs_programs) as stage:
        with contextlib.suppress(ShuttingDown):
            await stage.realtime.submit("a task").wait()
        await trio.lowlevel.checkpoint()


async def a_step_polls_in_a_thread(sweep: Sweep) -> None:
    running: list[str] = []
    ended: list[str] = []
    late: list[str] = []

    def poll(name: str) -> str:
        running.append(name)
        try:
            for _ in range(10):
                check_cancelled()
                time.sleep(0.001)  # in a thread
        finally:
            time.sleep(0.005)
            running.remove(name)
            late.extend({name} & {*ended})
        return "polled"

    async def agent(task: str, run: TaskRun) -> str:
        async with run.step("poll") as step:
            return await run_in_thread(step, poll, task)

    async with staged(agent) as stage:
        task = stage.realtime.submit("a task")
        with sweep.cancelling(task):
            completed = await task.wait()
        ended.append("a task")
        assert sweep.cancelled or completed.output == "polled"
        if completed.receipt is not None:
            assert completed.receipt.cleanup == "clean"
        await stage.serve_the_next()  # which takes as long as one that was left behind
    assert not running + late, f"ended, but its thread has not: {running + late}"


SCENARIOS: list[Callable[..., Awaitable[None]]] = [
    a_step_runs_programs,
    programs_run_side_by_side,
    programs_are_cancelled_from_outside,
    a_step_polls_in_a_thread,
]
