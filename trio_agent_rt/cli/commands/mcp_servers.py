"""The MCP servers that are named on a command line."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable
from contextlib import AsyncExitStack, asynccontextmanager

from ...agent import Tool
from ...errors import ToolServerFailed
from ...mcp import open_mcp_tools
from ..endings import Complaint, ExitCode

__all__ = ["tools_of_servers"]


@asynccontextmanager
async def tools_of_servers(servers: Iterable[str]) -> AsyncGenerator[list[Tool]]:
    """The tools of them all, for as long as the `async with` lasts.

    Raises:
        Complaint: when one of them cannot be used.
    """
    async with AsyncExitStack() as stack:
        tools: list[Tool] = []
        for each in servers:
            try:
                tools += await stack.enter_async_context(open_mcp_tools(each))
            except ToolServerFailed as exc:
                raise Complaint(f"--mcp: {exc}", ExitCode.UNAVAILABLE) from None
            except ValueError as exc:
                raise Complaint(f"--mcp: {exc}") from None
        yield tools
