"""Peers of a server under test: honest ones, and such as write their own bytes."""

from __future__ import annotations

import functools
import json
import os
import socket
import ssl
import struct
from collections.abc import AsyncGenerator, Iterable
from contextlib import asynccontextmanager
from typing import Any

import trio
import trustme
from attrs import frozen

from trio_agent_rt.agent import TaskRun
from trio_agent_rt.realtime import Limits, RealtimeAgent
from trio_agent_rt.transports import WebSocketAddress, serve_websocket

__all__ = [
    "BINARY",
    "CLOSE",
    "CONTINUATION",
    "PING",
    "PONG",
    "TEXT",
    "Frame",
    "RawPeer",
    "frame",
    "open_narrow_peer",
    "open_peer",
    "quick",
    "reset",
    "server_and_client_tls",
    "serving",
    "until_served",
    "upgrade",
    "whole_life",
]

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10


async def quick(task: str, run: TaskRun) -> str:
    """An agent that does nothing, unless it is told to wait for ever."""
    async with run.step("Look"):
        if task == "wait":
            await trio.sleep_forever()
    return task


@asynccontextmanager
async def serving(
    *, agent: Any = quick, limits: Limits | None = None, linger: float = 0.0, **options: Any
) -> AsyncGenerator[tuple[RealtimeAgent, WebSocketAddress]]:
    """A server at a free port, until the block is left; then it is cancelled."""
    realtime = RealtimeAgent(agent, limits=limits, linger=linger, busy="parallel")
    async with realtime, trio.open_nursery() as nursery:
        serve = functools.partial(serve_websocket, realtime, port=0, **options)
        address: WebSocketAddress = await nursery.start(serve)
        yield realtime, address
        nursery.cancel_scope.cancel()


async def whole_life(address: WebSocketAddress, task: str = "a task") -> str:
    """What becomes of one task of an honest client, which also answers pings and closes.

    trio-websocket's own client would do, but fails when a ping meets its close.
    """
    async with open_peer(address) as peer:
        await peer.shake_hands()
        submit = {"type": "task:submit", "data": {"task": task}}
        await peer.send(frame(TEXT, json.dumps(submit).encode()))
        outcome = ""
        while not outcome:
            for each in await peer.frames(until=TEXT):
                if each.opcode == PING:
                    await peer.send(frame(PONG, each.payload))
                elif each.message["type"] == "task:complete":
                    outcome = str(each.message["data"]["outcome"])
        await peer.send(frame(CLOSE, (1000).to_bytes(2)))
        last = (await peer.frames())[-1]
        return outcome if last.code == 1000 else f"closed with {last.code}"


async def until_served(address: WebSocketAddress) -> None:
    """Return once the server has room for a connection; trying is how to find out."""
    while True:
        async with open_peer(address) as peer:
            await peer.shake_hands()
            if (await peer.some())[:1] == b"\x81":
                return


# --- bytes of one's own


@frozen
class Frame:
    """One frame that a server sent."""

    opcode: int
    payload: bytes

    @property
    def code(self) -> int:
        """The code of a close frame."""
        assert self.opcode == CLOSE
        return int.from_bytes(self.payload[:2])

    @property
    def message(self) -> dict[str, Any]:
        """The message in a text frame."""
        return json.loads(self.payload)


