"""A stream that is written to at once is the same stream, whatever is between it and the wire."""

from __future__ import annotations

import os
import socket
from collections.abc import AsyncGenerator, Callable

import pytest
import trio
import trio.testing
from quart import Response
from quart_trio import QuartTrio

from tests.conftest import DIRECT_WRITES
from tests.transports.sse.peers import Stream, http, mounted, open_stream, serving, started
from tests.transports.websocket.peers import quick
from trio_agent_rt.realtime import Connection, Limits, RealtimeAgent
from trio_agent_rt.realtime.fanout import Batch
from trio_agent_rt.realtime.peers import WriteSome
from trio_agent_rt.transports import sse_blueprint

pytestmark = [
    pytest.mark.skipif(os.environ.get(DIRECT_WRITES) == "off", reason="nothing is written at once"),
    pytest.mark.usefixtures("either_way"),
]

BIG = "x" * 100_000


def viewer(realtime: RealtimeAgent) -> Connection:
    (session,) = realtime._registry.sessions
    (connection,) = session.connections
    return connection


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Whether each attempt to write to a viewer without waiting was one that succeeded."""
    found: list[bool] = []
    write, lend = Connection._write, Connection.lend

    def noted_write(self: Connection, batch: Batch, taken: int | None) -> bool:
        done = write(self, batch, taken)
        if taken is None:
            found.append(done)
        return done

    def noted_lend(self: Connection) -> WriteSome | None:
        lent = lend(self)

        def write_some(data: bytes) -> int:
            assert lent is not None
            found.append(False)
            taken = lent(data)
            found[-1] = taken > 0
            return taken

        return None if lent is None else write_some

    monkeypatch.setattr(Connection, "_write", noted_write)
    monkeypatch.setattr(Connection, "lend", noted_lend)
    return found


async def test_events_are_written_at_once_between_comments(at_once: list[bool]) -> None:
    limits = Limits(heartbeat_interval=0.05)
    async with serving(limits=limits) as (realtime, address), open_stream(address) as stream:
        await started(stream)
        await stream.event("status")
        for number in range(10):
            await stream.comments(1)
            await trio.testing.wait_all_tasks_blocked()
            realtime.broadcast("news", number)
            assert (await stream.event()).message["data"] == number
        assert at_once.count(True) >= 5


async def test_a_slow_reader_is_sent_whole_chunks_in_order(at_once: list[bool]) -> None:
    limits = Limits(heartbeat_interval=0.02)
    async with serving(limits=limits) as (realtime, address):
        raw = trio.socket.socket()
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        await raw.connect((address.host, address.port))
        stream = Stream(trio.SocketStream(raw), http("/sse"))
        await stream.begin()
        await started(stream)
        await stream.event("status")
        for number in range(60):
            realtime.broadcast("news", [number, BIG])
            await trio.testing.wait_all_tasks_blocked()
        assert viewer(realtime).has_queued, "it is held up"
        for number in range(60):
            assert (await stream.event("news")).message["data"] == [number, BIG]
        realtime.begin_shutdown()
        await stream.rest()
        assert stream.ended
        assert True in at_once
        assert False in at_once
        await trio.aclose_forcefully(stream.transport)


async def test_a_peer_that_knows_no_chunks_is_sent_none(at_once: list[bool]) -> None:
    async with serving() as (realtime, address):
        peer = await trio.open_tcp_stream(address.host, address.port)
        await peer.send_all(b"GET /sse HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n")
        heard = b""
        while b'"status"' not in heard or not heard.endswith(b"\n\n"):
            heard += await peer.receive_some()
        await trio.testing.wait_all_tasks_blocked()
        realtime.broadcast("news", "here")
        body = b""
        while not body.endswith(b"\n\n"):
            body += await peer.receive_some()
        assert body.startswith(b"id: ")
        assert body.count(b"\n") == 3
        assert b"chunked" not in heard.lower()
        assert True not in at_once
        await trio.aclose_forcefully(peer)


async def _around(response: Response) -> Response:
    if response.status_code == 200:
        body = response.response

        async def filtered() -> AsyncGenerator[bytes]:
            async with body as pieces:
                async for piece in pieces:
                    yield piece.replace(b"quiet", b"LOUD")

        response.response = response.iterable_body_class(filtered())
    return response


async def _another(response: Response) -> Response:
    """Another response with the same body, as some extensions make it."""
    if response.status_code == 200:
        another = Response(b"", 200, headers=response.headers)
        del another.headers["Content-Length"]
        another.response = response.response
        another.timeout = None
        return another
    return response


@pytest.mark.parametrize(("wrap", "word"), [(_around, "LOUD"), (_another, "quiet")])
async def test_what_an_application_puts_around_it_has_all_of_it(
    at_once: list[bool], wrap: Callable[[Response], object], word: str
) -> None:
    app = QuartTrio("an_app")
    app.after_request(wrap)  # type: ignore[arg-type]
    async with RealtimeAgent(quick) as realtime:
        async with mounted(app, realtime, sse_blueprint(realtime)) as address:
            async with open_stream(address) as stream:
                await started(stream)
                await stream.event("status")
                for _ in range(3):
                    await trio.testing.wait_all_tasks_blocked()
                    realtime.broadcast("news", "quiet")
                    assert (await stream.event("news")).message["data"] == word
                assert True not in at_once
