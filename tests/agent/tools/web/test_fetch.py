"""`web_fetch` gives a page as text, says what it is, and stops when it is told to."""

from __future__ import annotations

import gzip
import socket
import zlib
from collections.abc import Sequence
from typing import Any

import attrs
import pytest
import trio
import trio.testing

from tests.agent.stage import Stage
from trio_agent_rt.agent import create_agent
from trio_agent_rt.agent.tools import WebAccess, web_fetch_tool
from trio_agent_rt.errors import ToolError
from trio_agent_rt.protocol import StepFailed
from trio_agent_rt.testing import ScriptedLLM

from ..recorded import RecordedCall
from .hostile import LOCAL, Server, fetch, http, serving

PAGE = """<!doctype html><title>A &amp; B</title><h1>Head</h1>
<p>Some <b>text</b> and <a href="/other">a link</a>.</p>"""


async def test_a_page_is_given_as_text_with_what_there_is_to_know() -> None:
    async with serving(http(PAGE)) as server:
        found = await fetch(server.url("/page?q=1#part"))
        other = server.url("/other")
    assert found == {
        "url": server.url("/page?q=1"),
        "status": 200,
        "content_type": "text/html",
        "encoding": "utf-8",
        "bytes": len(PAGE),
        "title": "A & B",
        "text": "# Head\n\nSome text and a link.\n",
        "links": [{"text": "a link", "url": other}],
        "truncated": False,
        "note": None,
    }


async def test_a_request_carries_nothing_but_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9/")
    cookie = http("x", Set_Cookie="a=b; Path=/")
    async with serving(cookie) as server:
        tool = web_fetch_tool(LOCAL)
        await fetch(server.url("/a?b=c"), tool=tool)
        await fetch(server.url("/a?b=c"), tool=tool)
    assert server.lines == [
        "GET /a?b=c HTTP/1.1",
        f"Host: 127.0.0.1:{server.port}",
        "Connection: close",
        "User-Agent: trio_agent_rt",
        "Accept: text/html, text/*;q=0.9, application/json;q=0.9, */*;q=0.5",
        "Accept-Encoding: gzip, deflate",
        "",
        "",
    ]
    assert server.requests[0] == server.requests[1]


async def test_head_tells_what_there_is_without_the_text() -> None:
    head = http("x" * 1234, "text/plain").partition(b"\r\n\r\n")[0] + b"\r\n\r\n"
    async with serving(head) as server:
        found = await fetch(server.url(), method="HEAD")
    assert server.lines[0] == "HEAD / HTTP/1.1"
    assert (found["bytes"], found["text"], found["content_type"]) == (1234, "", "text/plain")


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("image/png", b"\x89PNG\0\0"),
        ("application/pdf", b"%PDF-1.7"),
        ("application/octet-stream", b"\0\1\2"),
        ("text/plain", b"\0\1\2"),
        (None, b"\0\1\2"),
    ],
)
async def test_what_is_not_text_is_described(content_type: str | None, body: bytes) -> None:
    async with serving(http(body, content_type)) as server:
        found = await fetch(server.url())
    what = content_type or "something"
    assert found["note"] == f"{what} of {len(body)} bytes: it is not text, so it is not shown"
    assert (found["text"], found["content_type"]) == ("", content_type)


@pytest.mark.parametrize(
    ("body", "content_type", "text", "encoding"),
    [
        (b'{"a": 1}', "application/json", '{"a": 1}', "utf-8"),
        (b"<a/>", "application/atom+xml", "<a/>", "utf-8"),
        ("é".encode("latin-1"), "text/plain; charset=ISO-8859-1", "é", "cp1252"),
        ("销售额".encode("gbk"), 'text/plain; charset="gb2312"', "销售额", "gb18030"),
        ("привет".encode("koi8-r"), "text/plain;charset=KOI8-R", "привет", "koi8-r"),
        ("é".encode(), "text/plain", "é", "utf-8"),
        ("é".encode(), "text/plain; charset=no-such", "é", "utf-8"),
        ("é".encode(), "text/plain; charset=hex", "é", "utf-8"),
        ("é".encode(), "text/plain; charset=punycode", "é", "utf-8"),
        ("Grüße".encode("latin-1"), "text/plain; charset=utf-8", "Grüße", "latin-1"),
        (b"\xef\xbb\xbfa", "text/plain; charset=latin-1", "a", "utf-8-sig"),
        ("a".encode("utf-16"), "text/plain", "a", "utf-16"),
        ('<meta charset="cp1251">привет'.encode("cp1251"), "text/html", "привет\n", "cp1251"),
        (b"<!DOCTYPE html><p>x", None, "x\n", "utf-8"),
        (b"", "text/plain", "", "utf-8"),
    ],
)
async def test_the_encoding_is_what_was_declared_or_what_fits(
    body: bytes, content_type: str | None, text: str, encoding: str
) -> None:
    async with serving(http(body, content_type)) as server:
        found = await fetch(server.url())
    assert (found["text"], found["encoding"]) == (text, encoding)


