"""The same peer over SSE and HTTP: h11 on a socket, and an event stream taken apart by hand."""

from __future__ import annotations

import functools
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Self
from urllib.parse import urlencode

import h11
import trio
from trio.testing import wait_all_tasks_blocked

from trio_agent_rt import RealtimeAgent, SSEAddress, serve_sse
from trio_agent_rt.protocol import (
    Acknowledged,
    CancelTask,
    Command,
    ConfirmStep,
    Connected,
    Event,
    GetState,
    GetTools,
    SubmitTask,
    decode_event,
    decode_http_answer,
    encode_http_command,
)

from .peers import Connect, Peer

__all__ = ["SSEPeer", "over_sse", "sse_connector"]

_RESOURCES: dict[type[Command], tuple[str, str]] = {
    SubmitTask: ("POST", "/task"),
    CancelTask: ("POST", "/cancel"),
    ConfirmStep: ("POST", "/confirm"),
    GetTools: ("GET", "/tools"),
    GetState: ("GET", "/state"),
}


class Response:
    """One request on a connection of its own, and what comes back."""

    def __init__(self, stream: trio.SocketStream) -> None:
        self._stream = stream
        self._connection = h11.Connection(h11.CLIENT)

    async def ask(self, method: str, target: str, body: bytes = b"") -> None:
        headers = {"Host": "localhost", "Connection": "close", "Content-Length": str(len(body))}
        request = h11.Request(method=method, target=target, headers=list(headers.items()))
        parts = (request, h11.Data(data=body), h11.EndOfMessage())
        await self._stream.send_all(b"".join(self._connection.send(each) or b"" for each in parts))

    async def chunk(self) -> bytes:
        """The next piece of the body; empty at its end."""
        while True:
            event = self._connection.next_event()
            if event is h11.NEED_DATA:
                self._connection.receive_data(bytes(await self._stream.receive_some()))
            elif isinstance(event, h11.Data):
                return bytes(event.data)
            elif isinstance(event, h11.EndOfMessage):
                return b""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await trio.aclose_forcefully(self._stream)


class SSEPeer(Peer):
    def __init__(self, address: SSEAddress, nursery: trio.Nursery) -> None:
        super().__init__()
        self._address = address
        self._nursery = nursery
        self._say, self._said = trio.open_memory_channel[Event](1000)

    async def open(self, target: str) -> None:
        """Ask for the stream, and read it from now on."""
        response = await self._ask("GET", target)
        self._nursery.start_soon(self._follow, response)

    async def _ask(self, method: str, target: str, body: bytes = b"") -> Response:
        stream = await trio.open_tcp_stream("127.0.0.1", self._address.port)
        response = Response(stream)
        await response.ask(method, target, body)
        return response

    async def _follow(self, response: Response) -> None:
        text = b""
        async with response:
            while chunk := await response.chunk():
                *events, text = (text + chunk).split(b"\n\n")
                for line in b"\n".join(events).split(b"\n"):
                    if line.startswith(b"data: "):
                        await self._say.send(decode_event(line.removeprefix(b"data: ")))

    async def send(self, command: Command) -> None:
        """Send it; over HTTP what follows must wait for its answer, but not for a cancel's."""
        method, target = _RESOURCES[type(command)]
        connected = self.events[0]
        assert isinstance(connected, Connected)
        if method == "POST":
            body = encode_http_command(command, connected.client_id)
            response = await self._ask(method, target, body)
        else:
            query = urlencode({"clientId": connected.client_id})
            response = await self._ask(method, f"{target}?{query}")
        if isinstance(command, CancelTask):
            self._nursery.start_soon(self._take_answer, command, response)
        else:
            await self._take_answer(command, response)

    async def _take_answer(self, command: Command, response: Response) -> None:
        body = b""
        async with response:
            while chunk := await response.chunk():
                body += chunk
        for event in decode_http_answer(body, request_id=command.request_id or ""):
            if command.request_id is not None or not isinstance(event, Acknowledged):
                await self._say.send(event)

    async def receive(self) -> Event:
        return await self._said.receive()

    async def settled(self) -> list[Event]:
        # There is no ping: wait until nobody in this process has anything to do.
        await wait_all_tasks_blocked(0.03)
        while self._said.statistics().current_buffer_used:
            await self.read()
        return list(self.events)


def sse_connector(address: SSEAddress) -> Connect:
    """A way to connect to a server."""

    @asynccontextmanager
    async def connect(
        *, session: str | None = None, last: str | None = None
    ) -> AsyncGenerator[Peer]:
        given = {"session": session, "lastEventId": last}
        query = urlencode({name: value for name, value in given.items() if value})
        async with trio.open_nursery() as nursery:
            peer = SSEPeer(address, nursery)
            await peer.open(f"/sse?{query}")
            await peer.read()
            yield peer
            nursery.cancel_scope.cancel()

    return connect


@asynccontextmanager
async def over_sse(realtime: RealtimeAgent) -> AsyncGenerator[Connect]:
    """Serves on a free port of the loopback address."""
    async with trio.open_nursery() as nursery:
        address = await nursery.start(functools.partial(serve_sse, realtime, port=0))
        yield sse_connector(address)
        nursery.cancel_scope.cancel()
