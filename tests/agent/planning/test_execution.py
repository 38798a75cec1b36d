"""What a plan came to, and how much of it there is."""

from __future__ import annotations

import sys
import tracemalloc
from collections import UserDict, deque
from collections.abc import Callable
from types import MappingProxyType
from typing import Any, NamedTuple

import attrs
import msgspec
import pytest

from tests.agent.planning.work import planned
from tests.agent.stage import Stage
from tests.effort import little_effort
from trio_agent_rt.agent import Execution, Executor, ToolCall, create_agent, tool
from trio_agent_rt.agent.planning.execution import outcome_of, size_of
from trio_agent_rt.errors import ToolError
from trio_agent_rt.protocol import Plain
from trio_agent_rt.testing import ScriptedLLM

MUCH = 10**9


@attrs.define(slots=False)
class Record:
    text: str


@attrs.define
class Slotted:
    text: str


class Packed(msgspec.Struct):
    text: str


class Pair(NamedTuple):
    one: str
    two: str


class Labelled(list[str]):
    def __init__(self, items: list[str], label: str) -> None:
        super().__init__(items)
        self.label = label


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
        (Slotted("x" * 1000), 1000, 1500),
        (Packed("x" * 1000), 1000, 1500),
        (Plain("x" * 1000), 1000, 1500),
        (Pair("x" * 1000, "y" * 1000), 2000, 2500),
        (deque(["x" * 1000, "y" * 1000]), 2000, 3500),
        (MappingProxyType({"k" * 1000: "v" * 1000}), 2000, 2800),
        ({"k": "v" * 1000}.values(), 1000, 1500),
        (UserDict({"k": "v" * 1000}), 1000, 2000),
        (memoryview(bytes(1000)), 1000, 1500),
        (Labelled(["x" * 1000], "y" * 1000), 2000, 3000),
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
    value = [[0] * 1_000_000] * 1_000_000
    with little_effort(at_most=1):
        assert size_of(value, 1000) > 1000


def test_counting_copies_nothing() -> None:
    big: list[object] = [["x" * 5_000_000], dict.fromkeys(range(300_000)), set(range(300_000))]
    tracemalloc.start()
    assert size_of(big, 10_000_000) > 10_000_000
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 200_000


async def test_what_is_passed_on_is_one_value_however_many_steps_take_it() -> None:
    taken: list[object] = []

    @tool()
    async def give(call: ToolCall) -> list[str]:
        """Give much."""
        return ["x" * 10_000_000]

    @tool()
    async def take(call: ToolCall, value: list[str]) -> int:
        """Take it."""
        taken.append(value[0])
        return len(value[0])

    uses = [
        {"id": f"s{number}", "tool": "take", "arguments": {"value": "{{a.output}}"}}
        for number in range(20)
    ]
    steps = [{"id": "a", "tool": "give", "arguments": {}}, *uses]
    agent = create_agent(llm=ScriptedLLM({"steps": steps}, "done"), tools=[give, take])
    tracemalloc.start()
    completed = await Stage().play(agent)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert completed.success
    assert len({id(each) for each in taken}) == 1
    assert most < 30_000_000


@pytest.mark.parametrize("kind", [Slotted, Packed, Record])
async def test_a_huge_value_of_any_kind_fails_its_step_and_is_not_passed_on(
    kind: Callable[[str], object],
) -> None:
    @tool()
    async def flood(call: ToolCall) -> list[object]:
        """Give too much."""
        return [kind("x" * 1000 + str(number)) for number in range(2000)]

    @tool()
    async def take(call: ToolCall, value: Any) -> None:
        """Take it."""
        raise AssertionError("it was passed on")

    steps = [
        {"id": "a", "tool": "flood", "arguments": {}},
        {"id": "b", "tool": "take", "arguments": {"value": "{{a.output}}"}},
    ]
    agent = create_agent(
        llm=ScriptedLLM({"steps": steps}),
        tools=[flood, take],
        executor=Executor(max_output_bytes=1_000_000),
        max_replans=0,
    )
    completed = await Stage().play(agent)
    assert "too big to be passed on" in (completed.error or "")
    assert "ask for less at a time" in (completed.error or "")


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
