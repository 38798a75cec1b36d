"""The results as text: one table per case, then the targets, then what to make of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from ..measuring.samples import Case
from ..servers import SERVERS
from .results import Results, Verdict

__all__ = ["report"]

_MANY = 0.2
"""A share of doubtful samples above which the machine was no place to measure on."""

_COLUMNS = {
    "paced": ("cpu_us", "p50_us", "p99_us", "deliveries_per_s", "server_util", "client_util"),
    "flat": ("cpu_us", "deliveries_per_s", "deliveries_per_read", "server_util", "client_util"),
    "idle": ("idle_kb", "connects_per_s", "connect_cpu_us"),
}
_HEADS = {
    "cpu_us": "CPU µs",
    "p50_us": "p50 µs",
    "p99_us": "p99 µs",
    "deliveries_per_s": "deliv./s",
    "deliveries_per_read": "per read",
    "server_util": "server",
    "client_util": "client",
    "idle_kb": "kB/conn",
    "connects_per_s": "conn./s",
    "connect_cpu_us": "CPU µs",
}


def report(results: Results) -> str:
    """All of it, in lines."""
    lines = list(_machine(results))
    for case in results.cases:
        if results.servers_of(case):
            lines += _case(results, case)
    if results.targets:
        lines += _targets(results.verdicts())
    else:
        lines += [
            "",
            "These are too few clients and too short for figures: no target is looked at.",
        ]
    lines += _remarks(results)
    return "\n".join(lines)


def _machine(results: Results) -> Iterator[str]:
    facts = results.machine
    if facts:
        versions = ", ".join(f"{name} {version}" for name, version in facts["versions"].items())
        yield ""
        yield f"{facts['cpu']}, {facts['cores']} cores, {facts['kernel']}, {facts['python']}"
        yield versions
        yield f"Load before it began: {facts['load_before']} (0 is what it should be)"


def _case(results: Results, case: Case) -> Iterator[str]:
    columns = _COLUMNS[case.kind]
    yield ""
    yield f"{case.name}: {case.title}"
    heads = "".join(f"{_HEADS[each]:>10}" for each in columns)
    yield f"  {'medians':32}{'ratio':>7}{heads}  rounds"
    servers = results.servers_of(case)
    first = results.spread(case.name, servers[0], columns[0])
    for name in servers:
        spread = results.spread(case.name, name, columns[0])
        rounds = len(results.of(case.name, name))
        ratio = f"{spread.median / first.median:.2f}" if spread and first and first.median else "–"
        cells = "".join(f"{_cell(results, case.name, name, each):>10}" for each in columns)
        yield f"  {SERVERS[name].title:32}{ratio:>7}{cells}  {rounds}"
    for name in (*case.servers, *case.beside):
        if name in results.missing:
            yield f"  {SERVERS[name].title:32} missing: {results.missing[name]}"


def _cell(results: Results, case: str, server: str, value: str) -> str:
    spread = results.spread(case, server, value)
    if spread is None:
        return "–"
    median = spread.median
    if value.endswith("_util"):
        return f"{median:.0%}"
    return f"{median:.2f}" if median < 10 else f"{median:.1f}" if median < 100 else f"{median:,.0f}"


def _targets(verdicts: list[Verdict]) -> Iterator[str]:
    if not verdicts:
        return
    yield ""
    yield "Targets (the median of the rounds' ratios)"
    words = {True: "met", False: "MISSED", None: "UNKNOWN"}
    for each in verdicts:
        median = f"{each.spread.median:.2f}" if each.spread else "–"
        line = f"  {words[each.met]:8}{each.target.text:62}{median:>8}  {each.target.wanted:8}"
        yield line.rstrip()
        for remark in each.remarks:
            yield f"            {remark}"


def _remarks(results: Results) -> Iterator[str]:
    samples = results.samples
    yield ""
    for name, reason in results.missing.items():
        yield f"Missing: {SERVERS[name].title} ({reason})."
    failed = [each for each in samples if each.problems]
    for each in failed:
        yield f"Left out: {each.server}, {each.case}, round {each.round + 1}: {each.problems[0]}"
    yield (
        f"{len(samples) - len(failed)} of {len(samples)} samples count; in each of them every "
        "client was given every event, in order."
    )
    if results.machine and results.machine["cores"] < 2:
        yield "THERE IS ONE CORE: the client takes the server's time. Nothing of this holds."
    kinds: Counter[str] = Counter()
    for each in samples:
        kinds.update({text.split(":")[0] for text in each.doubts})
    if kinds["noise"] > _MANY * len(samples):
        yield (
            f"THE MACHINE WAS TOO NOISY: in {kinds['noise']} of {len(samples)} samples something "
            "else ran on the cores that were measured. Ratios may be wrong; latencies are."
        )
    elif kinds["noise"]:
        yield f"Noise was seen in {kinds['noise']} of {len(samples)} samples."
    if busy := kinds["the client was the bottleneck"]:
        yield (
            f"The client was the bottleneck in {busy} samples: their rates say nothing of the "
            "server; its CPU per delivery holds."
        )
    behind = [each for each in samples if any("fell behind" in text for text in each.doubts)]
    for name, case in dict.fromkeys((each.server, each.case) for each in behind):
        yield f"Fell behind: {SERVERS[name].title}, {case}. Its latencies only grow with time."
