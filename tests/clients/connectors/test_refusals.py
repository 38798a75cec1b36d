"""Everything but the right server is told apart, at once."""

from __future__ import annotations

import pytest
import trio
import trio_websocket

from trio_agent_rt.errors import (
    ConnectFailed,
    ConnectionRejected,
    NotThisProtocol,
)

from .sockets import (
    answering,
    failure,
    listening,
    websocket,
)


async def test_nothing_listens() -> None:
    async with listening(answering()) as url:
        pass
    error = await failure(url)
    assert isinstance(error, ConnectFailed)
    assert "connection refused" in str(error)
    assert "is the server running" in str(error)


async def test_an_unknown_host() -> None:
    error = await failure("ws://no-such-host.invalid/ws")
    assert isinstance(error, ConnectFailed)
    assert "the host name 'no-such-host.invalid' cannot be found" in str(error)


async def test_a_server_that_is_silent() -> None:
    async with listening(answering(close=False)) as url:
        error = await failure(url, connect_timeout=0.2)
    assert isinstance(error, ConnectFailed)
    assert "has not answered within 0.2 s" in str(error)


async def test_a_server_that_hangs_up_in_the_handshake() -> None:
    async with listening(answering()) as url:
        error = await failure(url)
    assert isinstance(error, ConnectFailed)
    assert "closed the connection without an answer (if it expects TLS, use wss://)" in str(error)


RESPONSES = {
    "length": (b"HTTP/1.1 %d No\r\nContent-Length: 7\r\n\r\n", b"not you"),
    "chunked": (
        b"HTTP/1.1 %d No\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"7\r\nnot you\r\n0\r\n\r\n",
    ),
    "to the end": (b"HTTP/1.0 %d No\r\n\r\n", b"not ", b"you"),
}


@pytest.mark.parametrize("form", RESPONSES)
@pytest.mark.parametrize("status", [400, 401, 403, 404, 426, 500, 503])
async def test_a_refusal_has_its_status_and_text(status: int, form: str) -> None:
    head, *body = RESPONSES[form]
    async with listening(answering(head % status, *body)) as url:
        error = await failure(url)
    assert isinstance(error, ConnectionRejected)
    assert error.status == status
    assert error.message.startswith("not you")
    assert ("is /ws the right path?" in error.message) == (status == 404)


@pytest.mark.parametrize(
    ("answer", "message", "headers"),
    [
        (b"HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n", "Forbidden", {}),
        (
            b"HTTP/1.1 503 No\r\nRetry-After: 7\r\nContent-Length: 0\r\n\r\n",
            "Service Unavailable",
            {"Retry-After": "7"},
        ),
        (
            b"HTTP/1.1 403 No\r\nContent-Type: text/html\r\nContent-Length: 3\r\n\r\n<p>",
            "Forbidden",
            {},
        ),
        (b"HTTP/1.1 403 No\r\nContent-Length: 9\r\n\r\na\x1b[31mb\n\xff", "a [31mb \ufffd", {}),
    ],
)
async def test_a_refusal_is_told_in_clean_words(
    answer: bytes, message: str, headers: dict[str, str]
) -> None:
    async with listening(answering(answer)) as url:
        error = await failure(url)
    assert isinstance(error, ConnectionRejected)
    assert error.message == message
    assert error.headers == headers


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", "it answers with 200 OK"),
        (b"HTTP/1.0 200 OK\r\n\r\nhello", "it answers with 200 OK"),
        (
            b"HTTP/1.1 302 Found\r\nLocation: http://x/login\r\nContent-Length: 0\r\n\r\n",
            "302 Found and points to http://x/login",
        ),
        (b"HTTP/1.1 101 Switching Protocols\r\n\r\n", "answers the WebSocket handshake wrongly"),
        (
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Accept: wrong\r\n\r\n",
            "answers the WebSocket handshake wrongly",
        ),
        (b"SSH-2.0-OpenSSH_9.6\r\n", "it speaks no HTTP"),
        (b"\x00\xff" * 100, "it speaks no HTTP"),
        (b"\x15\x03\x01\x00\x02\x02\x0a", "speaks TLS: use wss:// instead of ws://"),
    ],
)
async def test_something_else_answers(answer: bytes, text: str) -> None:
    async with listening(answering(answer)) as url:
        error = await failure(url)
    assert isinstance(error, NotThisProtocol)
    assert text in str(error)


async def test_a_tcp_echo_server() -> None:
    async def echo(stream: trio.SocketStream) -> None:
        async for data in stream:
            await stream.send_all(data)

    async with listening(echo) as url:
        error = await failure(url)
    assert isinstance(error, NotThisProtocol)


async def test_an_answer_that_never_ends() -> None:
    async def flood(stream: trio.SocketStream) -> None:
        await stream.receive_some()
        await stream.send_all(b"HTTP/1.0 500 No\r\n\r\n")
        try:
            while True:
                await stream.send_all(b"x" * 10_000)
        except trio.BrokenResourceError:
            pass

    async with listening(flood) as url:
        error = await failure(url)
    assert isinstance(error, ConnectionRejected)
    assert len(str(error)) < 400


async def test_an_echo_websocket() -> None:
    async def echo(connection: trio_websocket.WebSocketConnection) -> None:
        while True:
            await connection.send_message(await connection.get_message())

    async with websocket(echo) as (url, _):
        error = await failure(url, connect_timeout=1.5)
    assert isinstance(error, NotThisProtocol)
    assert "has not sent `connected` within 1.5 s" in str(error)


@pytest.mark.parametrize(
    ("message", "text"),
    [
        ("hello", "not valid JSON"),
        (b"\x00\x01", "not valid JSON"),
        ('{"jsonrpc": "2.0"}', "type: expected a string"),
        ('{"type": "welcome"}', "its first message is not `connected`"),
        ('{"type": "connected", "data": {}}', "missing"),
    ],
)
async def test_another_websocket_protocol(message: str | bytes, text: str) -> None:
    async def other(connection: trio_websocket.WebSocketConnection) -> None:
        await connection.send_message(message)
        await connection.get_message()

    async with websocket(other) as (url, _):
        error = await failure(url)
    assert isinstance(error, NotThisProtocol)
    assert text in str(error)
