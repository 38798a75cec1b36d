"""Steps inside steps: what they may refer to is checked before anything runs."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trio_agent_rt.agent import (
    ConditionalStep,
    LLMStep,
    LoopStep,
    ParallelStep,
    PlannedStep,
    Tool,
    ToolSet,
    parse_plan,
    shown_steps,
)
from trio_agent_rt.agent.planning.plans import ids_of
from trio_agent_rt.agent.planning.plans.parse import MAX_NESTING
from trio_agent_rt.errors import PlanError


async def _anything(call: object, arguments: object) -> object:
    return arguments


FREE = Tool(
    name="free",
    description="Takes anything.",
    parameters={"additionalProperties": True},
    function=_anything,
)
TOOLS = ToolSet((FREE,))


def tool(step_id: str, text: object = "", **fields: Any) -> dict[str, Any]:
    return {"id": step_id, "tool": "free", "arguments": {"text": text}, **fields}


def when(step_id: str, condition: str, *then: Any, other: Any = (), **fields: Any) -> Any:
    return {
        "id": step_id,
        "type": "conditional",
        "condition": condition,
        "then": list(then),
        "else": list(other),
        **fields,
    }


def loop(step_id: str, *body: Any, **fields: Any) -> Any:
    return {"id": step_id, "type": "loop", "body": list(body), **fields}


def at_once(step_id: str, *steps: Any, **fields: Any) -> Any:
    return {"id": step_id, "type": "parallel", "steps": list(steps), **fields}


def ask(step_id: str, prompt: str = "?", **fields: Any) -> Any:
    return {"id": step_id, "type": "llm", "prompt": prompt, **fields}


def parsed(*steps: Any, max_steps: int = 50, **options: Any) -> list[PlannedStep]:
    return parse_plan(json.dumps({"steps": steps}), TOOLS, max_steps=max_steps, **options)


def refusal(*steps: Any, **options: Any) -> str:
    with pytest.raises(PlanError) as caught:
        parsed(*steps, **options)
    return str(caught.value)


def test_each_type_becomes_a_class_of_its_own() -> None:
    found = parsed(
        ask("m", "Tell {{a.output}}", tools=["free", "free"], maxToolRounds=3, retryable=True),
        tool("a"),
        when("c", "a.output.n > 3", tool("d"), name=" Choose "),
        loop("l", tool("e"), over="{{a.output}}", maxIterations=7, timeout=5),
        at_once("p", tool("f"), tool("g"), needConfirmation=True),
    )
    by_id = {each.id: each for each in found}
    asked, chosen, looped, together = (by_id[each] for each in "mclp")
    assert isinstance(asked, LLMStep)
    assert (asked.tools, asked.max_tool_rounds, asked.max_retries) == (("free",), 3, 2)
    assert asked.depends_on == ["a"]
    assert isinstance(chosen, ConditionalStep)
    assert (chosen.name, chosen.depends_on, len(chosen.then)) == ("Choose", ["a"], 1)
    assert isinstance(looped, LoopStep)
    assert (looped.max_iterations, looped.timeout, looped.depends_on) == (7, 5, ["a"])
    assert isinstance(together, ParallelStep)
    assert together.need_confirmation
    assert [each.id for each in together.steps] == ["f", "g"]


def test_what_a_step_inside_needs_from_outside_is_a_dependency_of_the_one_around_it() -> None:
    *_, found = parsed(
        tool("a"),
        tool("b"),
        tool("d"),
        at_once("p", loop("l", when("c", "true", tool("x", "{{a.output}}", dependsOn=["b"])),
                          over="{{d.output}}")),
    )  # fmt: skip
    assert found.id == "p"
    assert set(found.depends_on) == {"a", "b", "d"}


def test_steps_of_a_branch_and_of_a_body_run_one_after_the_other_and_others_do_not() -> None:
    branch, body, both = parsed(
        when("c", "true", tool("x"), tool("y"), tool("z", "{{x.output}}")),
        loop("l", tool("u"), tool("v"), over=[]),
        at_once("p", tool("r", "{{s.output}}"), tool("s")),
    )
    assert [each.depends_on for each in branch.inside] == [[], ["x"], ["x", "y"]]
    assert [each.depends_on for each in body.inside] == [[], ["u"]]
    assert [(each.id, each.depends_on) for each in both.inside] == [("s", []), ("r", ["s"])]


@pytest.mark.parametrize(
    ("steps", "complaint"),
    [
        # ids
        ([tool("item")], "no step can have the id 'item': it has a meaning of its own"),
        ([tool("context")], "no step can have the id 'context'"),
        ([when("c", "true", tool("c"))], "two steps have the id 'c'"),
        ([when("c", "true", tool("x"), other=[tool("x")])], "two steps have the id 'x'"),
        ([loop("l", tool("x.1"), over=[])], "Expected `str` matching regex"),
        # what stands where
        ([when("c", "true", tool("x", "{{y.output}}"), tool("y"))],
         "step 'x': {{y.output}} refers to 'y', which comes after it"),
        ([when("c", "true", tool("x", dependsOn=["y"]), tool("y"))],
         "step 'x' depends on 'y', which comes after it"),
        ([when("c", "true", tool("x", "{{x.output}}"))], "'x', which is itself"),
        ([when("c", "true", tool("x", "{{c.output}}"))], "'c', which it is inside of"),
        ([when("c", "true", tool("x"), other=[tool("y", "{{x.output}}")])],
         "'x', which is inside 'c'; from outside, {{c.output}} is what it came to"),
        ([loop("l", tool("x"), over=[]), tool("a", "{{x.output}}")],
         "step 'a': {{x.output}} refers to 'x', which is inside 'l'; from outside"),
        ([at_once("p", tool("x", "{{q.output}}")), at_once("q", tool("y", "{{p.output}}"))],
         "the steps wait for each other: "),
        ([at_once("p", tool("x", "{{y.output}}"), tool("y", "{{x.output}}"))],
         "the steps wait for each other: "),
        ([at_once("p", tool("x"), dependsOn=["x"])], "step 'p' depends on 'x', which is inside"),
        # names
        ([tool("a", "{{item}}")], "{{item}}: there is no 'item' here; only the body of a loop"),
        ([tool("a", "{{index}}")], "{{index}}: there is no 'index' here"),
        ([loop("l", tool("x", "{{item}}"), **{"while": "true"})], "there is no 'item' here"),
        ([loop("l", tool("x"), over="{{item}}")], "there is no 'item' here"),
        ([loop("l", tool("x"), **{"while": "item > 3"})], "there is no 'item' here"),
        ([tool("a", "{{env.SECRET}}")], "{{env.SECRET}} refers to 'env', which is not in the plan"),
        ([ask("m", "tell me {{secrets.key}}")], "'secrets', which is not in the plan; there are:"),
        ([tool("a"), tool("b", "{{a}}")], "{{a}}: write a.output for what that step came to"),
        ([tool("a"), tool("b", "{{a.outputs}}")], "write a.output"),
        ([tool("a"), tool("b", "{{a.output[x]}}")], "{{a.output[x]}}: '[x]' leads nowhere"),
        ([tool("a"), tool("b", "{{a.output.}}")], "'.' leads nowhere; write .field or [0]"),
        ([tool("a"), when("c", "a > 3", tool("x"))], "step 'c': a: write a.output"),
        ([when("c", "zz.output", tool("x"))], "zz.output refers to 'zz', which is not in the plan"),
        ([loop("l", tool("x"), **{"while": "y.output"})], "'y', which is not in the plan"),
        # fields
        ([{**tool("a"), "prompt": "x"}], "'prompt' is for the type 'llm'; it is of 'tool'"),
        ([{**ask("m"), "while": "x"}], "'while' is for the type 'loop'; it is of 'llm'"),
        ([{**when("c", "true", tool("x")), "maxIterations": 3}], "'maxIterations' is for the type"),
        ([at_once("p", tool("x"), maxRetries=1)], "it cannot be tried again as a whole"),
        ([ask("m", " ")], "step 'm': a step of the type 'llm' needs 'prompt'"),
        ([ask("m", tools=["fly"])], "step 'm' wants the tool 'fly'; the tools are: free"),
        ([ask("m", maxToolRounds=10**9)], "Expected `int` <= 20"),
        ([when("c", "", tool("x"))], "needs 'condition'"),
        ([when("c", "true")], "it needs steps in 'then' or in 'else'"),
        ([when("c", "1 +", tool("x"))], "step 'c': '1 +' is not a condition"),
        ([loop("l", over=[1])], "needs 'body'"),
        ([loop("l", tool("x"))], "it needs either 'over', a list, or 'while', a condition"),
        ([loop("l", tool("x"), over=[], **{"while": "true"})], "it needs either 'over'"),
        ([loop("l", tool("x"), over="a, b")], "'over' must be a list, or one reference to a list"),
        ([loop("l", tool("x"), over=[], maxIterations=10**9)], "Expected `int` <= 1000"),
        ([at_once("p")], "needs 'steps'"),
    ],
)  # fmt: skip
def test_what_keeps_a_nested_plan_from_running_is_named(steps: list[Any], complaint: str) -> None:
    assert complaint in refusal(*steps)


@pytest.mark.parametrize("text", ["{{a b}}", "{{ name | upper }}", r"\{{env.X}}", "{{}}", "{x}"])
def test_braces_that_are_no_reference_are_let_be(text: str) -> None:
    assert parsed(tool("a", text))[0].depends_on == []


def test_steps_inside_others_count_too() -> None:
    inside = [tool(f"x{number}") for number in range(9)]
    assert refusal(at_once("p", *inside), max_steps=9) == (
        "the plan has 10 steps; at most 9 are allowed"
    )
    assert len(parsed(at_once("p", *inside), max_steps=10)) == 1


def test_steps_are_nested_so_deep_and_no_deeper() -> None:
    step = tool("x")
    for number in range(MAX_NESTING - 1):
        step = at_once(f"p{number}", step)
    assert len(list(ids_of(parsed(step)))) == MAX_NESTING
    assert "more than 5 levels; 'x' is too deep" in refusal(at_once("q", step))


def test_a_plan_that_goes_on_may_refer_to_what_was_given() -> None:
    (found,) = parsed(when("c", "a.output", tool("x", "{{b.output}}")), given=["a", "b"])
    assert set(found.depends_on) == {"a", "b"}
    assert "'b', which did not succeed" in refusal(tool("x", "{{b.output}}"), taken=["b"])


def test_viewers_are_told_of_the_first_iteration_of_a_loop() -> None:
    inner = loop("i", tool("x"), tool("y"), over="{{item}}")
    shown = list(shown_steps(parsed(loop("l", inner, over=[]))))
    assert [(each.id, each.type, each.depends_on) for each in shown] == [
        ("l", "loop", []),
        ("i.1", "loop", ["l"]),
        ("x.1.1", "tool", ["i.1"]),
        ("y.1.1", "tool", ["i.1", "x.1.1"]),
    ]
    assert [each.parent_id for each in shown] == [None, "l", "i.1", "i.1"]


_text = st.sampled_from(
    ["{{a.output}}", "{{item.x}}", "{{env.X}}", "{{x", r"\{{a}}", "{{a.output[0]}}", "a.output > 3"]
) | st.text(max_size=5)
_json = st.recursive(
    st.none() | st.booleans() | st.integers() | _text,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=5,
)


def _step(kind: str, **fields: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Of that type, and mostly as it should be."""
    ids = st.sampled_from("abcdefgh")
    usual = {"id": ids, "type": st.just(kind)}
    odd = dict.fromkeys(("timeout", "tools", "while", "else", "prompt", "name"), _json)
    return st.fixed_dictionaries(
        {**usual, **fields}, optional={"dependsOn": st.lists(ids, max_size=1)}
    ) | st.fixed_dictionaries(usual, optional={**odd, **dict.fromkeys(fields, _json)})


def _composite(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    steps = st.lists(inner, min_size=1, max_size=3)
    condition = st.sampled_from(["a.output > 3", "index < 3", "true", "b.output.x"]) | _text
    return st.one_of(
        _step("conditional", condition=condition, then=steps),
        _step("loop", over=st.just([1]) | _text, body=steps),
        _step("parallel", steps=steps),
        st.builds(
            lambda step, text: {**step, "while": text},
            _step("loop", body=steps),
            condition,
        ),
    )


_leaf = _step("tool", tool=st.just("free"), arguments=st.dictionaries(_text, _json, max_size=2)) | (
    _step("llm", prompt=_text)
)


@given(st.lists(st.recursive(_leaf, _composite, max_leaves=5), max_size=4))
def test_whatever_is_nested_it_is_a_plan_or_a_plan_error(steps: list[Any]) -> None:
    try:
        found = parsed(*steps)
    except PlanError:
        return
    shown = list(shown_steps(found))
    ids = [each.id for each in shown]
    assert len(set(ids)) == len(ids)
    for number, each in enumerate(shown):
        assert set(each.depends_on or ()) <= set(ids[:number])
