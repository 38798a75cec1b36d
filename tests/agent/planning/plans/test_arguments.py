"""What a schema says that a tool takes, held against the names of what it is given."""

from __future__ import annotations

from typing import Any

import pytest

from trio_agent_rt.agent import ToolCall, tool
from trio_agent_rt.agent.planning.plans.arguments import why_not_arguments

A = {"a": {}}


@tool()
async def bare(call: ToolCall) -> None:
    """Take nothing."""


@tool()
async def takes(call: ToolCall, path: str, lines: int = 1) -> None:
    """Take two."""


@pytest.mark.parametrize(
    "schema",
    [
        {},
        {"type": "object"},
        {"type": "object", "properties": {}},
        {"properties": A, "additionalProperties": True},
        {"properties": A, "additionalProperties": {"type": "integer"}},
        {"properties": A, "patternProperties": {"^x": {}}},
        {"patternProperties": {"^x": {}}, "additionalProperties": False},
        {"properties": A, "anyOf": [{"properties": {"x": {}}}]},
        {"$ref": "#/$defs/X", "$defs": {"X": {"properties": {"x": {}}}}},
    ],
)
def test_what_a_schema_leaves_open_is_passed_on(schema: dict[str, Any]) -> None:
    assert why_not_arguments(schema, {"x": 1}) is None


def test_tools_of_ours_know_exactly_what_they_take() -> None:
    assert why_not_arguments(bare.parameters, {}) is None
    assert why_not_arguments(bare.parameters, {"x": 1}) == "has no argument 'x'; it takes: none"
    assert why_not_arguments(takes.parameters, {"path": "", "file": ""}) == (
        "has no argument 'file'; it takes: path, lines"
    )
    assert why_not_arguments(takes.parameters, {"lines": 1}) == "needs 'path'"


def test_a_name_that_is_not_in_a_list_is_mistyped() -> None:
    assert why_not_arguments({"properties": A}, {"b": 1}) == "has no argument 'b'; it takes: a"
    closed = {"additionalProperties": False}
    assert why_not_arguments(closed, {"b": 1}) == "has no argument 'b'; it takes: none"


@pytest.mark.parametrize(
    ("arguments", "kind"), [(["a"], "a list"), ("a", "a text"), (None, "null")]
)
def test_what_is_no_object_is_no_arguments(arguments: Any, kind: str) -> None:
    assert why_not_arguments({}, arguments) == (
        f"takes an object with the names of its arguments, not {kind}"
    )


@pytest.mark.parametrize(
    "schema",
    [
        {"properties": None, "required": None},
        {"properties": ["x"], "required": "x"},
        {"properties": "x", "required": [["x"], 3, None]},
        {"type": ["object"], "required": {"y": 1}},
        {"additionalProperties": "no", "properties": {"y": 3}},
    ],
)
def test_an_odd_schema_demands_nothing_that_is_not_understood(schema: dict[str, Any]) -> None:
    assert why_not_arguments(schema, {"x": 1}) is None


def test_what_a_schema_names_is_shortened_in_messages() -> None:
    many = {f"name{number}": {} for number in range(10_000)}
    assert len(why_not_arguments({"properties": many}, {"x": 1}) or "") < 2100
    assert len(why_not_arguments({"required": ["x" * 10_000]}, {}) or "") < 200
