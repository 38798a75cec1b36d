"""Our resources under a server that is not ours: what they need of it is ASGI alone.

Not its deadlines and limits either, which may be other ones, or none.
"""

from __future__ import annotations

import functools
import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import trio
from hypercorn.config import Config
from hypercorn.trio import serve
from quart_trio import QuartTrio

from tests.transports.http.peers import open_peer
from tests.transports.sse.peers import (
    TIMEOUT,
    error_of,
    get,
    http,
    open_stream,
    post,
    started,
    until,
)
from tests.transports.websocket.peers import quick
from trio_agent_rt.realtime import Limits, RealtimeAgent
from trio_agent_rt.transports import HTTPAddress, sse_blueprint


@asynccontextmanager
async def foreign(realtime: RealtimeAgent) -> AsyncGenerator[HTTPAddress]:
    """Hypercorn itself, with an app that has our resources below /agent."""
    config = Config()
    config.bind = ["127.0.0.1:0"]
    config.accesslog = config.errorlog = None
    app = QuartTrio("an_app")
    app.register_blueprint(sse_blueprint(realtime), url_prefix="/agent")
    over = trio.Event()

    run = functools.partial(serve, app, config, shutdown_trigger=over.wait)
    with trio.fail_after(TIMEOUT):
        async with trio.open_nursery() as nursery:
            (where,) = await nursery.start(run)
            port = int(where.rpartition(":")[2])
            yield HTTPAddress(host="127.0.0.1", port=port, url=where, hosts=("127.0.0.1",))
            over.set()


async def test_a_stream_is_shown_and_its_end_is_that_of_the_agent() -> None:
    async with RealtimeAgent(quick, linger=5) as realtime, foreign(realtime) as address:
        async with open_stream(address, "/agent/sse") as stream:
            client, session = await started(stream)
            answer = await post(address, "/agent/task", {"task": "x", "clientId": client})
            assert answer.json["outcome"] == "accepted"
            await stream.event("task:complete")
        # Its leaving is noticed.
        watched = realtime._registry.find(session)
        await until(lambda: not watched.connections)
        async with open_stream(address, f"/agent/sse?session={session}") as stream:
            await started(stream)
            await realtime.shut_down()
            rest = await stream.rest()
            assert rest[-1].field("retry")
        assert error_of(await get(address, "/agent/health")) == (503, "shutting_down")
        assert error_of(await get(address, "/agent/sse")) == (503, "shutting_down")


async def test_a_body_is_bounded_in_size_and_time() -> None:
    limits = Limits(max_message_bytes=1000, body_timeout=0.2)
    chunked = http("/agent/task", method="POST", headers=["Transfer-Encoding: chunked"])
    chunk = b"1f4\r\n" + b"a" * 500 + b"\r\n"
    async with RealtimeAgent(quick, limits=limits) as realtime, foreign(realtime) as address:
        for sent, error in (
            (http("/agent/task", method="POST", body=b"a" * 1001), (413, "too_large")),
            (chunked + chunk * 3, (413, "too_large")),
            (chunked + chunk, (408, "bad_message")),
        ):
            async with open_peer(address) as peer:
                await peer.send(sent)
                assert error_of(await peer.answered()) == error
        async with open_stream(address, "/agent/sse") as stream:
            client, _ = await started(stream)
            exact = json.dumps({"task": "x", "clientId": client}).encode().ljust(1000)
            assert (await post(address, "/agent/task", exact)).status == 200
