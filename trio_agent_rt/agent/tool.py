"""Tools: what an agent can do, with a schema for models and an honest way to stop.

A tool is an async function with annotated parameters. `@tool` derives its JSON Schema
from the annotations and its description from the docstring:

```python
@tool(category="text")
async def shout(call: ToolCall, text: str, times: int = 1) -> str:
    \"\"\"Repeat a text in capitals.\"\"\"
    call.progress(50, "half way")
    return " ".join([text.upper()] * times)
```

How a tool stops is declared, and held against what it does. When it is cancelled,

- `async` ends at its next checkpoint: an async function that awaits;
- `subprocess` ends all the processes of a program and reaps them: a plain function that
  gives the `Command` to run, or an async one that uses `run_process`;
- `thread` is waited for, until the time for cleanup is over: a plain function that polls
  `check_cancelled`, or an async one that uses `run_in_thread`;
- `abandon` leaves its thread behind, and the receipt says so: a plain function, or an
  async one that uses `run_abandoned`.
"""

from __future__ import annotations

import difflib
import inspect
import re
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from types import SimpleNamespace
from typing import Any, Literal, Protocol, cast, get_type_hints, overload

import msgspec
from attrs import field, frozen
from attrs.validators import matches_re

from ..errors import ToolError
from ..protocol import CancellationKind, ToolInfo
from .stopping.claims import claiming
from .stopping.runners import runner

__all__ = ["Tool", "ToolCall", "ToolSet", "tool"]


class ToolCall(Protocol):
    """What a tool sees of the step that it runs in; a `Step` is one."""

    def progress(self, percent: float, message: str = "") -> None:
        """Tell the viewers how far the work is, 0–100. Never waits; throttled."""
        ...

    def output(self, text: str) -> None:
        """Stream a piece of text to the viewers. Never waits; pieces may be joined."""
        ...


ToolFunction = Callable[[ToolCall, Mapping[str, Any]], Awaitable[object]]


@frozen(kw_only=True)
class Tool:
    """Something an agent can run.

    Args:
        name: what plans call it: 1 to 64 letters, digits, `_` and `-`.
        description: what it does, for people and for models.
        parameters: the JSON Schema of its arguments, an object.
        function: `async (call, arguments) -> output`. Arguments have been checked by it
            or not at all; `@tool` makes functions that check them.
        category: groups tools in a list.
        cancellation: how it stops when it is cancelled. Doing what stops less well than
            that (waiting for a thread in an `async` tool) through this library is refused.
        needs_confirmation: whether a person is asked before it runs, whatever a plan says.
        retryable: whether it may simply be run again after it failed; not after a
            `ToolError` that says that this changes nothing.
    """

    name: str = field(validator=matches_re(r"[A-Za-z0-9_\-]{1,64}"))
    description: str
    parameters: Mapping[str, Any]
    function: ToolFunction = field(repr=False)
    category: str = "general"
    cancellation: CancellationKind = "async"
    needs_confirmation: bool = False
    retryable: bool = False

    @property
    def info(self) -> ToolInfo:
        """What a client is told of it."""
        return ToolInfo(
            name=self.name,
            description=self.description,
            category=self.category,
            parameters=self.parameters,
            cancellation=self.cancellation,
        )

    async def run(self, call: ToolCall, arguments: Mapping[str, Any]) -> object:
        """Run it once.

        Raises:
            ToolError: for arguments it cannot use and for work it could not do.
            RuntimeError: when it, or a tool that runs it, stops less well than declared.

        Cancellation: as `cancellation` declares.
        """
        with claiming(self.name, self.cancellation):
            return await self.function(call, arguments)


@overload
def tool(
    *,
    name: str | None = None,
    description: str | None = None,
    category: str = "general",
    cancellation: Literal["async"] = "async",
    needs_confirmation: bool = False,
    retryable: bool = False,
) -> Callable[[Callable[..., Awaitable[object]]], Tool]:
    """Of an async function."""


@overload
def tool(
    *,
    name: str | None = None,
    description: str | None = None,
    category: str = "general",
    cancellation: CancellationKind,
    needs_confirmation: bool = False,
    retryable: bool = False,
) -> Callable[[Callable[..., object]], Tool]:
    """Of an async function, or of a plain one that is run so that it stops as declared."""


