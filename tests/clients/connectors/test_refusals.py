"""Everything but the right server is told apart, at once."""

from __future__ import annotations

import attrs
import pytest
import trio
import trio_websocket

from trio_agent_rt.errors import (
    ConnectFailed,
    ConnectionRejected,
    NotThisProtocol,
    SessionLost,
)

from .http_server import Exchange, http_server
from .sockets import (
    DIALECTS,
    answering,
    by_dialect,
    failure,
    listening,
    websocket,
)


@by_dialect
async def test_nothing_listens(dialect: str) -> None:
    async with listening(answering(), dialect=dialect) as url:
        pass
    error = await failure(url)
    assert isinstance(error, ConnectFailed)
    assert "connection refused" in str(error)
    assert "is the server running" in str(error)


@by_dialect
async def test_an_unknown_host(dialect: str) -> None:
    error = await failure(f"{DIALECTS[dialect].plain}://no-such-host.invalid/")
    assert isinstance(error, ConnectFailed)
    assert "the host name 'no-such-host.invalid' cannot be found" in str(error)


@by_dialect
async def test_a_server_that_is_silent(dialect: str) -> None:
    async with listening(answering(close=False), dialect=dialect) as url:
        error = await failure(url, connect_timeout=0.2)
    assert isinstance(error, ConnectFailed)
    assert "has not answered within 0.2 s" in str(error)


@by_dialect
async def test_a_server_that_hangs_up_in_the_handshake(dialect: str) -> None:
    async with listening(answering(), dialect=dialect) as url:
        error = await failure(url)
    assert isinstance(error, ConnectFailed)
    assert "closed the connection without an answer (if it expects TLS, use " in str(error)


RESPONSES = {
    "length": (b"HTTP/1.1 %d No\r\nContent-Length: 7\r\n\r\n", b"not you"),
    "chunked": (
        b"HTTP/1.1 %d No\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"7\r\nnot you\r\n0\r\n\r\n",
    ),
    "to the end": (b"HTTP/1.0 %d No\r\n\r\n", b"not ", b"you"),
}


@by_dialect
@pytest.mark.parametrize("form", RESPONSES)
@pytest.mark.parametrize("status", [400, 401, 403, 404, 426, 500, 503])
async def test_a_refusal_has_its_status_and_text(dialect: str, status: int, form: str) -> None:
    head, *body = RESPONSES[form]
    async with listening(answering(head % status, *body), dialect=dialect) as url:
        error = await failure(url)
    assert isinstance(error, ConnectionRejected)
    assert error.status == status
    assert error.message.startswith("not you")
    assert (f"is {DIALECTS[dialect].path} the right path?" in error.message) == (status == 404)


@by_dialect
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
            b"HTTP/1.1 401 No\r\nContent-Type: application/json\r\nWWW-Authenticate: Bearer\r\n"
            b"Content-Length: 76\r\n\r\n"
            b'{"success":false,"error":{"code":"unauthorized","message":"Who are you\\n?"}}',
            "Who are you ?",
            {"WWW-Authenticate": "Bearer"},
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
    dialect: str, answer: bytes, message: str, headers: dict[str, str]
) -> None:
    async with listening(answering(answer), dialect=dialect) as url:
        error = await failure(url)
    assert isinstance(error, ConnectionRejected)
    assert error.message == message
    assert error.headers == headers


@by_dialect
@pytest.mark.parametrize(
    ("answer", "text"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", "it answers with 200 OK"),
        (b"HTTP/1.0 200 OK\r\n\r\nhello", "it answers with 200 OK"),
        (
            b"HTTP/1.1 302 Found\r\nLocation: http://x/login\r\nContent-Length: 0\r\n\r\n",
            "302 Found and points to http://x/login",
        ),
        (
            b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 3\r\n\r\n<p>",
            "is not {called} server: it answers with 200 OK and text/html",
        ),
        (b"SSH-2.0-OpenSSH_9.6\r\n", "it speaks no HTTP"),
        (b"\x00\xff" * 100, "it speaks no HTTP"),
        (b"\x15\x03\x01\x00\x02\x02\x0a", "speaks TLS: use {secure}:// instead of {plain}://"),
    ],
)
async def test_something_else_answers(dialect: str, answer: bytes, text: str) -> None:
    async with listening(answering(answer), dialect=dialect) as url:
        error = await failure(url)
    assert isinstance(error, NotThisProtocol)
    assert text.format(**attrs.asdict(DIALECTS[dialect])) in str(error)


