"""`python -m benchmarks`: measures, prints a table, writes JSON, draws the plots."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .cases import CASES, TARGETS, smaller
from .measuring.processes import MeasurementFailed, built_client, raise_open_files
from .measuring.run import Bench, plan
from .measuring.samples import Case, Sample
from .reporting.plots import draw_plots
from .reporting.report import report
from .reporting.results import Results, machine_facts
from .servers import install_node_packages, missing_servers

__all__ = ["main"]

ROUNDS, SECONDS = 5, 1.5
FILES, FILES_BESIDE = 20_000, 200
"""Open files that are asked for, and those of a server beside its clients."""
QUICK_ROUNDS, QUICK_SECONDS = 1, 0.3


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what the command line asks for.

    Returns:
        0, or 1 when anything could not be measured. Times decide nothing.
    """
    options = _parser().parse_args(arguments)
    try:
        cases = _chosen(options.only)
    except ValueError as wrong:
        print(wrong, file=sys.stderr)
        return 2
    if options.list:
        for case in cases:
            print(f"{case.name:16} {case.title}: {', '.join((*case.servers, *case.beside))}")
        return 0
    try:
        results = _run(cases, options)
    except MeasurementFailed as failed:
        print(failed, file=sys.stderr)
        return 1
    print(report(results))
    if options.json is not None:
        text = json.dumps(results.as_json(), indent=1, ensure_ascii=False)
        options.json.write_text(text + "\n", encoding="utf-8")
        print(f"Written: {options.json}")
    if options.plots is not None:
        for path in draw_plots(results.as_json(), options.plots):
            print(f"Drawn: {path}")
    return 1 if any(each.problems for each in results.samples) else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="see that it works: no real figures")
    parser.add_argument(
        "--only", default="", help="cases, or parts of their names: ws-paced,stalled,scale-5000"
    )
    parser.add_argument(
        "--rounds", type=int, help=f"of each case ({ROUNDS}; quick: {QUICK_ROUNDS})"
    )
    parser.add_argument(
        "--seconds", type=float, help=f"of a window ({SECONDS:g}; quick: {QUICK_SECONDS:g})"
    )
    parser.add_argument("--direct-writes", default="on", choices=["on", "off"])
    parser.add_argument("--json", type=Path, help="where to write the results")
    parser.add_argument("--plots", type=Path, help="the folder to draw the plots in")
    parser.add_argument("--list", action="store_true", help="name the cases, and run none")
    return parser


def _chosen(only: str) -> list[Case]:
    wanted = [each.strip() for each in only.split(",") if each.strip()]
    known = {name for case in CASES for name in case.groups}
    if unknown := [each for each in wanted if each not in known]:
        raise ValueError(f"no such case: {', '.join(unknown)}; --list names them")
    return [case for case in CASES if not wanted or case.groups & set(wanted)]


def _run(cases: list[Case], options: Any) -> Results:
    rounds = options.rounds or (QUICK_ROUNDS if options.quick else ROUNDS)
    seconds = options.seconds or (QUICK_SECONDS if options.quick else SECONDS)
    if options.quick:
        cases = [smaller(each) for each in cases]
    files = raise_open_files(FILES)
    if files < max(each.clients for each in cases) + FILES_BESIDE:
        print(f"At most {files} open files: some cases need more (ulimit -n)", file=sys.stderr)
    install_node_packages()
    missing = missing_servers()
    machine = machine_facts({})
    with built_client() as client:
        bench = Bench(client=client, seconds=seconds, direct_writes=options.direct_writes)
        measurements = plan(cases, rounds, missing)
        minutes = bench.estimate(measurements) / 60
        print(f"{len(measurements)} measurements, about {minutes:.0f} minutes", flush=True)
        progress = _Progress(len(measurements))
        samples: list[Sample] = []
        try:
            for sample in bench.run(measurements):
                samples.append(sample)
                progress.show(sample)
        except KeyboardInterrupt:
            print("Interrupted: this is of what was measured until then.", file=sys.stderr)
    machine["versions"] = dict(sorted(bench.versions.items()))
    return Results(
        cases=cases,
        samples=samples,
        missing=missing,
        targets=() if options.quick else TARGETS,
        machine=machine,
        options={
            "rounds": rounds,
            "seconds": seconds,
            "quick": options.quick,
            "direct_writes": options.direct_writes,
        },
    )


class _Progress:
    """A line per sample, so that one sees how far it is."""

    def __init__(self, whole: int) -> None:
        self._whole = whole
        self._done = 0
        self._began = time.monotonic()

    def show(self, sample: Sample) -> None:
        """Tell of one more."""
        self._done += 1
        values = sample.values
        figure = next((f"{values[n]:.2f} {n}" for n in ("cpu_us", "idle_kb") if n in values), "")
        said = "; ".join((*sample.problems, *sample.doubts))
        minutes, seconds = divmod(int(time.monotonic() - self._began), 60)
        print(
            f"[{minutes:02}:{seconds:02}] {self._done}/{self._whole} round {sample.round + 1} "
            f"{sample.case} {sample.server}: {figure}{f' ({said})' if said else ''}",
            flush=True,
        )


if __name__ == "__main__":
    sys.exit(main())
