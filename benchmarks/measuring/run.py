"""One measurement after the other: every server of a case in turn, round by round."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from attrs import Factory, define, evolve

from ..servers import SERVERS, Server
from .processes import MeasurementFailed, RunningServer, running_client, running_server
from .samples import Case, Sample, sample_of_deliveries, sample_of_idling

__all__ = ["Bench", "Plan", "plan"]

CONNECT_TIMEOUT = 60.0
"""Seconds beside a case's own for everybody to connect, and for whatever else takes time."""
SETTLE = 0.3
SETTLE_PER_CLIENT = 0.0002
"""Seconds between the last handshake and the first event: nobody is to miss it, and what a server
still has to do for those who have just come is none of the events' cost."""
AHEAD = 128
"""Events that a server may be ahead of the slowest client where it is not paced: 40 kB, which
the buffers of a socket hold, so that nobody is ever too slow."""
AHEAD_IN_ALL = 25_000
"""Deliveries that it may be ahead, so that with many clients a window is not over by then."""
FIRST_IDLE = 100
"""Connections before those whose memory is measured: what a server makes once is made then."""
OVERHEAD = 0.9
"""Seconds to start and end a server, on an idle machine."""
CONNECTS_PER_S = 800
ROUNDS_BESIDE = 2
"""Of servers that no target names."""

Plan = Sequence[tuple[int, Case, Server]]
"""What is measured, in this order."""


def plan(cases: Sequence[Case], rounds: int, missing: Mapping[str, str]) -> Plan:
    """Every case in every round, and in it one server after the other, each round from another
    one on: what changes on the machine meanwhile hits all of them alike.
    """
    return list(_plan(cases, rounds, missing))


def _plan(
    cases: Sequence[Case], rounds: int, missing: Mapping[str, str]
) -> Iterator[tuple[int, Case, Server]]:
    for lap in range(rounds):
        for case in cases:
            if case.rounds is not None and lap >= case.rounds:
                continue
            names = [*case.servers, *(case.beside if lap < ROUNDS_BESIDE else ())]
            names = [each for each in names if each not in missing]
            start = lap % len(names) if names else 0
            for name in names[start:] + names[:start]:
                yield lap, case, SERVERS[name]


@define(kw_only=True)
class Bench:
    """How measurements are made."""

    client: Path
    """The program."""
    seconds: float
    """Of each window."""
    direct_writes: str = "on"
    versions: dict[str, str] = Factory(dict[str, str])
    """What the servers so far were built on."""

    def estimate(self, plan: Plan) -> float:
        """About how many seconds a plan takes on an idle machine."""
        return sum(
            OVERHEAD
            + case.clients / CONNECTS_PER_S
            + _settle(case)
            + case.warm
            + self.seconds * case.longer
            for _, case, _ in plan
        )

    def run(self, plan: Plan) -> Iterator[Sample]:
        """All of a plan, one sample after the other."""
        for lap, case, server in plan:
            yield self.measure(case, server, lap)

    def measure(self, case: Case, server: Server, lap: int = 0) -> Sample:
        """One sample. What goes wrong is told in it.

        The server is started for it alone, and has ended when this returns.
        """
        command = server.command(rate=case.rate, batch=case.batch, direct_writes=self.direct_writes)
        try:
            with running_server(server, command) as running:
                self.versions.update(running.versions)
                try:
                    measure = self._idle if case.kind == "idle" else self._deliveries
                    sample = measure(case, running, lap)
                except MeasurementFailed as failed:
                    said = running.complaints()
                    raise MeasurementFailed(f"{failed}; {said}" if said else failed) from failed
                if sample.problems and (said := running.complaints()):
                    return evolve(sample, problems=(*sample.problems, said))
                return sample
        except MeasurementFailed as failed:
            return Sample(case=case.name, server=server.name, round=lap, problems=(str(failed),))

    def _deliveries(self, case: Case, running: RunningServer, lap: int) -> Sample:
        seconds = self.seconds * case.longer
        options = [
            *("--duration", seconds),
            *("--warm", case.warm),
            *("--settle", _settle(case)),
            *("--stalled", case.stalled),
            *("--credit-fd", running.credit),
            *_pace(case),
        ]
        limit = CONNECT_TIMEOUT + 5 * (case.warm + seconds)
        with running_client(self.client, running, case.clients, limit, *options) as client:
            told = client.result(limit + 5)
        return sample_of_deliveries(case, running.server.name, lap, told)

    def _idle(self, case: Case, running: RunningServer, lap: int) -> Sample:
        limit = CONNECT_TIMEOUT
        some = min(FIRST_IDLE, case.clients)
        with running_client(self.client, running, some, 2 * limit, "--idle") as first:
            first.wait_connected(limit)
            time.sleep(_settle(case))
            before = running.memory()
            with running_client(self.client, running, case.clients, limit, "--idle") as client:
                client.wait_connected(limit)
                time.sleep(_settle(case))
                grown = running.memory() - before
                told = client.result(10)
            first.result(10)
        return sample_of_idling(case, running.server.name, lap, told, grown)


def _settle(case: Case) -> float:
    return SETTLE + SETTLE_PER_CLIENT * case.clients


def _pace(case: Case) -> tuple[object, ...]:
    if case.kind == "flat":
        return "--ahead", max(2, min(AHEAD, AHEAD_IN_ALL // case.clients))
    return "--rate", case.rate, "--batch", case.batch, "--latency"