@pytest.mark.parametrize(
    "headers",
    [b"", b"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: wrong\r\n"],
)
@by_dialect
async def test_a_wrong_handshake(dialect: str, headers: bytes) -> None:
    answer = b"HTTP/1.1 101 Switching Protocols\r\n" + headers + b"\r\n"
    async with listening(answering(answer), dialect=dialect) as url:
        error = await failure(url)
    assert isinstance(error, NotThisProtocol)
    text = {"websocket": "answers the WebSocket handshake wrongly", "sse": "it answers with 101"}
    assert text[dialect] in str(error)


@by_dialect
async def test_a_tcp_echo_server(dialect: str) -> None:
    async def echo(stream: trio.SocketStream) -> None:
        async for data in stream:
            await stream.send_all(data)

    async with listening(echo, dialect=dialect) as url:
        error = await failure(url)
    assert isinstance(error, NotThisProtocol)


@by_dialect
async def test_an_answer_that_never_ends(dialect: str) -> None:
    async def flood(stream: trio.SocketStream) -> None:
        await stream.receive_some()
        await stream.send_all(b"HTTP/1.0 500 No\r\n\r\n")
        try:
            while True:
                await stream.send_all(b"x" * 10_000)
        except trio.BrokenResourceError:
            pass

    async with listening(flood, dialect=dialect) as url:
        error = await failure(url)
    assert isinstance(error, ConnectionRejected)
    assert len(str(error)) < 400


async def test_a_refusal_whose_body_never_comes() -> None:
    async def hold(exchange: Exchange) -> None:
        await exchange.start(503, {"Content-Length": "100"})
        await exchange.write(b"later")
        await exchange.wait_until_gone()

    async with http_server({"/sse": hold}) as server:
        error = await failure(server.url, connect_timeout=0.2)
    assert isinstance(error, ConnectionRejected)
    assert (error.status, error.message) == (503, "later")


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


@pytest.mark.parametrize(
    ("headers", "text"),
    [
        ({"Content-Type": "text/plain"}, "200 OK and text/plain"),
        ({"Content-Type": "text/event-stream", "Content-Encoding": "br"}, "200 OK"),
        ({}, "200 OK"),
    ],
)
async def test_what_is_no_event_stream(headers: dict[str, str], text: str) -> None:
    async def other(exchange: Exchange) -> None:
        await exchange.answer(200, b"data: 1\n\n", headers)

    async with http_server({"/sse": other}) as server:
        error = await failure(server.url)
    assert isinstance(error, NotThisProtocol)
    assert text in str(error)


@pytest.mark.parametrize(
    ("message", "text"),
    [
        (b"data: hello\n\n", "not valid JSON"),
        (b"data: \xff\n\n", "not valid JSON"),
        (b'data: {"jsonrpc": "2.0"}\n\n', "type: expected a string"),
        (b'event: endpoint\ndata: {"type": "welcome"}\n\n', "first message is not `connected`"),
        (b": nothing else\n\n", "has not sent `connected` within 1.5 s"),
    ],
)
async def test_another_event_stream(message: bytes, text: str) -> None:
    async def other(exchange: Exchange) -> None:
        await exchange.start(200, {"Content-Type": "text/event-stream"})
        await exchange.write(message)
        await exchange.wait_until_gone()

    async with http_server({"/sse": other}) as server:
        error = await failure(server.url, connect_timeout=1.5)
    assert isinstance(error, NotThisProtocol)
    assert text in str(error)


@pytest.mark.parametrize(
    ("status", "body"),
    [(204, b""), (404, b'{"success":false,"error":{"code":"unknown_session","message":"no"}}')],
)
@pytest.mark.parametrize("session", [None, "s"])
async def test_a_session_that_is_not_there_is_lost_if_it_was_asked_for(
    session: str | None, status: int, body: bytes
) -> None:
    async def gone(exchange: Exchange) -> None:
        await exchange.answer(status, body)

    async with http_server({"/sse": gone}) as server:
        error = await failure(server.url, session=session)
    if session is not None:
        assert isinstance(error, SessionLost)
    else:
        assert isinstance(error, ConnectionRejected if status == 404 else NotThisProtocol)
