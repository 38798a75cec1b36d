"""Servers that speak the protocol, and do with one request what a good server would not."""

from __future__ import annotations

import json
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import trio

__all__ = ["TOOL", "Answer", "Message", "declaring", "event", "hostile_http", "response"]

Message = Mapping[str, Any]
Answer = Callable[[trio.SocketStream, Message], Awaitable[None]]
"""Writes the whole answer to a request."""

TOOL = {"name": "t", "inputSchema": {"type": "object"}}

_PROGRAM = """
import json, sys
for line in sys.stdin:
    asked = json.loads(line)
    method = asked.get("method")
    if "id" not in asked or method is None:
        continue
    told = {"jsonrpc": "2.0", "id": asked["id"]}
    if method == "initialize":
        about = {"name": "hostile", "version": "1"}
        version = asked["params"]["protocolVersion"]
        told["result"] = {
            "protocolVersion": version, "capabilities": {"tools": {}}, "serverInfo": about
        }
    elif method == "tools/list":
        told["result"] = {"tools": json.loads(sys.argv[1])}
    elif method == "tools/call":
        told |= json.loads(sys.argv[2]) or {
            "result": {"content": [{"type": "text", "text": json.dumps(asked["params"])}]}
        }
    else:
        told["error"] = {"code": -32601, "message": "no"}
    print(json.dumps(told), flush=True)
"""


def declaring(*tools: object, answer: object = None) -> Sequence[str]:
    """A program whose list has these, and whose tools tell what they are called with."""
    return [sys.executable, "-c", _PROGRAM, json.dumps(tools), json.dumps(answer)]


def response(kind: str, body: bytes | None = None, more: str = "") -> bytes:
    """The head of a response, and its body; without one it lasts until the connection ends."""
    length = "Connection: close" if body is None else f"Content-Length: {len(body)}"
    head = f"HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\n{length}\r\n{more}\r\n"
    return head.encode() + (body or b"")


def event(message: object) -> bytes:
    return b"data: " + json.dumps(message).encode() + b"\n\n"


@asynccontextmanager
async def hostile_http(
    *, listing: Answer | None = None, call: Answer | None = None, told: Answer | None = None
) -> AsyncGenerator[str]:
    """The URL of a server; what is not given is answered as it should be.

    Args:
        listing, call: of `tools/list` and `tools/call`.
        told: of what the client answers to requests of the server's.
    """

    async def serve(stream: trio.SocketStream) -> None:
        async with stream:
            try:
                while asked := await _request(stream):
                    await _answer(stream, asked)
            except (trio.BrokenResourceError, trio.ClosedResourceError):
                return

    async def _answer(stream: trio.SocketStream, asked: Message) -> None:
        method = asked.get("method")
        if method == "tools/list" and listing is not None:
            await listing(stream, asked)
        elif method == "tools/call" and call is not None:
            await call(stream, asked)
        elif method is None and told is not None:
            await told(stream, asked)
        elif "id" not in asked or method is None:
            await stream.send_all(b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n")
        else:
            answer = {"jsonrpc": "2.0", "id": asked["id"], **_good(asked)}
            await stream.send_all(response("application/json", json.dumps(answer).encode()))

    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    port = listener.socket.getsockname()[1]
    async with trio.open_nursery() as nursery:
        await nursery.start(trio.serve_listeners, serve, [listener])
        yield f"http://127.0.0.1:{port}/mcp"
        nursery.cancel_scope.cancel()


def _good(asked: Message) -> Message:
    match asked["method"]:
        case "initialize":
            about = {"name": "hostile", "version": "1"}
            version = asked["params"]["protocolVersion"]
            return {
                "result": {
                    "protocolVersion": version,
                    "capabilities": {"tools": {}},
                    "serverInfo": about,
                }
            }
        case "tools/list":
            return {"result": {"tools": [TOOL]}}
        case "tools/call":
            return {"result": {"content": [{"type": "text", "text": "done"}]}}
        case _:
            return {"error": {"code": -32601, "message": "no"}}


async def _request(stream: trio.SocketStream) -> Message | None:
    """The next message that is posted; None at the end."""
    data = b""
    while b"\r\n\r\n" not in data:
        more = await stream.receive_some()
        if not more:
            return None
        data += more
    head, _, body = data.partition(b"\r\n\r\n")
    lengths = [
        int(value)
        for name, _, value in (line.partition(b":") for line in head.split(b"\r\n"))
        if name.lower() == b"content-length"
    ]
    while len(body) < sum(lengths):
        body += await stream.receive_some()
    return json.loads(body or b"{}")
