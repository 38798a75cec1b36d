"""A tool's schema, its checks and its description come from the function that it is."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal

import msgspec
import pytest
import trio

from trio_agent_rt.agent import Tool, ToolSet, tool
from trio_agent_rt.errors import ToolError

if TYPE_CHECKING:
    from trio_agent_rt.agent import ToolCall

    Unreadable = int


class Quiet:
    """A `ToolCall` that nobody listens to."""

    def progress(self, percent: float, message: str = "") -> None: ...

    def output(self, text: str) -> None: ...


class Point(msgspec.Struct):
    x: float
    y: float = 0.0


@tool(category="text", cancellation="async", retryable=True)
async def shout(
    call: ToolCall,
    text: Annotated[str, msgspec.Meta(description="what to shout", max_length=5)],
    times: int = 1,
    *,
    style: Literal["loud", "louder"] = "loud",
    at: Sequence[Point] = (),
) -> str:
    """Repeat a text in capitals."""
    await trio.lowlevel.checkpoint()
    call.progress(50)
    return " ".join([text.upper()] * times) + style + "".join(f"{each.x}" for each in at)


async def given(arguments: Any) -> object:
    return await shout.run(Quiet(), arguments)


def test_the_schema_tells_names_types_defaults_and_nested_objects() -> None:
    schema = json.loads(json.dumps(shout.parameters))
    assert schema["required"] == ["text"]
    assert schema["additionalProperties"] is False
    assert schema["properties"]["text"] == {
        "type": "string",
        "description": "what to shout",
        "maxLength": 5,
    }
    assert schema["properties"]["times"] == {"type": "integer", "default": 1}
    assert schema["properties"]["style"]["enum"] == ["loud", "louder"]
    assert schema["properties"]["at"]["items"] == {"$ref": "#/$defs/Point"}
    assert schema["$defs"]["Point"]["required"] == ["x"]


def test_the_rest_is_taken_from_the_function_and_the_decorator() -> None:
    assert (shout.name, shout.description) == ("shout", "Repeat a text in capitals.")
    info = shout.info
    assert (info.name, info.category, info.cancellation) == ("shout", "text", "async")
    assert shout.retryable
    assert not shout.needs_confirmation


async def test_arguments_are_converted_and_defaults_filled_in() -> None:
    assert await given({"text": "a"}) == "Aloud"
    arguments = {"text": "a", "times": 2, "style": "louder", "at": [{"x": 1.5}]}
    assert await given(arguments) == "A Alouder1.5"


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (
            {},
            "shout: Object missing required field `text`; it takes `text`, `times` (optional), "
            "`style` (optional)",
        ),
        ({"text": "a", "tims": 2}, "unknown field `tims`; did you mean `times`?"),
        ({"text": "a", "volume": 2}, "unknown field `volume`; it takes `text`, `times` (optional)"),
        ({"text": "a", "style": "quiet"}, "at `style`; it is one of '"),
        (5, "shout: Expected `object`, got `int`"),
        ({"text": 1}, "shout: Expected `str`, got `int` - at `text`"),
        ({"text": "a", "times": "2"}, "shout: Expected `int`, got `str` - at `times`"),
        ({"text": "a", "at": [{"x": 1}, {"y": 1}]}, "missing required field `x` - at `at[1]`"),
        ({"text": "a", "style": "quiet"}, "shout: Invalid enum value 'quiet' - at `style`"),
        ({"text": "a", "volume": 1}, "shout: Object contains unknown field `volume`"),
        ({"text": "abcdef"}, "shout: Expected `str` of length <= 5 - at `text`"),
        ([], "shout: Expected `object`, got `array`"),
    ],
)
async def test_what_does_not_fit_is_named(arguments: Any, complaint: str) -> None:
    with pytest.raises(ToolError) as caught:
        await given(arguments)
    assert complaint in str(caught.value)


def not_async(call: ToolCall) -> None:
    """Do it."""


async def no_call() -> None:
    """Do it."""


async def no_call_but_names(*, text: str) -> None:
    """Do it."""


async def no_docstring(call: ToolCall) -> None: ...


async def no_annotation(call: ToolCall, text: str) -> None:
    """Do it."""


del no_annotation.__annotations__["text"]


async def any_number(call: ToolCall, *texts: str) -> None:
    """Do it."""


async def any_name(call: ToolCall, **texts: str) -> None:
    """Do it."""


async def no_name(call: ToolCall, text: str, /) -> None:
    """Do it."""


async def for_checkers_only(call: ToolCall, number: Unreadable) -> None:
    """Do it."""


@pytest.mark.parametrize(
    ("function", "complaint"),
    [
        (not_async, "'not_async' must be an async function"),
        (no_call, "'no_call': its first parameter must take the ToolCall"),
        (no_call_but_names, "its first parameter must take the ToolCall"),
        (no_docstring, "'no_docstring' needs a docstring"),
        (no_annotation, "'text' has no annotation"),
        (any_number, "'texts' cannot be given by name"),
        (any_name, "'texts' cannot be given by name"),
        (no_name, "cannot be given by name"),
        (for_checkers_only, "an annotation cannot be read: name 'Unreadable'"),
    ],
)
def test_a_function_that_cannot_be_a_tool_is_refused(
    function: Callable[..., Any], complaint: str
) -> None:
    with pytest.raises(TypeError, match=complaint):
        tool()(function)


@pytest.mark.parametrize("name", ["a b", "x" * 65, "a.b", "ünder", "a\n"])
def test_a_name_that_plans_and_models_cannot_write_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="'name' must match regex"):
        tool(name=name)(shout_again)


async def shout_again(call: ToolCall) -> None:
    """Do it."""


def test_two_tools_of_one_name_are_refused() -> None:
    other = Tool(name="shout", description="", parameters={}, function=shout.function)
    with pytest.raises(ValueError, match="two tools are called 'shout'"):
        ToolSet([shout, other])
    with pytest.raises(ValueError, match="two tools are called 'shout'"):
        ToolSet([shout, shout])
    tools = ToolSet([shout])
    assert "shout" in tools
    assert tools["shout"] is shout
    assert (tools.names, len(tools), list(tools)) == (("shout",), 1, [shout])
    assert [each.name for each in tools.infos()] == ["shout"]
