"""The tables of cases and targets fit together, and every case runs the way it is planned."""

from __future__ import annotations

from collections import Counter

import pytest

from benchmarks import __main__ as program
from benchmarks.cases import CASES, TARGETS, Target, smaller
from benchmarks.measuring.run import plan
from benchmarks.measuring.samples import Case
from benchmarks.servers import SERVERS

BY_NAME = {each.name: each for each in CASES}


def test_every_case_has_a_name_of_its_own_and_servers_that_exist() -> None:
    assert len(BY_NAME) == len(CASES)
    for case in CASES:
        assert {*case.servers, *case.beside} <= set(SERVERS), case.name
        assert case.servers[0].startswith("ours-"), f"{case.name}: ratios are to the first"


@pytest.mark.parametrize("target", TARGETS, ids=lambda each: each.text)
def test_what_a_target_is_about_is_measured_in_every_round(target: Target) -> None:
    for measured in (target.top, target.bottom):
        if measured is not None:
            case = BY_NAME[measured.case]
            assert measured.server in case.servers
            assert case.rounds is None
    assert (target.at_least is None) != (target.at_most is None)


def test_rounds_take_turns() -> None:
    cases = [
        Case(name="a", title="", kind="flat", clients=1, servers=("picows", "websockets")),
        Case(name="b", title="", kind="flat", clients=1, servers=("picows",), rounds=1),
    ]
    planned = [(lap, case.name, server.name) for lap, case, server in plan(cases, 2, {})]
    assert planned == [
        (0, "a", "picows"),
        (0, "a", "websockets"),
        (0, "b", "picows"),
        (1, "a", "websockets"),
        (1, "a", "picows"),
    ]


def test_what_is_missing_is_not_planned() -> None:
    planned = plan(CASES, 5, {"node-ws": "there is no node"})
    counts = Counter(server.name for _, _, server in planned)
    assert "node-ws" not in counts
    assert counts["ours-ws"] > 0


def test_cases_are_chosen_by_name_or_by_a_part_of_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert program.main(["--list", "--only", "ws-paced,scale-5000"]) == 0
    names = [line.split()[0] for line in capsys.readouterr().out.splitlines()]
    assert names == ["ws-paced-100", "ws-paced-1000", "scale-5000"]


def test_a_case_that_there_is_not_is_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert program.main(["--only", "ws-packed"]) == 2
    assert "ws-packed" in capsys.readouterr().err


@pytest.mark.parametrize("case", CASES, ids=lambda each: each.name)
def test_a_case_can_be_tried_out(case: Case) -> None:
    small = smaller(case)
    assert small.clients + small.stalled <= 20
    assert small.kind != "paced" or small.rate * program.QUICK_SECONDS > 2, "no event in it"
    assert (small.servers, small.kind, small.batch) == (case.servers, case.kind, case.batch)
