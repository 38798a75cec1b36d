"""A server that breaks HTTP, floods, stalls or lies gets nothing but a sentence said of it."""

from __future__ import annotations

import gzip
import tracemalloc
import zlib

import attrs
import pytest
import trio

from trio_agent_rt.agent.tools import web_fetch_tool
from trio_agent_rt.errors import ToolError

from ..recorded import RecordedCall
from .hostile import LOCAL, Server, fetch, http, serving

OK = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n"
ENDLESS = {
    "body": (OK + b"\r\n", b"x" * 10_000),
    "chunked body": (OK + b"Transfer-Encoding: chunked\r\n\r\n", b"a\r\n0123456789\r\n"),
}
BROKEN = {
    "nothing": (b"", "closed the connection without an answer"),
    "garbage": (b"\0\1\2\3garbage\r\n\r\n", "broke off its answer, or it is no valid HTTP"),
    "another protocol": (b"SSH-2.0-OpenSSH_9.2\r\n\r\n", "no valid HTTP"),
    "HTTP/0.9": (b"<html>hello</html>\r\n\r\n", "no valid HTTP"),
    "half a head": (OK[:20], "broke off its answer"),
    "too short": (OK + b"Content-Length: 100\r\n\r\nx", "broke off its answer"),
    "no length": (OK + b"Content-Length: x\r\n\r\nx", "no valid HTTP"),
    "negative length": (OK + b"Content-Length: -1\r\n\r\nx", "no valid HTTP"),
    "two lengths": (OK + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nx", "no valid HTTP"),
    "bad chunk": (OK + b"Transfer-Encoding: chunked\r\n\r\nzz\r\nx", "no valid HTTP"),
    "chunk cut": (OK + b"Transfer-Encoding: chunked\r\n\r\n5\r\nab", "broke off its answer"),
    "folded": (OK + b"A b: c\r\n\r\n", "no valid HTTP"),
    "switching": (b"HTTP/1.1 101 Switching Protocols\r\n\r\n", "no valid HTTP"),
    "early hints": (b"HTTP/1.1 103 Early Hints\r\n\r\n" * 17, "does not answer the request in"),
    "br": (http("x", Content_Encoding="br"), "compressed as 'br', which was not asked for"),
    "twice": (http("x", Content_Encoding="gzip, gzip"), "which was not asked for"),
    "no gzip": (http("x" * 99, Content_Encoding="gzip"), "the answer's compression is broken"),
    "no deflate": (http("x" * 99, Content_Encoding="deflate"), "compression is broken"),
}


@pytest.mark.parametrize("kind", ENDLESS)
async def test_an_endless_body_is_cut_at_the_limit(kind: str) -> None:
    head, piece = ENDLESS[kind]

    async def flood(server: Server, request: bytes, stream: trio.SocketStream) -> None:
        await stream.send_all(head)
        while True:
            await stream.send_all(piece * 100)

    with trio.fail_after(20):
        async with serving(flood) as server:
            found = await fetch(server.url(), attrs.evolve(LOCAL, max_bytes=100_000))
            await server.left.wait()
    assert (found["bytes"], found["truncated"]) == (100_000, True)


@pytest.mark.parametrize(
    "piece",
    [b"X: y\r\n", b"x", b"HTTP/1.1 100 Continue\r\n\r\n"],
    ids=["headers", "one", "interim"],
)
async def test_an_endless_head_is_given_up(piece: bytes) -> None:
    async def flood(server: Server, request: bytes, stream: trio.SocketStream) -> None:
        if piece.startswith(b"HTTP"):
            await stream.send_all(piece * 1000)
            return
        await stream.send_all(OK)
        while True:
            await stream.send_all(piece * 1000)

    with trio.fail_after(20):
        async with serving(flood) as server:
            with pytest.raises(ToolError, match=r"no valid HTTP|does not answer"):
                await fetch(server.url())
            await server.left.wait()


async def test_endless_trailers_are_given_up() -> None:
    async def flood(server: Server, request: bytes, stream: trio.SocketStream) -> None:
        await stream.send_all(OK + b"Transfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n")
        while True:
            await stream.send_all(b"X: y\r\n" * 1000)

    with trio.fail_after(20):
        async with serving(flood) as server:
            with pytest.raises(ToolError, match="no valid HTTP"):
                await fetch(server.url())


@pytest.mark.parametrize("wrap", [1, 3], ids=["one member", "members"])
@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
async def test_a_bomb_unfolds_no_further_than_the_limit(encoding: str, wrap: int) -> None:
    maker = zlib.compressobj(wbits=31 if encoding == "gzip" else 15)
    packed = b"".join(maker.compress(b"0" * 1_000_000) for _ in range(200)) + maker.flush()
    async with serving(http(packed * wrap, "text/plain", Content_Encoding=encoding)) as server:
        tracemalloc.start()
        try:
            found = await fetch(server.url())
            most = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
    assert (found["bytes"], found["truncated"]) == (2_000_000, True)
    assert most < 16_000_000


async def test_members_without_content_are_bounded_too() -> None:
    async def flood(server: Server, request: bytes, stream: trio.SocketStream) -> None:
        await stream.send_all(OK + b"Content-Encoding: gzip\r\n\r\n")
        while True:
            await stream.send_all(gzip.compress(b"") * 1000)

    with trio.fail_after(20):
        async with serving(flood) as server:
            found = await fetch(server.url(), attrs.evolve(LOCAL, max_bytes=100_000))
    assert (found["bytes"], found["truncated"]) == (0, True)


@pytest.mark.parametrize("kind", BROKEN)
async def test_a_broken_answer_is_a_sentence(kind: str) -> None:
    answer, complaint = BROKEN[kind]
    with trio.fail_after(20):
        async with serving(answer) as server:
            with pytest.raises(ToolError, match=complaint):
                await fetch(server.url())


async def test_a_body_longer_than_it_says_ends_where_it_says() -> None:
    async with serving(OK + b"Content-Length: 3\r\n\r\nabcHTTP/1.1 200 OK\r\n\r\n") as server:
        assert (await fetch(server.url()))["text"] == "abc"


async def test_a_body_without_a_length_ends_with_the_connection() -> None:
    async with serving(OK + b"\r\nabc") as server:
        assert (await fetch(server.url()))["text"] == "abc"


async def test_a_reset_is_a_sentence() -> None:
    async def reset(server: Server, request: bytes, stream: trio.SocketStream) -> None:
        await stream.send_all(OK + b"Content-Length: 100\r\n\r\nx")
        linger = (1).to_bytes(4, "little") + (0).to_bytes(4, "little")
        stream.setsockopt(trio.socket.SOL_SOCKET, trio.socket.SO_LINGER, linger)
        stream.socket.close()

    async with serving(reset) as server:
        with pytest.raises(ToolError, match=r"connection to 127\.0\.0\.1 broke"):
            await fetch(server.url())


async def test_a_port_where_nothing_listens_is_named() -> None:
    async with serving(b"") as server:
        url = server.url()
    with pytest.raises(ToolError, match=r"no connection to 127\.0\.0\.1 on port \d+: nothing"):
        await fetch(url)


async def test_a_server_that_takes_no_request_is_given_up() -> None:
    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    async with listener:
        url = f"http://127.0.0.1:{listener.socket.getsockname()[1]}/"
        with pytest.raises(ToolError, match=r"was not fetched within 0\.3 s"):
            await fetch(url, attrs.evolve(LOCAL, timeout=0.3))


async def test_a_hostile_page_does_not_hold_up_the_others() -> None:
    """Each of these kept the parser busy for minutes, or made it raise."""
    pages = [
        "<a " * 50_000,
        "<!--" * 50_000,
        "<![x" * 50_000,
        "&#" + "9" * 10_000 + ";",
        "<" * 9999,
    ]
    for page in pages:
        with trio.fail_after(30):
            async with serving(http(page)) as server:
                await web_fetch_tool(LOCAL).run(RecordedCall(), {"url": server.url()})
