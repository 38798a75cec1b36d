"""What every server of a benchmark does alike: the same events, at the same pace, when told.

Each reads from its standard input how many events it may have published in all, a number a
line, from whoever reads them; it ends when that is closed. Paced servers keep their pace for as
long as they may, and begin it anew when they may again.
Flat ones publish as fast as they can, one event per pass of their event loop, and are never
more than a few hundred events ahead of the slowest client: so no queue of theirs grows without
bound, and no client is lost.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import os
import time
from collections.abc import Sequence

from attrs import frozen

__all__ = [
    "NO_HEARTBEAT",
    "Credit",
    "Options",
    "announce",
    "event_text",
    "read_options",
    "step_data",
]

MESSAGE_BYTES = 300
"""Of each event, as JSON."""


NO_HEARTBEAT = 3600.0
"""Seconds between two heartbeats, where there are any by default: they are no deliveries, and a
window would have some in it or none, by chance."""


@frozen
class Options:
    """What a server is asked to do."""

    transport: str
    """`ws` or `sse`, where it can do both."""
    rate: float
    """Ticks a second; 0 for flat."""
    batch: int
    """Events that are published in one go at every tick."""
    direct_writes: str
    """`on`, `off` or `default`: only ours knows what to do with it."""


def read_options(arguments: Sequence[str] | None = None) -> Options:
    """The options of the command line."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--transport", default="ws", choices=["ws", "sse"])
    parser.add_argument("--rate", type=float, default=0.0)
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--direct-writes", default="on", choices=["on", "off"])
    return Options(**vars(parser.parse_args(arguments)))


def announce(port: int, *packages: str) -> None:
    """Tell where it listens, and what it is built on."""
    versions = {each: importlib.metadata.version(each) for each in packages}
    print(json.dumps({"port": port, "versions": versions}), flush=True)


def step_data(number: int, padding: int) -> dict[str, object]:
    """What event `number` carries: which one it is, and when it was published."""
    return {"step": f"step-{number:08d}", "t": time.monotonic_ns(), "text": "x" * padding}


# The envelope of an event of ours, without the position.
_EMPTY = {"type": "custom", "data": step_data(0, 0), "timestamp": time.time_ns() // 1_000_000}
_PADDING = MESSAGE_BYTES - len(json.dumps(_EMPTY))


def event_text(number: int) -> str:
    """Event `number` as JSON."""
    timestamp = time.time_ns() // 1_000_000
    event = {"type": "custom", "data": step_data(number, _PADDING), "timestamp": timestamp}
    return json.dumps(event)


class Credit:
    """How many events may be published, as it is read from standard input."""

    def __init__(self) -> None:
        self.events = 0
        """In all, since the start."""
        self._partial = b""

    def feed(self, received: bytes) -> None:
        """Take what was read; nothing means that whoever reads the events has gone."""
        if not received:
            os._exit(0)  # there is nothing to clean up
        *lines, self._partial = (self._partial + received).split(b"\n")
        if lines:
            self.events = int(lines[-1])
