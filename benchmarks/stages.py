"""`python -m benchmarks.stages`: where the time of an event goes, while the loop sleeps in between.

The case `ws-paced-100`, with a clock in the server: medians of what lies between two marks, in
the order in which they come.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

from attrs import evolve

from .cases import CASES
from .measuring.processes import built_client, raise_open_files
from .measuring.run import Bench
from .peers.on_trio.ours_timed import RESULTS
from .servers import SERVERS

__all__ = ["main"]

SECONDS = 6.0
FIRST = "awake → publishing"


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, and print a line for each stage."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.stages", description=__doc__)
    parser.add_argument("--clients", type=int, default=100)
    parser.add_argument("--rate", type=float, default=50.0, help="events a second")
    parser.add_argument("--seconds", type=float, default=SECONDS)
    options = parser.parse_args(arguments)
    (case,) = (each for each in CASES if each.name == "ws-paced-100")
    case = evolve(case, clients=options.clients, rate=options.rate)
    server = evolve(SERVERS["ours-ws"], program="on_trio.ours_timed")
    raise_open_files(options.clients + 200)
    with built_client() as client, tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "stages.json"
        os.environ[RESULTS] = str(path)
        sample = Bench(client=client, seconds=options.seconds).measure(case, server)
        if sample.problems:
            raise SystemExit("\n".join(sample.problems))
        stages = json.loads(path.read_text(encoding="utf-8"))
    if FIRST not in stages:
        raise SystemExit("the loop hardly slept between events: try a lower --rate")
    name = FIRST
    while name in stages:  # each begins where another one ends
        print(f"{name:34} {stages.pop(name):8.1f} µs")
        end = name.split(" → ")[1]
        name = next((each for each in stages if each.startswith(f"{end} → ")), "")
    print(f"{'the CPU of the whole event':34} {sample.values['cpu_us'] * options.clients:8.1f} µs")


if __name__ == "__main__":
    main()