@pytest.mark.parametrize(
    ("encoding", "packed"),
    [
        ("gzip", gzip.compress(PAGE.encode())),
        ("X-GZip", gzip.compress(PAGE[:20].encode()) + gzip.compress(PAGE[20:].encode())),
        ("deflate", zlib.compress(PAGE.encode())),
        ("deflate", zlib.compress(PAGE.encode())[2:-4]),
        ("identity", PAGE.encode()),
    ],
)
async def test_what_is_compressed_is_unpacked(encoding: str, packed: bytes) -> None:
    async with serving(http(packed, Content_Encoding=encoding)) as server:
        found = await fetch(server.url())
    assert (found["title"], found["bytes"]) == ("A & B", len(PAGE))


async def test_a_long_text_is_cut_where_it_was_asked_to_be() -> None:
    async with serving(http("é" * 100, "text/plain; charset=utf-8")) as server:
        found = await fetch(server.url(), max_chars=10)
    assert (found["text"], found["truncated"]) == ("é" * 10, True)
    assert found["note"] == "these are the first 10 of 100 characters"


@pytest.mark.parametrize("content_type", ["text/plain; charset=utf-8", "text/plain"])
async def test_a_body_over_the_limit_is_cut_between_characters(content_type: str) -> None:
    async with serving(http("é" * 100, content_type)) as server:
        found = await fetch(server.url(), attrs.evolve(LOCAL, max_bytes=51))
    assert (found["text"], found["encoding"], found["truncated"]) == ("é" * 25, "utf-8", True)
    assert found["note"] == "only the first 51 bytes were read"


@pytest.mark.parametrize(
    ("status", "headers", "complaint"),
    [
        ("404 Not Found", {}, r"'http://.*/gone' answers 404 Not Found: No such page"),
        ("503 Busy", {"Retry_After": "7"}, r"503 Service Unavailable \(try again in 7 s\): No"),
        ("599 Odd", {}, "answers 599: No such page"),
    ],
)
async def test_a_refusal_is_a_sentence_with_what_the_page_says(
    status: str, headers: dict[str, str], complaint: str
) -> None:
    async with serving(http("<title>No such page</title>", status=status, **headers)) as server:
        with pytest.raises(ToolError, match=complaint):
            await fetch(server.url("/gone"))


async def test_it_is_told_how_far_the_loading_is() -> None:
    step = trio.Event()

    async def in_halves(server: Server, head: bytes, stream: trio.SocketStream) -> None:
        answer = http("x" * 2000, "text/plain")
        await stream.send_all(answer[:-1000])
        await step.wait()
        await stream.send_all(answer[-1000:])

    class Half(RecordedCall):
        def progress(self, percent: float, message: str = "") -> None:
            super().progress(percent, message)
            if percent == 50:
                step.set()

    call = Half()
    async with serving(in_halves) as server:
        await web_fetch_tool(LOCAL).run(call, {"url": server.url()})
    assert call.messages[0] == "Asking 127.0.0.1"
    assert "1,000 of 2,000 bytes" in call.messages
    assert call.told == sorted(call.told)
    assert call.told[-1] == 100


# --- redirects


def by_path(answers: dict[str, bytes]) -> Any:
    async def answer(server: Server, head: bytes, stream: trio.SocketStream) -> None:
        await stream.send_all(answers[head.split()[1].decode()])

    return answer


def redirect(location: str, status: str = "302 Found") -> bytes:
    return http(b"moved", status=status, Location=location)


@pytest.mark.parametrize("status", ["301 A", "302 B", "303 C", "307 D", "308 E"])
async def test_a_redirect_is_followed_to_the_page(status: str) -> None:
    pages = {"/a": redirect("b?c#d", status), "/b?c": http(PAGE)}
    async with serving(by_path(pages)) as server:
        found = await fetch(server.url("/a"))
    assert (found["url"], found["title"]) == (server.url("/b?c"), "A & B")
    assert len(server.requests) == 2


async def test_redirects_are_bounded() -> None:
    async with serving(redirect("/again")) as server:
        with pytest.raises(ToolError, match=r"redirected more than 5 times, last to '.*/again'"):
            await fetch(server.url())
        assert len(server.requests) == 6
        with pytest.raises(ToolError, match="more than 0 times"):
            await fetch(server.url(), attrs.evolve(LOCAL, max_redirects=0))


@pytest.mark.parametrize(
    ("location", "complaint"),
    [
        ("file:///etc/passwd", "only http:// and https://"),
        ("ftp://example.com/", "only http:// and https://"),
        ("javascript:alert(1)", "only http:// and https://"),
        ("http://user:x@127.0.0.1/", "user name or password"),
        ("http://0x7f.1/", "neither a name nor an address"),
        ("http://[::1", "is no URL"),
        ("//127.0.0.1:0/", "port 0"),
    ],
)
async def test_a_redirect_is_held_to_the_rules(location: str, complaint: str) -> None:
    async with serving(redirect(location)) as server:
        with pytest.raises(ToolError, match=f"^127.0.0.1 redirects to .*{complaint}"):
            await fetch(server.url())


# --- limits and cancelling


