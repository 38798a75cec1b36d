"""The MCP servers that are named on a command line."""

from __future__ import annotations

import argparse
import re
from collections.abc import AsyncGenerator, Collection, Iterable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import trio

from ...agent import Tool
from ...errors import ToolServerFailed
from ...mcp import open_mcp_tools
from ...ungrouping import Ungrouping
from ..endings import Complaint, ExitCode

__all__ = ["SERVERS_END_WITHIN", "add_mcp_options", "tools_of_servers"]

SERVERS_END_WITHIN = 3.5
"""Seconds that the end of them all takes at most; see `open_mcp_tools`."""

_NAMED = re.compile(r"([A-Za-z][A-Za-z0-9_\-]{0,31})=(.+)", re.DOTALL)
"""No URL begins like that, and no shell reads the command that could set a variable so."""


def add_mcp_options(parser: argparse.ArgumentParser) -> None:
    """`--mcp` and `--trust-mcp-hints`."""
    parser.add_argument(
        "--mcp",
        metavar="[NAME=]SERVER",
        action="append",
        default=[],
        help="a command or an http(s) URL of an MCP server whose tools the agent has as well, in "
        "the category mcp (needs the extra trio_agent_rt[mcp]); with NAME= before it they are "
        "called NAME_…; more than once for several",
    )
    parser.add_argument(
        "--trust-mcp-hints",
        action="store_true",
        help="with --mcp: run tools that their server calls read-only without asking a person; "
        "otherwise people are asked before each tool of a server, unless it is named in "
        "--auto-confirm",
    )


@asynccontextmanager
async def tools_of_servers(
    servers: Iterable[str], *, taken: Collection[str] = (), trust_hints: bool = False
) -> AsyncGenerator[list[Tool]]:
    """The tools of them all, for as long as the `async with` lasts; they end side by side.

    Args:
        servers: each a command or a URL, perhaps with `NAME=` before it.
        taken: names that their tools may not have.
        trust_hints: as in `open_mcp_tools`.

    Raises:
        Complaint: when one of them cannot be used.
    """
    tools: list[Tool] = []
    names = set(taken)
    with Ungrouping():
        async with trio.open_nursery() as nursery:
            for each in servers:
                named = _NAMED.fullmatch(each)
                prefix, server = (f"{named[1]}_", named[2]) if named else ("", each)
                try:
                    opened = await nursery.start(
                        _keep_open, open_mcp_tools(server, prefix=prefix, trust_hints=trust_hints)
                    )
                except ToolServerFailed as exc:
                    raise Complaint(f"--mcp: {exc}", ExitCode.UNAVAILABLE) from None
                except ValueError as exc:
                    raise Complaint(f"--mcp: {exc}") from None
                for tool in opened:
                    if tool.name in names:
                        raise Complaint(_advice(tool.name, prefix))
                    names.add(tool.name)
                tools += opened
            yield tools
            nursery.cancel_scope.cancel(reason="the servers are not needed any more")


async def _keep_open(
    server: AbstractAsyncContextManager[list[Tool]], *, task_status: trio.TaskStatus[list[Tool]]
) -> None:
    async with server as tools:
        task_status.started(tools)
        await trio.sleep_forever()


def _advice(name: str, prefix: str) -> str:
    what = f"--mcp: there is a tool {name!r} already, and a server has one of that name"
    if prefix:
        return f"{what}; give it another name than {prefix[:-1]}"
    return f"{what}; give the server a name, which its tools then begin with: --mcp NAME=SERVER"
