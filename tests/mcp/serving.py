"""Servers for these tests, and what a tool is called with."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import trio

from trio_agent_rt.agent import Tool
from trio_agent_rt.mcp import open_mcp_tools

__all__ = ["SERVER", "Call", "appears", "serving_http", "sh", "the_tools"]

SERVER = [sys.executable, str(Path(__file__).with_name("a_server.py"))]


class Call:
    """A `ToolCall` that keeps what it is told."""

    def __init__(self) -> None:
        self.told: list[tuple[float, str]] = []
        self.heard: trio.Event = trio.Event()

    def progress(self, percent: float, message: str = "") -> None:
        self.told.append((percent, message))
        self.heard.set()

    def output(self, text: str) -> None:
        raise AssertionError("an MCP tool streams no text")


def sh(script: str) -> Sequence[str]:
    return ["sh", "-c", script]


@asynccontextmanager
async def the_tools(server: Any = SERVER, **options: Any) -> AsyncGenerator[Mapping[str, Tool]]:
    """By name."""
    async with open_mcp_tools(server, **options) as tools:
        yield {each.name: each for each in tools}


@asynccontextmanager
async def serving_http() -> AsyncGenerator[str]:
    """The URL of the server, which speaks HTTP on the loopback address."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    process = await trio.lowlevel.open_process(
        [*SERVER, "http", str(port)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        with trio.fail_after(30):
            while not await _listens(port):
                assert process.poll() is None
                await trio.sleep(0.05)  # another process: there is nothing else to wait for
        yield f"http://127.0.0.1:{port}/mcp"
    finally:
        process.kill()
        with trio.CancelScope(shield=True):
            await process.wait()


async def _listens(port: int) -> bool:
    try:
        stream = await trio.open_tcp_stream("127.0.0.1", port)
    except OSError:
        return False
    await stream.aclose()
    return True


async def appears(path: Path) -> None:
    """Return when another process has made a file; nothing else tells."""
    while True:
        if path.exists():
            return
        await trio.sleep(0.02)
