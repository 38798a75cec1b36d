"""A small MCP server, made with the SDK, for tests to run: `python a_server.py [http PORT]`."""

from __future__ import annotations

import os
import subprocess
import sys

import anyio
from mcp.server import MCPServer
from mcp.server.mcpserver import Context
from mcp.types import ImageContent, TextContent, ToolAnnotations

server = MCPServer("a server")


@server.tool(annotations=ToolAnnotations(read_only_hint=True))
def add(a: int, b: int) -> dict[str, int]:
    """Add two numbers."""
    return {"sum": a + b}


@server.tool(annotations=ToolAnnotations(destructive_hint=True), structured_output=False)
def remove(path: str) -> str:
    """Remove a file."""
    return f"removed {path}"


@server.tool(structured_output=False)
def pictures(count: int, size: int = 4) -> list[TextContent | ImageContent]:
    """Give a text and some pictures."""
    picture = ImageContent(type="image", data="A" * size, mime_type="image/png")
    return [TextContent(type="text", text="look"), *[picture] * count]


@server.tool(name="say it, so.to speak", structured_output=False)
def say(text: str, times: int = 1) -> str:
    """Say a text."""
    return text * times


@server.tool()
def fail() -> str:
    """Fail."""
    raise ValueError("this is how it fails")


@server.tool(structured_output=False)
async def work(ctx: Context, path: str, seconds: float = 60) -> str:
    """Work a while; write to a file when it is cancelled."""
    await ctx.report_progress(1, 4, "a quarter")
    try:
        await anyio.sleep(seconds)
    except anyio.get_cancelled_exc_class():
        with anyio.CancelScope(shield=True):
            await anyio.Path(path).write_text("cancelled")
        raise
    return "done"


@server.tool(structured_output=False)
def children(count: int) -> list[TextContent]:
    """Start processes that ignore SIGTERM, and tell their ids, and the server's own."""
    script = "trap '' TERM; while :; do sleep 1; done"
    # Each in a process group of its own, as a shell has its jobs.
    started = [subprocess.Popen(["sh", "-c", script], process_group=0).pid for _ in range(count)]
    return [TextContent(type="text", text=str(pid)) for pid in [os.getpid(), *started]]


@server.tool()
def die(status: int) -> str:
    """End the server's process."""
    print("last words", file=sys.stderr, flush=True)
    os._exit(status)


@server.tool(structured_output=False)
def environment() -> str:
    """Tell the names of the variables."""
    return " ".join(sorted(os.environ))


if __name__ == "__main__":
    if sys.argv[1:2] == ["http"]:
        server.run("streamable-http", port=int(sys.argv[2]))
    else:
        server.run("stdio")
