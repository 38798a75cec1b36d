"""Both transports in one nursery, over the same sessions."""

from __future__ import annotations

import functools
import math
import socket
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import pytest
import trio
import trio.testing

from tests.transports.http.peers import ask
from tests.transports.sse.peers import Address, error_of, http, open_stream, post, started
from tests.transports.websocket.peers import (
    CLOSE,
    TEXT,
    RawPeer,
    frame,
    open_peer,
    quick,
    upgrade,
)
from trio_agent_rt.realtime import Principal, RealtimeAgent
from trio_agent_rt.transports import (
    Cors,
    Request,
    ServerAddresses,
    SSEAddress,
    SSEOptions,
    SSEPaths,
    WebSocketAddress,
    WebSocketOptions,
    serve,
)

FREE = WebSocketOptions(port=0), SSEOptions(port=0)

# What the server itself may take, beside the tasks: a second, and some for the machine.
BOUND = 1.5


@asynccontextmanager
async def both(
    *, websocket: Any = FREE[0], sse: Any = FREE[1], **options: Any
) -> AsyncGenerator[tuple[RealtimeAgent, WebSocketAddress, SSEAddress]]:
    """A server of both transports, until the block is left; then it is cancelled."""
    async with RealtimeAgent(quick, linger=5) as realtime, trio.open_nursery() as nursery:
        addresses: ServerAddresses = await nursery.start(
            functools.partial(serve, realtime, websocket=websocket, sse=sse, **options)
        )
        assert addresses.websocket is not None
        assert addresses.sse is not None
        yield realtime, addresses.websocket, addresses.sse
        nursery.cancel_scope.cancel()


async def shown(peer: RawPeer, kind: str) -> dict[str, Any]:
    """The next message of that type that a WebSocket is sent."""
    while True:
        message = (await peer.frames(until=TEXT))[-1].message
        if message["type"] == kind:
            return message


async def test_it_says_where_both_are() -> None:
    options = {
        "websocket": WebSocketOptions(port=0, path="/live"),
        "sse": SSEOptions(port=0, prefix="/agent", paths=SSEPaths(stream="/events")),
    }
    async with both(**options) as (_, websocket, sse):
        assert websocket.url == f"ws://127.0.0.1:{websocket.port}/live"
        assert sse.url == f"http://127.0.0.1:{sse.port}/agent/events"
        assert sse.base_url == f"http://127.0.0.1:{sse.port}"
        async with open_peer(websocket) as peer, open_stream(sse, "/agent/events") as stream:
            await peer.shake_hands(upgrade("/live"))
            await shown(peer, "connected")
            await started(stream)


async def test_a_session_is_followed_over_both_at_once_and_resumed_on_the_other() -> None:
    async with both() as (realtime, websocket, sse):
        with trio.fail_after(10):
            async with open_stream(sse) as stream, open_peer(websocket) as peer:
                client, session = await started(stream)
                await peer.shake_hands(upgrade(f"/ws?session={session}"))
                await shown(peer, "status")
                await post(sse, "/task", {"task": "x", "clientId": client})
                over_sse = [(await stream.event("status")).message]  # that of the beginning
                while over_sse[-1]["type"] != "task:complete":
                    over_sse.append((await stream.event()).message)
                over_websocket = [(await peer.frames(until=TEXT))[-1].message]
                while over_websocket[-1]["type"] != "task:complete":
                    over_websocket.append((await peer.frames(until=TEXT))[-1].message)
                assert over_websocket == over_sse[1:]
            middle = over_sse[3]["id"]
            async with open_peer(websocket) as peer:
                await peer.shake_hands(upgrade("/ws", [f"Last-Event-ID: {middle}"]))
                assert (await shown(peer, "connected"))["data"]["resumed"] is True
                assert (await peer.frames(until=TEXT))[-1].message == over_sse[4]
            async with open_stream(sse, "/sse", [f"Last-Event-ID: {middle}"]) as stream:
                assert (await stream.event()).message["data"]["resumed"] is True
                assert (await stream.event()).message == over_sse[4]
            assert len(realtime._registry.sessions) == 1


@pytest.mark.parametrize("left_out", ["websocket", "sse"])
async def test_either_can_be_left_out(left_out: str) -> None:
    async with RealtimeAgent(quick) as realtime, trio.open_nursery() as nursery:
        options = {"websocket": FREE[0], "sse": FREE[1], left_out: None}
        start = functools.partial(serve, realtime, **options)
        addresses: ServerAddresses = await nursery.start(start)
        if left_out == "websocket":
            assert addresses.websocket is None
            assert addresses.sse is not None
            async with open_stream(addresses.sse) as stream:
                await started(stream)
        else:
            assert addresses.sse is None
            assert addresses.websocket is not None
            async with open_peer(addresses.websocket) as peer:
                await peer.shake_hands()
        nursery.cancel_scope.cancel()


