"""What a model wrote is a plan that can run, or a PlanError that says what to mend."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.effort import little_effort
from trio_agent_rt.agent import (
    PLAN_SCHEMA,
    PlannedStep,
    Tool,
    ToolCall,
    ToolSet,
    ToolStep,
    parse_plan,
    tool,
)
from trio_agent_rt.agent.planning.plans.checker import MAX_DEPTH
from trio_agent_rt.agent.planning.plans.parse import MAX_PLAN_CHARS
from trio_agent_rt.errors import PlanError


@tool()
async def read(call: ToolCall, path: str, lines: int = 10) -> str:
    """Read."""
    return path


@tool(needs_confirmation=True)
async def write(call: ToolCall, path: str, text: Any) -> None:
    """Write."""


async def _anything(call: ToolCall, arguments: object) -> object:
    return arguments


FREE = Tool(
    name="free",
    description="Takes anything.",
    parameters={"type": "object", "additionalProperties": True},
    function=_anything,
)
BARE = Tool(
    name="bare",
    description="Takes nothing.",
    parameters={"type": "object", "additionalProperties": False},
    function=_anything,
)
TOOLS = ToolSet((read, write, FREE, BARE))


def step(step_id: str = "a", tool: str = "free", **fields: Any) -> dict[str, Any]:
    return {"id": step_id, "tool": tool, **fields}


def plan(*steps: dict[str, Any], **fields: Any) -> str:
    return json.dumps({"steps": steps, **fields})


def parsed(text: str, max_steps: int = 50) -> list[PlannedStep]:
    return parse_plan(text, TOOLS, max_steps=max_steps)


def refusal(text: str, max_steps: int = 50) -> str:
    with pytest.raises(PlanError) as caught:
        parsed(text, max_steps)
    return str(caught.value)


def test_a_full_step() -> None:
    full = step(
        "load",
        "read",
        name="Load it",
        description="from disk",
        type="tool",
        arguments={"path": "a.csv", "lines": 3},
        dependsOn=[],
        needConfirmation=True,
        timeout=2.5,
        maxRetries=4,
    )
    (found,) = parsed(plan(full))
    assert found == ToolStep(
        id="load",
        name="Load it",
        description="from disk",
        tool="read",
        arguments={"path": "a.csv", "lines": 3},
        depends_on=[],
        need_confirmation=True,
        timeout=2.5,
        max_retries=4,
    )
    shown = found.shown()
    assert (shown.id, shown.name, shown.description) == ("load", "Load it", "from disk")
    assert (shown.type, shown.tool, shown.need_confirmation) == ("tool", "read", True)


def test_the_least_that_is_a_plan() -> None:
    (found,) = parsed('{"steps":[{"id":"a","tool":"bare"}]}')
    assert isinstance(found, ToolStep)
    assert (found.name, found.description, found.arguments) == ("bare", "", {})
    assert (found.need_confirmation, found.timeout, found.max_retries) == (False, None, 0)


def test_a_tool_that_needs_a_confirmation_gets_one_whatever_the_plan_says() -> None:
    arguments = {"path": "p", "text": "t"}
    (found,) = parsed(plan(step(tool="write", arguments=arguments, needConfirmation=False)))
    assert found.need_confirmation


@pytest.mark.parametrize(
    ("fields", "retries"),
    [
        ({"retryable": True}, 2),
        ({"retryable": True, "maxRetries": 5}, 5),
        ({"retryable": False, "maxRetries": 1}, 1),
        ({}, 0),
    ],
)
def test_how_often_a_step_may_be_tried_again(fields: dict[str, Any], retries: int) -> None:
    (found,) = parsed(plan(step(**fields)))
    assert isinstance(found, ToolStep)
    assert found.max_retries == retries


def test_steps_come_in_an_order_in_which_they_can_run_and_else_as_they_were_written() -> None:
    found = parsed(
        plan(step("c", dependsOn=["a"]), step("b"), step("a"), step("d", dependsOn=["c", "b"]))
    )
    ids = [each.id for each in found]
    assert sorted(ids) == ["a", "b", "c", "d"]
    assert ids.index("a") < ids.index("c") < ids.index("d")
    assert ids.index("b") < ids.index("d")
    assert [each.id for each in parsed(plan(*map(step, "zyx")))] == ["z", "y", "x"]


def test_what_the_arguments_refer_to_is_a_dependency() -> None:
    arguments = {"x": ["{{a.output}}", {"y": "{{ b.output.rows[0] }}"}], "z": "{{a.output.n}}"}
    (*_, found) = parsed(
        plan(step("c", arguments=arguments, dependsOn=["a"]), step("a"), step("b"))
    )
    assert found.id == "c"
    assert found.depends_on == ["a", "b"]


@pytest.mark.parametrize(
    "text",
    [
        "```json\n{}\n```",
        "```\n{}\n```",
        "```json\n{}```",
        "\n  ```JSON  \n{}\n\n```\n\n",
        "  {}  \n",
        "```json5 strict\r\n{}\r\n```\r\n",
    ],
)
def test_a_markdown_fence_is_taken_off(text: str) -> None:
    assert [each.id for each in parsed(text.format(plan(step())))] == ["a"]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "the plan is not valid JSON: "),
        ("Sure! Here is the plan.", "the plan is not valid JSON: "),
        ("{", "the plan is not valid JSON: "),
        ("```json\n```", "the plan is not valid JSON: "),
        ("``````", "the plan is not valid JSON: "),
        ("```", "the plan is not valid JSON: "),
        ('{"steps": [NaN]}', "the plan is not valid JSON: "),
        ('{"steps": "\ud800"}', "the plan is not valid JSON: "),
        ("\ud83d", "the plan is not valid JSON: "),
        ('{"x":' + "[" * 100_000, "the plan is nested too deeply"),
        ("[]", "the plan does not follow its schema: Expected `object`, got `array`"),
        ("null", "the plan does not follow its schema: Expected `object`, got `null`"),
        ('{"steps":{}}', "the plan does not follow its schema: Expected `array`, got `object`"),
        ('{"steps":[{"id":"a"}]}', "step 'a': a step of the type 'tool' needs 'tool'"),
        (plan(step("a b")), "the plan does not follow its schema: Expected `str` matching regex"),
        (plan(step("")), "the plan does not follow its schema: Expected `str` matching regex"),
        (plan(step("a" * 65)), "Expected `str` matching regex"),
        (plan(step("a\n")), "the id 'a\\n' has a line break in it"),
        (plan(step(name="n" * 501)), "length <= 500 - at `$.steps[0].name`"),
        (plan(step(timeout=0)), "Expected `float` > 0.0 - at `$.steps[0].timeout`"),
        (plan(step(timeout=1e9)), "Expected `float` <= 86400.0"),
        (plan(step(maxRetries=11)), "Expected `int` <= 10"),
        (plan(step(maxRetries=-1)), "Expected `int` >= 0"),
        (plan(step(dependsOn="b")), "Expected `array`, got `str` - at `$.steps[0].dependsOn`"),
        (plan(step(arguments=[])), "Expected `object`, got `array` - at `$.steps[0].arguments`"),
        ("{}", "the plan has no steps"),
        (plan(), "the plan has no steps"),
        (plan(error=" , "), "the plan has no steps"),
        (plan(error="I cannot fly"), "I cannot fly"),
        (plan(step(), error="I cannot fly"), "I cannot fly"),
        (plan(step(), step()), "two steps have the id 'a'"),
        (plan(step(type="llm")), "step 'a': 'tool' is for the type 'tool'; it is of 'llm'"),
        (plan(step(type="shell")), "Invalid enum value 'shell' - at `$.steps[0].type`"),
        (
            plan(step(tool="fly")),
            "step 'a' wants the tool 'fly'; the tools are: read, write, free, bare",
        ),
        (
            plan(step(tool="read", arguments={"path": "p", "file": "f"})),
            "step 'a': the tool 'read' has no argument 'file'; it takes: path, lines",
        ),
        (
            plan(step(tool="bare", arguments={"x": 1})),
            "step 'a': the tool 'bare' has no argument 'x'; it takes: none",
        ),
        (
            plan(step(tool="read", arguments={"lines": 1})),
            "step 'a': the tool 'read' needs 'path'",
        ),
        (plan(step(dependsOn=["b"])), "step 'a' depends on 'b', which is not in the plan"),
        (
            plan(step(arguments={"x": "{{b.output}}"})),
            "step 'a': {{b.output}} refers to 'b', which is not in the plan; there are: context, a",
        ),
        (plan(step(dependsOn=["a"])), "the steps wait for each other: a → a"),
        (plan(step(arguments={"x": "{{a.output}}"})), "the steps wait for each other: a → a"),
        (
            plan(step("a", dependsOn=["b"]), step("b", dependsOn=["a"])),
            "the steps wait for each other: ",
        ),
    ],
)
def test_what_keeps_a_plan_from_running_is_named(text: str, complaint: str) -> None:
    assert complaint in refusal(text)


def test_without_tools_it_says_that_there_are_none() -> None:
    with pytest.raises(PlanError, match="the tools are: none"):
        parse_plan(plan(step()), ToolSet(), max_steps=1)


def test_too_many_steps_are_refused() -> None:
    steps = [step(f"s{number}") for number in range(51)]
    assert refusal(plan(*steps)) == "the plan has 51 steps; at most 50 are allowed"
    assert len(parsed(plan(*steps[:50]))) == 50


def test_a_plan_that_is_too_long_is_not_read() -> None:
    assert refusal("x" * (MAX_PLAN_CHARS + 1)) == (
        f"the plan has {MAX_PLAN_CHARS + 1} characters; {MAX_PLAN_CHARS} are allowed"
    )
    assert "not valid JSON" in refusal("x" * MAX_PLAN_CHARS)


@pytest.mark.parametrize("opening", ["[", '{"x":'])
@pytest.mark.parametrize("depth", [MAX_DEPTH, 200, 900, 1500, 10_000])
def test_arguments_that_are_nested_too_deeply_are_refused(opening: str, depth: int) -> None:
    closing = "]" if opening == "[" else "}"
    nested = opening * depth + "1" + closing * depth
    text = f'{{"steps":[{{"id":"a","tool":"free","arguments":{{"x":{nested}}}}}]}}'
    assert "nested too deeply" in refusal(text)


def test_arguments_may_be_nested_as_deeply_as_viewers_can_see() -> None:
    depth = MAX_DEPTH - 2
    nested: Any = json.loads("[" * depth + '"{{b.output}}"' + "]" * depth)
    first, second = parsed(plan(step(arguments={"x": nested}), step("b")))
    assert (first.id, second.depends_on) == ("b", ["b"])


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (plan(*(step(f"s{n}") for n in range(10_000))), "10000 steps"),
        (
            plan(*(step(f"s{n}", dependsOn=[f"s{n + 1}"]) for n in range(15_000))),
            "not in the plan",
        ),
        (
            plan(*(step(f"s{n}", dependsOn=[f"s{(n + 1) % 15_000}"]) for n in range(15_000))),
            "the steps wait for each other",
        ),
        (
            plan(*(step(f"s{n}", dependsOn=[f"s{m}" for m in range(120)]) for n in range(120))),
            "the steps wait for each other",
        ),
        ("```" + "\n" * 100_000, "not valid JSON"),
        ("```json\n" + " \n" * 100_000 + "``", "not valid JSON"),
        (plan(step(arguments={"x": "{{" * 100_000})), ""),
        (plan(step(arguments={"x": "{{a.output" * 50_000})), ""),
        (plan(step(arguments={"x": "{{a" + " " * 200_000})), ""),
        (plan(step(arguments={"x": "{{a.output" + "[1].x" * 50_000})), ""),
        (plan(step(arguments={"x": ["{{a.output}}"] * 20_000})), "a → a"),
    ],
    ids=range(11),
)
def test_no_plan_takes_long(text: str, complaint: str) -> None:
    limit = 9_999 if "10000" in complaint else 20_000
    with little_effort(at_most=150):
        if complaint:
            assert complaint in refusal(text, limit)
        else:
            parsed(text, limit)


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)
_ids = st.sampled_from(["a", "b", "c", "d", "", "{{a.output}}"])
_steps = st.fixed_dictionaries(
    {"id": _ids, "tool": st.sampled_from(["read", "write", "free", "bare", "x"]) | _json},
    optional={
        "arguments": st.dictionaries(
            st.sampled_from(["path", "text", "x"]), _json | st.sampled_from(["{{a.output}}"])
        ),
        "dependsOn": st.lists(_ids) | _json,
        "type": st.just("tool") | _json,
        "timeout": st.floats() | _json,
        "maxRetries": st.integers() | _json,
        "needConfirmation": _json,
    },
)


@given(
    st.one_of(
        st.text(alphabet=st.characters()),
        st.text(alphabet='`{}[]":,\n ajson\ud800'),
        _json.map(json.dumps),
        st.fixed_dictionaries({"steps": st.lists(_steps)}).map(json.dumps),
    )
)
def test_whatever_a_model_writes_is_a_plan_or_a_plan_error(text: str) -> None:
    try:
        steps = parsed(text)
    except PlanError:
        return
    assert steps
    ids = [each.id for each in steps]
    assert len(set(ids)) == len(ids)
    for number, each in enumerate(steps):
        assert set(each.depends_on) <= set(ids[:number])
        assert isinstance(each, ToolStep)
        assert each.tool in TOOLS


def test_the_schema_says_what_is_checked() -> None:
    schema: Any = json.loads(json.dumps(PLAN_SCHEMA))
    (one,) = schema["$defs"].values()
    assert one["required"] == ["id"]
    assert {"dependsOn", "needConfirmation", "maxRetries", "timeout"} <= one["properties"].keys()
    assert schema["properties"].keys() == {"steps", "error"}
