"""What is measured, and what it is to show: the table of cases and the table of targets."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from attrs import evolve, frozen

from .measuring.samples import Case

__all__ = ["CASES", "LOADS", "SCALE", "TARGETS", "Measured", "Target", "smaller"]

_WS = ("ours-ws", "picows", "websockets", "node-ws", "naive-trio-websocket")
_WS_BESIDE = ("raw-trio", "starlette", "socketio")
_WS_FLAT = ("ours-ws", "picows", "raw-trio", "node-ws")
_WS_FLAT_BESIDE = ("websockets", "naive-trio-websocket")
_SSE = ("ours-sse", "ours-quart", "node-http", "sse-starlette", "naive-quart-trio")

SCALE = (1, 10, 100, 1000, 5000)
"""Clients, each time with 10,000 deliveries a second in all; with one client 500."""
BATCHES = (1, 4, 16, 64)
"""Events in one go, 20 times a second, to 100 clients."""
LOADS = (20, 50, 150, 400)
"""Events a second, to 100 clients."""


def _paced() -> list[Case]:
    return [
        Case(
            name=f"{transport}-paced-{clients}",
            title=f"{clients} clients, {rate} events/s",
            kind="paced",
            clients=clients,
            rate=rate,
            servers=servers,
            beside=beside,
        )
        for transport, servers, beside in (("ws", _WS, _WS_BESIDE), ("sse", _SSE, ()))
        for clients, rate in ((100, 50), (1000, 20))
    ]


def _flat() -> list[Case]:
    return [
        Case(
            name=f"ws-flat-{clients}",
            title=f"{clients} clients, one event per pass, as fast as it goes",
            kind="flat",
            clients=clients,
            servers=_WS_FLAT,
            beside=_WS_FLAT_BESIDE,
        )
        for clients in (100, 1000)
    ]


def _idle() -> list[Case]:
    ws = ("ours-ws", "websockets")
    sse = ("ours-sse", "naive-quart-trio")
    return [
        Case(
            name=f"{transport}-idle",
            title="1000 clients connect and stay",
            kind="idle",
            clients=1000,
            servers=servers,
            beside=beside,
        )
        for transport, servers, beside in (
            ("ws", ws, ("picows", "node-ws", "naive-trio-websocket", "starlette", "socketio")),
            ("sse", sse, ("ours-quart", "node-http", "sse-starlette")),
        )
    ]


def _stalled() -> list[Case]:
    return [
        Case(
            name=f"{transport}-stalled-{stalled}",
            title=f"1000 clients, 20 events/s, {'one does not read' if stalled else 'all read'}",
            kind="paced",
            clients=1000 - stalled,
            stalled=stalled,
            rate=20,
            # What the kernel holds for it, some 18 kB, is full after 3 s; then it is felt.
            warm=4.0,
            longer=1.5,
            servers=(f"ours-{transport}",),
        )
        for transport in ("ws", "sse")
        for stalled in (0, 1)
    ]


def _scale() -> list[Case]:
    return [
        Case(
            name=f"scale-{clients}",
            title=f"{clients} clients, {10_000 // clients if clients > 10 else 500} events/s",
            kind="paced",
            clients=clients,
            rate=10_000 / clients if clients > 10 else 500,
            servers=("ours-ws", "ours-sse"),
            beside=("websockets", "node-ws", "picows"),
            # Of two events a second some are to come before, and some to count.
            warm=1.0 if clients == 5000 else 0.4,
            longer=3.0 if clients == 5000 else 1.0,
            rounds=None if clients in {100, 5000} else 2,
        )
        for clients in SCALE
    ]


def _batch() -> list[Case]:
    return [
        Case(
            name=f"batch-{batch}",
            title=f"100 clients, {batch} events in one go, 20 times/s",
            kind="paced",
            clients=100,
            rate=20,
            batch=batch,
            servers=("ours-ws", "ours-sse"),
            beside=("websockets", "node-ws", "node-http"),
            longer=0.5,
            rounds=3,
        )
        for batch in BATCHES
    ]


def _load() -> list[Case]:
    return [
        Case(
            name=f"load-{rate}",
            title=f"100 clients, {rate} events/s",
            kind="paced",
            clients=100,
            rate=rate,
            servers=("ours-ws", "ours-sse"),
            beside=("websockets", "node-ws", "picows"),
            longer=0.5,
            rounds=2,
        )
        for rate in LOADS
    ]


CASES: Sequence[Case] = (
    *_paced(),
    *_flat(),
    *_idle(),
    *_stalled(),
    *_scale(),
    *_batch(),
    *_load(),
)


class Measured(NamedTuple):
    """One value of the samples of one server in one case."""

    case: str
    server: str
    value: str


@frozen(kw_only=True)
class Target:
    """What is to be shown: a value, or the ratio of two that were measured in the same round."""

    text: str
    top: Measured
    bottom: Measured | None = None
    at_least: float | None = None
    at_most: float | None = None

    def is_met_by(self, value: float) -> bool:
        """Whether `value` is good enough."""
        if self.at_least is not None:
            return value >= self.at_least
        return self.at_most is not None and value <= self.at_most

    @property
    def wanted(self) -> str:
        """The limit, as it is written."""
        if self.at_least is not None:
            return f"≥ {self.at_least:g}"
        return f"≤ {self.at_most:g}"


def _cheaper(case: str, peer: str, times: float, ours: str) -> Target:
    """Our CPU time per delivery is so many times less than that of a peer."""
    return Target(
        text=f"{case}: CPU per delivery, {peer} / {ours}",
        top=Measured(case, peer, "cpu_us"),
        bottom=Measured(case, ours, "cpu_us"),
        at_least=times,
    )


def _targets() -> list[Target]:
    ws = {"picows": 1.0, "websockets": 1.3, "node-ws": 1.5, "naive-trio-websocket": 5.0}
    # As good as picows and within a tenth of raw writes: the harder of the two counts.
    flat = {"picows": 1.0, "raw-trio": 1 / 1.1, "node-ws": 2.0}
    sse = {"node-http": 1.5, "sse-starlette": 3.5, "naive-quart-trio": 8.0}
    targets = [
        _cheaper(f"{kind}-{clients}", peer, times, ours)
        for kind, ours, peers in (
            ("ws-paced", "ours-ws", ws),
            ("ws-flat", "ours-ws", flat),
            ("sse-paced", "ours-sse", sse),
            ("sse-paced", "ours-quart", sse),
        )
        for clients in (100, 1000)
        for peer, times in peers.items()
    ]
    for ours in ("ours-ws", "ours-sse"):
        transport = ours.removeprefix("ours-")
        targets.append(
            Target(
                text=f"{transport}: CPU per delivery, 5000 clients / 100",
                top=Measured("scale-5000", ours, "cpu_us"),
                bottom=Measured("scale-100", ours, "cpu_us"),
                at_most=1.3,
            )
        )
    for ours, kilobytes in (("ours-ws", 20.0), ("ours-sse", 26.0)):
        transport = ours.removeprefix("ours-")
        targets.append(
            Target(
                text=f"{transport}: kB per idle connection",
                top=Measured(f"{transport}-idle", ours, "idle_kb"),
                at_most=kilobytes,
            )
        )
    for ours, peer, times in (
        ("ours-ws", "websockets", 1.0),
        ("ours-sse", "naive-quart-trio", 2.0),
    ):
        transport = ours.removeprefix("ours-")
        targets.append(
            Target(
                text=f"{transport}: connects/s, ours / {peer}",
                top=Measured(f"{transport}-idle", ours, "connects_per_s"),
                bottom=Measured(f"{transport}-idle", peer, "connects_per_s"),
                at_least=times,
            )
        )
    targets += [
        Target(
            text=f"{transport}: p99 with one stalled reader of 1000 / with none",
            top=Measured(f"{transport}-stalled-1", f"ours-{transport}", "p99_us"),
            bottom=Measured(f"{transport}-stalled-0", f"ours-{transport}", "p99_us"),
            at_most=1.2,
        )
        for transport in ("ws", "sse")
    ]
    return targets


TARGETS: Sequence[Target] = tuple(_targets())


def smaller(case: Case) -> Case:
    """It with few clients, to see that it works: its figures mean nothing."""
    title = f"tried out with few clients; in earnest: {case.title}"
    clients = max(1, min(case.clients, 20) - case.stalled)
    rate = max(case.rate, 20.0) if case.rate else 0.0
    warm = min(case.warm, 0.1)
    return evolve(case, title=title, clients=clients, rate=rate, warm=warm, longer=1.0, rounds=1)
