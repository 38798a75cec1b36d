"""`ours`, with a clock at every stage of an event: see `benchmarks.stages`.

The clock takes a part of a microsecond each time, and Trio tells it of every pass: compare the
stages with each other, and their sum with nothing.
"""

from __future__ import annotations

import json
import os
import statistics
import time
from collections import defaultdict
from pathlib import Path

import trio

from .ours import Publish, main

__all__ = ["Clock", "timed"]

RESULTS = "TRIO_AGENT_RT_STAGES"
"""Names, in the environment, the file to write them to."""
FLUSHER = "Flusher.run"
EVERY = 50
"""Events between two writes of it."""


class Clock(trio.abc.Instrument):
    """How long it is from each mark to the next one."""

    def __init__(self) -> None:
        self._spans: dict[str, list[int]] = defaultdict(list)
        self._last = ("", time.perf_counter_ns())

    def mark(self, name: str) -> None:
        """Something has been reached."""
        before, at = self._last
        self._spans[f"{before} → {name}"].append(time.perf_counter_ns() - at)
        self._last = (name, time.perf_counter_ns())

    def before_io_wait(self, timeout: float) -> None:
        """Trio has nothing to run, or has run all that could."""
        self.mark("kernel" if timeout else "next pass")

    def after_io_wait(self, timeout: float) -> None:
        """Trio goes on."""
        self.mark("awake" if timeout else "in the next pass")

    def before_task_step(self, task: trio.lowlevel.Task) -> None:
        """A Trio task runs: the flusher is the one of interest."""
        if task.name.endswith(FLUSHER):
            self.mark("flushing")

    def after_task_step(self, task: trio.lowlevel.Task) -> None:
        """It has run."""
        if task.name.endswith(FLUSHER):
            self.mark("flushed")

    def medians(self) -> dict[str, float]:
        """Of each span, in microseconds, if it was there for most events."""
        most = max(map(len, self._spans.values()))
        return {
            name: statistics.median(each) / 1000
            for name, each in self._spans.items()
            if len(each) > most / 2
        }


def timed(publish: Publish) -> Publish:
    """`publish`, with a clock that runs from now on."""
    clock = Clock()
    results = Path(os.environ[RESULTS])
    trio.lowlevel.add_instrument(clock)

    def publish_timed(number: int) -> None:
        clock.mark("publishing")
        publish(number)
        clock.mark("published")
        if number % EVERY == EVERY - 1:
            # Whoever reads it ends this program at any moment.
            part = results.with_suffix(".part")
            part.write_text(json.dumps(clock.medians()), encoding="utf-8")
            part.replace(results)

    return publish_timed


if __name__ == "__main__":
    trio.run(main, timed)
