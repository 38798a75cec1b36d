"""How a program comes by the tools of a server, and gets rid of the server again."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, cast

import trio

from ..agent import Tool
from ..errors import ToolServerFailed
from ..protocol.jsonable import MAX_OUTPUT_CHARS
from ..ungrouping import Ungrouping
from .target import Server, target_of

if TYPE_CHECKING:
    from .connection import Connection

__all__ = ["open_mcp_tools"]

_MAX_MESSAGE_BYTES = 16 * 1024 * 1024
"""Room for a few pictures in a result, and a bound for one that never ends."""


@asynccontextmanager
async def open_mcp_tools(
    server: Server,
    *,
    env: Mapping[str, str] | None = None,
    cwd: str | os.PathLike[str] | None = None,
    headers: Mapping[str, str] | None = None,
    prefix: str = "",
    category: str = "mcp",
    trust_hints: bool = False,
    connect_timeout: float = 30.0,
    max_result_chars: int = MAX_OUTPUT_CHARS,
    max_message_bytes: int = _MAX_MESSAGE_BYTES,
) -> AsyncGenerator[list[Tool]]:
    """The tools of an MCP server, for as long as the `async with` lasts.

    Leaving it, in whatever way, ends the server's processes within three and a half seconds:
    its stdin is closed, and what then still lives of it and its children gets SIGTERM and at
    last SIGKILL. A server that ends by itself disturbs nothing but calls of its own tools.

    When a call is cancelled the server is told so, and nothing is waited for. What it does
    then nobody can know: the tools are of the kind `abandon`, and the receipt says that the
    server may go on, unless it too has been ended by then.

    Args:
        server: a command to run, as one text or an argv (no shell reads it), which speaks
            over its stdin and stdout; or an `http://` or `https://` URL (streamable HTTP);
            or a transport of the SDK's, with an authentication of yours for example.
        env: more variables for the command. Of this process's own it is given none but
            HOME, LOGNAME, PATH, SHELL, TERM and USER: the others may hold keys.
        cwd: the folder that the command runs in, or None for this process's own.
        headers: for a URL, sent with every request. They are in no error, log or repr.
        prefix: put before the name of each tool, so that it differs from all others.
        category: of the tools. What a server calls itself is not used: `AutoConfirm` goes
            by it.
        trust_hints: whether a tool that the server calls read-only runs without a person
            being asked. All others need a confirmation, by default every one: a server
            may be wrong about its tools, or lie.
        connect_timeout: seconds in which it must have told its tools.
        max_result_chars: how much of a result is kept, in characters of JSON, roughly.
        max_message_bytes: the longest message from a command or a URL; a server that sends
            a longer one is ended, or left. A transport of yours has bounds of its own.

    Raises:
        ToolServerFailed: when there is no such server, it ends or does not answer in time,
            or speaks something else; or the package `mcp` is not installed.
        ValueError: when an argument makes no sense for this kind of server.
    """
    target = target_of(server, env=env, cwd=cwd, headers=headers)
    kind = await _connection_kind()
    connection = kind(target, timeout=connect_timeout, max_message_bytes=max_message_bytes)
    with Ungrouping():
        async with trio.open_nursery() as nursery:
            nursery.start_soon(connection.run)
            try:
                await connection.opened()
                yield connection.tools(
                    prefix=prefix,
                    category=category,
                    trust_hints=trust_hints,
                    max_chars=max_result_chars,
                )
            finally:
                connection.leave()


async def _connection_kind() -> type[Connection]:
    """The half that needs the SDK: importing that takes a second or so, in a thread."""
    name = f"{__package__}.connection"
    if name not in sys.modules:
        await trio.to_thread.run_sync(_import, name)
    await trio.lowlevel.checkpoint()
    return cast("type[Connection]", _import(name).Connection)


def _import(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as exc:
        raise ToolServerFailed(
            f"{exc.name} is not installed; run: pip install 'trio_agent_rt[mcp]'"
        ) from None
