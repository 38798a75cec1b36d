"""`python -m benchmarks.agent_side`: what it costs an agent to publish, with nobody watching.

Each is called many times in a row, as an agent that computes without a pause would; the figure
is the median of some rounds. In between, the event loop has a turn.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Sequence

import trio

from trio_agent_rt import RealtimeAgent, TaskRun

from .peers.publishing import step_data

__all__ = ["main", "measure"]

ROUNDS, CALLS = 21, 1000
PADDING = 153
"""Of a broadcast, so that it is some 300 bytes, as everywhere here."""


async def measure(rounds: int, calls: int) -> dict[str, float]:
    """The median cost of each call, in microseconds."""
    found: dict[str, list[float]] = {}

    async def agent(task: str, run: TaskRun) -> None:
        async with run.step("work") as step:
            ways: dict[str, Callable[[int], None]] = {
                "step.progress (throttled)": lambda number: step.progress(100 * number / calls),
                "step.output (joined)": lambda number: step.output("some words "),
                "realtime.broadcast": lambda number: realtime.broadcast(
                    "custom", step_data(number, PADDING)
                ),
            }
            for _ in range(rounds):
                for name, call in ways.items():
                    began = time.perf_counter_ns()
                    for number in range(calls):
                        call(number)
                    each = (time.perf_counter_ns() - began) / calls / 1000
                    found.setdefault(name, []).append(each)
                    await trio.lowlevel.checkpoint()

    realtime = RealtimeAgent(agent)
    async with realtime:
        await realtime.submit("measure").wait()
    return {name: statistics.median(each) for name, each in found.items()}


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.agent_side", description=__doc__)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--calls", type=int, default=CALLS)
    options = parser.parse_args(arguments)
    costs = trio.run(measure, options.rounds, options.calls)
    for name, cost in costs.items():
        print(f"{name:28} {cost:6.2f} µs")


if __name__ == "__main__":
    main()
