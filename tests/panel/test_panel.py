"""What the panel is made of is served as it should be, and its settings are checked."""

from __future__ import annotations

import functools
import re
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from importlib.resources import files
from importlib.resources.abc import Traversable

import httpx
import pytest
import trio

from trio_agent_rt import (
    BearerTokens,
    RealtimeAgent,
    SSEOptions,
    SSEPaths,
    TaskRun,
    WebSocketOptions,
    serve,
    serve_sse,
)
from trio_agent_rt.panel import Panel

STATIC = files("trio_agent_rt.panel") / "static"


async def bake(task: str, run: TaskRun) -> str:
    async with run.step("Bake"):
        return task


@asynccontextmanager
async def served(panel: Panel | None = None) -> AsyncGenerator[httpx.AsyncClient]:
    with trio.fail_after(30):
        async with RealtimeAgent(bake) as realtime, trio.open_nursery() as nursery:
            addresses = await nursery.start(
                functools.partial(
                    serve,
                    realtime,
                    websocket=WebSocketOptions(port=0),
                    sse=SSEOptions(port=0),
                    authenticate=BearerTokens({"t" * 30: "ann"}),
                    pages=panel or Panel(),
                )
            )
            async with httpx.AsyncClient(base_url=addresses.sse.base_url) as client:
                client.headers["websocket-port"] = str(addresses.websocket.port)
                yield client
            nursery.cancel_scope.cancel()


async def test_the_page_needs_no_credentials_and_has_a_strict_policy() -> None:
    async with served() as client:
        answer = await client.get("/")
        port = client.headers["websocket-port"]
        assert answer.status_code == 200
        assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
        assert answer.headers["Content-Security-Policy"] == (
            f"default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self' "
            f"ws://127.0.0.1:{port}; img-src 'self'; base-uri 'none'; form-action 'none'; "
            f"frame-ancestors 'none'"
        )
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Referrer-Policy"] == "no-referrer"
        assert (await client.get("/tools")).status_code == 401


@pytest.mark.parametrize("host", ["a.example; script-src *", "*", "x'y", "[::1", "a b"])
async def test_no_host_that_somebody_sends_gets_into_the_policy(host: str) -> None:
    async with served() as client:
        answer = await client.get("/", headers={"Host": host})
        policy = answer.headers.get("Content-Security-Policy", "")
        assert "connect-src 'self';" in policy or answer.status_code == 400


async def test_the_policy_lets_a_page_at_an_address_of_ipv6_to_its_websocket() -> None:
    async with served() as client:
        answer = await client.get("/", headers={"Host": "[::1]:8081"})
        # The grammar of its sources knows no brackets: browsers would ignore the whole source.
        assert "connect-src 'self' ws:;" in answer.headers["Content-Security-Policy"]


async def test_a_file_is_sent_once_and_then_only_asked_about() -> None:
    async with served() as client:
        first = await client.get("/panel/page/app.js")
        assert first.headers["Content-Type"] == "text/javascript; charset=utf-8"
        assert first.headers["Cache-Control"] == "no-cache"
        again = await client.get(
            "/panel/page/app.js", headers={"If-None-Match": first.headers["ETag"]}
        )
        assert (again.status_code, again.content) == (304, b"")
        assert again.headers["ETag"] == first.headers["ETag"]


@pytest.mark.parametrize(
    "path",
    ["nothing.js", "index.html", "../blueprint.py", "%2e%2e/blueprint.py", "page", "page/", ""],
)
async def test_nothing_else_is_served(path: str) -> None:
    async with served() as client:
        assert (await client.get(f"/panel/{path}")).status_code == 404


async def test_the_settings_tell_where_everything_is() -> None:
    panel = Panel(title="Bakery", examples=["一条面包"], websocket_url="wss://a.example/ws")
    async with served(panel) as client:
        told = (await client.get("/panel/settings.json")).json()
        assert told["title"] == "Bakery"
        assert told["examples"] == ["一条面包"]
        assert told["websocket"]["url"] == "wss://a.example/ws"
        assert told["websocket"]["served"]["port"] == int(client.headers["websocket-port"])
        assert told["http"]["served"]["port"] == client.base_url.port
        policy = (await client.get("/")).headers["Content-Security-Policy"]
        assert "connect-src 'self' wss://a.example;" in policy


async def test_it_goes_with_serve_sse_alone() -> None:
    with trio.fail_after(30):
        async with RealtimeAgent(bake) as realtime, trio.open_nursery() as nursery:
            serve_both = functools.partial(serve_sse, realtime, port=0, pages=Panel())
            address = await nursery.start(serve_both)
            async with httpx.AsyncClient(base_url=address.base_url) as client:
                told = (await client.get("/panel/settings.json")).json()
                assert told["websocket"] == {"url": None, "served": None}
            nursery.cancel_scope.cancel()


async def test_resources_where_the_page_does_not_look_for_them_are_refused() -> None:
    async with RealtimeAgent(bake) as realtime:
        with pytest.raises(ValueError, match="leave out `paths`"):
            await serve_sse(realtime, port=0, paths=SSEPaths(task="/tasks"), pages=Panel())


@pytest.mark.parametrize(
    "url", ["https://a.example/ws", "ws:///ws", "ws://a.example/ws?x", "ws://a; script-src *"]
)
def test_a_websocket_url_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="websocket_url"):
        Panel(websocket_url=url)


@pytest.mark.parametrize("url", ["https://a.example", "//a.example", "agent/", "x?y"])
def test_an_http_url_of_elsewhere_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="http_url"):
        Panel(http_url=url)


def test_a_single_text_is_no_list_of_examples() -> None:
    with pytest.raises(TypeError, match="write a list"):
        Panel(examples="bake")  # pyright: ignore[reportArgumentType]


def _all(folder: Traversable) -> list[Traversable]:
    found: list[Traversable] = []
    for each in folder.iterdir():
        found += _all(each) if each.is_dir() else [each]
    return found


def test_nothing_of_the_page_asks_anybody_else_or_puts_in_text_as_markup() -> None:
    sources = {each.name: each.read_text(encoding="utf-8") for each in _all(STATIC)}
    assert len(sources) > 15
    markup = re.compile(
        r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|style=|\son\w+="
    )
    foreign = re.compile(r"(?<!xmlns=\")https?://(?!www\.w3\.org)")
    for name, text in sources.items():
        assert not markup.search(text), name
        if not name.startswith("client") and name != "messages.js":
            assert not foreign.search(text), name


def test_every_file_and_folder_of_the_page_is_small() -> None:
    folders = [STATIC, *(each for each in STATIC.iterdir() if each.is_dir())]
    for folder in folders:
        inside = [each for each in folder.iterdir() if not each.is_dir()]
        assert len(inside) <= 9, folder
        for each in inside:
            assert each.read_text(encoding="utf-8").count("\n") <= 400, each
