"""Conditions without `eval`: Python's parser, and a walk that knows values only.

`step_1.output.count > 3 and context.lang == "en"` — a condition is compiled once, when the
plan is read, so that what it may not say is told before anything runs. Its length, its
depth and what each operation may look at are bounded, so its time is, too.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

from attrs import define, field, frozen

from ....errors import PlanError, ToolError
from .functions import FUNCTIONS, OPERATORS, Effort, Refused, compare, is_true
from .references import Reference, descend, parse_reference, shorten
from .scope import Scope

__all__ = ["Condition", "parse_condition"]

_MAX_CHARS = 1000
_MAX_DEPTH = 40

_CONSTANTS: Mapping[str, object] = {"true": True, "false": False, "null": None}

_BRACED = re.compile(r"\{\{([^{}]*)\}\}")
_STAND_IN = re.compile(r"__reference_(\d+)__")
_STRING = re.compile(r""""(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'""")
_ODD_ESCAPE = re.compile(r"""\\(?![\\'"nt])""")
_GLUED = re.compile(r"(?<![\w.])(?>\.?\d[\d.]*(?:[eE][+-]?\d+)?)[^\W\d]")
"""A number with a name right behind it, on which Python's parser would warn."""


@frozen
class _Evaluation:
    """One time that a condition is worked out."""

    scope: Scope
    effort: Effort


Evaluate: TypeAlias = Callable[[_Evaluation], object]


@frozen
class Condition:
    """A condition that has been read.

    Args:
        text: as it was written.
        references: the values that it looks at.
    """

    text: str
    references: Sequence[Reference]
    _evaluate: Evaluate = field(repr=False, eq=False)

    def holds(self, scope: Scope) -> bool:
        """Whether it is true there.

        Raises:
            ToolError: when it has no answer; the text says why.
        """
        try:
            return is_true(self._evaluate(_Evaluation(scope, Effort())))
        except Refused as exc:
            raise ToolError(f"{shorten(self.text)!r}: {exc}") from None
        except (ArithmeticError, RecursionError):
            raise ToolError(f"{shorten(self.text)!r} cannot be worked out") from None


def parse_condition(text: str) -> Condition:
    """Read a condition.

    Raises:
        PlanError: for anything else than a condition; the text says what to write.
    """
    shown = repr(shorten(text))
    source, braced = _readable(text)
    try:
        tree = ast.parse(source, mode="eval")
    except SyntaxError as exc:
        raise PlanError(f"{shown} is not a condition{_hint(exc, source)}") from None
    except (RecursionError, MemoryError, ValueError):
        raise PlanError(f"{shown} cannot be read: it is nested too deeply") from None
    compiler = _Compiler(braced)
    try:
        evaluate = compiler.compiled(tree.body, 0)
    except Refused as exc:
        raise PlanError(f"{shown}: {exc}") from None
    return Condition(text, tuple(compiler.references), evaluate)


def _readable(text: str) -> tuple[str, list[Reference]]:
    """One line that Python's parser takes, and the references that stood in braces."""
    if len(text) > _MAX_CHARS:
        raise PlanError(
            f"the condition has {len(text):,} characters; at most {_MAX_CHARS:,} are taken"
        )
    shown = repr(shorten(text))
    if not text.strip():
        raise PlanError("the condition is empty")
    if "\0" in text:
        raise PlanError(f"{shown} has characters that no condition has")
    braced: list[Reference] = []

    def stand_in(match: re.Match[str]) -> str:
        if not re.match(r"[\w\-]", match[1].strip()):
            raise PlanError(f"{shown}: {match[0]} is no reference")
        braced.append(parse_reference(match[1], match[0]))
        return f" __reference_{len(braced) - 1}__ "

    source = " ".join(_BRACED.sub(stand_in, text).splitlines()).strip()
    for string in _STRING.findall(source):
        if _STAND_IN.search(string):
            raise PlanError(f"{shown}: write references without quotes around them")
        if _ODD_ESCAPE.search(string):
            raise PlanError(f"{shown}: a backslash in a text is written twice")
    if _GLUED.search(_STRING.sub('""', source)):
        raise PlanError(f"{shown}: a number and a name stand together; put an operator between")
    return source, braced


def _hint(exc: SyntaxError, source: str) -> str:
    bare = _STRING.sub('""', source)
    if re.search(r"&&|\|\||===|!(?!=)", bare):
        return ": write and, or, not, =="
    if re.search(r"(?<![=!<>])=(?!=)", bare):
        return ": write == to compare"
    return "" if not exc.offset else f" (at character {exc.offset})"


