"""The server's end: in order, bounded, whatever its peers and its app do."""

from __future__ import annotations

import functools
import socket
import ssl
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import pytest
import trio

from tests.transports.http.peers import (
    GET,
    STREAM,
    HTTPPeer,
    TestApp,
    error_of,
    http,
    open_peer,
)
from tests.transports.http.test_serving import contexts
from tests.transports.websocket.peers import quick
from trio_agent_rt.agent import TaskRun
from trio_agent_rt.realtime import Limits, RealtimeAgent
from trio_agent_rt.transports import visitors
from trio_agent_rt.transports.http import current_exchange, serve_app
from trio_agent_rt.transports.http.lifespan import Receive, Scope, Send
from trio_agent_rt.transports.listeners import HTTPAddress

PATIENT = Limits(handshake_timeout=60, write_timeout=60, close_timeout=60)

# What the server itself may take, beside the tasks: a second, and some for the machine.
BOUND = 1.5

LAST_WORDS = b"retry: 1000\n\n\r\n0\r\n\r\n"


async def _serve(
    nursery: trio.Nursery, realtime: RealtimeAgent, app: TestApp | None = None, **options: Any
) -> HTTPAddress:
    quart = (app or TestApp()).quart
    return await nursery.start(functools.partial(serve_app, quart, realtime, port=0, **options))


@asynccontextmanager
async def deaf(
    address: HTTPAddress, ssl_context: ssl.SSLContext | None = None
) -> AsyncGenerator[HTTPPeer]:
    """A peer whose kernel takes little, and which reads nothing of it."""
    with trio.socket.socket() as each:
        each.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        await each.connect((address.host, address.port))
        stream: trio.abc.Stream = trio.SocketStream(each)
        if ssl_context is not None:
            stream = trio.SSLStream(
                stream, ssl_context, server_hostname=address.host, https_compatible=True
            )
        yield HTTPPeer(stream)


async def test_streams_are_ended_with_their_last_words_and_the_final_chunk() -> None:
    async with RealtimeAgent(quick) as realtime, AsyncExitStack() as stack:
        with trio.fail_after(BOUND):
            async with trio.open_nursery() as nursery:
                address = await _serve(nursery, realtime)
                peers = [await stack.enter_async_context(open_peer(address)) for _ in range(5)]
                for peer in peers:
                    await peer.send(STREAM)
                    await peer.begun_stream()
                await realtime.shut_down()
                for peer in peers:
                    assert (await peer.rest()).endswith(LAST_WORDS)
        with pytest.raises(OSError, match="connect"):
            await trio.open_tcp_stream(address.host, address.port)


async def test_who_is_connected_is_served_until_the_tasks_have_ended_and_nobody_new_is() -> None:
    finish = trio.Event()

    async def agent(task: str, run: TaskRun) -> str:
        await finish.wait()
        return task

    async with RealtimeAgent(agent) as realtime, trio.open_nursery() as nursery:
        address = await _serve(nursery, realtime)
        running = realtime.submit("a task")
        async with open_peer(address) as peer:
            await peer.send(GET)
            await peer.answered()
            with trio.fail_after(BOUND):
                realtime.begin_shutdown(drain_timeout=60)
                await trio.testing.wait_all_tasks_blocked(0.05)
                with pytest.raises(OSError, match="connect"):
                    await trio.open_tcp_stream(address.host, address.port)
                for _ in range(2):
                    await peer.send(GET)
                    assert (await peer.answered()).status == 200
                finish.set()
                await peer.closed()
                await running.wait()


async def test_a_request_that_has_begun_is_answered_and_one_that_has_not_is_refused() -> None:
    async with RealtimeAgent(quick) as realtime, trio.open_nursery() as nursery:
        app = TestApp()
        address = await _serve(nursery, realtime, app)
        async with open_peer(address) as peer, open_peer(address) as late:
            await peer.send(http("/wait"))
            await app.until(waiting=1)
            await late.send(GET[:-3])
            await trio.testing.wait_all_tasks_blocked(0.05)
            with trio.fail_after(BOUND):
                await realtime.shut_down()
                refused = await late.answered()
                assert error_of(refused) == (503, "shutting_down")
                assert refused.headers["retry-after"] == "1"
                app.go_on.set()
                answer = await peer.answered()
                assert (answer.status, answer.headers["connection"]) == (200, "close")
                await peer.closed()


async def test_an_answer_that_had_promised_to_go_on_is_the_last_all_the_same() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        assert scope["type"] == "http"
        await send({"type": "http.response.start", "status": 200, "headers": []})
        exchange = current_exchange()
        assert exchange is not None
        await exchange.wait_closing()
        await send({"type": "http.response.body", "body": b"done"})

    async with RealtimeAgent(quick, limits=PATIENT) as realtime, trio.open_nursery() as nursery:
        serve = functools.partial(serve_app, app, realtime, port=0)
        address: HTTPAddress = await nursery.start(serve)
        async with open_peer(address) as peer:
            await peer.send(GET)
            await trio.testing.wait_all_tasks_blocked(0.05)
            with trio.fail_after(0.5):
                await realtime.shut_down()
                assert (await peer.answered()).body == b"done"
                await peer.closed()


