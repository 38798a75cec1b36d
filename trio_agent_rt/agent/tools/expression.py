"""Arithmetic without `eval`: Python's parser, and a walk that knows numbers only."""

from __future__ import annotations

import ast
import math
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, TypeAlias, cast

import trio
from msgspec import Meta

from ...errors import ToolError
from ..tool import ToolCall, tool

__all__ = ["CONSTANTS", "FUNCTIONS", "evaluate", "math_evaluate"]

Number: TypeAlias = int | float

_MAX_CHARS = 1000
_MAX_DEPTH = 60
_MAX_BITS = 10_000
"""About 3,000 digits: more than anybody reads, and fewer than the 4,300 that Python
refuses to print."""

_SYMBOLS = str.maketrans(
    {
        "×": "*", "·": "*", "✕": "*", "∗": "*", "＊": "*", "÷": "/", "／": "/", "∕": "/",
        "＋": "+", "－": "-", "−": "-", "–": "-", "％": "%", "（": "(", "）": ")", "，": ",",
        "．": ".", "＾": "^", "\u3000": " ", "【": "(", "】": ")",
    }
)  # fmt: skip

_GLUED = re.compile(r"(?<![\w.])(?>[\d.]+(?:[eE][+-]?\d+)?)[A-Za-z_π(]")
"""A number with a name right behind it, on which Python's parser would warn."""

CONSTANTS: Mapping[str, float] = {"pi": math.pi, "π": math.pi, "e": math.e, "tau": math.tau}
"""The names that stand for a number."""


class _Refused(Exception):
    """Why an expression has no value; becomes a `ToolError`."""


def evaluate(expression: str) -> Number:
    """The value of an arithmetic expression; `^` is a power, as is `**`.

    Raises:
        ToolError: for anything else than arithmetic, and for results that are no finite
            number or far too large; the text says which.
    """
    source = _readable(expression)
    try:
        tree = ast.parse(source, mode="eval")
    except SyntaxError as exc:
        raise ToolError(f"{_shown(expression)} is not an expression{_where(exc)}") from None
    except (RecursionError, MemoryError, ValueError):
        raise ToolError(f"{_shown(expression)} cannot be read: it is nested too deeply") from None
    try:
        return _finite(_value(tree.body, 0))
    except _Refused as exc:
        raise ToolError(f"{_shown(expression)}: {exc}") from None
    except ZeroDivisionError:
        raise ToolError(f"{_shown(expression)} divides by zero") from None
    except OverflowError:
        raise ToolError(f"{_shown(expression)}: the numbers get too large") from None


def _finite(number: Number) -> Number:
    if isinstance(number, float) and not math.isfinite(number):
        raise _Refused("the result is not a finite number")
    return number


def _readable(expression: str) -> str:
    if len(expression) > _MAX_CHARS:
        raise ToolError(
            f"the expression has {len(expression):,} characters; at most {_MAX_CHARS:,} are taken"
        )
    source = expression.translate(_SYMBOLS).replace("^", "**").strip().rstrip("=＝").strip()
    if not source:
        raise ToolError("the expression is empty")
    if re.search(r"[\r\n\0]", source):
        raise ToolError("the expression must be one line")
    if _GLUED.search(source):
        raise ToolError(f"{_shown(expression)}: an operator is missing; write 2*pi, not 2pi")
    return source


def _where(exc: SyntaxError) -> str:
    return "" if not exc.offset else f" (at character {exc.offset})"


def _shown(expression: str) -> str:
    return repr(expression if len(expression) <= 80 else expression[:80] + "…")


def _value(node: ast.expr, depth: int) -> Number:
    if depth > _MAX_DEPTH:
        raise _Refused(f"it is nested more than {_MAX_DEPTH} levels deep")
    match node:
        case ast.Constant(value=bool() | str() | bytes() | complex() | None) | ast.Tuple():
            raise _Refused("only plain numbers count, written like 1000 or 0.5")
        case ast.Constant(value=int() | float() as number):
            return _bounded(number)
        case ast.Name(id=name):
            if name in CONSTANTS:
                return CONSTANTS[name]
            raise _Refused(f"{name!r} is not known; {_known()}")
        case ast.UnaryOp(op=ast.UAdd() | ast.USub() as sign, operand=operand):
            inner = _value(operand, depth + 1)
            return -inner if isinstance(sign, ast.USub) else inner
        case ast.BinOp(left=left, op=operator, right=right) if type(operator) in _OPERATORS:
            apply = _OPERATORS[type(operator)]
            return _bounded(apply(_value(left, depth + 1), _value(right, depth + 1)))
        case ast.Call(func=ast.Name(id=name), args=arguments, keywords=[]):
            if name not in FUNCTIONS:
                raise _Refused(f"the function {name!r} is not known; {_known()}")
            return _call(name, [_value(each, depth + 1) for each in arguments])
        case _:
            raise _Refused(
                "only numbers, + - * / // % **, parentheses and functions are understood"
            )


