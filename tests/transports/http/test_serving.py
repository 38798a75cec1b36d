"""What the server does for requests that mean well, and for apps that fail."""

from __future__ import annotations

import functools
import logging
import ssl

import pytest
import trio
import trustme

from tests.transports.http.peers import GET, TestApp, ask, error_of, http, open_peer, serving
from tests.transports.websocket.peers import quick
from trio_agent_rt.realtime import Limits, RealtimeAgent
from trio_agent_rt.transports import current_exchange, serve_app
from trio_agent_rt.transports.http.lifespan import ASGIApp, Message, Receive, Scope, Send


def contexts() -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """Of a server, and of a client that trusts it."""
    authority = trustme.CA()
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(server)
    client = ssl.create_default_context()
    authority.configure_trust(client)
    return server, client


async def test_it_says_where_it_listens() -> None:
    async with serving() as (_, address):
        assert address.hosts == ("127.0.0.1",)
        assert address.url == f"http://127.0.0.1:{address.port}"
        assert (await ask(address, http("/hello?to=you"))).json == {"hello": "you"}


async def test_what_cannot_be_right_is_refused() -> None:
    async with RealtimeAgent(quick) as realtime:
        with pytest.raises(ValueError, match="max_body_bytes"):
            await serve_app(TestApp().quart, realtime, port=0, max_body_bytes=0)


async def test_a_port_in_use_is_named_and_leaves_nothing_open() -> None:
    async with serving() as (app, address), RealtimeAgent(quick) as realtime:
        with pytest.raises(OSError, match=f"127.0.0.1:{address.port} is in use"):
            await serve_app(app.quart, realtime, port=address.port)


async def test_an_agent_that_is_not_open_cannot_be_served() -> None:
    with pytest.raises(RuntimeError, match="async with"):
        await serve_app(TestApp().quart, RealtimeAgent(quick), port=0)


async def test_a_connection_is_kept_for_further_requests_and_pipelined_ones_are_answered() -> None:
    async with serving() as (_, address), open_peer(address) as peer:
        for _ in range(3):
            await peer.send(GET)
            assert (await peer.answered()).json == {"hello": "world"}
        await peer.send(b"".join(http(f"/hello?to={number}") for number in range(50)))
        for number in range(50):
            assert (await peer.answered()).json == {"hello": str(number)}


async def test_a_request_that_wants_the_connection_closed_has_it_closed() -> None:
    async with serving() as (_, address), open_peer(address) as peer:
        await peer.send(http(headers=["Connection: close"]) + GET)
        assert (await peer.answered()).headers["connection"] == "close"
        await peer.closed()


async def test_bodies_arrive_whole_in_any_framing() -> None:
    body = bytes(range(256)) * 1000
    chunks = b"".join(b"%x\r\n%b\r\n" % (len(each), each) for each in (body[:7], body[7:]))
    async with serving() as (_, address):
        assert (await ask(address, http("/echo", method="POST", body=body))).body == body
        chunked = http("/echo", method="POST", headers=["Transfer-Encoding: chunked"])
        assert (await ask(address, chunked + chunks + b"0\r\n\r\n")).body == body


async def test_a_connection_is_kept_after_a_body_in_any_number_of_pieces() -> None:
    """One number of them once stopped the app between its answer and the next request."""
    chunked = http("/echo", method="POST", headers=["Transfer-Encoding: chunked"])
    async with serving() as (_, address), open_peer(address) as peer:
        with trio.fail_after(5):
            for pieces in [*range(60, 70)] + [62] * 20:
                await peer.send(chunked + b"1\r\nx\r\n" * pieces + b"0\r\n\r\n")
                assert (await peer.answered()).body == b"x" * pieces


async def test_a_body_is_asked_for_when_the_peer_waits_for_that() -> None:
    async with serving() as (_, address), open_peer(address) as peer:
        head = http("/echo", method="POST", headers=["Expect: 100-continue", "Content-Length: 3"])
        await peer.send(head)
        assert (await peer.head())[0] == 100
        await peer.send(b"yes")
        assert (await peer.answered()).body == b"yes"


async def test_a_head_request_has_no_body() -> None:
    async with serving() as (_, address), open_peer(address) as peer:
        await peer.send(http(method="HEAD") + GET)
        assert (await peer.answered("HEAD")).body == b""
        assert (await peer.answered()).json == {"hello": "world"}


async def test_the_peer_is_not_told_what_the_server_is_made_of() -> None:
    async with serving() as (_, address):
        assert "server" not in (await ask(address)).headers


async def test_a_handler_sees_its_own_connection() -> None:
    server, client = contexts()
    async with serving(ssl_context=server) as (_, address):
        assert address.url.startswith("https://")
        async with open_peer(address, ssl_context=client) as peer:
            await peer.send(http("/facts"))
            facts = (await peer.answered()).json
            assert facts == {"peer": list(_local_end(peer.stream)), "scheme": "https"}
    async with serving() as (_, address):
        assert (await ask(address, http("/facts"))).json["scheme"] == "http"


def _local_end(stream: trio.abc.Stream) -> tuple[str, int]:
    assert isinstance(stream, trio.SSLStream)
    assert isinstance(stream.transport_stream, trio.SocketStream)
    return stream.transport_stream.socket.getsockname()


async def test_under_another_server_there_is_no_exchange() -> None:
    assert current_exchange() is None


async def test_tls_serves_streams_and_closes_them() -> None:
    server, client = contexts()
    async with serving(ssl_context=server) as (app, address):
        async with open_peer(address, ssl_context=client) as peer:
            await peer.send(http("/stream"))
            await peer.begun_stream()
        with trio.fail_after(2):
            await app.until(streams=0)
        # What is no TLS ends nothing.
        async with open_peer(address) as peer:
            await peer.send(GET)
            assert b"HTTP" not in await peer.until_end()


