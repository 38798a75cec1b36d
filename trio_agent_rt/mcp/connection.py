"""One server, from its start to its end, and the calls of its tools in between.

```
 opening ──it has told its tools──▶ open ──left─────────────▶ ended
    │                                └──it ends, it breaks──▶ ended, and `over` says why
    └──too late, wrong, not there──▶ ended, and `over` says why
```

It lives in a Trio task of its own, behind a shield: whatever is cancelled around it, the
calls that are cancelled with it still tell the server so, and then it is left in order.
"""

from __future__ import annotations

import logging
import math
from collections import deque
from collections.abc import Mapping
from typing import Any, Protocol, cast

import mcp
import trio
from mcp import types
from mcp.client import Transport

from ..agent import Tool, ToolCall
from ..agent.cleanup import CleanupRecord
from ..agent.failures import describe_error
from ..agent.stopping.claims import record_of
from ..errors import AgentRTError, ToolError, ToolServerFailed
from ..ungrouping import Ungrouping, errors_in
from .http import AddressServer
from .listed import checked_schema, tool_names
from .outbox import with_outbox
from .results import plain_result
from .stdio import ProgramServer
from .target import Given, Program, Target

__all__ = ["Connection"]

_log = logging.getLogger(__name__)

_LEAVE_TIMEOUT = 1.0
"""Seconds for a good-bye; what ends processes has a bound of its own."""

_END_TIMEOUT = 5.0
"""Seconds for the end of a server whose connection has ended: more than it takes."""

_CLOSED = "Connection closed"
"""What the SDK says to calls when a connection ends."""

_MAX_PAGES = 100
"""Of a list of tools; one that never ends would never be open."""

_MAX_TOOLS = 1000
_NAME_CHARS = 64

_LEFT = "the MCP server may go on with it"

_REMEMBERED = 1000
"""Calls that were cancelled, and of which it is told when the server has ended."""


