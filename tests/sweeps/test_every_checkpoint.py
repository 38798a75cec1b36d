"""Each scenario, cancelled at its checkpoints: in both variants, in several orders."""

from __future__ import annotations

import sys

import pytest

from tests.sweeps import in_process, over_network, with_programs
from tests.sweeps.crowd import Job, how_many, run_all
from trio_agent_rt.testing import assert_cancel_safe

SEEDS = how_many(some=2, most=10, everything=10)

SCENARIOS = {each.__name__: each for each in (*in_process.SCENARIOS, *over_network.SCENARIOS)}


def stride_of(name: str) -> int:
    """Over a network there are hundreds of checkpoints; each seed then takes other ones."""
    strides = {
        "sse": how_many(some=48, most=24, everything=1),
        "websocket": how_many(some=20, most=10, everything=1),
    }
    return strides.get(name.rpartition("_over_")[2], 1)


def sweep(name: str) -> int:
    return assert_cancel_safe(SCENARIOS[name], seeds=SEEDS, stride=stride_of(name), name=name).runs


@pytest.mark.timeout(1800)
def test_every_scenario_gets_over_a_cancel_at_every_checkpoint() -> None:
    slow_first = sorted(SCENARIOS, key=lambda name: name.rpartition("_over_")[2] != "sse")
    runs = run_all(f"{len(SCENARIOS)} scenarios", [(sweep, (name,)) for name in slow_first])
    assert len(SCENARIOS) >= 20
    assert runs > how_many(some=1_000, most=10_000, everything=50_000)


def sweep_on_the_real_clock(number: int) -> int:
    scenario = with_programs.SCENARIOS[number]
    # Each seed takes other steps: with ten of them, each is cancelled once at least.
    stride = how_many(some=30, most=9, everything=1)
    return assert_cancel_safe(
        scenario, seeds=SEEDS, stride=stride, real_clock=True, timeout=120
    ).runs


@pytest.mark.timeout(1800)
@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_no_program_and_no_thread_outlives_a_cancel_at_any_checkpoint() -> None:
    numbers = range(len(with_programs.SCENARIOS))
    jobs: list[Job] = [(sweep_on_the_real_clock, (number,)) for number in numbers]
    runs = run_all(f"{len(jobs)} scenarios on the real clock", jobs, processes=len(jobs))
    assert runs > how_many(some=20, most=300, everything=3_000)
