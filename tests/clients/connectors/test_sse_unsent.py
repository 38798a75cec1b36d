"""Commands for which there is no connection to be had, beside a stream that lives or ends."""

from __future__ import annotations

import errno

import pytest
import trio

from trio_agent_rt.clients import AgentClient, Reconnect, SSEConnector, open_sse_client
from trio_agent_rt.errors import CommandRefused, ConnectionLost

from .http_server import Exchange, http_server
from .sockets import answering, listening

AT_ONCE = Reconnect(base=0, cap=0.01)


async def accept(exchange: Exchange) -> None:
    await exchange.acknowledge("accepted", task_id=exchange.json["taskId"])


class Refusing:
    """Dials, and is refused the second time."""

    def __init__(self) -> None:
        self.refused = trio.Event()
        self._dialled = 0

    async def __call__(self, host: str, port: int) -> trio.abc.Stream:
        self._dialled += 1
        if self._dialled == 2:
            self.refused.set()
            raise ConnectionRefusedError(errno.ECONNREFUSED, "refused")
        return await trio.open_tcp_stream(host, port)


async def test_where_nothing_takes_commands_they_are_refused_and_the_stream_lives_on() -> None:
    async with listening(answering()) as nowhere:
        pass
    task_url = nowhere.replace("ws://", "http://").replace("/ws", "/task")
    with trio.fail_after(5):
        async with (
            http_server({}) as server,
            open_sse_client(server.url, task_url=task_url, reconnect=AT_ONCE) as client,
        ):
            for _ in range(2):
                with pytest.raises(CommandRefused, match=r"not sent: .*\(connection refused\)"):
                    await client.submit("x")
            assert client.connected
    assert len(server.asked("/sse")) == 1


async def test_one_that_finds_the_server_gone_is_sent_again_if_the_stream_has_ended_too() -> None:
    dial = Refusing()

    async def end_the_stream() -> None:
        await dial.refused.wait()
        await trio.aclose_forcefully(server.requests[0].stream)

    with trio.fail_after(5):
        async with (
            http_server({"/task": accept}) as server,
            trio.open_nursery() as nursery,
            AgentClient(SSEConnector(url=server.url, dial=dial), reconnect=AT_ONCE) as client,
        ):
            nursery.start_soon(end_the_stream)
            await client.submit("x")
    assert len(server.asked("/sse")) == 2


async def test_a_connection_that_is_not_made_in_time_is_the_end_of_all(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The network may be down, and the stream dead without a sign of it."""
    streams = 0

    async def dial(host: str, port: int) -> trio.abc.Stream:
        nonlocal streams
        streams += 1
        if streams == 2:
            await trio.sleep_forever()
        return await trio.open_tcp_stream(host, port)

    monkeypatch.setattr("trio_agent_rt.clients.connectors.http._CONNECT_TIMEOUT", 0.05)
    with trio.fail_after(5):
        async with http_server({"/task": accept}) as server:
            connector = SSEConnector(url=server.url, dial=dial)
            async with AgentClient(connector, reconnect=AT_ONCE) as client:
                await client.submit("x")
            never = AgentClient(connector, reconnect=Reconnect(enabled=False))
            streams = 0
            async with never as client:
                with pytest.raises(ConnectionLost, match="has not answered within"):
                    await client.submit("x")
