"""One measurement: a case, a server, a round."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from attrs import Factory, frozen

__all__ = ["Case", "Kind", "Sample", "sample_of_deliveries", "sample_of_idling"]

Kind = Literal["paced", "flat", "idle"]

CLIENT_BUSY = 0.9
"""Above this share of its core the client is what limits the rate."""
WAITED = 0.05
"""Above this share of the time that the server (or, twice that, the client) could run and had
no core, somebody else was running there."""
BEHIND, LATE = 0.95, 0.05
"""A server that has delivered less than this share of what was published by then, and has not
made up for it within so many seconds, has fallen behind."""


@frozen(kw_only=True)
class Case:
    """What is measured of one server at a time."""

    name: str
    title: str
    kind: Kind
    clients: int
    servers: tuple[str, ...]
    beside: tuple[str, ...] = ()
    """Servers that no target names: they run in two rounds, whatever the number of rounds."""
    rate: float = 0.0
    """Ticks a second; 0 for as fast as it goes."""
    batch: int = 1
    """Events at every tick."""
    stalled: int = 0
    """Clients, beside the others, that never read."""
    warm: float = 0.4
    """Seconds of events before those that count."""
    longer: float = 1.0
    """By how much its window is longer than that of others: where there are few events."""
    rounds: int | None = None
    """At most so many, or None for all that are asked for."""

    @property
    def groups(self) -> set[str]:
        """Under which names it can be chosen: `ws-paced-100`, `ws-paced`, `ws`, `paced`."""
        parts = self.name.split("-")
        beginnings = {"-".join(parts[: n + 1]) for n in range(len(parts))}
        return beginnings | {each for each in parts if not each.isdigit()}


@frozen(kw_only=True)
class Sample:
    """What came of it."""

    case: str
    server: str
    round: int
    values: Mapping[str, float] = Factory(dict[str, float])
    """Named with their units: `cpu_us` is the server's, per delivery."""
    ordered: bool = False
    """Whether every client was given every event, in order."""
    problems: tuple[str, ...] = ()
    """Why it counts for nothing."""
    doubts: tuple[str, ...] = ()
    """Why it may be wrong: noise, a client that was too slow."""


def sample_of_deliveries(case: Case, server: str, lap: int, told: Mapping[str, Any]) -> Sample:
    """What the client has told of a case in which events were delivered."""
    problems, doubts = _problems(case, told), _doubts(told)
    values: dict[str, float] = {}
    if told["deliveries"] and told["window_s"] > 0:
        window, deliveries = told["window_s"], told["deliveries"]
        values |= {
            "cpu_us": told["server_cpu_s"] / deliveries * 1e6,
            "deliveries_per_s": deliveries / window,
            "bytes_per_delivery": told["bytes"] / deliveries,
            "deliveries_per_read": deliveries / max(1, told["reads"]),
            "server_util": told["server_cpu_s"] / window,
            "server_waited": told["server_waited_s"] / window,
            "client_util": told["client_cpu_s"] / window,
            "client_waited": told["client_waited_s"] / window,
        }
        if case.kind == "paced":
            at_pace = deliveries / (case.clients * case.batch * case.rate)
            if told["end"] == "behind" or window > at_pace / BEHIND + LATE:
                doubts.append(f"fell behind: took {window / at_pace:.1f} times as long")
            values |= {name: told[name] for name in ("p50_us", "p99_us", "max_us") if name in told}
    return Sample(
        case=case.name,
        server=server,
        round=lap,
        values=values,
        ordered=not problems,
        problems=tuple(problems),
        doubts=tuple(doubts),
    )


def sample_of_idling(
    case: Case,
    server: str,
    lap: int,
    told: Mapping[str, Any],
    grown_bytes: int,
) -> Sample:
    """What the client has told of connections without events.

    Args:
        grown_bytes: by how much the server's memory has grown with them.
    """
    problems: list[str] = []
    if told["opened"] < case.clients or told["dead"]:
        problems.append(f"{told['opened'] - told['dead']} of {case.clients} stayed connected")
    doubts: list[str] = []
    if told["connect_client_cpu_s"] > CLIENT_BUSY * told["connect_s"] > 0:
        doubts.append("the client was the bottleneck")
    values: dict[str, float] = {}
    if not problems:
        values = {
            "connects_per_s": case.clients / told["connect_s"],
            "connect_cpu_us": told["connect_server_cpu_s"] / case.clients * 1e6,
            "idle_kb": grown_bytes / case.clients / 1000,
        }
    return Sample(
        case=case.name,
        server=server,
        round=lap,
        values=values,
        ordered=not problems,
        problems=tuple(problems),
        doubts=tuple(doubts),
    )


def _problems(case: Case, told: Mapping[str, Any]) -> list[str]:
    found: list[str] = []
    if told["end"] not in {"done", "behind"}:
        found.append(f"ended early: {told['end']}")
    elif not told["deliveries"]:
        found.append("there was no event in the window")
    if told["misordered"]:
        found.append(f"{told['misordered']} events were out of order, lost or sent twice")
    if told["malformed"]:
        found.append(f"{told['malformed']} events were not whole")
    if told["dead"] > case.stalled:
        found.append(f"{told['dead']} clients were disconnected")
    return found


def _doubts(told: Mapping[str, Any]) -> list[str]:
    window = told["window_s"] or 1.0
    found: list[str] = []
    if told["client_cpu_s"] > CLIENT_BUSY * window:
        found.append("the client was the bottleneck")
    waited = told["server_waited_s"] / window
    if waited > WAITED:
        found.append(f"noise: the server waited for its core {waited:.0%} of the time")
    waited = told["client_waited_s"] / window
    if waited > 2 * WAITED:
        found.append(f"noise: the client waited for its core {waited:.0%} of the time")
    return found
