"""The doors of each transport: a command sent with some credentials, for some session.

What comes back is kept to the byte, so that two answers can be compared.
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, Protocol

import trio
from attrs import frozen

from tests.transports.sse.peers import get, open_stream, post, started
from tests.transports.websocket.peers import CLOSE, TEXT, RawPeer, frame, open_peer, upgrade
from trio_agent_rt import BearerTokens, RealtimeAgent, serve_websocket
from trio_agent_rt.protocol import (
    CancelTask,
    Command,
    ConfirmStep,
    GetState,
    GetTools,
    SubmitTask,
    encode_command,
)
from trio_agent_rt.transports import SSEAddress, WebSocketAddress, serve_sse

__all__ = ["ATTACH", "Door", "Ids", "OpenDoor", "Told", "over_http", "over_websocket"]

ATTACH = None
"""In the place of a command: to be shown the session, and no more."""

_STATUSES = {401: "unauthorized", 403: "forbidden", 404: "unknown_session"}
_CLOSE_CODES = {4500: "unauthorized", 4502: "unknown_session"}

# Of each connection and each moment: what differs without telling anything.
_OF_ITS_OWN = re.compile(
    rb'("(?:clientId|sessionId|id)":)"[^"]*"|("timestamp":)[0-9.]+|^(id: |retry: ).*$', re.MULTILINE
)


@frozen
class Ids:
    """How a session is named: by a connection, and by a command that comes beside one."""

    session: str
    client: str


@frozen
class Told:
    """What a peer was told."""

    code: str
    """The outcome of its command, or the error code."""
    said: bytes
    """All that was sent to it."""

    def without(self, *ids: str) -> bytes:
        """The same, whichever ids it was about."""
        said = self.said
        for each in ids:
            said = said.replace(each.encode(), b"ID")
        return _OF_ITS_OWN.sub(rb'\1\2\3"*"', said)


class Door(Protocol):
    """One transport of one server."""

    def stay(self, token: str) -> AbstractAsyncContextManager[Ids]:
        """A connection to a new session, until it is left."""
        ...

    async def ask(
        self,
        command: Command | None,
        *,
        of: Ids | None = None,
        token: str | None = None,
        ticket: str | None = None,
    ) -> Told:
        """Send a command, or be shown a session.

        Args:
            of: the session; None for a new one of the peer's own.
        """
        ...


OpenDoor = Callable[[RealtimeAgent, BearerTokens], AbstractAsyncContextManager[Door]]
"""Serves an agent over one transport."""


def _authorization(token: str | None) -> list[str]:
    return [] if token is None else [f"Authorization: Bearer {token}"]


@asynccontextmanager
async def over_websocket(realtime: RealtimeAgent, tokens: BearerTokens) -> AsyncGenerator[Door]:
    """Serves on a free port of the loopback address."""
    async with trio.open_nursery() as nursery:
        serve = functools.partial(serve_websocket, realtime, port=0, authenticate=tokens)
        address: WebSocketAddress = await nursery.start(serve)
        yield _WebSocketDoor(address)
        nursery.cancel_scope.cancel()


@frozen
class _WebSocketDoor:
    address: WebSocketAddress

    @asynccontextmanager
    async def stay(self, token: str) -> AsyncGenerator[Ids]:
        async with open_peer(self.address) as peer:
            await peer.shake_hands(self._upgrade(None, token, None))
            data = (await peer.frames(until=TEXT))[-1].message["data"]
            yield Ids(data["sessionId"], data["clientId"])

    async def ask(
        self,
        command: Command | None,
        *,
        of: Ids | None = None,
        token: str | None = None,
        ticket: str | None = None,
    ) -> Told:
        async with open_peer(self.address) as peer:
            await peer.send(self._upgrade(of, token, ticket))
            head = await _head_of(peer)
            status = int(head.split(b" ")[1])
            if status != 101:
                return Told(_STATUSES[status], head + await peer.until_end())
            if command is not None:
                await peer.send(frame(TEXT, encode_command(command).encode()))
            return await self._answer(peer, head, "r" if command is not None else None)

    def _upgrade(self, of: Ids | None, token: str | None, ticket: str | None) -> bytes:
        asked = {"session": of.session if of else None, "ticket": ticket}
        query = "&".join(f"{name}={value}" for name, value in asked.items() if value)
        return upgrade(f"/ws?{query}", _authorization(token))

    async def _answer(self, peer: RawPeer, head: bytes, request_id: str | None) -> Told:
        said = [head]
        while True:
            opcode, payload = await _next_frame(peer)
            said.append(payload)
            if opcode == CLOSE:
                return Told(_CLOSE_CODES[int.from_bytes(payload[:2])], b"\n".join(said))
            message = json.loads(payload)
            if request_id is None and message["type"] == "status":
                return Told("ok", b"\n".join(said))
            if request_id is not None and message.get("requestId") == request_id:
                data = message["data"]
                return Told(data.get("outcome") or data["code"], b"\n".join(said))


async def _head_of(peer: RawPeer) -> bytes:
    while b"\r\n\r\n" not in peer._held:
        data = await peer.stream.receive_some()
        assert data
        peer._held += data
    head, _, peer._held = peer._held.partition(b"\r\n\r\n")
    return head + b"\r\n\r\n"


async def _next_frame(peer: RawPeer) -> tuple[int, bytes]:
    while True:
        taken = peer._take()
        if taken is not None and taken.opcode in {TEXT, CLOSE}:
            return taken.opcode, taken.payload
        if taken is None:
            data = await peer.stream.receive_some()
            assert data
            peer._held += data


@asynccontextmanager
async def over_http(realtime: RealtimeAgent, tokens: BearerTokens) -> AsyncGenerator[Door]:
    """Serves on a free port of the loopback address."""
    async with trio.open_nursery() as nursery:
        serve = functools.partial(serve_sse, realtime, port=0, authenticate=tokens)
        address: SSEAddress = await nursery.start(serve)
        yield _HTTPDoor(address)
        nursery.cancel_scope.cancel()


@frozen
class _HTTPDoor:
    address: SSEAddress

    @asynccontextmanager
    async def stay(self, token: str) -> AsyncGenerator[Ids]:
        async with open_stream(self.address, headers=_authorization(token)) as stream:
            client, session = await started(stream)
            yield Ids(session, client)

    async def ask(
        self,
        command: Command | None,
        *,
        of: Ids | None = None,
        token: str | None = None,
        ticket: str | None = None,
    ) -> Told:
        if of is None:
            assert token is not None
            async with self.stay(token) as own:
                return await self.ask(command, of=own, token=token)
        query = "" if ticket is None else f"&ticket={ticket}"
        headers = _authorization(token)
        if command is None:
            return await self._attach(f"/sse?session={of.session}{query}", headers)
        if isinstance(command, GetTools | GetState):
            path = "/tools" if isinstance(command, GetTools) else "/state"
            answer = await get(self.address, f"{path}?clientId={of.client}{query}", headers)
        else:
            path = {SubmitTask: "/task", CancelTask: "/cancel", ConfirmStep: "/confirm"}[
                type(command)
            ]
            data = json.loads(encode_command(command)).get("data", {})
            body = {**data, "clientId": of.client}
            answer = await post(self.address, f"{path}?{query[1:]}", body, headers)
        return _told(answer.status, answer.headers, answer.body)

    async def _attach(self, path: str, headers: list[str]) -> Told:
        async with open_stream(self.address, path, headers) as stream:
            if stream.status == 200:
                await stream.event("status")
                return Told("ok", stream.raw)
            while not stream.ended:
                await stream._advance()
            return _told(stream.status, stream.headers, stream.raw)


def _told(status: int, headers: Mapping[str, str], content: bytes) -> Told:
    kept = {name: value for name, value in headers.items() if name.lower() != "date"}
    body: dict[str, Any] = json.loads(content)
    code = body.get("outcome", "ok") if body["success"] else body["error"]["code"]
    return Told(code, f"{status} {kept}\n".encode() + content)
