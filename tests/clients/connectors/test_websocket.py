"""An open WebSocket: what goes over it, how it is kept, how it is left."""

from __future__ import annotations

import pytest
import trio
import trio_websocket
from trio.testing import wait_all_tasks_blocked

from trio_agent_rt.clients import AgentClient, Reconnect, open_websocket_client
from trio_agent_rt.errors import (
    ConnectionLost,
)
from trio_agent_rt.protocol import (
    Acknowledged,
    CustomEvent,
    GetTools,
    ToolsListed,
    decode_command,
)

from .sockets import (
    TOKEN,
    greeting,
    listening,
    say,
    websocket,
)


async def test_the_request_says_who_asks_and_where_to_go_on() -> None:
    async def serve(connection: trio_websocket.WebSocketConnection) -> None:
        await say(connection, *greeting(resumed=True))
        await connection.get_message()

    async with websocket(serve) as (url, requests):
        client = open_websocket_client(
            f"{url}?room=a%20b",
            session="s",
            last_position="e-7",
            token=TOKEN,
            headers={"X-Team": "blue"},
        )
        async with client:
            pass
    headers = dict(requests[0].headers)
    assert requests[0].path == "/ws?room=a%20b&session=s"
    assert headers[b"authorization"] == f"Bearer {TOKEN}".encode()
    assert headers[b"last-event-id"] == b"e-7"
    assert headers[b"x-team"] == b"blue"


async def test_commands_and_answers_go_over_it() -> None:
    async def serve(connection: trio_websocket.WebSocketConnection) -> None:
        await say(connection, *greeting())
        command = decode_command(await connection.get_message())
        assert isinstance(command, GetTools)
        assert command.request_id
        await say(
            connection,
            ToolsListed(tools=[]),
            Acknowledged(request_id=command.request_id, outcome="ok"),
        )
        await connection.get_message()

    with trio.fail_after(5):
        async with websocket(serve) as (url, _), open_websocket_client(url) as client:
            assert list(await client.tools()) == []


async def test_a_message_that_is_too_large_ends_it() -> None:
    async def serve(connection: trio_websocket.WebSocketConnection) -> None:
        await say(connection, *greeting(), CustomEvent(type="big", data="x" * 20_000))
        await connection.get_message()

    with trio.fail_after(5):
        async with (
            websocket(serve) as (url, _),
            open_websocket_client(url, max_message_bytes=10_000) as client,
        ):
            with pytest.raises(ConnectionLost, match="10000 bytes") as caught:
                await client.task("t").wait()
            assert caught.value.code == 1009


@pytest.mark.parametrize("code", [4500, 1008])
async def test_a_close_code_is_understood(code: int) -> None:
    async def serve(connection: trio_websocket.WebSocketConnection) -> None:
        await say(connection, *greeting())
        await connection.aclose(code, "go away")

    with trio.fail_after(5):
        async with websocket(serve) as (url, requests), open_websocket_client(url) as client:
            with pytest.raises(ConnectionLost, match="go away") as caught:
                await client.task("t").wait()
            assert caught.value.code == code
            assert len(requests) == 1


async def test_a_server_that_stops_answering_pings_is_left_for_a_new_connection() -> None:
    """It is frozen: the socket stays open, and nothing is read or written any more."""

    async def serve(stream: trio.SocketStream) -> None:
        connections.append(stream)
        async with trio.open_nursery() as nursery:
            request = await trio_websocket.wrap_server_stream(nursery, stream)
            connection = await request.accept()
            resumed = len(connections) > 1
            await say(connection, *greeting(heartbeat_interval=0.1, resumed=resumed))
            if not resumed:
                nursery.cancel_scope.cancel()  # nobody reads, but it is not closed
        await trio.sleep_forever()

    connections: list[trio.SocketStream] = []
    with trio.fail_after(5):
        async with (
            listening(serve) as url,
            open_websocket_client(url, reconnect=Reconnect(base=0)) as client,
        ):
            while len(connections) < 2:
                await wait_all_tasks_blocked(0.01)
            assert client.session_id == "s"


async def test_a_server_that_answers_pings_is_kept() -> None:
    async def serve(connection: trio_websocket.WebSocketConnection) -> None:
        await say(connection, *greeting(heartbeat_interval=0.05))
        await connection.get_message()

    async with websocket(serve) as (url, requests), open_websocket_client(url) as client:
        with trio.move_on_after(0.5):
            await client.task("t").wait()
        assert client.connected
        assert len(requests) == 1


async def test_leaving_is_bounded_when_the_server_does_not_answer_the_close() -> None:
    async def serve(stream: trio.SocketStream) -> None:
        async with trio.open_nursery() as nursery:
            request = await trio_websocket.wrap_server_stream(nursery, stream)
            await say(await request.accept(), *greeting())
            nursery.cancel_scope.cancel()
        await trio.sleep_forever()

    async with listening(serve) as url:
        with trio.fail_after(3):
            async with open_websocket_client(url):
                started = trio.current_time()
        assert 0.5 < trio.current_time() - started < 2


def test_the_client_is_made_without_a_running_loop() -> None:
    assert isinstance(open_websocket_client("ws://localhost/ws"), AgentClient)