class Connection:
    """A server, as long as it is used.

    Args:
        timeout: seconds until it must have told its tools.
        max_message_bytes: as in `open_mcp_tools`.
    """

    def __init__(self, target: Target, *, timeout: float, max_message_bytes: int) -> None:
        self._target = target
        self._timeout = timeout
        self._max_message_bytes = max_message_bytes
        self._program = (
            ProgramServer(target, max_message_bytes) if isinstance(target, Program) else None
        )
        self._scope = trio.CancelScope(shield=True)
        self._settled = trio.Event()
        self._left = trio.Event()
        self._ended = trio.Event()
        self._listed: list[tuple[types.Tool, dict[str, Any]]] | None = None
        self._client: mcp.Client | None = None
        self._over: ToolServerFailed | None = None
        self._unanswered: deque[tuple[CleanupRecord, str]] = deque(maxlen=_REMEMBERED)

    async def run(self) -> None:
        """Live; to be started in a nursery. Raises nothing that the server does."""
        error: Exception | None = None
        try:
            with self._scope, Ungrouping():
                await self._live()
        except Exception as exc:
            error = exc
        finally:
            self._over = self._what_ended_it(error)
            for record, name in self._unanswered:
                record.ended_after_all(name)
            self._ended.set()
            self._settled.set()
        if self._listed is not None and not self._left.is_set():
            _log.warning("an MCP server has ended: %s", self._over)

    async def opened(self) -> None:
        """Return when it is open.

        Raises:
            ToolServerFailed: when it will not be.
        """
        await self._settled.wait()
        if self._listed is None:
            assert self._over is not None
            raise self._over

    def leave(self) -> None:
        """Let it end; nothing is called any more."""
        self._left.set()
        if self._listed is None:
            self._scope.cancel(reason="the MCP server is not wanted any more")
        else:
            self._scope.deadline = trio.current_time() + _LEAVE_TIMEOUT

    def tools(self, *, prefix: str, category: str, trust_hints: bool, max_chars: int) -> list[Tool]:
        """What the server can do, as tools."""
        assert self._listed is not None
        names = tool_names([each.name for each, _ in self._listed], prefix)
        return [
            self._tool(*each, name, category, trust_hints=trust_hints, max_chars=max_chars)
            for each, name in zip(self._listed, names, strict=True)
        ]

    def _tool(
        self,
        listed: types.Tool,
        schema: dict[str, Any],
        name: str,
        category: str,
        *,
        trust_hints: bool,
        max_chars: int,
    ) -> Tool:
        async def function(call: ToolCall, arguments: Mapping[str, Any]) -> object:
            result = await self._call(listed.name, call, arguments)
            value = plain_result(result, max_chars=max_chars)
            if result.is_error:
                raise ToolError(f"{name}: {value if isinstance(value, str) else 'it failed'}")
            return value

        read_only = listed.annotations is not None and listed.annotations.read_only_hint is True
        return Tool(
            name=name,
            description=listed.description or listed.title or listed.name,
            parameters=schema,
            function=function,
            category=category,
            cancellation="abandon",
            needs_confirmation=not (trust_hints and read_only),
        )

    async def _call(
        self, name: str, call: ToolCall, arguments: Mapping[str, Any]
    ) -> types.CallToolResult:
        await trio.lowlevel.checkpoint()
        client = self._client
        if client is None or self._over is not None:
            raise ToolError(str(self._over))

        async def progress(progress: float, total: float | None, message: str | None) -> None:
            call.progress(100 * progress / total if total else 0, message or "")
            await trio.lowlevel.checkpoint()

        error: Exception
        try:
            with Ungrouping():
                return await client.call_tool(name, dict(arguments), progress_callback=progress)
        except trio.Cancelled:
            self._leave_to_the_server(call)
            raise
        except Exception as exc:
            error = exc
        if isinstance(error, mcp.MCPError) and self._ends(error):
            with trio.move_on_after(_END_TIMEOUT):
                await self._ended.wait()  # which says more
                raise ToolError(str(self._over))
        raise ToolError(f"{name}: {_in_words(error)}") from error

    def _ends(self, error: mcp.MCPError) -> bool:
        """Whether a call has failed because the connection ends: servers use that code too, and
        the SDK itself for one answer that has broken off."""
        if error.code != types.CONNECTION_CLOSED:
            return False
        if self._program is not None:
            return self._left.is_set() or self._program.over.is_set()
        return error.message == _CLOSED

    def _leave_to_the_server(self, call: ToolCall) -> None:
        if not self._ended.is_set():
            record, step = record_of(call)
            name = f"{step} ({_LEFT})"
            record.left_behind(name)
            self._unanswered.append((record, name))

    async def _live(self) -> None:
        self._scope.deadline = min(self._scope.deadline, trio.current_time() + self._timeout)
        async with mcp.Client(
            self._transport(),
            cache=None,
            client_info=types.Implementation(name="trio_agent_rt", version="0"),
        ) as client:
            listed = [
                (each, checked_schema(each.name[:_NAME_CHARS], each.input_schema))
                for each in await _list_tools(client)
            ]
            # No checkpoint from here on: either it is open, or it was left before.
            self._scope.deadline = math.inf
            self._listed, self._client = listed, client
            self._settled.set()
            async with trio.open_nursery() as nursery:
                if self._program is not None:
                    nursery.start_soon(_cancel_when, self._program.over, nursery.cancel_scope)
                nursery.start_soon(_cancel_when, self._left, nursery.cancel_scope)

    def _what_ended_it(self, error: Exception | None) -> ToolServerFailed:
        name, program = self._target.name, self._program
        if self._listed is None and self._scope.cancelled_caught and not self._left.is_set():
            noise = "" if program is None else program.noise()
            text = f"{name}: it did not tell its tools within {self._timeout:g} s{noise}"
        elif isinstance(error, ToolServerFailed | ValueError):
            text = f"{name}: {_in_words(error)}"  # which is why it was ended
        elif program is not None and program.over.is_set() and not self._left.is_set():
            text = f"{name}: {program.how_it_ended()}"
        elif error is not None:
            text = f"{name}: {_in_words(error).removeprefix(name + ': ')}"
        else:
            text = f"{name}: it is closed"
        failed = ToolServerFailed(text)
        failed.__cause__ = error
        return failed

    def _transport(self) -> Transport:
        target = self._target
        if self._program is not None:
            return cast("Transport", self._program.connected())
        if isinstance(target, Given):
            return cast("Transport", with_outbox(cast("Transport", target.transport)))
        assert not isinstance(target, Program)
        return cast("Transport", AddressServer(target, self._max_message_bytes).connected())


async def _list_tools(client: mcp.Client) -> list[types.Tool]:
    found: list[types.Tool] = []
    cursor: str | None = None
    for _ in range(_MAX_PAGES):
        page = await client.list_tools(cursor=cursor)
        found += page.tools
        if len(found) > _MAX_TOOLS:
            raise ToolServerFailed(f"it has more than {_MAX_TOOLS} tools")
        cursor = page.next_cursor
        if not cursor:
            return found
    raise ToolServerFailed(f"its list of tools has more than {_MAX_PAGES} pages")


async def _cancel_when(event: trio.Event, scope: trio.CancelScope) -> None:
    await event.wait()
    scope.cancel()


def _in_words(exc: Exception) -> str:
    """An exception of the SDK's, for people: what the peer says is no class of ours."""
    first = next(iter(errors_in(exc)), exc)
    if isinstance(first, mcp.MCPError | AgentRTError):
        return str(first) or "it failed, and said no more"
    if isinstance(first, ValueError) and hasattr(first, "errors"):
        return _invalid(cast("_Invalid", first))
    return describe_error(first)


class _Invalid(Protocol):
    """What the SDK raises for an answer that is not as the protocol has it."""

    def errors(self) -> list[dict[str, Any]]: ...


def _invalid(error: _Invalid) -> str:
    first = error.errors()[0]
    where = [str(each)[:_NAME_CHARS] for each in first["loc"]]
    what = "its answer"
    if where[:1] == ["tools"] and where[1:]:
        what, where = f"tool {int(where[1]) + 1} of its list", where[2:]
    place = ascii(".".join(where))[1:-1]
    return f"{what} is not as the protocol has it: {place}{': ' * bool(place)}{first['msg']}"