@define
class _Compiler:
    """Turns the nodes that are known into functions, and refuses all others."""

    _braced: Sequence[Reference]
    references: list[Reference] = field(init=False, factory=list[Reference])

    def compiled(self, node: ast.expr, depth: int) -> Evaluate:
        if depth > _MAX_DEPTH:
            raise Refused(f"it is nested more than {_MAX_DEPTH} levels deep")
        reference = self._reference(node)
        if reference is not None:
            self.references.append(reference)
            return lambda now: now.scope.value(reference)
        match node:
            case ast.Constant(value=None | bool() | int() | float() | str() as constant):
                return lambda now: constant
            case ast.Name(id=name) if name in _CONSTANTS:
                value = _CONSTANTS[name]
                return lambda now: value
            case ast.BoolOp(op=operator, values=values):
                return _joined(operator, [self.compiled(each, depth + 1) for each in values])
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                inner = self.compiled(operand, depth + 1)
                return lambda now: not is_true(inner(now))
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                inner = self.compiled(operand, depth + 1)
                return lambda now: OPERATORS[ast.Sub](0, inner(now))
            case ast.BinOp(left=left, op=operator, right=right) if type(operator) in OPERATORS:
                apply = OPERATORS[type(operator)]
                first, second = self.compiled(left, depth + 1), self.compiled(right, depth + 1)
                return lambda now: apply(first(now), second(now))
            case ast.Compare(left=left, ops=operators, comparators=others):
                values = [self.compiled(each, depth + 1) for each in (left, *others)]
                return _compared([type(each) for each in operators], values)
            case ast.List(elts=elements) | ast.Tuple(elts=elements):
                values = [self.compiled(each, depth + 1) for each in elements]
                return lambda now: [each(now) for each in values]
            case ast.Call(func=ast.Name(id=name), args=arguments, keywords=[]):
                return self._call(name, [self.compiled(each, depth + 1) for each in arguments])
            case ast.Attribute(value=value, attr=attribute):
                base = self.compiled(value, depth + 1)
                return lambda now: descend(base(now), attribute, "it")
            case ast.Subscript(value=value, slice=key):
                return _item(self.compiled(value, depth + 1), self.compiled(key, depth + 1))
            case _:
                raise Refused(
                    f"{_kind(node)} is not understood; there are references, texts, numbers, "
                    "lists, true, false, null, and, or, not, in, == != < <= > >=, + - * / %, "
                    f"and {', '.join(sorted(FUNCTIONS))}"
                )

    def _reference(self, node: ast.expr) -> Reference | None:
        """The reference that a chain of names and constants is, if it is one."""
        path: list[str | int] = []
        while True:
            match node:
                case ast.Attribute(value=value, attr=name):
                    path.append(name)
                case ast.Subscript(value=value, slice=ast.Constant(value=str() | int() as key)) if (
                    not isinstance(key, bool)
                ):
                    path.append(key)
                case ast.Subscript(
                    value=value, slice=ast.UnaryOp(ast.USub(), ast.Constant(value=int() as key))
                ):
                    path.append(-key)
                case ast.Name(id=name) if name not in _CONSTANTS:
                    path.reverse()
                    return self._rooted(name, path)
                case _:
                    return None
            node = value

    def _rooted(self, name: str, path: list[str | int]) -> Reference:
        stand_in = _STAND_IN.fullmatch(name)
        if stand_in and int(stand_in[1]) < len(self._braced):
            braced = self._braced[int(stand_in[1])]
            return Reference(braced.text, braced.root, (*braced.path, *path))
        text = name + "".join(f".{each}" if isinstance(each, str) else f"[{each}]" for each in path)
        return Reference(shorten(text), name, tuple(path))

    def _call(self, name: str, arguments: Sequence[Evaluate]) -> Evaluate:
        if name not in FUNCTIONS:
            raise Refused(f"there is no function {name!r}; there are: {', '.join(FUNCTIONS)}")
        function, least, most = FUNCTIONS[name]
        if not least <= len(arguments) <= most:
            raise Refused(f"{name} takes {least} to {most} values, not {len(arguments)}")
        if name == "contains":
            return _compared([ast.In], arguments[::-1])
        return _called(function, arguments)


def _called(function: Callable[..., object], arguments: Sequence[Evaluate]) -> Evaluate:
    def evaluate(now: _Evaluation) -> object:
        values = [each(now) for each in arguments]
        if function is not FUNCTIONS["len"][0]:  # which looks at nothing
            now.effort.spend_on(values)
        return function(*values)

    return evaluate


def _kind(node: ast.AST) -> str:
    return {
        "BinOp": "that operator",
        "Call": "a call of something else than a function's name",
        "Constant": "that kind of constant",
        "GeneratorExp": "a comprehension",
        "IfExp": "if … else",
        "JoinedStr": "an f-string",
    }.get(type(node).__name__, f"that ({type(node).__name__})")


def _joined(operator: ast.boolop, values: Sequence[Evaluate]) -> Evaluate:
    if isinstance(operator, ast.And):
        return lambda now: all(is_true(each(now)) for each in values)
    return lambda now: any(is_true(each(now)) for each in values)


def _compared(operators: Sequence[type[ast.cmpop]], values: Sequence[Evaluate]) -> Evaluate:
    def evaluate(now: _Evaluation) -> bool:
        left = values[0](now)
        for operator, value in zip(operators, values[1:], strict=True):
            right = value(now)
            if not compare(operator, left, right, now.effort):
                return False
            left = right
        return True

    return evaluate


def _item(base: Evaluate, key: Evaluate) -> Evaluate:
    def evaluate(now: _Evaluation) -> object:
        part: Any = key(now)
        if isinstance(part, bool) or not isinstance(part, str | int):
            raise Refused("only a text or a whole number can stand in [ ]")
        return descend(base(now), part, "it")

    return evaluate
