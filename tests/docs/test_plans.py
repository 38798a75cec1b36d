"""The page on plans shows plans that can be run, and names what there is."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from trio_agent_rt import default_tools
from trio_agent_rt.agent import PLAN_SCHEMA, Executor, ToolSet, parse_plan, shown_steps
from trio_agent_rt.agent.planning.language.functions import FUNCTIONS, MAX_ITEMS
from trio_agent_rt.agent.planning.plans.checker import MAX_DEPTH
from trio_agent_rt.agent.planning.plans.parse import MAX_NESTING
from trio_agent_rt.agent.planning.plans.schema import MAX_ITERATIONS

from .pages import REPOSITORY, Block, blocks

PAGE = REPOSITORY / "docs" / "reference" / "plans.md"
TEXT = PAGE.read_text(encoding="utf-8")
EXAMPLES = [each for each in blocks(PAGE) if each.kind == "plan"]


@pytest.mark.parametrize("example", EXAMPLES, ids=str)
def test_an_example_can_be_run_on_the_default_tools(example: Block, tmp_path: Path) -> None:
    tools = ToolSet(tuple(default_tools(root=tmp_path)))
    assert parse_plan(example.code, tools, max_steps=50)


def test_every_type_of_step_is_shown() -> None:
    tools = ToolSet(tuple(default_tools(root=REPOSITORY)))
    shown = {
        each.type
        for example in EXAMPLES
        for each in shown_steps(parse_plan(example.code, tools, max_steps=50))
    }
    assert shown == {"tool", "llm", "conditional", "loop", "parallel"}


def test_every_field_and_function_is_named() -> None:
    named = set(re.findall(r"`\"?(\w+)[`\"(]", TEXT))
    (step,) = json.loads(json.dumps(PLAN_SCHEMA))["$defs"].values()
    assert set(step["properties"]) - named == set()
    assert set(FUNCTIONS) - named == set()


def test_the_limits_are_those_that_hold() -> None:
    executor = Executor()
    assert f"| iterations of one loop | {MAX_ITERATIONS} |" in TEXT
    assert f"| steps inside each other | {MAX_NESTING} |" in TEXT
    assert f"| values inside each other, in `arguments` | {MAX_DEPTH} |" in TEXT
    assert f"| {executor.max_runs} | `Executor(max_runs=)` |" in TEXT
    assert f"| {executor.max_parallel} | `Executor(max_parallel=)` |" in TEXT
    megabytes = executor.max_output_bytes // 1024**2
    assert f"| {megabytes} MiB | `Executor(max_output_bytes=)` |" in TEXT
    assert f"in a condition | {MAX_ITEMS:,} |" in TEXT