async def test_both_cannot_be_left_out() -> None:
    async with RealtimeAgent(quick) as realtime:
        with pytest.raises(ValueError, match="nothing to serve"), trio.fail_after(5):
            await serve(realtime, websocket=None, sse=None)


@pytest.mark.parametrize("taken_by", ["websocket", "sse"])
async def test_a_port_in_use_is_named_and_nothing_is_left_listening(taken_by: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, _free_port() as free:
        port = taken.getsockname()[1]
        other = free.getsockname()[1]
        free.close()
        ports = {"websocket": other, "sse": other, taken_by: port}
        async with RealtimeAgent(quick) as realtime:
            with (
                pytest.raises(OSError, match=f"127.0.0.1:{port} is in use: stop what"),
                trio.fail_after(5),
            ):
                await serve(
                    realtime,
                    websocket=WebSocketOptions(port=ports["websocket"]),
                    sse=SSEOptions(port=ports["sse"]),
                )
            with pytest.raises(OSError, match="connect"):
                await trio.open_tcp_stream("127.0.0.1", other)


def _free_port() -> socket.socket:
    return socket.create_server(("127.0.0.1", 0))


async def test_both_on_one_port_is_an_error_that_names_it() -> None:
    with _free_port() as free:
        port = free.getsockname()[1]
    async with RealtimeAgent(quick) as realtime:
        with pytest.raises(OSError, match=f"127.0.0.1:{port} is in use"), trio.fail_after(5):
            await serve(realtime, websocket=WebSocketOptions(port=port), sse=SSEOptions(port=port))


@pytest.mark.parametrize("path", ["ws", "", "/ws?a=b", "/ws#a"])
def test_a_path_that_cannot_be_is_refused_where_it_is_written(path: str) -> None:
    with pytest.raises(ValueError, match="path must begin with /"):
        WebSocketOptions(path=path)


@pytest.mark.parametrize("prefix", ["agent", "/agent/", "/", "/a?b"])
def test_a_prefix_that_cannot_be_is_refused_where_it_is_written(prefix: str) -> None:
    with pytest.raises(ValueError, match="prefix must begin with /"):
        SSEOptions(prefix=prefix)


def test_no_paths_are_the_usual_ones() -> None:
    assert SSEOptions(paths=None) == SSEOptions(paths=SSEPaths()) == SSEOptions()


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"websocket": WebSocketOptions(port=70_000)}, "port"),
        ({"websocket": WebSocketOptions(host="0.0.0.0", port=0)}, "authenticate"),
        ({"sse": SSEOptions(host="0.0.0.0", port=0)}, "authenticate"),
    ],
)
async def test_a_wrong_option_is_refused_and_nothing_is_left_listening(
    options: dict[str, Any], text: str
) -> None:
    with _free_port() as free:
        port = free.getsockname()[1]
    defaults = {"websocket": WebSocketOptions(port=port), "sse": SSEOptions(port=port)}
    async with RealtimeAgent(quick) as realtime:
        with pytest.raises(ValueError, match=text), trio.fail_after(5):
            await serve(realtime, **{**defaults, **options})
        with pytest.raises(OSError, match="connect"):
            await trio.open_tcp_stream("127.0.0.1", port)


async def test_a_realtime_agent_that_is_not_open_cannot_be_served() -> None:
    with pytest.raises(RuntimeError, match="is not open"), trio.fail_after(5):
        await serve(RealtimeAgent(quick), websocket=FREE[0], sse=FREE[1])


async def test_a_page_of_either_port_is_our_own_on_the_other_one() -> None:
    async with both() as (_, websocket, sse):
        page = f"http://127.0.0.1:{sse.port}"
        host = f"127.0.0.1:{websocket.port}"
        async with open_peer(websocket) as peer:
            await peer.shake_hands(upgrade(headers=[f"Origin: {page}"], host=host))
        async with open_peer(websocket) as peer:
            foreign = f"http://127.0.0.1:{websocket.port ^ sse.port ^ 1}"
            await peer.send(upgrade(headers=[f"Origin: {foreign}"], host=host))
            assert (await peer.answer())[0] == 403
        page = f"http://127.0.0.1:{websocket.port}"
        host = f"127.0.0.1:{sse.port}"
        request = http("/tools", headers=[f"Origin: {page}"], host=host)
        answer = await ask(sse, request)
        assert answer.status == 200
        assert answer.headers["access-control-allow-origin"] == page


