"""The server's end: in order, bounded, whatever its peers do."""

from __future__ import annotations

import functools
import json
import math
import socket
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import pytest
import trio
import trio.testing

from tests.transports.websocket.peers import (
    PING,
    PONG,
    TEXT,
    Frame,
    RawPeer,
    frame,
    open_peer,
    quick,
    serving,
    upgrade,
)
from trio_agent_rt.agent import TaskRun
from trio_agent_rt.protocol import CloseCode
from trio_agent_rt.realtime import Connection, Limits, RealtimeAgent
from trio_agent_rt.transports import Request, WebSocketAddress, serve_websocket
from trio_agent_rt.transports.websocket.stream import WebSocketStream

WAIT = frame(TEXT, json.dumps({"type": "task:submit", "data": {"task": "wait"}}).encode())
PATIENT = Limits(handshake_timeout=60, write_timeout=60, close_timeout=60)

# What the server itself may take, beside the tasks: a second, and some for the machine.
BOUND = 1.5


def types(frames: list[Frame]) -> list[str]:
    return [each.message["type"] for each in frames if each.opcode == TEXT]


async def test_a_shutdown_tells_everybody_how_the_tasks_ended_then_closes_with_1001() -> None:
    async with RealtimeAgent(quick) as realtime:
        with trio.fail_after(5):
            async with trio.open_nursery() as nursery:
                serve = functools.partial(serve_websocket, realtime, port=0)
                address = await nursery.start(serve)
                async with open_peer(address) as peer:
                    await _until_running(peer)
                    await realtime.shut_down()
                    frames = await peer.frames()
                    assert types(frames)[-1] == "task:complete"
                    assert frames[-1].code == 1001
                    assert await peer.until_end() == b""
            # It has returned, and nobody listens any more.
            with pytest.raises(OSError, match="connect"):
                await trio.open_tcp_stream(address.host, address.port)


async def test_a_task_may_finish_while_draining_and_nobody_new_comes_in() -> None:
    finish = trio.Event()

    async def agent(task: str, run: TaskRun) -> str:
        async with run.step("Wait"):
            await finish.wait()
        return "done"

    async with RealtimeAgent(agent) as realtime, trio.open_nursery() as nursery:
        address = await nursery.start(functools.partial(serve_websocket, realtime, port=0))
        async with open_peer(address) as peer, open_peer(address) as late:
            await _until_running(peer)
            await late.send(upgrade()[:-2])
            with trio.fail_after(BOUND):
                realtime.begin_shutdown(drain_timeout=60)
                assert (await late.answer())[0] == 503
                with pytest.raises(OSError, match="connect"):
                    await trio.open_tcp_stream(address.host, address.port)
                finish.set()
                frames = await peer.frames()
    completed = [each.message for each in frames[:-1]][-1]
    assert (completed["type"], completed["data"]["outcome"]) == ("task:complete", "succeeded")
    assert frames[-1].code == 1001


async def test_cancelled_together_with_its_agent_it_still_tells_how_the_tasks_ended() -> None:
    told: list[Frame] = []
    outer = trio.CancelScope()
    async with trio.open_nursery() as watching:
        with outer:
            async with RealtimeAgent(quick) as realtime, trio.open_nursery() as nursery:
                address = await nursery.start(functools.partial(serve_websocket, realtime, port=0))
                watching.start_soon(_watch, address, told, outer)
                await trio.sleep_forever()
    assert types(told)[-1] == "task:complete"
    assert told[-1].code == 1001


async def _watch(address: WebSocketAddress, told: list[Frame], outer: trio.CancelScope) -> None:
    async with open_peer(address) as peer:
        await _until_running(peer)
        outer.cancel()
        with trio.fail_after(BOUND):
            told.extend(await peer.frames())


async def test_while_tasks_drain_peers_are_asked_for_a_sign_of_life() -> None:
    done = trio.Event()

    async def agent(task: str, run: TaskRun) -> None:
        await done.wait()

    limits = Limits(heartbeat_interval=0.05, heartbeat_timeout=20)
    realtime = RealtimeAgent(agent, limits=limits, drain_timeout=60)
    both = trio.CancelScope()

    async def serve(task_status: trio.TaskStatus[WebSocketAddress]) -> None:
        with both:
            async with realtime, trio.open_nursery() as inside:
                start = functools.partial(serve_websocket, realtime, port=0)
                task_status.started(await inside.start(start))

    with trio.fail_after(30):
        async with trio.open_nursery() as nursery:
            address = await nursery.start(serve)
            async with open_peer(address) as peer:
                await peer.shake_hands()
                await peer.send(WAIT)
                while (await peer.frames(until=TEXT))[-1].message["type"] != "status":
                    pass
                both.cancel()
                await trio.testing.wait_all_tasks_blocked()
                for _ in range(3):
                    await peer.frames(until=PING)
                    await peer.send(frame(PONG))
                done.set()
                *_, last = await peer.frames()
                assert last.code == 1001


