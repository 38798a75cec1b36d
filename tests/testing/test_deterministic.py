"""The same seed gives the same run, here and in another process."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from pathlib import Path

import pytest
import trio

from trio_agent_rt import RealtimeAgent
from trio_agent_rt.testing import (
    FakeAgent,
    MemoryNetwork,
    TrioHasChanged,
    Works,
    deterministic,
    run_deterministic,
)

REPOSITORY = Path(__file__).parents[2]


class Trace(trio.abc.Instrument):
    def __init__(self) -> None:
        self.names: list[str] = []

    def before_task_step(self, task: trio.lowlevel.Task) -> None:
        self.names.append(task.name.rpartition(".")[2])


async def conversation() -> None:
    network = MemoryNetwork()
    async with RealtimeAgent(FakeAgent((Works(1), Works(1)))) as realtime:
        async with trio.open_nursery() as nursery:
            await nursery.start(network.serve_websocket, realtime)
            async with network.open_websocket_client() as client:
                await (await client.submit("a task", task_id="mine")).wait()
            nursery.cancel_scope.cancel()


def trace(seed: int) -> str:
    seen = Trace()
    run_deterministic(conversation, seed=seed, instruments=[seen])
    return " ".join(seen.names)


def test_trio_can_still_be_made_to_schedule_repeatably() -> None:
    """If this fails, Trio has changed: `trio_agent_rt.testing.deterministic` says what to do."""
    run_loop, generator = deterministic._parts_of_trio()
    assert isinstance(run_loop._ALLOW_DETERMINISTIC_SCHEDULING, bool)
    assert isinstance(generator, random.Random)


def test_a_trio_without_the_switch_is_told_of(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deterministic, "_SWITCH", "_GONE")
    with pytest.raises(TrioHasChanged, match="_GONE"):
        run_deterministic(trio.sleep, 0, seed=0)


def test_a_seed_decides_the_order_and_other_seeds_give_others() -> None:
    traces = [trace(seed) for seed in range(10)]
    assert traces == [trace(seed) for seed in range(10)]
    assert len(set(traces)) == 10


def test_another_process_has_the_same_run() -> None:
    code = "from tests.testing.test_deterministic import trace; print(trace(7))"
    printed = {
        subprocess.run(
            [sys.executable, "-c", code],
            cwd=REPOSITORY,
            env={**os.environ, "PYTHONHASHSEED": salt},
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()
        for salt in ("1", "2")
    }
    assert printed == {trace(7)}


def test_random_numbers_are_seeded_and_left_as_they_were() -> None:
    async def draw() -> float:
        await trio.lowlevel.checkpoint()
        return random.random()

    before = random.getstate()
    assert run_deterministic(draw, seed=1) == run_deterministic(draw, seed=1)
    assert run_deterministic(draw, seed=1) != run_deterministic(draw, seed=2)
    assert random.getstate() == before


async def draw_over_sse() -> float:
    network = MemoryNetwork()
    async with RealtimeAgent(FakeAgent()) as realtime, trio.open_nursery() as nursery:
        await nursery.start(network.serve_sse, realtime)
        async with network.open_sse_client() as client:
            await client.tools()
        nursery.cancel_scope.cancel()
    return random.random()


def test_the_first_run_over_sse_which_imports_much_draws_the_same_numbers_as_the_next() -> None:
    code = (
        "from tests.testing.test_deterministic import draw_over_sse, run_deterministic\n"
        "print(*[run_deterministic(draw_over_sse, seed=1) for _ in range(2)])"
    )
    printed = subprocess.run(
        [sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=True
    )
    first, second = printed.stdout.split()
    assert first == second


def test_time_is_not_waited_for() -> None:
    run_deterministic(trio.sleep, 1e6, seed=0)
