"""The app's startup comes first, its shutdown last, and neither hangs the server."""

from __future__ import annotations

import functools
import logging

import pytest
import trio

from tests.transports.http.peers import STREAM, TestApp, ask, http, open_peer
from tests.transports.websocket.peers import quick
from trio_agent_rt.realtime import RealtimeAgent
from trio_agent_rt.transports.http import serve_app
from trio_agent_rt.transports.http.lifespan import Receive, Scope, Send


async def test_the_startup_is_over_before_anybody_is_served() -> None:
    app = TestApp()
    told: list[str] = []

    @app.quart.before_serving
    async def start() -> None:
        await trio.lowlevel.checkpoint()
        told.append("started")

    @app.quart.after_serving
    async def stop() -> None:
        told.append(f"stopped with {app.streams} streams")
        with trio.fail_after(1):
            await trio.lowlevel.checkpoint()
        told.append("stopped")

    async with RealtimeAgent(quick) as realtime, trio.open_nursery() as nursery:
        address = await nursery.start(functools.partial(serve_app, app.quart, realtime, port=0))
        assert told == ["started"]
        async with open_peer(address) as peer:
            await peer.send(STREAM)
            await peer.begun_stream()
            nursery.cancel_scope.cancel()
    assert told == ["started", "stopped with 0 streams", "stopped"]


async def test_a_startup_that_fails_is_an_error_that_says_why_and_nothing_listens() -> None:
    app = TestApp()

    @app.quart.before_serving
    async def start() -> None:
        raise ValueError("no database")

    async with RealtimeAgent(quick) as realtime:
        with pytest.raises(RuntimeError, match="could not start: no database"):
            await serve_app(app.quart, realtime, port=0)


async def test_a_startup_that_hangs_can_be_cancelled() -> None:
    app = TestApp()

    @app.quart.before_serving
    async def start() -> None:
        await trio.sleep_forever()

    async with RealtimeAgent(quick) as realtime:
        with trio.fail_after(2), trio.move_on_after(0.1) as scope:
            await serve_app(app.quart, realtime, port=0)
    assert scope.cancelled_caught


async def test_a_shutdown_that_hangs_is_cut_and_named(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("trio_agent_rt.transports.http.lifespan._SHUTDOWN_TIMEOUT", 0.1)
    app = TestApp()

    @app.quart.after_serving
    async def stop() -> None:
        await trio.sleep_forever()

    async with RealtimeAgent(quick) as realtime, trio.open_nursery() as nursery:
        with trio.fail_after(2):
            await nursery.start(functools.partial(serve_app, app.quart, realtime, port=0))
            realtime.begin_shutdown()
    assert "shutdown was cut" in caplog.text


async def test_a_shutdown_that_fails_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    app = TestApp()

    @app.quart.after_serving
    async def stop() -> None:
        raise ValueError("the database is gone")

    async with RealtimeAgent(quick) as realtime, trio.open_nursery() as nursery:
        await nursery.start(functools.partial(serve_app, app.quart, realtime, port=0))
        nursery.cancel_scope.cancel()
    errors = [each.getMessage() for each in caplog.records if each.levelno == logging.ERROR]
    assert any("the database is gone" in each for each in errors)


async def test_what_fails_beside_requests_ends_the_server_and_comes_out_alone() -> None:
    app = TestApp()
    fail = trio.Event()

    async def background() -> None:
        await fail.wait()
        raise ZeroDivisionError("in the background")

    @app.quart.before_serving
    async def start() -> None:
        app.quart.nursery.start_soon(background)

    with pytest.RaisesGroup(pytest.RaisesExc(ZeroDivisionError, match="in the background")):
        async with RealtimeAgent(quick) as realtime, trio.open_nursery() as nursery:
            address = await nursery.start(functools.partial(serve_app, app.quart, realtime, port=0))
            async with open_peer(address) as peer:
                await peer.send(STREAM)
                await peer.begun_stream()
                with trio.CancelScope(shield=True), trio.fail_after(2):
                    fail.set()
                    assert (await peer.rest()).endswith(b"0\r\n\r\n")


async def test_an_app_that_knows_nothing_of_this_is_served_all_the_same() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        assert scope["type"] == "http"
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body"})

    async with RealtimeAgent(quick) as realtime, trio.open_nursery() as nursery:
        address = await nursery.start(functools.partial(serve_app, app, realtime, port=0))
        assert (await ask(address)).status == 204
        nursery.cancel_scope.cancel()


async def test_what_the_app_keeps_at_its_startup_is_there_for_each_request() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            assert (await receive())["type"] == "lifespan.startup"
            scope["state"]["pool"] = "a pool"
            await send({"type": "lifespan.startup.complete"})
            assert (await receive())["type"] == "lifespan.shutdown"
            await send({"type": "lifespan.shutdown.complete"})
            return
        body = scope["state"]["pool"].encode()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": body})

    async with RealtimeAgent(quick) as realtime, trio.open_nursery() as nursery:
        address = await nursery.start(functools.partial(serve_app, app, realtime, port=0))
        assert (await ask(address, http("/"))).body == b"a pool"
        nursery.cancel_scope.cancel()
