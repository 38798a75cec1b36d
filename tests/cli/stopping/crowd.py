"""All who may be there when a server is stopped: those who listen, and those who do not."""

from __future__ import annotations

import json
import re
import socket
from contextlib import AsyncExitStack
from typing import Any
from urllib.parse import urlsplit

import h11
import trio

from tests.transports.sse.peers import Stream, http, open_stream, post, started
from tests.transports.websocket.peers import TEXT, RawPeer, frame, open_peer, upgrade
from trio_agent_rt.clients import (
    AgentClient,
    ClientTask,
    Reconnect,
    open_sse_client,
    open_websocket_client,
)
from trio_agent_rt.protocol import StepOutput
from trio_agent_rt.transports import SSEAddress, WebSocketAddress

from .stubborn import FLOODED

__all__ = ["Crowd", "addresses", "until_output"]

_STALLED = 4
"""Over each transport."""

_UNFINISHED = b"GET /ws HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgr"
_BODY = http("/task", method="POST", headers=["Content-Length: 1000"]) + b'{"task": "wa'


def addresses(out: str) -> tuple[WebSocketAddress, SSEAddress]:
    """Where a server listens, out of what it has written."""
    lines = out.splitlines()
    first = next(each for each in lines if each.startswith("ws"))
    second = next(each for each in lines if each.startswith("http"))
    ws, sse = urlsplit(first), urlsplit(second)
    assert ws.hostname is not None
    assert ws.port is not None
    assert sse.hostname is not None
    assert sse.port is not None
    return (
        WebSocketAddress(host=ws.hostname, port=ws.port, url=first, hosts=(ws.hostname,)),
        SSEAddress(
            host=sse.hostname,
            port=sse.port,
            url=second,
            base_url=f"http://{sse.netloc}",
            hosts=(sse.hostname,),
        ),
    )


async def until_output(task: ClientTask, pattern: str) -> str:
    """The first output of a task that matches."""
    async for event in task:
        if isinstance(event, StepOutput) and (found := re.search(pattern, event.text)):
            return found[0]
    raise AssertionError("it has ended")


class Crowd:
    """Peers of one server.

    Healthy ones, by transport, that run a task each: `peer` and `stream` see every byte,
    `clients` are the library's. The others are in the way.
    """

    def __init__(self, ws: WebSocketAddress, sse: SSEAddress, stack: AsyncExitStack) -> None:
        self.ws = ws
        self.sse = sse
        self.peer: RawPeer
        self.stream: Stream
        self.clients: list[AgentClient] = []
        self.tasks: list[ClientTask] = []
        """Of the clients."""
        self.brief: ClientTask
        """One that ends well within the time to drain."""
        self.families: list[int] = []
        """The sessions of the programs that run."""
        self._stack = stack

    async def gather(self) -> None:
        """Return when all are there, and everything runs that is to run."""
        await self._open_clients()
        await self._open_listeners()
        await self._stall()
        await self._stay_half_open()
        self.brief = await self._client(open_websocket_client, self.ws.url, "wait 0.8 seconds")

    async def _open_clients(self) -> None:
        for task in ("family", "hold", "wait 60 seconds"):
            for open_client, url in (
                (open_websocket_client, self.ws.url),
                (open_sse_client, self.sse.url),
            ):
                self.tasks.append(running := await self._client(open_client, url, task))
                if task == "family":
                    self.families.append(int(await until_output(running, r"\d+")))
                elif task == "hold":
                    await until_output(running, "held")

    async def _client(self, open_client: Any, url: str, task: str) -> ClientTask:
        again = Reconnect(base=0.01, cap=0.02, max_attempts=3)
        client: AgentClient = open_client(url, reconnect=again)
        self.clients.append(await self._stack.enter_async_context(client))
        return await client.submit(task)

    async def _open_listeners(self) -> None:
        self.peer = await self._stack.enter_async_context(open_peer(self.ws))
        await self.peer.shake_hands()
        await self._ask(self.peer, "wait 60 seconds")
        await _read_until(self.peer, "step:start")
        self.stream = await self._stack.enter_async_context(open_stream(self.sse))
        client, _ = await started(self.stream)
        await post(self.sse, "/task", {"task": "wait 60 seconds", "clientId": client})
        await self.stream.event("step:start")

    async def _stall(self) -> None:
        """Some who read nothing of a session in which much is said, and one who does."""
        reader = await self._stack.enter_async_context(open_peer(self.ws))
        await reader.shake_hands()
        connected = await _read_until(reader, "connected")
        query = f"?session={connected['data']['sessionId']}"
        for _ in range(_STALLED):
            await self._hold_open(self.ws, upgrade(f"/ws{query}"))
            await self._hold_open(self.sse, http(f"/sse{query}"))
        await self._ask(reader, "flood")
        while FLOODED not in str(await _read_until(reader, "step:output")):
            pass

    async def _stay_half_open(self) -> None:
        for address in (self.ws, self.sse):
            await self._hold_open(address, b"")
            await self._hold_open(address, _UNFINISHED)
        await self._hold_open(self.sse, _BODY)
        idle = await self._hold_open(self.sse, http("/tools"))
        await idle.receive_some()

    async def _hold_open(
        self, address: WebSocketAddress | SSEAddress, sent: bytes
    ) -> trio.SocketStream:
        """Somebody who has sent that, and is not heard of any more."""
        mute = trio.socket.socket()
        # So small that a server that writes to it is soon stalled.
        mute.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        await mute.connect((address.host, address.port))
        stream = trio.SocketStream(mute)
        self._stack.push_async_callback(trio.aclose_forcefully, stream)
        if sent:
            await stream.send_all(sent)
        return stream

    async def _ask(self, peer: RawPeer, task: str) -> None:
        submit = {"type": "task:submit", "data": {"task": task}}
        await peer.send(frame(TEXT, json.dumps(submit).encode()))

    async def seen_by_stream(self) -> tuple[list[str], bool]:
        """The types of the messages until the end, and whether that was in order."""
        kinds: list[str] = []
        try:
            while block := await self.stream.read():
                if block.field("data") is not None:
                    kinds.append(block.message["type"])
        except (h11.RemoteProtocolError, trio.BrokenResourceError):
            return kinds, False
        return kinds, True


async def _read_until(peer: RawPeer, kind: str) -> dict[str, Any]:
    while True:
        message = (await peer.frames(until=TEXT))[-1].message
        if message["type"] == kind:
            return message
