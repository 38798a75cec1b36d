"""Every row of the contract's error table, provoked over each transport."""

from __future__ import annotations

import functools
import json
import re
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trio

from tests.conformance.error_table import ROWS, Asked, Row, agent
from tests.transports.http.peers import HTTPPeer
from tests.transports.http.peers import open_peer as open_http_peer
from tests.transports.sse.peers import error_of, http, open_stream, started
from tests.transports.websocket.peers import TEXT, RawPeer, frame, open_peer, upgrade
from trio_agent_rt import RealtimeAgent
from trio_agent_rt.protocol import HTTP_STATUSES
from trio_agent_rt.transports import (
    ServerAddresses,
    SSEAddress,
    SSEOptions,
    WebSocketAddress,
    WebSocketOptions,
    serve,
)

OVER_HTTP = [row for row in ROWS if row.asked is not None]


@asynccontextmanager
async def served(
    row: Row,
) -> AsyncGenerator[tuple[RealtimeAgent, WebSocketAddress, SSEAddress]]:
    realtime = RealtimeAgent(agent, cleanup_timeout=1, **row.realtime)
    with trio.fail_after(15):
        async with realtime, trio.open_nursery() as nursery:
            start = functools.partial(
                serve, realtime, websocket=WebSocketOptions(port=0), sse=SSEOptions(port=0)
            )
            addresses: ServerAddresses = await nursery.start(
                functools.partial(start, **row.options)
            )
            assert addresses.websocket is not None
            assert addresses.sse is not None
            yield realtime, addresses.websocket, addresses.sse
            nursery.cancel_scope.cancel()


def check(row: Row, message: str, caplog: pytest.LogCaptureFixture) -> None:
    """A text for people, with nothing of our insides; those are in the log alone."""
    assert message
    assert "secret" not in message
    assert "Traceback" not in message
    assert ("secret" in caplog.text) == (row.code == "internal")
    if row.code == "internal":
        reference = re.search(r"reference ([0-9a-f]{8})\b", message)
        assert reference
        assert reference[1] in caplog.text


def test_the_table_has_every_code_over_every_transport() -> None:
    assert {row.code for row in ROWS} == set(HTTP_STATUSES)
    over_http = {row.code: row.status for row in OVER_HTTP}
    assert over_http == {
        code: status for code, status in HTTP_STATUSES.items() if code != "unknown_type"
    }


@pytest.mark.parametrize("row", ROWS, ids=str)
async def test_each_error_comes_over_websocket_as_the_table_says(
    row: Row, caplog: pytest.LogCaptureFixture
) -> None:
    async with served(row) as (realtime, address, _), open_peer(address) as peer:
        if row.refused:
            await peer.send(upgrade(row.path))
            status, body = await peer.answer()
            assert status == row.comes[0]
            check(row, body.decode(), caplog)
            return
        await peer.shake_hands()
        session = (await peer.frames(until=TEXT))[-1].message["data"]["sessionId"]
        row.given(realtime, session)
        if not row.sends:
            async with open_peer(address) as second:
                await second.shake_hands(upgrade(row.path))
                closing = await second.closing()
            assert (closing.code,) == row.comes
            check(row, closing.payload[2:].decode(), caplog)
            return
        for each in row.sends:
            text = each if isinstance(each, str) else json.dumps(each)
            await peer.send(frame(TEXT, text.encode()))
        for each in row.comes:
            if isinstance(each, int):
                if row.code == "shutting_down":
                    realtime.begin_shutdown(drain_timeout=0)  # the close comes at its end
                assert (await peer.closing()).code == each
            else:
                error = await shown(peer, "error")
                assert error["code"] in ({row.code} if len(row.comes) < 10 else HTTP_STATUSES)
                check(row, error["message"], caplog)
        if set(row.comes) == {"error"}:
            await peer.send(frame(TEXT, b'{"type":"ping"}'))
            await shown(peer, "pong")


async def shown(peer: RawPeer, kind: str) -> dict[str, Any]:
    """The data of the next message of that type."""
    while True:
        message = (await peer.frames(until=TEXT))[-1].message
        if message["type"] == kind:
            return message["data"]


@pytest.mark.parametrize("row", OVER_HTTP, ids=str)
async def test_each_error_comes_over_http_with_its_status(
    row: Row, caplog: pytest.LogCaptureFixture
) -> None:
    assert row.asked is not None
    async with served(row) as (realtime, _, address), open_http_peer(address) as peer:
        await lives(peer)
        if row.refused:
            await refused(row, row.asked, peer, "whoever", caplog)
            return
        async with open_stream(address) as stream:
            client, session = await started(stream)
            row.given(realtime, session)
            if row.code == "rate_limited" and row.sends:
                await peer.send(row.asked.request(client))
                assert (await peer.answered()).status == 200
            await refused(row, row.asked, peer, client, caplog)
            if realtime.phase == "draining":
                realtime.begin_shutdown(drain_timeout=0)


async def refused(
    row: Row, asked: Asked, peer: HTTPPeer, client: str, caplog: pytest.LogCaptureFixture
) -> None:
    await peer.send(asked.request(client))
    answer = await peer.answered()
    assert error_of(answer) == (row.status, row.code)
    assert ("retry-after" in answer.headers) == row.retry_after
    assert ("www-authenticate" in answer.headers) == (row.status == 401)
    assert answer.headers["cache-control"] == "no-store"
    check(row, answer.json["error"]["message"], caplog)
    if row.closes:
        await peer.closed()
    else:
        await lives(peer)


async def lives(peer: HTTPPeer) -> None:
    """The connection serves on."""
    await peer.send(http("/health/live"))
    assert (await peer.answered()).status == 200