async def test_a_close_that_comes_while_a_peer_is_let_in_is_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    real = WebSocketStream.open

    async def open_and_close(self: WebSocketStream, answer: bytes) -> None:
        await real(self, answer)
        (session,) = realtime._registry.sessions
        (connection,) = session.connections
        connection.close(CloseCode.GOING_AWAY, "in the last moment")

    monkeypatch.setattr(WebSocketStream, "open", open_and_close)
    async with serving(limits=PATIENT) as (realtime, address), open_peer(address) as peer:
        with trio.fail_after(20):
            await peer.shake_hands()
            assert (await peer.closing()).code == 1001


async def test_cancelled_alone_it_closes_its_connections_and_the_tasks_go_on() -> None:
    async with RealtimeAgent(quick) as realtime:
        async with AsyncExitStack() as stack:
            async with trio.open_nursery() as nursery:
                address = await nursery.start(functools.partial(serve_websocket, realtime, port=0))
                peer = await stack.enter_async_context(open_peer(address))
                await _until_running(peer)
                nursery.cancel_scope.cancel()
            with trio.fail_after(BOUND):
                frames = await peer.frames()
        assert "task:complete" not in types(frames)
        assert frames[-1].code == 1001
        assert realtime.phase == "serving"


@pytest.mark.parametrize("ending", ["shut_down", "cancel_all", "cancel_transport"])
async def test_it_ends_within_a_second_whatever_its_peers_do(ending: str) -> None:
    async def authenticate(request: Request) -> Any:
        await trio.sleep_forever()

    agent = RealtimeAgent(quick, limits=PATIENT, buffer_size=10_000)
    began = -math.inf
    async with AsyncExitStack() as peers:
        with trio.CancelScope() as outer:
            async with agent as realtime, trio.open_nursery() as nursery:
                serve = functools.partial(serve_websocket, realtime, port=0)
                open_to_all = await nursery.start(serve)
                guarded = await nursery.start(functools.partial(serve, authenticate=authenticate))
                for start in (_nothing, _half_a_request, _whole_request):
                    await start(await peers.enter_async_context(_mute_peer(guarded)))
                for start in (_nothing, _half_a_request, _stalled, _deaf, _half_a_frame):
                    await start(await peers.enter_async_context(_mute_peer(open_to_all)))
                for number in range(100):
                    realtime.broadcast("news", {"number": number, "text": "x" * 50_000})
                    await trio.lowlevel.checkpoint()
                began = trio.current_time()
                if ending == "shut_down":
                    await realtime.shut_down()
                elif ending == "cancel_all":
                    outer.cancel()
                else:
                    nursery.cancel_scope.cancel()
        # 0.8 s of it were for the mute ones.
        assert 0.5 < trio.current_time() - began < BOUND


async def test_a_visitor_accepted_in_the_last_moment_does_not_delay_the_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def accept_one_too_late(
        handler: Callable[[trio.SocketStream], Awaitable[None]],
        listeners: list[trio.SocketListener],
        **options: Any,
    ) -> None:
        options["task_status"].started(listeners)
        accepted = await listeners[0].accept()
        try:
            await trio.sleep_forever()
        finally:
            options["handler_nursery"].start_soon(handle, handler, accepted)

    async def handle(
        handler: Callable[[trio.SocketStream], Awaitable[None]], accepted: trio.SocketStream
    ) -> None:
        with trio.CancelScope(shield=True):
            # Until the server believes that everybody is gone.
            await trio.testing.wait_all_tasks_blocked()
            await handler(accepted)
        accepted.socket.close()

    monkeypatch.setattr(trio, "serve_listeners", accept_one_too_late)
    async with RealtimeAgent(quick, limits=Limits(handshake_timeout=3)) as realtime:
        async with AsyncExitStack() as peers:
            async with trio.open_nursery() as nursery:
                address = await nursery.start(functools.partial(serve_websocket, realtime, port=0))
                await peers.enter_async_context(open_peer(address))
                await trio.testing.wait_all_tasks_blocked()
                began = trio.current_time()
                nursery.cancel_scope.cancel()
            assert trio.current_time() - began < BOUND


