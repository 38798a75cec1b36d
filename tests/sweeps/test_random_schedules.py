"""A mixed load at random: other guests, other orders, another end, with each seed."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.sweeps.crowd import Job, how_many, run_all
from tests.sweeps.mixed_load import command, run_seed

SEEDS = how_many(some=100, most=2_000, everything=10_000)
AT_ONCE = 20
"""Runs of one job."""


def run_seeds(first: int, behind: int) -> int:
    for seed in range(first, behind):
        try:
            run_seed(seed)
        except Exception as exc:
            what = f"seed {seed}: {_told(exc)}"
            raise AssertionError(f"{what}\nthe same run again: {command(seed)}") from exc
    return behind - first


def _told(exc: BaseException) -> str:
    if isinstance(exc, BaseExceptionGroup):
        return "; ".join(map(_told, exc.exceptions))
    return f"{type(exc).__name__}: {exc}"


@pytest.mark.timeout(1800)
def test_a_mixed_load_keeps_every_promise_in_any_order() -> None:
    jobs: list[Job] = [
        (run_seeds, (first, min(first + AT_ONCE, SEEDS))) for first in range(0, SEEDS, AT_ONCE)
    ]
    assert run_all("random schedules", jobs) == SEEDS


@pytest.mark.timeout(120)
def test_the_command_that_a_failure_prints_has_the_same_run_again() -> None:
    for seed in range(3):
        _, _, options = command(seed).partition("python ")
        again = subprocess.run(
            [sys.executable, *options.split()],
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        )
        assert again.stdout.splitlines() == run_seed(seed)
        assert "the server is closed" in again.stdout