def _call(name: str, arguments: Sequence[Number]) -> Number:
    try:
        return _bounded(FUNCTIONS[name](*arguments))
    except TypeError:
        raise _Refused(f"{name} cannot take {len(arguments)} of these numbers") from None
    except ValueError:
        raise _Refused(f"{name} has no value there") from None


def _bounded(number: Number) -> Number:
    if isinstance(number, int) and number.bit_length() > _MAX_BITS:
        raise OverflowError
    return number


def _known() -> str:
    return f"known are {', '.join(sorted(FUNCTIONS))} and pi, e, tau"


def _power(base: Number, exponent: Number) -> Number:
    if (
        isinstance(base, int)
        and isinstance(exponent, int)
        and (abs(base).bit_length() - 1) * exponent > _MAX_BITS
    ):
        raise OverflowError
    result = cast("Number | complex", base**exponent)
    if isinstance(result, complex):
        raise _Refused("a power of a negative number has no real value there")
    return result


def _round(number: Number, digits: Number = 0) -> Number:
    if not isinstance(digits, int) or abs(digits) > 100:
        raise _Refused("round takes a whole number of digits, at most 100")
    return round(number, digits) if digits else round(number)


def _factorial(number: Number) -> int:
    if number != int(number) or number < 0:
        raise _Refused("factorial takes a whole number that is not negative")
    if number > 1000:
        raise OverflowError
    return math.factorial(int(number))


def _gcd(*numbers: Number) -> int:
    if any(each != int(each) for each in numbers):
        raise _Refused("gcd takes whole numbers")
    return math.gcd(*(int(each) for each in numbers))


def _mean(*numbers: Number) -> float:
    if not numbers:
        raise TypeError
    return sum(numbers) / len(numbers)


def _total(*numbers: Number) -> Number:
    return sum(numbers)


def _largest(*numbers: Number) -> Number:
    return max(numbers)


def _smallest(*numbers: Number) -> Number:
    return min(numbers)


_OPERATORS: Mapping[type[ast.operator], Callable[[Any, Any], Number]] = {
    ast.Add: lambda left, right: left + right,
    ast.Sub: lambda left, right: left - right,
    ast.Mult: lambda left, right: left * right,
    ast.Div: lambda left, right: left / right,
    ast.FloorDiv: lambda left, right: left // right,
    ast.Mod: lambda left, right: left % right,
    ast.Pow: _power,
}

FUNCTIONS: Mapping[str, Callable[..., Any]] = {
    "abs": abs,
    "acos": math.acos,
    "asin": math.asin,
    "atan": math.atan,
    "atan2": math.atan2,
    "cbrt": math.cbrt,
    "ceil": math.ceil,
    "cos": math.cos,
    "degrees": math.degrees,
    "exp": math.exp,
    "factorial": _factorial,
    "floor": math.floor,
    "gcd": _gcd,
    "hypot": math.hypot,
    "ln": math.log,
    "log": math.log,
    "log10": math.log10,
    "log2": math.log2,
    "max": _largest,
    "mean": _mean,
    "min": _smallest,
    "pow": _power,
    "radians": math.radians,
    "round": _round,
    "sin": math.sin,
    "sqrt": math.sqrt,
    "sum": _total,
    "tan": math.tan,
}
"""What an expression may call, by name."""


@tool(category="math")
async def math_evaluate(
    call: ToolCall,
    expression: Annotated[str, Meta(description="for example 3*(4+5) or sqrt(2)**10 or 3 × 4")],
) -> dict[str, Any]:
    """Evaluate an arithmetic expression: + - * / // % ** ^, parentheses, functions such as sqrt,
    sin, log (natural), min, max, mean and round, and pi, e, tau. Gives `expression`, `value`
    and `text`, the value written out."""
    await trio.lowlevel.checkpoint()
    value = evaluate(expression)
    return {"expression": expression.strip(), "value": value, "text": _written(value)}


def _written(value: Number) -> str:
    """The value as people write it: 0.3 for 0.1 + 0.2, 2 for 4 / 2."""
    if isinstance(value, int):
        return str(value)
    if value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    return f"{value:.15g}"
