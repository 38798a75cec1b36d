"""A server on loopback that answers as it is told, and need not keep to HTTP."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

import trio

from trio_agent_rt.agent import Tool
from trio_agent_rt.agent.tools import WebAccess, web_fetch_tool

from ..recorded import run

__all__ = ["LOCAL", "Server", "fetch", "http", "serving"]

LOCAL = WebAccess(allow_private=True, timeout=10)

Answer = Callable[["Server", bytes, trio.SocketStream], Awaitable[None]]


class Server:
    """What is known of a running server."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.requests: list[bytes] = []
        self.left = trio.Event()
        """Set when a client has gone away."""
        self.reached = trio.Event()

    def url(self, path: str = "/", host: str = "127.0.0.1") -> str:
        return f"http://{host}:{self.port}{path}"

    @property
    def lines(self) -> list[str]:
        """The latest request, line by line."""
        return self.requests[-1].decode("latin-1").split("\r\n")


@asynccontextmanager
async def serving(answer: Answer | bytes) -> AsyncGenerator[Server]:
    """A server that gives `answer`: bytes, or what `answer(server, head, stream)` sends."""
    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    server = Server(listener.socket.getsockname()[1])

    async def handle(stream: trio.SocketStream) -> None:
        async with stream:
            head = bytearray()
            try:
                while b"\r\n\r\n" not in head:
                    data = await stream.receive_some()
                    if not data:
                        return
                    head += data
                server.requests.append(bytes(head))
                server.reached.set()
                if isinstance(answer, bytes):
                    await stream.send_all(answer)
                else:
                    await answer(server, bytes(head), stream)
                await stream.send_eof()
                await stream.receive_some()
            except (trio.BrokenResourceError, trio.ClosedResourceError):
                pass
            finally:
                server.left.set()

    async with trio.open_nursery() as nursery:
        await nursery.start(trio.serve_listeners, handle, [listener])
        yield server
        nursery.cancel_scope.cancel()


def http(
    body: bytes | str = b"",
    content_type: str | None = "text/html; charset=utf-8",
    status: str = "200 OK",
    **headers: str,
) -> bytes:
    """A well-formed answer; a header's name is written with `_` for `-`."""
    data = body.encode() if isinstance(body, str) else body
    named = {"Content-Length": str(len(data))}
    if content_type is not None:
        named["Content-Type"] = content_type
    named |= {name.replace("_", "-"): value for name, value in headers.items()}
    lines = "".join(f"{name}: {value}\r\n" for name, value in named.items())
    return f"HTTP/1.1 {status}\r\n{lines}\r\n".encode("latin-1") + data


async def fetch(
    url: str, access: WebAccess = LOCAL, *, tool: Tool | None = None, **arguments: Any
) -> Mapping[str, Any]:
    """What `web_fetch` gives for a URL."""
    return await run(tool or web_fetch_tool(access), url=url, **arguments)
