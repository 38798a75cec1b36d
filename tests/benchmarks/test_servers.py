"""Every server that is compared runs, and gives every client every event in order."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.cases import smaller
from benchmarks.measuring.run import Bench
from benchmarks.measuring.samples import Case
from benchmarks.servers import SERVERS, install_node_packages, missing_servers
from tests.programs import find_program, miss

PACED = Case(
    name="paced", title="", kind="paced", clients=10, rate=50, batch=2, warm=0.1, servers=()
)


@pytest.fixture(scope="module")
def bench(load_client: Path) -> Bench:
    return Bench(client=load_client, seconds=0.3)


@pytest.fixture(scope="module")
def missing() -> dict[str, str]:
    install_node_packages()
    return missing_servers()


@pytest.mark.parametrize("name", SERVERS)
def test_every_client_is_given_every_event(
    name: str, bench: Bench, missing: dict[str, str]
) -> None:
    if SERVERS[name].on_node:
        find_program("node", package="nodejs")
        find_program("npm", package="npm")
    if name in missing:
        miss(f"{name} cannot be started: {missing[name]}")
    sample = bench.measure(PACED, SERVERS[name])
    assert sample.problems == ()
    assert sample.ordered
    assert {"cpu_us", "deliveries_per_s", "client_util", "p50_us", "p99_us"} <= set(sample.values)
    assert sample.values["cpu_us"] > 0
    # All are asked to send messages of one size.
    assert 290 < sample.values["bytes_per_delivery"] < 420


@pytest.mark.parametrize("name", ["ours-ws", "ours-sse", "ours-quart", "raw-trio"])
def test_nobody_is_too_slow_where_it_goes_as_fast_as_it_can(name: str, bench: Bench) -> None:
    flat = Case(name="flat", title="", kind="flat", clients=10, warm=0.1, servers=())
    sample = bench.measure(flat, SERVERS[name])
    assert sample.problems == ()
    assert "p50_us" not in sample.values  # it would be the length of a queue


def test_connections_that_wait_are_measured(bench: Bench) -> None:
    idle = smaller(Case(name="idle", title="", kind="idle", clients=1000, servers=()))
    sample = bench.measure(idle, SERVERS["ours-ws"])
    assert sample.problems == ()
    assert set(sample.values) == {"connects_per_s", "connect_cpu_us", "idle_kb"}


def test_a_reader_that_stalls_is_no_client_that_is_lost(bench: Bench) -> None:
    stalled = Case(
        name="stalled", title="", kind="paced", clients=5, stalled=1, rate=50, servers=()
    )
    assert bench.measure(stalled, SERVERS["ours-ws"]).problems == ()


def test_a_server_that_does_not_start_is_told_of(bench: Bench) -> None:
    broken = SERVERS["ours-ws"].__class__(
        name="broken", title="", transport="ws", program="on_trio.no_such_server", path="/"
    )
    sample = bench.measure(PACED, broken)
    assert not sample.ordered
    assert "no_such_server" in sample.problems[0]


def test_a_server_that_refuses_is_told_of(bench: Bench) -> None:
    wrong = SERVERS["ours-ws"].__class__(
        name="wrong", title="", transport="ws", program="on_trio.ours", path="/no/such/path"
    )
    sample = bench.measure(PACED, wrong)
    assert not sample.ordered
    assert "404" in sample.problems[0]