async def test_nothing_of_it_is_left() -> None:
    async with RealtimeAgent(quick, linger=0) as realtime:
        before = trio.lowlevel.current_statistics().tasks_living
        async with trio.open_nursery() as nursery:
            address = await nursery.start(functools.partial(serve_websocket, realtime, port=0))
            async with open_peer(address) as peer, open_peer(address) as other:
                await peer.shake_hands()
                await other.send(upgrade()[:30])
                nursery.cancel_scope.cancel()
        assert trio.lowlevel.current_statistics().tasks_living == before


# --- exceptions


async def test_a_port_in_use_is_an_error_and_no_group() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        async with RealtimeAgent(quick) as realtime:
            port = taken.getsockname()[1]
            with pytest.raises(OSError, match=f"127.0.0.1:{port} is in use: stop what"):
                await serve_websocket(realtime, port=port)


@pytest.mark.parametrize(
    ("options", "text"),
    [({"port": 70_000}, "port"), ({"path": "ws"}, "path"), ({"host": "0.0.0.0"}, "authenticate")],
)
async def test_a_wrong_option_is_refused(options: Any, text: str) -> None:
    async with RealtimeAgent(quick) as realtime:
        with pytest.raises(ValueError, match=text):
            await serve_websocket(realtime, **options)


async def test_what_its_agent_raises_comes_out_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    async def fail(self: RealtimeAgent) -> None:
        await trio.lowlevel.checkpoint()
        raise LookupError("mine") from KeyError("cause")

    monkeypatch.setattr(RealtimeAgent, "wait_draining", fail)
    async with RealtimeAgent(quick) as realtime:
        with pytest.raises(LookupError, match="mine") as raised:
            await serve_websocket(realtime, port=0)
    assert isinstance(raised.value.__cause__, KeyError)


async def test_an_interrupt_in_a_connection_ends_the_server_as_an_interrupt(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def receive(self: Connection, text: str | bytes) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Connection, "receive", receive)
    codes: list[int] = []
    # One group, that of the nursery here.
    with pytest.RaisesGroup(KeyboardInterrupt), trio.fail_after(5):
        async with RealtimeAgent(quick, limits=PATIENT) as realtime, trio.open_nursery() as nursery:
            address = await nursery.start(functools.partial(serve_websocket, realtime, port=0))
            async with open_peer(address) as peer, open_peer(address) as other:
                await other.shake_hands()
                await peer.shake_hands()
                await peer.send(WAIT)
                codes.append((await other.frames())[-1].code)
                await trio.sleep_forever()
    assert codes == [1001]


# --- peers that do not help


async def _until_running(peer: RawPeer) -> None:
    await peer.shake_hands()
    await peer.send(WAIT)
    while (await peer.frames(until=TEXT))[-1].message["type"] != "step:start":
        pass


@asynccontextmanager
async def _mute_peer(address: WebSocketAddress) -> AsyncGenerator[RawPeer]:
    with trio.socket.socket() as each:
        # So small that a server that writes to it is soon stalled.
        each.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        await each.connect((address.host, address.port))
        yield RawPeer(trio.SocketStream(each))


async def _nothing(peer: RawPeer) -> None:
    await trio.lowlevel.checkpoint()


async def _half_a_request(peer: RawPeer) -> None:
    await peer.send(upgrade()[:30])


async def _whole_request(peer: RawPeer) -> None:
    await peer.send(upgrade())


async def _stalled(peer: RawPeer) -> None:
    """In, and never reads again."""
    await peer.shake_hands()


async def _deaf(peer: RawPeer) -> None:
    """Was sent a close frame, and neither answers it nor closes."""
    await peer.shake_hands()
    await peer.send(frame(2, b"binary"))


async def _half_a_frame(peer: RawPeer) -> None:
    await peer.shake_hands()
    await peer.send(frame(TEXT, b"x" * 1000)[:500])


async def test_a_realtime_agent_that_is_not_open_cannot_be_served() -> None:
    realtime = RealtimeAgent(quick)
    with pytest.raises(RuntimeError, match="is not open"):
        await serve_websocket(realtime, port=0)
    async with realtime:
        pass
    with pytest.raises(RuntimeError, match="is not open"):
        await serve_websocket(realtime, port=0)