@pytest.mark.parametrize("secure", [False, True])
async def test_who_rests_and_does_not_look_does_not_delay_the_end(
    secure: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(visitors, "_CLOSING_TIMEOUT", 60)
    server, client = contexts() if secure else (None, None)
    async with AsyncExitStack() as stack:
        async with RealtimeAgent(quick, limits=PATIENT) as realtime:
            async with trio.open_nursery() as nursery:
                address = await _serve(nursery, realtime, ssl_context=server)
                peer = await stack.enter_async_context(open_peer(address, ssl_context=client))
                silent = await stack.enter_async_context(open_peer(address))
                await peer.send(GET)
                assert (await peer.answered()).status == 200
                began = trio.current_time()
                await realtime.shut_down()
        assert trio.current_time() - began < BOUND
        await peer.closed()
        await silent.closed()


@pytest.mark.parametrize("secure", [False, True])
@pytest.mark.parametrize("how", ["shutdown", "cancelled with the agent", "cancelled alone"])
async def test_peers_that_read_nothing_do_not_delay_the_end(how: str, secure: bool) -> None:
    server, client = contexts() if secure else (None, None)
    app = TestApp()
    began = 0.0
    async with AsyncExitStack() as stack:
        with trio.CancelScope() as everything:
            async with RealtimeAgent(quick, limits=PATIENT) as realtime:
                with trio.CancelScope() as server_alone:
                    async with trio.open_nursery() as nursery:
                        address = await _serve(nursery, realtime, app, ssl_context=server)
                        for _ in range(20):
                            peer = await stack.enter_async_context(deaf(address, client))
                            await peer.send(http("/flood"))
                        await app.until(streams=20)
                        await trio.testing.wait_all_tasks_blocked(0.05)
                        began = trio.current_time()
                        end = {
                            "shutdown": realtime.begin_shutdown,
                            "cancelled with the agent": everything.cancel,
                            "cancelled alone": server_alone.cancel,
                        }
                        end[how]()
        assert trio.current_time() - began < BOUND
        assert app.streams == 0


async def test_an_app_that_goes_on_is_cancelled_and_its_peer_is_cut() -> None:
    app = TestApp()
    async with RealtimeAgent(quick, limits=PATIENT) as realtime, AsyncExitStack() as stack:
        with trio.fail_after(BOUND):
            async with trio.open_nursery() as nursery:
                address = await _serve(nursery, realtime, app)
                peer = await stack.enter_async_context(open_peer(address))
                await peer.send(http("/wait"))
                await app.until(waiting=1)
                nursery.cancel_scope.cancel()
        assert app.waiting == 0


async def test_cancelled_together_with_the_agent_the_streams_end_in_order() -> None:
    rest = b""

    async def follow(address: HTTPAddress, begun: trio.Event) -> None:
        nonlocal rest
        async with open_peer(address) as peer:
            await peer.send(STREAM)
            await peer.begun_stream()
            begun.set()
            rest = await peer.rest()

    begun = trio.Event()
    with trio.fail_after(BOUND):
        async with trio.open_nursery() as peers:
            with trio.CancelScope() as scope:
                async with RealtimeAgent(quick) as realtime, trio.open_nursery() as nursery:
                    address = await _serve(nursery, realtime)
                    peers.start_soon(follow, address, begun)
                    await begun.wait()
                    scope.cancel()
    assert rest.endswith(LAST_WORDS)


async def test_an_error_beside_the_server_comes_out_as_it_is() -> None:
    with pytest.RaisesGroup(pytest.RaisesExc(ZeroDivisionError, match="beside")):
        async with RealtimeAgent(quick) as realtime, trio.open_nursery() as nursery:
            await _serve(nursery, realtime)
            raise ZeroDivisionError("beside")


async def test_nothing_is_left_of_connections_that_are_over() -> None:
    async with RealtimeAgent(quick) as realtime, trio.open_nursery() as nursery:
        address = await _serve(nursery, realtime)
        async with open_peer(address) as peer:
            await peer.send(GET)
            await peer.answered()
        await trio.testing.wait_all_tasks_blocked(0.05)
        before = trio.lowlevel.current_statistics().tasks_living
        for request in (GET, STREAM, http("/wait"), GET[:-3], b""):
            async with open_peer(address) as peer:
                await peer.send(request)
                await trio.testing.wait_all_tasks_blocked(0.05)
        with trio.fail_after(2):
            while trio.lowlevel.current_statistics().tasks_living != before:
                await trio.testing.wait_all_tasks_blocked(0.01)
        nursery.cancel_scope.cancel()
