"""Each scenario, cancelled at its checkpoints: in both variants, in ten orders."""

from __future__ import annotations

import pytest

from tests.sweeps import in_process, over_network
from tests.sweeps.crowd import FULL, run_all
from trio_agent_rt.testing import assert_cancel_safe

SEEDS = 10

SCENARIOS = {each.__name__: each for each in (*in_process.SCENARIOS, *over_network.SCENARIOS)}


def stride_of(name: str) -> int:
    """Over a network there are hundreds of checkpoints; each seed then takes other ones."""
    if FULL:
        return 1
    return {"sse": 24, "websocket": 10}.get(name.rpartition("_over_")[2], 1)


def sweep(name: str) -> int:
    return assert_cancel_safe(SCENARIOS[name], seeds=SEEDS, stride=stride_of(name), name=name).runs


@pytest.mark.timeout(1800)
def test_every_scenario_gets_over_a_cancel_at_every_checkpoint() -> None:
    slow_first = sorted(SCENARIOS, key=lambda name: name.rpartition("_over_")[2] != "sse")
    runs = run_all(f"{len(SCENARIOS)} scenarios", [(sweep, (name,)) for name in slow_first])
    assert len(SCENARIOS) >= 20
    assert runs > 10_000
