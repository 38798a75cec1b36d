"""Conditions say what they can in their own small language, quickly, and nothing else."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.effort import little_effort
from trio_agent_rt.agent.planning.language import Scope, parse_condition
from trio_agent_rt.errors import PlanError, ToolError

OUTPUT: dict[str, Any] = {
    "count": 3,
    "name": "Ann",
    "rows": [{"n": 1}, {"n": 2}],
    "unit price": 2.5,
    "none": None,
    "on": True,
    "tags": ["a", "b"],
    "empty": {},
}
SCOPE = Scope(context={"lang": "en"}, outputs={"a": OUTPUT, "step-2": 7, "t": "text"}).iteration(
    4, {"x": 1}
)


def holds(text: str) -> bool:
    return parse_condition(text).holds(SCOPE)


@pytest.mark.parametrize(
    "text",
    [
        'a.output.count > 2 and context.lang == "en"',
        "a.output.count == 3.0 != 4",
        "1 < a.output.count <= 3",
        "not a.output.none and a.output.none == null and a.output.none is None",
        "a.output.on == true and a.output.on is not false and a.output.on != 1",
        "false or null or 0 or '' or [] or a.output.empty or 1",
        'a.output["unit price"] * 2 == 5',
        "a.output.rows[0].n + a.output.rows[-1].n == 3",
        "a.output.rows[index - 3].n == 2",
        "len(a.output.rows) == 2 and len(a.output.name) == 3 and len([]) == 0",
        "'a' in a.output.tags and 'c' not in a.output.tags and 'count' in a.output",
        "contains(a.output.name, 'nn') and 'nn' in a.output.name",
        "lower(a.output.name) == 'ann' and upper(trim(' x ')) == 'X'",
        "startswith(a.output.name, 'A') and endswith(a.output.name, 'n')",
        "number('3.5') + number('-1') == 2.5 and number(3) == 3 and text(3) == '3'",
        "abs(-3) == 3 and round(2.6) == 3 and 7 % 4 == 3 and 7 / 2 == 3.5",
        "max(1, 2, 3) == 3 and min([4, 2]) == 2 and sum([1, 2]) == 3 and sum([]) == 0",
        "{{a.output.count}} > 2 and {{ step-2.output }} == 7",
        "{{a.output.rows}}[0].n == 1",
        "item.x == 1 and index == 4 and index",
        "a.output.rows[0] == a.output.rows[0] and a.output.rows != []",
        "'b' > 'a' and \"it's\" == 'it\\'s'",
        "a.output.tags == ['a', 'b'] and 2 in [1, 2]",
        "true and True and\n not False",
        "  (a.output.count)  ",
        "true == true and 1 != true and '1' != 1",
    ],
)
def test_what_is_true(text: str) -> None:
    assert holds(text)
    assert not holds(f"not ({text})")


def test_what_comes_after_is_not_looked_at_once_it_is_decided() -> None:
    assert holds("true or a.output.missing > 3")
    assert not holds("a.output.none != null and a.output.none.x > 3")


def test_the_references_of_a_condition_are_known_before_it_is_tried() -> None:
    found = parse_condition("x.output.n > 1 or {{y-z.output}} in [item.q, 'x.output', true, index]")
    assert [(each.root, each.path) for each in found.references] == [
        ("x", ("output", "n")),
        ("y-z", ("output",)),
        ("item", ("q",)),
        ("index", ()),
    ]


def test_before_the_first_iteration_everything_of_a_step_is_null() -> None:
    scope = Scope(index=0, not_yet={"x"})
    assert parse_condition("x.output.done != true and x.output == null").holds(scope)
    with pytest.raises(ToolError, match="null and a number cannot be compared by size; see first"):
        parse_condition("x.output.n < 3").holds(scope)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("a.output.missing", "a.output has no field 'missing'; it has: count, empty, name,"),
        ("a.output.rows[9]", "a.output.rows has 2 items, so there is no [9]"),
        ("a.output.name.__class__", "a.output.name is a text, so it has no field '__class__'"),
        ("t.output.__class__.__mro__", "t.output is a text, so it has no field '__class__'"),
        ("a.output[index]", "it is an object, not a list"),
        ("a.output.rows[null]", "only a text or a whole number can stand in [ ]"),
        ("a.output.count > 'x'", "a number and a text cannot be compared by size"),
        ("a.output.none > 1", "null and a number cannot be compared by size; see first whether"),
        ("a.output.on > 0", "true or false and a number cannot be compared"),
        ("a.output.name + 'x'", "a text is no number"),
        ("a.output.name * 3", "a text is no number"),
        ("[1] * 3", "a list is no number"),
        ("1 / 0", "it divides by zero"),
        ("1 % 0", "it divides by zero"),
        ("1e308 * 10 > 1", "the numbers are not finite"),
        ("len(3)", "a number has no length"),
        ("lower(3)", "a number is no text"),
        ("max([])", "the max of nothing is not known"),
        ("number('0x10')", "the text is no number"),
        ("number('nan')", "the text is no number"),
        ("1 in 'x'", "a number cannot be looked for in a text"),
        ("[1] in [[1]]", "a list cannot be looked for"),
        ("1 in 3", "a number is no list"),
        ("text(a.output)", "an object is not made a text"),
        ("zz.output", "no output is called 'zz'; there are: a, step-2, t"),
        ("a.input", "write a.output"),
    ],
)
def test_what_has_no_answer_says_why(text: str, complaint: str) -> None:
    with pytest.raises(ToolError) as caught:
        holds(text)
    assert complaint in str(caught.value)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "the condition is empty"),
        (" \n", "the condition is empty"),
        ("a.output >", "'a.output >' is not a condition"),
        ("a.output 3", "is not a condition (at character 10)"),
        ("a.output = 3", "is not a condition: write == to compare"),
        ("a.output && b.output", "write and, or, not, =="),
        ("!a.output", "write and, or, not, =="),
        ("a.output === 3", "write and, or, not, =="),
        ("2pi > 1", "a number and a name stand together"),
        ("1and 2", "a number and a name stand together"),
        ("0x10", "a number and a name stand together"),
        (r"'\d' == 'x'", "a backslash in a text is written twice"),
        ("'{{a.output}}' == 'x'", "write references without quotes around them"),
        ("{{#if}} > 3", "{{#if}} is no reference"),
        ("{{a.output[x]}} > 3", "'[x]' leads nowhere"),
        ("x\0y", "characters that no condition has"),
        ("x" * 1001, "the condition has 1,001 characters; at most 1,000 are taken"),
        ("(" * 400 + "1" + ")" * 400, ""),
        ("not " * 200 + "true", "it is nested more than 40 levels deep"),
        ("9**9**9", "that operator is not understood; there are references"),
        ("1 << 99999999", "that operator is not understood"),
        ("'a' @ 'b'", "that operator is not understood"),
        ("lambda: 1", "that (Lambda) is not understood"),
        ("[x for x in a.output]", "is not understood"),
        ("f'{a.output}'", "an f-string is not understood"),
        ("(x := 3)", "is not understood"),
        ("1 if true else 2", "if … else is not understood"),
        ("await x", "is not understood"),
        ("{1: 2}", "is not understood"),
        ("a.output.rows[0:1]", "is not understood"),
        ("b'x'", "that kind of constant is not understood"),
        ("1j", "a number and a name stand together"),
        ("...", "that kind of constant is not understood"),
        ("~1", "is not understood"),
        ("__import__('os').system('true')", "a call of something else than a function's name"),
        ("__import__('os')", "there is no function '__import__'"),
        ("open('/etc/passwd')", "there is no function 'open'; there are: abs, contains"),
        ("eval('1')", "there is no function 'eval'"),
        ("a.output.name.upper()", "a call of something else than a function's name"),
        ("len(a.output, key=1)", "is not understood"),
        ("len(*a.output)", "is not understood"),
        ("len()", "len takes 1 to 1 values, not 0"),
        ("max(" + ",".join("1" * 30) + ")", "max takes 1 to 20 values, not 30"),
    ],
)
def test_what_is_no_condition_says_what_to_write(text: str, complaint: str) -> None:
    with pytest.raises(PlanError) as caught:
        parse_condition(text)
    assert complaint in str(caught.value)
    assert len(str(caught.value)) < 500


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: "x" * 10_000_000, " == ".join(["lower(a.output)"] * 40)),
        (lambda: list(range(1_000_000)), " or ".join(["'x' in a.output"] * 40)),
        (lambda: [[]] * 1_000_000, "a.output == a.output"),
        (lambda: {"x": [{}] * 1_000_000}, "a.output == a.output"),
        (lambda: 10**100_000, "a.output * a.output > 1"),
        (lambda: "9" * 1_000_000, "number(a.output) > 1"),
        (lambda: list(range(9_000)), " and ".join(["-1 not in a.output"] * 40)),
        (lambda: "x" * 10_000_000, " and ".join(["'y' not in a.output"] * 30)),
        (lambda: [list(range(9_000))], " and ".join(["a.output == a.output"] * 30)),
    ],
    ids=range(9),
)
def test_no_condition_takes_long(make: Callable[[], object], text: str) -> None:
    scope = Scope(outputs={"a": make()})
    condition = parse_condition(text)
    with little_effort(), contextlib.suppress(ToolError):
        condition.holds(scope)


@pytest.mark.parametrize(
    ("output", "text", "complaint"),
    [
        (
            "x" * 100_001,
            "lower(a.output) == ''",
            "a text of 100,001 characters is too long; 100,000",
        ),
        ([0] * 10_001, "1 in a.output", "a list of 10,001 items is too long; 10,000 are looked at"),
        ([0] * 10_001, "a.output == [1]", "values with more than 10,000 parts are not compared"),
        (10**4000, "a.output + 1 > 0", "the numbers get too large"),
    ],
    ids=range(4),
)
def test_what_is_too_large_to_be_looked_at_is_said_to_be(
    output: object, text: str, complaint: str
) -> None:
    with pytest.raises(ToolError) as caught:
        parse_condition(text).holds(Scope(outputs={"a": output}))
    assert complaint in str(caught.value)


def test_an_output_that_is_nested_without_end_is_no_answer() -> None:
    deep: list[Any] = []
    for _ in range(sys.getrecursionlimit() * 2):
        deep = [deep]
    around: list[Any] = []
    around.append(around)
    with pytest.raises(ToolError, match="cannot be compared: it is nested more than"):
        parse_condition("a.output == [[]]").holds(Scope(outputs={"a": deep}))
    with pytest.raises(ToolError, match="not compared"):
        parse_condition("a.output == [[]]").holds(Scope(outputs={"a": around}))


class _Odd:
    def __eq__(self, other: object) -> bool:
        raise AssertionError

    def __bool__(self) -> bool:
        raise AssertionError

    def __hash__(self) -> int:
        raise AssertionError


@pytest.mark.parametrize(
    "text",
    ["a.output", "a.output in [1]", "len(a.output)", "a.output < 1", "not a.output", "a.output.x"],
)
def test_an_object_of_a_tools_own_has_no_say(text: str) -> None:
    scope = Scope(outputs={"a": _Odd()})
    assert not parse_condition("a.output == 1 or a.output == [1]").holds(scope)
    with pytest.raises(ToolError, match="a _Odd"):
        parse_condition(text).holds(scope)


@given(
    st.text(max_size=60)
    | st.text(alphabet="a.output[0] <>=+-*/%()'\"andornotin{}x_,:", max_size=60)
    | st.lists(st.sampled_from(
        ["a.output", "a.output.count", "index", "3", "'x'", "null", "(", ")", "and", "or", "not",
         "in", "==", "<", "+", "*", "len(", "[", "]", "{{a.output}}", "."]), max_size=12,
    ).map(" ".join)
)  # fmt: skip
def test_whatever_it_says_it_holds_or_not_or_is_refused(text: str) -> None:
    try:
        assert holds(text) in {True, False}
    except (PlanError, ToolError):
        return


def test_values_that_differ_late_are_not_equal() -> None:
    long = ["x" * 1000] * 300
    outputs: dict[str, object] = {"a": [*long, "one"], "b": [*long, "two"], "c": [*long, "one"]}
    scope = Scope(outputs=outputs)
    assert parse_condition("a.output != b.output and a.output == c.output").holds(scope)


@pytest.mark.parametrize("value", [["x" * 9_000_000], [2**5000]], ids=["long", "large"])
def test_what_does_not_fit_is_not_compared(value: object) -> None:
    with pytest.raises(ToolError, match="cannot be compared: it "):
        parse_condition("a.output == a.output").holds(Scope(outputs={"a": value}))


@pytest.mark.parametrize(
    "text",
    [
        "'ab' in text.output",
        "contains(text.output, 'ab')",
        "text.output != same.output",
        "text.output < same.output",
        "list.output != list.output",
        "text.output in texts.output",
    ],
)
def test_a_condition_looks_at_so_much_in_all(text: str) -> None:
    texts = ["x" * 5_000_000 + end for end in "yz"]
    scope = Scope(
        outputs={
            "text": texts[0],
            "same": texts[0][:-1] + "y",
            "texts": [texts[1]],
            "list": [["y"] * 3 for _ in range(2400)],
        }
    )
    assert not parse_condition(text).holds(scope)
    with pytest.raises(ToolError, match="looks at too much"):
        parse_condition(" or ".join([text] * 20)).holds(scope)


@pytest.mark.hang_guard(10)
@pytest.mark.parametrize(
    "text", ["1" * 99_999 + "x", "1." + "1" * 99_000 + "x", "1" * 90_000 + "e"]
)
async def test_a_text_of_many_digits_that_is_no_number_is_soon_known_for_none(text: str) -> None:
    scope = Scope(context={}, outputs={"a": text})
    with pytest.raises(ToolError, match="no number"):
        parse_condition("number(a.output) > 1").holds(scope)