def frame(
    opcode: int, payload: bytes = b"", *, fin: bool = True, mask: bool = True, reserved: int = 0
) -> bytes:
    """One frame as a client sends it, or as none should."""
    first = (0x80 if fin else 0) | (reserved << 4) | opcode
    masked = 0x80 if mask else 0
    if len(payload) < 126:
        head = bytes((first, masked | len(payload)))
    elif len(payload) < 65536:
        head = bytes((first, masked | 126)) + struct.pack("!H", len(payload))
    else:
        head = bytes((first, masked | 127)) + struct.pack("!Q", len(payload))
    if not mask:
        return head + payload
    key = os.urandom(4)
    repeated = key * (len(payload) // 4 + 1)
    number = int.from_bytes(payload) ^ int.from_bytes(repeated[: len(payload)])
    return head + key + number.to_bytes(len(payload))


def upgrade(path: str = "/ws", headers: Iterable[str] = (), *, host: str = "127.0.0.1") -> bytes:
    """The request of an honest client; each header a line of its own."""
    lines = [
        f"GET {path} HTTP/1.1",
        f"Host: {host}",
        "Upgrade: websocket",
        "Connection: Upgrade",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        "Sec-WebSocket-Version: 13",
        *headers,
    ]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


class RawPeer:
    """A peer that decides about every byte."""

    def __init__(self, stream: trio.abc.Stream) -> None:
        self.stream = stream
        self._held = b""

    async def send(self, data: bytes) -> None:
        """Write bytes."""
        await self.stream.send_all(data)

    async def until_end(self) -> bytes:
        """All that the server still sends, to the end; a reset fails."""
        while data := await self.stream.receive_some():
            self._held += data
        taken, self._held = self._held, b""
        return taken

    async def answer(self) -> tuple[int, bytes]:
        """The HTTP status and body of a refusal; the server closes after it."""
        head, _, body = (await self.until_end()).partition(b"\r\n\r\n")
        return int(head.split(b" ")[1]), body

    async def shake_hands(self, request: bytes | None = None) -> None:
        """Get in."""
        await self.send(upgrade() if request is None else request)
        while b"\r\n\r\n" not in self._held:
            data = await self.stream.receive_some()
            assert data, f"not let in: {self._held!r}"
            self._held += data
        head, _, self._held = self._held.partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 101 "), head

    async def some(self) -> bytes:
        """What has come behind the handshake, or comes next."""
        if not self._held:
            self._held = bytes(await self.stream.receive_some())
        return self._held

    async def frames(self, *, until: int = CLOSE) -> list[Frame]:
        """What the server sends, up to the first frame of that opcode."""
        found: list[Frame] = []
        while True:
            while (taken := self._take()) is not None:
                found.append(taken)
                if taken.opcode == until:
                    return found
            data = await self.stream.receive_some()
            assert data, f"closed without such a frame; it sent {found}"
            self._held += data

    async def last_frames(self) -> list[Frame]:
        """What the server still sends, to the end of TCP, in whichever way that comes."""
        try:
            while data := await self.stream.receive_some():
                self._held += data
        except trio.BrokenResourceError:
            pass
        found: list[Frame] = []
        while (taken := self._take()) is not None:
            found.append(taken)
        return found

    async def closing(self) -> Frame:
        """The server's close frame, after which it must close TCP in order."""
        last = (await self.frames())[-1]
        assert not await self.until_end(), "nothing may follow a close frame"
        return last

    def _take(self) -> Frame | None:
        held = self._held
        if len(held) < 2:
            return None
        size, start = held[1], 2
        if size in {126, 127}:
            start = 4 if size == 126 else 10
            size = int.from_bytes(held[2:start])
        if len(held) < start + size:
            return None
        self._held = held[start + size :]
        return Frame(held[0] & 0x0F, held[start : start + size])


@asynccontextmanager
async def open_peer(
    address: WebSocketAddress, *, ssl_context: ssl.SSLContext | None = None
) -> AsyncGenerator[RawPeer]:
    """A TCP connection to the server, or TLS over it."""
    stream: trio.abc.Stream = await trio.open_tcp_stream(address.host, address.port)
    if ssl_context is not None:
        stream = trio.SSLStream(
            stream, ssl_context, server_hostname=address.host, https_compatible=True
        )
    try:
        yield RawPeer(stream)
    finally:
        await trio.aclose_forcefully(stream)


@asynccontextmanager
async def open_narrow_peer(address: WebSocketAddress) -> AsyncGenerator[RawPeer]:
    """A TCP connection with as little room for what comes as there may be."""
    raw = trio.socket.socket()
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    await raw.connect((address.host, address.port))
    stream = trio.SocketStream(raw)
    try:
        yield RawPeer(stream)
    finally:
        await trio.aclose_forcefully(stream)


def server_and_client_tls() -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """Contexts that trust each other."""
    authority = trustme.CA()
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(server)
    client = ssl.create_default_context()
    authority.configure_trust(client)
    return server, client


def reset(stream: trio.SocketStream) -> None:
    """Close with a TCP reset."""
    stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    stream.socket.close()
