"""What a plan came to, and how much of it there is."""

from __future__ import annotations

import sys
import time
from typing import Any

import attrs
import pytest

from tests.agent.planning.work import planned
from trio_agent_rt.agent import Execution
from trio_agent_rt.agent.planning.execution import outcome_of, size_of
from trio_agent_rt.errors import ToolError

MUCH = 10**9


@attrs.define(slots=False)
class Record:
    text: str


@pytest.mark.parametrize(
    ("value", "least", "most"),
    [
        (None, 1, 100),
        ("x" * 1000, 1000, 1200),
        (b"x" * 1000, 1000, 1200),
        (["x" * 1000, "y" * 1000], 2000, 2500),
        ({"k" * 1000: "v" * 1000}, 2000, 2600),
        (("x" * 1000, {"y" * 1000}), 2000, 2800),
        (Record("x" * 1000), 1000, 1500),
        ([0] * 1000, 48_000, 120_000),
    ],
)
def test_a_value_is_counted_with_all_that_is_inside(value: object, least: int, most: int) -> None:
    assert least <= size_of(value, MUCH) <= most


def test_what_contains_itself_or_is_deep_is_counted_too() -> None:
    around: list[Any] = ["x" * 1000]
    around.append(around)
    assert size_of(around, MUCH) < 2000
    deep: list[Any] = []
    for _ in range(sys.getrecursionlimit() * 3):
        deep = [deep]
    assert size_of(deep, MUCH) > 3000 * 48


def test_counting_stops_where_it_is_too_much() -> None:
    start = time.process_time()
    assert size_of([[0] * 1_000_000] * 1_000_000, 1000) > 1000
    assert time.process_time() - start < 1


def test_all_outputs_are_counted_together_also_when_a_plan_goes_on() -> None:
    execution = Execution()
    execution.keep("x" * 1000, 3000)
    execution = execution.going_on()
    execution.keep("x" * 1000, 3000)
    with pytest.raises(ToolError, match="the outputs of this task take more than 3,000 bytes"):
        execution.keep("x" * 1000, 3000)


def test_a_list_of_steps_comes_to_what_its_last_one_did() -> None:
    steps = [planned("a"), planned("b", "a"), planned("c", "a")]
    assert outcome_of(steps[:2], {"a": 1, "b": 2}) == 2
    assert outcome_of(steps, {"a": 1, "b": 2, "c": 3}) == {"b": 2, "c": 3}
    assert outcome_of(steps, {"a": 1, "b": 2}) == 2
    assert outcome_of([], {}) is None
