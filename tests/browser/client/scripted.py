"""A server that says to each connection what a test has written down, and then nothing."""

from __future__ import annotations

import functools
import json
import urllib.parse
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, TypeAlias

import attrs
import trio
import trio_websocket

from tests.browser.client.stage import SOON

__all__ = ["Answer", "Scripted", "connected_as", "scripted"]


@attrs.frozen
class Answer:
    """What is answered in place of a stream; over WebSocket, the close that follows."""

    status: int = 200
    headers: Mapping[str, str] = attrs.field(factory=dict[str, str])
    body: str = ""
    close_code: int = 1011


Script: TypeAlias = Sequence["dict[str, Any] | str | Answer"]

ALLOWED = "Access-Control-Allow-Origin: *\r\nAccess-Control-Expose-Headers: Retry-After\r\n"


def connected_as(session: str = "s", **fields: Any) -> dict[str, Any]:
    """The first message of a connection."""
    data = {
        "clientId": "c",
        "sessionId": session,
        "protocolVersion": 1,
        "resumed": False,
        "heartbeatInterval": 15.0,
    }
    return {"type": "connected", "data": {**data, **fields}}


@attrs.define
class Scripted:
    """The scripts that are left, and what was asked for; the last script is for all others."""

    scripts: list[Script]
    queries: list[dict[str, str]] = attrs.field(factory=list[dict[str, str]])
    heard: list[dict[str, Any]] = attrs.field(factory=list[dict[str, Any]])
    port: dict[str, int] = attrs.field(factory=dict[str, int])

    def options(self, transport: str, **more: Any) -> dict[str, Any]:
        """Those of a client of it."""
        return {
            "transport": transport,
            "websocketUrl": f"ws://127.0.0.1:{self.port['websocket']}/ws",
            "httpUrl": f"http://127.0.0.1:{self.port['sse']}",
            "backoff": SOON,
            **more,
        }

    def _next(self, path: str) -> Script:
        query = urllib.parse.parse_qs(urllib.parse.urlsplit(path).query)
        self.queries.append({name: values[0] for name, values in query.items()})
        return self.scripts.pop(0) if len(self.scripts) > 1 else self.scripts[0]

    async def over_http(self, stream: trio.SocketStream) -> None:
        """Answer one request."""
        head = b""
        try:
            while b"\r\n\r\n" not in head:
                head += await stream.receive_some() or b"\r\n\r\n"
            path = head.split(b" ")[1].decode()
            if not path.startswith("/sse"):
                await stream.send_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
                return
            script = self._next(path)
            if isinstance(script[0], Answer):
                await stream.send_all(_answered(script[0]))
                return
            kind = "Content-Type: text/event-stream\r\n"
            await stream.send_all(f"HTTP/1.1 200 OK\r\n{kind}{ALLOWED}\r\n".encode())
            for each in script:
                text = each if isinstance(each, str) else json.dumps(each)
                await stream.send_all(f"data: {text}\n\n".encode())
            await trio.sleep_forever()
        except (trio.BrokenResourceError, IndexError):
            pass
        finally:
            await trio.aclose_forcefully(stream)

    async def over_websocket(self, request: trio_websocket.WebSocketRequest) -> None:
        """Serve one connection."""
        script = self._next(request.path)
        try:
            connection = await request.accept(subprotocol=(*request.proposed_subprotocols, None)[0])
            for each in script:
                if isinstance(each, Answer):
                    await connection.aclose(each.close_code, each.body)
                    return
                await connection.send_message(each if isinstance(each, str) else json.dumps(each))
            while True:
                self.heard.append(json.loads(await connection.get_message()))
        except trio_websocket.ConnectionClosed:
            pass


def _answered(answer: Answer) -> bytes:
    headers = "".join(f"{name}: {value}\r\n" for name, value in answer.headers.items())
    body = answer.body.encode()
    length = f"Content-Length: {len(body)}\r\n"
    return f"HTTP/1.1 {answer.status} x\r\n{headers}{ALLOWED}{length}\r\n".encode() + body


@asynccontextmanager
async def scripted(*scripts: Script) -> AsyncGenerator[Scripted]:
    """A scripted server on both transports."""
    server = Scripted(list(scripts))
    async with trio.open_nursery() as nursery:
        (http,) = await nursery.start(
            functools.partial(trio.serve_tcp, server.over_http, 0, host="127.0.0.1")
        )
        websocket = await nursery.start(
            functools.partial(
                trio_websocket.serve_websocket,
                server.over_websocket,
                "127.0.0.1",
                0,
                ssl_context=None,
            )
        )
        server.port = {
            "sse": http.socket.getsockname()[1],
            "websocket": websocket.port,
        }
        yield server
        nursery.cancel_scope.cancel()
