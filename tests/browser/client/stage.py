"""A server of both transports behind proxies, and pages of another origin with the client."""

from __future__ import annotations

import functools
import importlib.resources
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import attrs
import pytest
import trio
from quart import Response
from quart_trio import QuartTrio

from tests.browser.chromium import in_chromium
from tests.browser.stage import authenticate, log_in, log_of, proxied
from trio_agent_rt import (
    Cors,
    RealtimeAgent,
    SSEOptions,
    TaskRun,
    WebSocketOptions,
    serve,
    serve_app,
)
from trio_agent_rt.testing import CuttingProxy

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext, Page

__all__ = [
    "STATIC",
    "Stage",
    "connected",
    "expect_the_whole_log",
    "on_both_transports",
    "on_stage",
    "outcome",
    "wait_for_message",
]

T = TypeVar("T")

STATIC = importlib.resources.files("trio_agent_rt.panel") / "static"

PAGE = (Path(__file__).parent / "page.html").read_text(encoding="utf-8")

SOON = {"base": 50, "cap": 200}
"""Reconnecting for tests: what is tested is that it happens, and not how late."""

on_both_transports = pytest.mark.parametrize("transport", ["websocket", "sse"])


def _make_site(page: str, own_script: Callable[[], str]) -> QuartTrio:
    """A web site with a page, a script of its own, and the client as the package has it."""
    site = QuartTrio(__name__, static_folder=None)

    async def index() -> Response:
        return Response(page, content_type="text/html; charset=utf-8")

    async def script(path: str) -> Response:
        if path == "page.js":
            text = own_script()
        else:
            text = STATIC.joinpath(*path.split("/")).read_text(encoding="utf-8")
        return Response(text, content_type="text/javascript; charset=utf-8")

    async def icon() -> tuple[str, int]:
        return "", 204

    site.add_url_rule("/", view_func=index)
    site.add_url_rule("/<path:path>", view_func=script)
    site.add_url_rule("/favicon.ico", view_func=icon)
    return site


@attrs.define
class Stage:
    """The server, which can be stopped and started again at the same ports."""

    nursery: trio.Nursery
    site: str
    agent: Callable[[str, TaskRun], Any]
    realtime_options: dict[str, Any]
    serve_options: dict[str, Any]
    realtime: RealtimeAgent = attrs.field(init=False)
    ports: dict[str, int] = attrs.field(factory=lambda: {"websocket": 0, "sse": 0})
    proxies: dict[str, CuttingProxy] = attrs.field(factory=dict[str, CuttingProxy])
    proxy_ports: dict[str, int] = attrs.field(factory=dict[str, int])
    _scope: trio.CancelScope = attrs.field(factory=trio.CancelScope)
    _ended: trio.Event = attrs.field(factory=trio.Event)

    async def start(self) -> None:
        """Serve, with nothing of an earlier life."""
        await self.nursery.start(self._run)

    async def stop(self) -> None:
        """End the server and its sessions."""
        self._scope.cancel()
        await self._ended.wait()

    async def _run(self, *, task_status: trio.TaskStatus[None]) -> None:
        self._ended = trio.Event()
        async with RealtimeAgent(self.agent, **self.realtime_options) as self.realtime:
            async with trio.open_nursery() as nursery:
                self._scope = nursery.cancel_scope
                addresses = await nursery.start(
                    functools.partial(
                        serve,
                        self.realtime,
                        websocket=WebSocketOptions(port=self.ports["websocket"]),
                        sse=SSEOptions(port=self.ports["sse"]),
                        cors=Cors([self.site], credentials=True),
                        **self.serve_options,
                    )
                )
                self.ports = {"websocket": addresses.websocket.port, "sse": addresses.sse.port}
                task_status.started()
        self._ended.set()

    def options(self, transport: str, **more: Any) -> dict[str, Any]:
        """Those of a client that goes through the proxies."""
        return {
            "transport": transport,
            "websocketUrl": f"ws://127.0.0.1:{self.proxy_ports['websocket']}/ws",
            "httpUrl": f"http://127.0.0.1:{self.proxy_ports['sse']}",
            "credentials": True,
            "backoff": SOON,
            **more,
        }

    def open_page(self, context: BrowserContext) -> Page:
        """A page with the client's module."""
        page = context.new_page()
        page.goto(self.site)
        page.wait_for_function("Boolean(globalThis.follow)")
        return page

    def follow(self, context: BrowserContext, transport: str, **more: Any) -> Page:
        """A page whose client is on its way."""
        page = self.open_page(context)
        page.evaluate("options => follow(options)", self.options(transport, **more))
        return page


@asynccontextmanager
async def on_stage(
    agent: Callable[[str, TaskRun], Any],
    *,
    page: str = PAGE,
    script: Callable[[Mapping[str, int]], str] = lambda ports: "",
    serve_options: dict[str, Any] | None = None,
    **realtime_options: Any,
) -> AsyncGenerator[Stage]:
    """A stage with its server running, which lets in whoever has Ann's cookie or token.

    Args:
        script: what `page.js` of the site is, given the server's ports.
    """
    realtime_options = {"buffer_size": 1000, "broadcast_interval": 0, **realtime_options}
    async with AsyncExitStack() as stack:
        web = await stack.enter_async_context(RealtimeAgent(agent))
        nursery = await stack.enter_async_context(trio.open_nursery())
        site = _make_site(page, lambda: script(stage.ports))
        address = await nursery.start(functools.partial(serve_app, site, web, port=0))
        stage = Stage(
            nursery,
            address.url,
            agent,
            realtime_options,
            {"authenticate": authenticate, **(serve_options or {})},
        )
        await stage.start()
        for name, port in stage.ports.items():
            proxy = await stack.enter_async_context(proxied(port))
            stage.proxies[name], stage.proxy_ports[name] = proxy
        yield stage
        nursery.cancel_scope.cancel()


async def connected(stage: Stage, script: Callable[[BrowserContext], T]) -> T:
    """What `script` returns, called with a browser in which Ann has logged in."""

    def logged_in(context: BrowserContext) -> T:
        log_in(context)
        return script(context)

    return await in_chromium(logged_in)


def wait_for_message(page: Page, kind: str, count: int = 1) -> dict[str, Any]:
    """The last message of that type, once there are so many."""
    page.wait_for_function(
        "([kind, count]) => messages(kind).length >= count", arg=[kind, count], polling=20
    )
    return page.evaluate("kind => messages(kind).at(-1)", kind)


def outcome(page: Page, command: str, argument: Any = None) -> dict[str, Any]:
    """What a command of `client` comes to; `argument` is `it` in it."""
    return page.evaluate(f"it => outcome(client.{command})", argument)


async def expect_the_whole_log(stage: Stage, told: list[dict[str, Any]]) -> None:
    """Every event of the session's log was told once, and in order."""
    (session,) = {each["data"]["sessionId"] for each in told if each.get("type") == "connected"}
    found = [
        {name: value for name, value in each.items() if name != "event"}
        for each in told
        if "id" in each
    ]
    epoch, _, first = found[0]["id"].rpartition("-")
    assert first == "1"
    assert found == await log_of(stage.realtime, session, epoch)
