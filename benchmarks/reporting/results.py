"""What all samples say together: medians, ratios, targets, and how far they can be trusted."""

from __future__ import annotations

import os
import platform
import statistics
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs
from attrs import Factory, frozen

from ..cases import TARGETS, Measured, Target
from ..measuring.samples import Case, Sample

__all__ = ["Results", "Spread", "Verdict", "machine_facts"]

FORMAT = 1
"""Of the JSON."""
WIDE = 0.3
"""Above this range of a ratio's rounds, as a share of its median, it is called too wide."""


@frozen
class Spread:
    """The median of several values, and the range that they are in."""

    values: Sequence[float]

    @property
    def median(self) -> float:
        """The value in the middle."""
        return statistics.median(self.values)

    @property
    def width(self) -> float:
        """The range, as a share of the median."""
        return (max(self.values) - min(self.values)) / self.median if self.median else 0.0


@frozen(kw_only=True)
class Verdict:
    """What was shown of a target."""

    target: Target
    spread: Spread | None
    """Of the value in each round; None when it could not be measured."""
    met: bool | None
    remarks: tuple[str, ...]


@frozen(kw_only=True)
class Results:
    """All that one run has measured."""

    cases: Sequence[Case]
    samples: Sequence[Sample]
    missing: Mapping[str, str]
    """Servers that could not be run, with the reason."""
    machine: Mapping[str, Any] = Factory(dict[str, Any])
    options: Mapping[str, Any] = Factory(dict[str, Any])
    targets: Sequence[Target] = TARGETS

    def of(self, case: str, server: str) -> list[Sample]:
        """The samples of a server in a case that count, by round."""
        found = [
            each
            for each in self.samples
            if (each.case, each.server) == (case, server) and not each.problems
        ]
        return sorted(found, key=lambda each: each.round)

    def spread(self, case: str, server: str, value: str) -> Spread | None:
        """A value in every round, or None when there is none."""
        found = self.values(Measured(case, server, value))
        return Spread(list(found.values())) if found else None

    def values(self, measured: Measured) -> dict[int, float]:
        """A value by round."""
        samples = self.of(measured.case, measured.server)
        name = measured.value
        return {each.round: each.values[name] for each in samples if name in each.values}

    def servers_of(self, case: Case) -> list[str]:
        """Those with samples, in the order of the table."""
        present = {each.server for each in self.samples if each.case == case.name}
        return [each for each in (*case.servers, *case.beside) if each in present]

    def verdicts(self) -> list[Verdict]:
        """What was shown of each target whose case was run."""
        chosen = {each.name for each in self.cases}
        return [self._verdict(each) for each in self.targets if each.top.case in chosen]

    def _verdict(self, target: Target) -> Verdict:
        tops = self.values(target.top)
        bottoms = self.values(target.bottom) if target.bottom else dict.fromkeys(tops, 1.0)
        ratios = [tops[each] / bottoms[each] for each in tops if bottoms.get(each)]
        remarks: list[str] = []
        for each in (target.top, target.bottom):
            if each is not None and each.server in self.missing:
                remarks.append(f"{each.server} is missing: {self.missing[each.server]}")
            elif each is not None:
                remarks += self._remarks_on(each)
        if not ratios:
            return Verdict(
                target=target, spread=None, met=None, remarks=tuple(remarks or ["not measured"])
            )
        spread = Spread(ratios)
        if len(ratios) < 5:
            remarks.append(f"{len(ratios)} of 5 rounds")
        if spread.width > WIDE:
            remarks.append(f"rounds from {min(ratios):.2f} to {max(ratios):.2f}: too wide")
        met = target.is_met_by(spread.median)
        if any(target.is_met_by(each) != met for each in ratios):
            remarks.append("not in every round")
        return Verdict(target=target, spread=spread, met=met, remarks=tuple(remarks))

    def _remarks_on(self, measured: Measured) -> list[str]:
        samples = [
            each
            for each in self.samples
            if (each.case, each.server) == (measured.case, measured.server)
        ]
        said = [{each.split(":")[0]: None for each in (*s.problems, *s.doubts)} for s in samples]
        times = Counter(kind for kinds in said for kind in kinds)
        return [
            f"{measured.server}, {measured.case}: {kind} ({count} of {len(samples)})"
            for kind, count in times.items()
        ]

    def as_json(self) -> dict[str, Any]:
        """Everything, for programs."""
        return {
            "format": FORMAT,
            "machine": dict(self.machine),
            "options": dict(self.options),
            "missing": dict(self.missing),
            "cases": [attrs.asdict(each) for each in self.cases],
            "medians": [
                {"case": case.name, "server": server, "rounds": len(self.of(case.name, server))}
                | self._medians(case.name, server)
                for case in self.cases
                for server in self.servers_of(case)
            ],
            "targets": [
                {
                    "text": each.target.text,
                    "wanted": each.target.wanted,
                    "median": each.spread and each.spread.median,
                    "rounds": list(each.spread.values) if each.spread else [],
                    "met": each.met,
                    "remarks": list(each.remarks),
                }
                for each in self.verdicts()
            ],
            "samples": [attrs.asdict(each) for each in self.samples],
        }

    def _medians(self, case: str, server: str) -> dict[str, float]:
        names = dict.fromkeys(name for each in self.of(case, server) for name in each.values)
        spreads = {name: self.spread(case, server, name) for name in names}
        return {name: each.median for name, each in spreads.items() if each is not None}


def machine_facts(versions: Mapping[str, str]) -> dict[str, Any]:
    """What it ran on: nothing that names a machine, a person or a folder."""
    model = "unknown"
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            model = line.partition(":")[2].strip()
            break
    return {
        "cpu": model,
        "cores": len(os.sched_getaffinity(0)),
        "kernel": f"{platform.system()} {'.'.join(platform.release().split('.')[:2])}",
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "load_before": round(os.getloadavg()[0], 2),
        "versions": dict(sorted(versions.items())),
    }