def tool(
    *,
    name: str | None = None,
    description: str | None = None,
    category: str = "general",
    cancellation: CancellationKind = "async",
    needs_confirmation: bool = False,
    retryable: bool = False,
) -> Callable[[Callable[..., Any]], Tool]:
    """A decorator that makes a `Tool` of a function `(call, **arguments)`.

    The first parameter receives the `ToolCall`; each other one becomes an argument of
    the tool, by its name, annotation and default. Arguments are converted and checked
    before the function runs; what does not fit is a `ToolError` that names the field.

    An async function stops as it is written, which is held against `cancellation`. A
    plain one is run so that it stops as declared: of `thread` and `abandon` in a thread,
    where it may use the `ToolCall` as it is; of `subprocess` it is called in the event
    loop, and gives the `Command` (or the argv) of the program to run.

    Args:
        name: what plans call it, or None for the function's name.
        description: or None for the function's docstring.
        category, cancellation, needs_confirmation, retryable: as in `Tool`.

    Raises:
        TypeError: when an `async` tool's function is not async, when it has no docstring
            or takes no `ToolCall`, or when one of its parameters cannot be an argument: it has no
            annotation, or one that means nothing at run time, or takes any number of
            arguments.
        ValueError: when the name is none that plans and models can write.
    """

    def decorate(function: Callable[..., Any]) -> Tool:
        tool_name = name or function.__name__
        work = runner(tool_name, function, cancellation)
        about = description or inspect.getdoc(function)
        if not about:
            raise TypeError(f"tool {tool_name!r} needs a docstring: models read it")
        struct = _arguments_struct(tool_name, function)
        schema = _schema(struct)

        async def run(call: ToolCall, arguments: Mapping[str, Any]) -> object:
            try:
                checked = msgspec.convert(arguments, struct)
            except msgspec.ValidationError as exc:
                said = f"{tool_name}: {_explain(exc, arguments, schema)}"
                raise ToolError(said, retryable=False) from None
            return await work(call, **msgspec.structs.asdict(checked))

        return Tool(
            name=tool_name,
            description=about,
            parameters=schema,
            function=run,
            category=category,
            cancellation=cancellation,
            needs_confirmation=needs_confirmation,
            retryable=retryable,
        )

    return decorate


def _arguments_struct(tool_name: str, function: Callable[..., Any]) -> type[msgspec.Struct]:
    parameters = list(inspect.signature(function).parameters.values())
    if not parameters or parameters[0].kind is inspect.Parameter.KEYWORD_ONLY:
        raise TypeError(f"tool {tool_name!r}: its first parameter must take the ToolCall")
    del parameters[0]
    for each in parameters:
        if each.kind not in (each.POSITIONAL_OR_KEYWORD, each.KEYWORD_ONLY):
            raise TypeError(f"tool {tool_name!r}: parameter {each.name!r} cannot be given by name")
        if each.annotation is each.empty:
            raise TypeError(f"tool {tool_name!r}: parameter {each.name!r} has no annotation")
    # Of the arguments alone: `ToolCall` may have been imported for type checkers only.
    annotated = SimpleNamespace(__annotations__={each.name: each.annotation for each in parameters})
    try:
        hints = get_type_hints(
            annotated, globalns=inspect.unwrap(function).__globals__, include_extras=True
        )
    except NameError as exc:
        raise TypeError(f"tool {tool_name!r}: an annotation cannot be read: {exc}") from None
    fields: list[tuple[str, Any] | tuple[str, Any, Any]] = [
        (each.name, hints[each.name])
        if each.default is each.empty
        else (each.name, hints[each.name], each.default)
        for each in parameters
    ]
    return msgspec.defstruct(tool_name, fields, kw_only=True, forbid_unknown_fields=True)


def _schema(struct: type[msgspec.Struct]) -> dict[str, Any]:
    (schema,), components = msgspec.json.schema_components((struct,), ref_template="#/$defs/{name}")
    own: dict[str, Any] = components.pop(str(schema["$ref"]).rpartition("/")[2])
    own.pop("title", None)
    return {**own, "$defs": components} if components else own


def _explain(
    exc: msgspec.ValidationError, arguments: Mapping[str, Any], schema: Mapping[str, Any]
) -> str:
    """Msgspec's message, with what a model needs to do better the next time."""
    said = str(exc).replace(" - at `$.", " - at `").replace(" - at `$`", "")
    taken: Mapping[str, Mapping[str, Any]] = schema["properties"]
    place = re.search(r" - at `(\w+)", said)
    if place is not None:
        choices: Sequence[object] = taken.get(place[1], {}).get("enum", ())
        return f"{said}; it is one of {', '.join(map(repr, choices))}" if choices else said
    # Of a program that minds no types it may be anything.
    names = list(arguments) if isinstance(cast("object", arguments), Mapping) else []
    unknown = next((each for each in names if each not in taken), None)
    if unknown is not None and f"`{unknown}`" in said:
        close = difflib.get_close_matches(unknown, taken, n=1)
        if close:
            return f"{said}; did you mean `{close[0]}`?"
    required: Sequence[str] = schema.get("required", ())
    listed = [f"`{each}`" if each in required else f"`{each}` (optional)" for each in taken]
    return f"{said}; it takes {', '.join(listed) or 'no arguments'}"


@frozen
class ToolSet:
    """Tools by name, in the order they were given.

    Raises:
        ValueError: when two tools have the same name.
    """

    tools: Sequence[Tool] = field(converter=tuple[Tool, ...], default=())
    _by_name: Mapping[str, Tool] = field(init=False, repr=False, eq=False)

    def __attrs_post_init__(self) -> None:
        by_name: dict[str, Tool] = {}
        for each in self.tools:
            if each.name in by_name:
                raise ValueError(f"two tools are called {each.name!r}")
            by_name[each.name] = each
        object.__setattr__(self, "_by_name", by_name)

    def __contains__(self, name: object) -> bool:
        return name in self._by_name

    def __getitem__(self, name: str) -> Tool:
        """The tool of that name; KeyError when there is none."""
        return self._by_name[name]

    def __iter__(self) -> Iterator[Tool]:
        return iter(self.tools)

    def __len__(self) -> int:
        return len(self.tools)

    @property
    def names(self) -> Sequence[str]:
        """Every tool's name, in order."""
        return tuple(self._by_name)

    def infos(self) -> Sequence[ToolInfo]:
        """What clients and models are told of them."""
        return tuple(each.info for each in self.tools)