async def test_a_fetch_that_is_cancelled_closes_its_connection_at_once() -> None:
    async def drip(server: Server, head: bytes, stream: trio.SocketStream) -> None:
        await stream.send_all(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\n")
        await stream.receive_some()

    async with serving(drip) as server, trio.open_nursery() as nursery:
        nursery.start_soon(fetch, server.url())
        await server.reached.wait()
        await trio.testing.wait_all_tasks_blocked(0.01)
        nursery.cancel_scope.cancel()
    with trio.fail_after(5):
        await server.left.wait()


async def test_a_fetch_that_takes_too_long_is_given_up() -> None:
    async def drip(server: Server, head: bytes, stream: trio.SocketStream) -> None:
        await stream.send_all(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\n")
        while True:
            await stream.send_all(b"x")
            await trio.sleep(0.01)

    began = trio.current_time()
    async with serving(drip) as server:
        with pytest.raises(ToolError, match=r"was not fetched within 0\.3 s"):
            await fetch(server.url(), attrs.evolve(LOCAL, timeout=0.3))
        await server.left.wait()
    assert trio.current_time() - began < 5


async def test_every_call_is_a_checkpoint() -> None:
    for access in (LOCAL, WebAccess()):
        with trio.CancelScope() as scope:
            scope.cancel()
            await fetch("http://1.1.1.1/", access)
        assert scope.cancelled_caught


@pytest.mark.parametrize(
    "arguments",
    [{"url": 1}, {"url": "http://h/", "method": "POST"}, {"url": "http://h/", "max_chars": 0}],
)
async def test_arguments_that_do_not_fit_are_refused(arguments: dict[str, Any]) -> None:
    with pytest.raises(ToolError, match=r"^web_fetch: "):
        await fetch(**arguments)


@pytest.mark.parametrize(
    "url",
    [
        "http://169.254.169.254/latest",
        "http://localhost/",
        "http://93.184.216.34:22/",
        "ftp://example.com/",
        "http://user@example.com/",
        "http://example.com/" + "x" * 8001,
        "http://127.1/",
        "http:///",
    ],
)
async def test_what_is_refused_is_asked_for_once(url: str) -> None:
    step = {"id": "a", "tool": "web_fetch", "arguments": {"url": url}, "maxRetries": 5}
    stage = Stage()
    agent = create_agent(
        llm=ScriptedLLM({"steps": [step]}), tools=[web_fetch_tool()], max_replans=0
    )
    await stage.play(agent)
    assert [each.will_retry for each in stage.all(StepFailed)] == [False]


@pytest.mark.parametrize(
    ("status", "retryable"),
    [
        ("404 Not Found", False),
        ("403 Forbidden", False),
        ("410 Gone", False),
        ("501 Not Implemented", False),
        ("408 Request Timeout", True),
        ("429 Too Many Requests", True),
        ("500 Internal Server Error", True),
        ("503 Service Unavailable", True),
        ("301 Moved", False),
    ],
)
async def test_what_may_pass_can_be_tried_again(status: str, retryable: bool) -> None:
    async with serving(http("no", status=status, Location="/again")) as server:
        with pytest.raises(ToolError) as caught:
            await fetch(server.url())
    assert caught.value.retryable is retryable


async def test_a_connection_that_fails_and_a_server_that_is_slow_can_be_tried_again() -> None:
    async def slow(server: Server, head: bytes, stream: trio.SocketStream) -> None:
        await server.left.wait()

    async with serving(slow) as server:
        with pytest.raises(ToolError, match="within") as slowness:
            await fetch(server.url(), attrs.evolve(LOCAL, timeout=0.2))
    async with serving(b"") as server:
        with pytest.raises(ToolError) as nothing:
            await fetch(server.url())
    with pytest.raises(ToolError, match="refused") as refused:
        await fetch(server.url())
    assert all(each.value.retryable for each in (slowness, nothing, refused))


@pytest.mark.parametrize(
    ("number", "retryable"), [(socket.EAI_NONAME, False), (socket.EAI_AGAIN, True)]
)
async def test_a_name_is_looked_up_again_if_nobody_has_answered(
    number: int, retryable: bool
) -> None:
    async def resolve(host: str, port: int) -> Sequence[str]:
        await trio.lowlevel.checkpoint()
        raise socket.gaierror(number, "x")

    with pytest.raises(ToolError, match="cannot be found") as caught:
        await fetch("http://example.com/", WebAccess(resolve=resolve))
    assert caught.value.retryable is retryable


@pytest.mark.hang_guard(10)
async def test_pages_of_declarations_that_never_end_are_soon_read() -> None:
    html = b"<meta" * 38 + b" charset=" + b" " * 3890
    for _ in range(4):
        async with serving(http(html, "text/html")) as server:
            found = await fetch(server.url())
        assert found["encoding"] == "utf-8"


@pytest.mark.parametrize("meta", ["charset = ' cp1251'", 'name=x charset="cp1251"'])
async def test_a_charset_is_found_among_blanks(meta: str) -> None:
    async with serving(http(f"<meta {meta}>привет".encode("cp1251"), "text/html")) as server:
        found = await fetch(server.url())
    assert (found["text"], found["encoding"]) == ("привет\n", "cp1251")
