"""Arithmetic is evaluated, code is not, and no expression can hold the loop."""

from __future__ import annotations

import contextlib
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.effort import little_effort
from trio_agent_rt.agent.tools import FUNCTIONS, evaluate, math_evaluate
from trio_agent_rt.errors import ToolError

from .recorded import run


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("3*(4+5)", 27),
        ("7 // 2 + 7 % 4 - 1 / 4", 5.75),
        ("2**10", 1024),
        ("2^10", 1024),
        ("-2**2", -4),
        ("+-3", -3),
        ("3 × 4", 12),
        ("（3＋4）÷2＝", 3.5),
        ("8－2×3", 2),
        ("2·3", 6),
        ("sqrt(16) + abs(-2)", 6),
        ("max(1, 2, 3) - min(4, 5)", -1),
        ("max（1，2）", 2),
        ("round(2.567, 2)", 2.57),
        ("round(2.4)", 2),
        ("sin(0) + cos(0)", 1),
        ("log(e) + log10(100) + log2(8) + ln(1)", 6),
        ("mean(1, 2, 6)", 3),
        ("factorial(5) + gcd(12, 18)", 126),
        ("pow(2, 3) + hypot(3, 4) + floor(1.9) + ceil(1.1)", 16),
        ("π", math.pi),
        ("tau / pi", 2),
        ("1e3", 1000),
        (".5", 0.5),
    ],
)
def test_arithmetic_is_evaluated(expression: str, value: float) -> None:
    assert evaluate(expression) == value


@pytest.mark.parametrize(
    "expression",
    [
        "__import__('os').system('true')",
        "open('/etc/passwd')",
        "(1).__class__",
        "().__class__.__bases__",
        "sqrt.__globals__",
        "[x for x in (1,)]",
        "(lambda: 1)()",
        "1 if 1 else 2",
        "x := 1",
        "x = 1",
        "1; 2",
        "f'{1}'",
        "'a' * 9",
        "b'a'",
        "True + 1",
        "None",
        "1j",
        "1 < 2",
        "1 and 2",
        "~1",
        "1 << 99999",
        "1 | 2",
        "[1][0]",
        "{1: 2}",
        "sqrt(x=4)",
        "max(*[1])",
        "sqrt(4)(4)",
        "1,000 + 1",
        "print",
        "e(1)",
        "sqrt",
        "...",
        "await x",
        "yield",
        "import os",
        "2\n+3",
        "2\\\n+3",
        "1 # \0",
    ],
)
def test_anything_but_arithmetic_is_refused(expression: str) -> None:
    with pytest.raises(ToolError):
        evaluate(expression)


@pytest.mark.parametrize(
    ("expression", "complaint"),
    [
        ("", "empty"),
        (" = ", "empty"),
        ("2+", "'2\\+' is not an expression"),
        ("2)", "is not an expression \\(at character 2\\)"),
        ("a + 1", "'a' is not known; known are abs"),
        ("foo(1)", "function 'foo' is not known"),
        ("2pi", "write 2\\*pi, not 2pi"),
        ("1if 1else 2", "an operator is missing"),
        ("2(3)", "an operator is missing"),
        ("1/0", "divides by zero"),
        ("0 % 0", "divides by zero"),
        ("0 ** -1", "divides by zero"),
        ("sqrt(-1)", "sqrt has no value there"),
        ("log(0)", "log has no value there"),
        ("(-8) ** 0.5", "no real value"),
        ("pow(-8, 0.5)", "no real value"),
        ("max()", "max has no value there"),
        ("mean()", "mean cannot take 0"),
        ("sqrt(1, 2)", "sqrt cannot take 2"),
        ("round(1, 0.5)", "whole number of digits"),
        ("factorial(-1)", "not negative"),
        ("factorial(2.5)", "whole number"),
        ("gcd(0.5)", "whole numbers"),
        ("1e999", "not a finite number"),
        ("1e308 * 10", "not a finite number"),
        ("1e999 - 1e999", "not a finite number"),
        ("exp(1000)", "too large"),
        ("10.0 ** 400", "too large"),
        ("-" * 100 + "1", "nested more than 60 levels"),
    ],
)
def test_what_has_no_value_is_refused_in_words(expression: str, complaint: str) -> None:
    with pytest.raises(ToolError, match=complaint):
        evaluate(expression)


@pytest.mark.parametrize(
    "expression",
    [
        "9**9**9",
        "9**9**9**9",
        "2**99999999",
        "(-9)**99999",
        "pow(9, pow(9, 9))",
        "10**3000 * 10**3000",
        "*".join(["10**300"] * 100),
        "factorial(300000)",
        "factorial(1e300)",
        "factorial(factorial(99))",
        "round(5, -10**9)",
        "round(5, 10**9)",
        "9" * 999,
        "1e400 // 1",
        "-" * 900 + "1",
        "(" * 450 + "1" + ")" * 450,
        "sqrt(" * 150 + "1" + ")" * 150,
        "1" + "+1" * 480,
        "9" * 1001,
        "2**(10**12)",
        "1.5 ** 10**9",
        "gcd(10**2900, 10**2899 + 1)",
    ],
)
def test_no_expression_takes_long(expression: str) -> None:
    value: object = None
    with little_effort(), contextlib.suppress(ToolError):
        value = evaluate(expression)
    assert len(str(value)) < 4300


_NUMBERS = st.one_of(st.integers(-(10**6), 10**6), st.floats(-1e6, 1e6).map(abs)).map(str)
_EXPRESSIONS = st.recursive(
    st.one_of(_NUMBERS, st.sampled_from(["pi", "e"])),
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from(["+", "-", "*", "/", "//", "%", "**", "×"]), inner).map(
            lambda each: f"({''.join(each)})"
        ),
        st.tuples(st.sampled_from(sorted(FUNCTIONS)), st.lists(inner, max_size=3)).map(
            lambda each: f"{each[0]}({', '.join(each[1])})"
        ),
    ),
    max_leaves=12,
)


@given(_EXPRESSIONS)
def test_every_expression_has_a_finite_value_or_a_reason(expression: str) -> None:
    with contextlib.suppress(ToolError):
        value = evaluate(expression)
        assert isinstance(value, int) or math.isfinite(value)


@given(st.text(max_size=60))
def test_any_text_is_evaluated_or_refused(text: str) -> None:
    with contextlib.suppress(ToolError):
        evaluate(text)


@pytest.mark.parametrize(
    ("expression", "text"),
    [("0.1+0.2", "0.3"), ("4/2", "2"), ("1/3", "0.333333333333333"), ("2**70", str(2**70))],
)
async def test_the_tool_also_writes_the_value_out(expression: str, text: str) -> None:
    result = await run(math_evaluate, expression=f" {expression} ")
    assert result == {"expression": expression, "value": evaluate(expression), "text": text}
