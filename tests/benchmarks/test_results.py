"""What is made of samples: medians and ratios, and what is said of those that are doubtful."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from benchmarks.cases import Measured, Target
from benchmarks.measuring.samples import Case, Sample, sample_of_deliveries
from benchmarks.reporting.report import report
from benchmarks.reporting.results import Results, Verdict, machine_facts

CASE = Case(
    name="ws-paced-100",
    title="100 clients, 50 events/s",
    kind="paced",
    clients=100,
    rate=50,
    servers=("ours-ws", "picows"),
)
TARGET = Target(
    text="picows / ours",
    top=Measured(CASE.name, "picows", "cpu_us"),
    bottom=Measured(CASE.name, "ours-ws", "cpu_us"),
    at_least=1.0,
)
TOLD: Mapping[str, Any] = {
    "end": "done",
    "dead": 0,
    "misordered": 0,
    "malformed": 0,
    "window_s": 2.0,
    "deliveries": 10_000,
    "bytes": 3_000_000,
    "reads": 5000,
    "server_cpu_s": 0.1,
    "server_waited_s": 0.0,
    "client_cpu_s": 0.2,
    "client_waited_s": 0.0,
    "p50_us": 100.0,
    "p99_us": 200.0,
    "max_us": 300.0,
}


def told(**changes: Any) -> Sample:
    return sample_of_deliveries(CASE, "ours-ws", 0, {**TOLD, **changes})


def results(
    ours: Sequence[float], peers: Sequence[float], missing: Mapping[str, str] | None = None
) -> Results:
    samples = [
        Sample(case=CASE.name, server=server, round=lap, values={"cpu_us": value}, ordered=True)
        for server, values in (("ours-ws", ours), ("picows", peers))
        for lap, value in enumerate(values)
    ]
    return Results(cases=[CASE], samples=samples, missing=missing or {}, targets=[TARGET])


def only_verdict(of: Results) -> Verdict:
    (verdict,) = of.verdicts()
    return verdict


def test_the_servers_time_is_shared_by_the_deliveries() -> None:
    sample = told()
    assert sample.values["cpu_us"] == pytest.approx(10)
    assert sample.values["deliveries_per_s"] == pytest.approx(5000)
    assert sample.values["deliveries_per_read"] == pytest.approx(2)
    assert (sample.ordered, sample.problems, sample.doubts) == (True, (), ())


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"end": "too slow"}, "ended early: too slow"),
        ({"misordered": 3}, "3 events were out of order"),
        ({"malformed": 1}, "1 events were not whole"),
        ({"dead": 2}, "2 clients were disconnected"),
        ({"deliveries": 0}, "no event in the window"),
    ],
)
def test_what_is_no_delivery_in_order_does_not_count(
    changes: Mapping[str, Any], problem: str
) -> None:
    sample = told(**changes)
    assert not sample.ordered
    assert problem in sample.problems[0]
    kept = Results(cases=[CASE], samples=[sample], missing={})
    assert kept.of(CASE.name, "ours-ws") == []
    assert "Left out: ours-ws" in report(kept)


@pytest.mark.parametrize(
    ("changes", "doubt"),
    [
        ({"client_cpu_s": 1.9}, "the client was the bottleneck"),
        ({"server_waited_s": 0.2}, "noise: the server waited"),
        ({"client_waited_s": 0.3}, "noise: the client waited"),
        ({"window_s": 2.5}, "fell behind: took 1.2 times as long"),
        ({"end": "behind"}, "fell behind"),
    ],
)
def test_what_is_doubtful_is_told_of(changes: Mapping[str, Any], doubt: str) -> None:
    sample = told(**changes)
    assert sample.ordered
    assert doubt in sample.doubts[0]


def test_the_last_event_may_take_a_moment() -> None:
    assert told(window_s=2.04).doubts == ()


def test_a_ratio_is_of_one_round() -> None:
    """The second round was slow for all: that changes nothing."""
    verdict = only_verdict(results([10, 20, 10, 10, 10], [11, 22, 11, 11, 11]))
    assert verdict.met
    assert verdict.spread is not None
    assert verdict.spread.values == pytest.approx([1.1] * 5)
    assert verdict.remarks == ()


def test_a_target_that_is_missed_is_missed() -> None:
    verdict = only_verdict(results([10] * 5, [9] * 5))
    assert verdict.met is False
    assert "MISSED  picows / ours" in report(results([10] * 5, [9] * 5))


def test_a_median_on_the_right_side_is_not_every_round() -> None:
    verdict = only_verdict(results([10] * 5, [9, 11, 12, 12, 13]))
    assert verdict.met
    assert "not in every round" in verdict.remarks
    assert any("too wide" in each for each in verdict.remarks)


def test_a_few_rounds_are_told_of() -> None:
    assert "2 of 5 rounds" in only_verdict(results([10, 10], [11, 11])).remarks


def test_a_peer_that_is_missing_is_named() -> None:
    of = results([10] * 5, [], missing={"picows": "not installed: picows"})
    verdict = only_verdict(of)
    assert verdict.met is None
    assert verdict.remarks == ("picows is missing: not installed: picows",)
    text = report(of)
    assert "UNKNOWN picows / ours" in text
    assert "Missing: picows (not installed: picows)." in text


def test_a_noisy_machine_and_a_busy_client_are_shouted_about() -> None:
    noisy = Results(cases=[CASE], samples=[told(server_waited_s=1.0)], missing={})
    assert "THE MACHINE WAS TOO NOISY" in report(noisy)
    busy = Results(cases=[CASE], samples=[told(client_cpu_s=2.0)], missing={})
    assert "The client was the bottleneck in 1 samples" in report(busy)
    quiet = report(Results(cases=[CASE], samples=[told()], missing={}))
    assert "NOISY" not in quiet
    assert "bottleneck" not in quiet


def test_the_results_are_json() -> None:
    of = json.loads(json.dumps(results([10] * 5, [12] * 5).as_json()))
    assert of["format"] == 1
    assert [each["server"] for each in of["medians"]] == ["ours-ws", "picows"]
    assert of["medians"][1]["cpu_us"] == 12
    assert of["targets"][0]["median"] == pytest.approx(1.2)
    assert of["targets"][0]["met"] is True
    assert len(of["samples"]) == 10
    assert of["samples"][0]["ordered"] is True


def test_the_facts_of_the_machine_name_nobody() -> None:
    facts = machine_facts({"trio": "0.35.0"})
    assert set(facts) == {"cpu", "cores", "kernel", "python", "load_before", "versions"}
    assert "/" not in json.dumps(facts)
