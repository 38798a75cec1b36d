"""Sessions are asked for in one request, and what comes of it has a name."""

from __future__ import annotations

import functools
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import pytest
import trio

from trio_agent_rt import BearerTokens, Principal, RealtimeAgent, list_sessions
from trio_agent_rt.agent import TaskRun
from trio_agent_rt.errors import AgentRTError, ConnectFailed, ConnectionRejected, NotThisProtocol
from trio_agent_rt.transports import SSEPaths, serve_sse

TOKEN = "t" * 22


async def agent(task: str, run: TaskRun) -> None:
    await trio.sleep_forever()


async def test_own_sessions_are_listed_and_none_is_opened_for_it() -> None:
    async with RealtimeAgent(agent) as realtime, trio.open_nursery() as nursery:
        serve = functools.partial(
            serve_sse,
            realtime,
            port=0,
            authenticate=BearerTokens({TOKEN: "ann"}),
            prefix="/agent",
            paths=SSEPaths(sessions="/mine"),
        )
        address = await nursery.start(serve)
        first = realtime.submit("one", principal=Principal("ann"))
        second = realtime.submit("two", principal=Principal("ann"))
        with trio.fail_after(20):
            elsewhere = f"http://{address.host}:{address.port}/agent/mine"
            listed = await list_sessions(address.url, sessions_url=elsewhere, token=TOKEN)
            with pytest.raises(ConnectionRejected) as rejected:
                await list_sessions(address.url, token=TOKEN)
        assert len(realtime.session_ids) == 2
        nursery.cancel_scope.cancel()
    assert [list(each.tasks) for each in listed] == [[first.id], [second.id]]
    assert rejected.value.status == 404


@asynccontextmanager
async def _answering(answer: bytes | None) -> AsyncGenerator[str]:
    """A server that says the same to everybody, or nothing."""

    async def serve(stream: trio.SocketStream) -> None:
        async with stream:
            await stream.receive_some()
            if answer is None:
                await trio.sleep_forever()
            else:
                await stream.send_all(answer)

    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
    port = listeners[0].socket.getsockname()[1]
    async with trio.open_nursery() as nursery:
        await nursery.start(trio.serve_listeners, serve, listeners)
        yield f"http://127.0.0.1:{port}/sse"
        nursery.cancel_scope.cancel()


def _http(status: str, body: bytes) -> bytes:
    return b"HTTP/1.1 %s\r\nContent-Length: %d\r\n\r\n%s" % (status.encode(), len(body), body)


@pytest.mark.parametrize(
    ("answer", "error", "said"),
    [
        (None, ConnectFailed, "has not answered within 0.3 s"),
        (b"", ConnectFailed, "closed the connection without an answer"),
        (b"SSH-2.0-x\r\n", NotThisProtocol, "speaks no HTTP"),
        (_http("200 OK", b"hi"), NotThisProtocol, "lists no sessions"),
        (_http("200 OK", b'{"sessions": [1]}'), NotThisProtocol, "lists no sessions"),
        (_http("200 OK", b'{"success": true}'), NotThisProtocol, "expected a list"),
        (_http("200 OK", b"x" * 3000), NotThisProtocol, "more than 2000 bytes"),
        (_http("302 Found", b""), NotThisProtocol, "302 Found"),
        (_http("500 Oh", b"no"), ConnectionRejected, "500 no"),
    ],
)
async def test_what_is_no_list_is_an_error_that_says_why(
    answer: bytes | None, error: type[AgentRTError], said: str
) -> None:
    patience = 0.3 if answer is None else 30.0
    async with _answering(answer) as url:
        with trio.fail_after(60), pytest.raises(error, match=said):
            await list_sessions(url, command_timeout=patience, max_message_bytes=2000)


async def test_what_cannot_be_asked_is_told_at_once() -> None:
    with pytest.raises(ValueError, match="begins with http://"):
        await list_sessions("ws://127.0.0.1/ws")
    with trio.fail_after(20), pytest.raises(ConnectFailed, match="nothing listens"):
        await list_sessions("http://127.0.0.1:1/sse")