# --- apps that fail


async def test_a_handler_that_fails_costs_its_request_alone() -> None:
    async with serving() as (_, address), open_peer(address) as peer:
        await peer.send(http("/fail") + GET)
        assert (await peer.answered()).status == 500
        assert (await peer.answered()).json == {"hello": "world"}


async def _fails(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "lifespan" or scope["path"] == "/at-once":
        raise RuntimeError("this app fails")
    if scope["path"] == "/silent":
        return
    start: Message = {"type": "http.response.start", "status": 200, "headers": []}
    if scope["path"] == "/bad-header":
        start["headers"] = [(b"x", b"a\r\nb: c")]
    elif scope["path"] == "/too-long":
        start["headers"] = [(b"content-length", b"3")]
    await send(start)
    await send({"type": "http.response.body", "body": b"some", "more_body": True})
    raise ExceptionGroup("of a nursery", [RuntimeError("this app fails late")])


@pytest.mark.parametrize("path", ["/at-once", "/silent", "/bad-header"])
async def test_an_app_without_an_answer_is_answered_for(
    path: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with serving(app=_fails) as (_, address), open_peer(address) as peer:
        await peer.send(http(f"{path}?token=s3cret", headers=["Cookie: s3cret"]))
        answer = await peer.answered()
        assert error_of(answer) == (500, "internal")
        assert answer.headers["cache-control"] == "no-store"
        message = answer.json["error"]["message"]
        await peer.closed()
    errors = [each for each in caplog.records if each.levelno >= logging.ERROR]
    assert len(errors) == 1
    assert path in errors[0].getMessage()
    if path != "/silent":
        assert message.startswith("internal error, reference ")
        assert message.split()[-1] in errors[0].getMessage()
    assert "s3cret" not in caplog.text


@pytest.mark.parametrize("path", ["/at-once", "/silent", "/late", "/bad-header"])
async def test_a_path_cannot_write_lines_of_its_own_into_the_log(
    path: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "trio_agent_rt")
    target = f"{path}%0aERROR%20forged%1b[2J%e2%80%a8"
    fails: ASGIApp = functools.partial(_fails_at, path)
    async with serving(app=fails) as (_, address), open_peer(address) as peer:
        await peer.send(http(target))
        await _until_cut(peer.stream)
    lines = [each.getMessage() for each in caplog.records if "forged" in each.getMessage()]
    assert lines
    assert all(target in each and each.isprintable() for each in lines)


async def _fails_at(path: str, scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "http":
        await _fails({**scope, "path": path}, receive, send)


@pytest.mark.parametrize("path", ["/late", "/too-long"])
async def test_an_app_that_fails_in_its_answer_has_it_cut(
    path: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with serving(app=_fails) as (_, address):
        with trio.fail_after(2):
            async with open_peer(address) as peer:
                await peer.send(http(path))
                assert b"0\r\n\r\n" not in await _until_cut(peer.stream)
    errors = [each for each in caplog.records if each.levelno >= logging.ERROR]
    assert len(errors) == 1
    assert path in errors[0].getMessage()


async def _until_cut(stream: trio.abc.Stream) -> bytes:
    received = b""
    try:
        while data := await stream.receive_some():
            received += data
    except trio.BrokenResourceError:
        pass
    return received


async def test_an_answer_that_is_complete_is_not_held_up_by_what_follows_in_the_app() -> None:
    finish = trio.Event()
    finished = trio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        assert scope["type"] == "http"
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"done"})
        assert (await receive())["type"] == "http.request"
        assert (await receive())["type"] == "http.disconnect"
        await finish.wait()
        finished.set()

    async with serving(app=app, limits=Limits(close_timeout=5)) as (_, address):
        with trio.fail_after(2):
            async with open_peer(address) as peer:
                await peer.send(GET + GET)
                assert (await peer.answered()).body == b"done"
                assert (await peer.answered()).body == b"done"
            # The peer has left, and that was noticed.
            await trio.testing.wait_all_tasks_blocked(0.05)
            finish.set()
            await finished.wait()


async def test_a_connection_is_closed_after_a_stream_that_was_marked_too_late_to_say_so() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        assert scope["type"] == "http"
        await send({"type": "http.response.start", "status": 200, "headers": []})
        exchange = current_exchange()
        assert exchange is not None
        exchange.mark_streaming()
        await send({"type": "http.response.body", "body": b"done"})

    async with serving(app=app) as (_, address), open_peer(address) as peer:
        with trio.fail_after(2):
            await peer.send(GET)
            assert (await peer.answered()).body == b"done"
            await peer.closed()


async def test_a_connection_that_is_closed_is_closed_before_the_app_is_done() -> None:
    finish = trio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        assert scope["type"] == "http"
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"done"})
        await finish.wait()

    async with serving(app=app, limits=Limits(close_timeout=60)) as (_, address):
        with trio.fail_after(2):
            async with open_peer(address) as peer:
                await peer.send(http(headers=["Connection: close"]))
                assert (await peer.answered()).body == b"done"
                await peer.closed()
                finish.set()


async def test_nothing_is_logged_of_requests_that_went_well(
    caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    async with serving() as (_, address):
        await ask(address, http("/hello?token=s3cret", headers=["Authorization: Bearer s3cret"]))
        await ask(address, http("/hello?token=s3cret", headers=["Bad\x00: s3cret"]))
    assert "s3cret" not in caplog.text
    written = capfd.readouterr()
    assert "s3cret" not in written.out + written.err
