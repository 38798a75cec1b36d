"""`ours`, with a clock at every stage of an event: see `benchmarks.stages`.

The clock takes a part of a microsecond each time, and Trio tells it of every pass: compare the
stages with each other, and their sum with nothing.
"""

from __future__ import annotations

import functools
import json
import os
import statistics
import time
from collections import defaultdict

import trio

from trio_agent_rt import Limits, RealtimeAgent, serve_websocket

from ..publishing import NO_HEARTBEAT, announce, read_options, step_data
from .ours import PADDING, agent
from .pacing import publish_events

__all__ = ["Clock"]

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


async def main() -> None:
    """Serve until standard input is closed."""
    options = read_options()
    clock = Clock()
    realtime = RealtimeAgent(
        agent, limits=Limits(max_connections=20_000, heartbeat_interval=NO_HEARTBEAT)
    )
    async with realtime, trio.open_nursery() as nursery:
        address = await nursery.start(
            functools.partial(
                serve_websocket,
                realtime,
                port=0,
                choose_session=lambda request, principal: "bench",
            )
        )
        announce(address.port, "trio", "trio_agent_rt")
        trio.lowlevel.add_instrument(clock)

        def publish(number: int) -> None:
            clock.mark("publishing")
            realtime.broadcast("custom", step_data(number, PADDING))
            clock.mark("published")
            if number % EVERY == EVERY - 1:
                with open(os.environ[RESULTS], "w", encoding="utf-8") as file:
                    json.dump(clock.medians(), file)

        await publish_events(options, publish)


if __name__ == "__main__":
    trio.run(main)