async def test_one_hook_one_list_and_the_tickets_are_for_both() -> None:
    seen: list[str] = []

    async def authenticate(request: Request) -> Principal:
        await trio.lowlevel.checkpoint()
        seen.append(request.path)
        return Principal("ann")

    cors = Cors(["https://app.example"])
    async with both(authenticate=authenticate, cors=cors) as (_, websocket, sse):
        ticket = (await post(sse, "/ticket")).json["ticket"]
        headers = ["Origin: https://app.example"]
        async with open_peer(websocket) as peer:
            await peer.shake_hands(upgrade(f"/ws?ticket={ticket}", headers))
        assert error_of(await ask(sse, http(f"/tools?ticket={ticket}")))[0] == 401
        async with open_stream(sse, "/sse", headers) as stream:
            assert stream.status == 200
        assert seen == ["/ticket", "/sse"]


async def _watched(stack: AsyncExitStack, websocket: Any, sse: Address) -> tuple[RawPeer, Any]:
    peer = await stack.enter_async_context(open_peer(websocket))
    stream = await stack.enter_async_context(open_stream(sse))
    client, session = await started(stream)
    await peer.shake_hands(upgrade(f"/ws?session={session}"))
    await post(sse, "/task", {"task": "wait", "clientId": client})
    await stream.event("step:start")
    await shown(peer, "step:start")
    return peer, stream


@pytest.mark.parametrize("ending", ["shut_down", "cancel_all", "cancel_transport"])
async def test_it_ends_both_in_order_however_it_is_ended(ending: str) -> None:
    began = -math.inf
    async with AsyncExitStack() as stack:
        with trio.CancelScope() as outer:
            async with RealtimeAgent(quick) as realtime, trio.open_nursery() as nursery:
                addresses: ServerAddresses = await nursery.start(
                    functools.partial(serve, realtime, websocket=FREE[0], sse=FREE[1])
                )
                assert addresses.sse is not None
                peer, stream = await _watched(stack, addresses.websocket, addresses.sse)

                last = [] if ending == "cancel_transport" else ["task:complete"]

                async def see_the_end() -> None:
                    blocks = await stream.rest()
                    told = [each.message["type"] for each in blocks if each.field("data")]
                    assert told[-1:] == last
                    assert blocks[-1].field("retry")
                    frames = await peer.frames()
                    told = [each.message["type"] for each in frames if each.opcode == TEXT]
                    assert told[-1:] == last
                    assert frames[-1].code == 1001
                    # A close is answered, or it is waited for.
                    await peer.send(frame(CLOSE, frames[-1].payload))

                async with trio.open_nursery() as watching:
                    watching.start_soon(_shielded, see_the_end)
                    began = trio.current_time()
                    if ending == "shut_down":
                        realtime.begin_shutdown()
                    elif ending == "cancel_all":
                        outer.cancel()
                    else:
                        nursery.cancel_scope.cancel()
        assert trio.current_time() - began < BOUND


async def _shielded(function: Any) -> None:
    with trio.fail_after(5, shield=True):
        await function()


class FailsTheSecond(RealtimeAgent):
    """Fails the second server that asks whether it is to end."""

    asked = 0

    async def wait_draining(self) -> None:
        self.asked += 1
        if self.asked == 2:
            raise LookupError("mine") from KeyError("cause")
        await super().wait_draining()


async def test_what_ends_one_ends_the_other_and_comes_out_as_it_is() -> None:
    async with FailsTheSecond(quick) as realtime:
        with pytest.raises(LookupError, match="mine") as raised, trio.fail_after(BOUND):
            await serve(realtime, websocket=FREE[0], sse=FREE[1])
    assert isinstance(raised.value.__cause__, KeyError)


async def test_nothing_of_it_is_left() -> None:
    async with RealtimeAgent(quick, linger=0) as realtime:
        before = trio.lowlevel.current_statistics().tasks_living
        async with trio.open_nursery() as nursery:
            addresses: ServerAddresses = await nursery.start(
                functools.partial(serve, realtime, websocket=FREE[0], sse=FREE[1])
            )
            assert addresses.sse is not None
            async with AsyncExitStack() as stack:
                await _watched(stack, addresses.websocket, addresses.sse)
                nursery.cancel_scope.cancel()
        await trio.testing.wait_all_tasks_blocked()
        assert trio.lowlevel.current_statistics().tasks_living == before
