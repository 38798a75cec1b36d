"""A tool's function, run so that it stops as the tool has declared."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

import attrs

from ...protocol import CancellationKind
from .processes import run_process
from .threads import ThreadCall, run_abandoned, run_in_thread

if TYPE_CHECKING:
    from ..tool import ToolCall

__all__ = ["runner"]

_Function: TypeAlias = Callable[..., Any]


def runner(
    tool: str, function: _Function, kind: CancellationKind
) -> Callable[..., Awaitable[object]]:
    """What runs `function`, called with the same arguments and awaited.

    Raises:
        TypeError: when it is a plain function and would hold up the event loop.
    """
    if inspect.iscoroutinefunction(function):
        return function
    run = _RUNNERS.get(kind)
    if run is None:
        raise TypeError(
            f"tool {tool!r} must be an async function, or declare how a plain one stops: "
            "cancellation='thread', 'abandon' or 'subprocess'"
        )

    async def run_plain(call: ToolCall, **arguments: Any) -> object:
        return await run(call, function, arguments)

    return run_plain


async def _in_thread(call: ToolCall, function: _Function, arguments: Mapping[str, Any]) -> object:
    return await run_in_thread(call, _plain(function), ThreadCall(call), **arguments)


async def _abandoned(call: ToolCall, function: _Function, arguments: Mapping[str, Any]) -> object:
    return await run_abandoned(call, _plain(function), ThreadCall(call), **arguments)


async def _program(call: ToolCall, function: _Function, arguments: Mapping[str, Any]) -> object:
    return attrs.asdict(await run_process(call, _plain(function)(call, **arguments)))


def _plain(function: _Function) -> _Function:
    """`function`, if it is as plain as it looks: a decorator may hide an async one."""

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> object:
        result = function(*args, **kwargs)
        if inspect.iscoroutine(result):
            result.close()
            raise TypeError(
                f"{function.__name__!r} is an async function behind a decorator that is not: "
                "it has not run; make the decorator's function async as well"
            )
        return result

    return call


_RUNNERS: Mapping[str, Callable[[ToolCall, _Function, Mapping[str, Any]], Awaitable[object]]] = {
    "subprocess": _program,
    "thread": _in_thread,
    "abandon": _abandoned,
}
