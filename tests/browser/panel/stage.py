"""A server with its panel, behind proxies that can cut it off, and what scripts do there."""

from __future__ import annotations

import functools
import importlib.resources
import os
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
import pytest
import trio

from tests.browser.chromium import PATIENCE
from tests.browser.stage import proxied
from tests.docs.pages import REPOSITORY
from trio_agent_rt import Cors, RealtimeAgent, SSEOptions, WebSocketOptions, serve
from trio_agent_rt.panel import Panel
from trio_agent_rt.testing import CuttingProxy

from .kitchen import Kitchen

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext, Page

__all__ = [
    "Stage",
    "answer_by_keyboard",
    "expect_no_violations",
    "on_both_transports",
    "on_stage",
    "open_panel",
    "ready_question",
    "shoot",
    "submit",
    "texts",
    "wait_until",
]

on_both_transports = pytest.mark.parametrize("transport", ["websocket", "sse"])

SCREENSHOTS = Path(os.environ.get("SCREENSHOTS") or REPOSITORY / "test-output" / "screenshots")
"""Where pictures of the panel are left, to be looked at."""

EXAMPLES = ("烤一条面包", "wait 10 seconds")


@attrs.define
class Stage:
    """The server, which can be stopped, and started again at the same addresses."""

    nursery: trio.Nursery
    kitchen: Kitchen
    realtime_options: dict[str, Any]
    serve_options: dict[str, Any]
    websocket: CuttingProxy
    http: CuttingProxy
    url: str
    """Of the panel, by way of the proxies."""
    panel: Panel
    own_url: str = ""
    """Of the panel, without them."""
    realtime: RealtimeAgent = attrs.field(init=False)
    _scope: trio.CancelScope = attrs.field(factory=trio.CancelScope)
    _ended: trio.Event = attrs.field(factory=trio.Event)

    async def start(self) -> None:
        """Serve, with nothing of an earlier life."""
        await self.nursery.start(self._run)

    async def stop(self) -> None:
        """End the server and its sessions, at once."""
        self._scope.cancel()
        await self._ended.wait()

    def cut(self) -> None:
        """Cut all connections."""
        self.websocket.cut_now(reset=True)
        self.http.cut_now(reset=True)

    async def _run(self, *, task_status: trio.TaskStatus[None]) -> None:
        self._ended = trio.Event()
        async with RealtimeAgent(self.kitchen, **self.realtime_options) as self.realtime:
            async with trio.open_nursery() as nursery:
                self._scope = nursery.cancel_scope
                addresses = await nursery.start(
                    functools.partial(
                        serve,
                        self.realtime,
                        websocket=WebSocketOptions(port=0),
                        sse=SSEOptions(port=0),
                        cors=Cors([self.url.rstrip("/")]),
                        pages=self.panel,
                        **self.serve_options,
                    )
                )
                self.websocket.target = ("127.0.0.1", addresses.websocket.port)
                self.http.target = ("127.0.0.1", addresses.sse.port)
                self.own_url = f"{addresses.sse.base_url}/"
                task_status.started()
        self._ended.set()


@asynccontextmanager
async def on_stage(
    kitchen: Kitchen | None = None,
    *,
    serve_options: dict[str, Any] | None = None,
    **realtime_options: Any,
) -> AsyncGenerator[Stage]:
    """A stage with its server running."""
    async with AsyncExitStack() as stack:
        nursery = await stack.enter_async_context(trio.open_nursery())
        websocket, websocket_port = await stack.enter_async_context(proxied(9))
        http, http_port = await stack.enter_async_context(proxied(9))
        stage = Stage(
            nursery,
            kitchen or Kitchen(),
            {"broadcast_interval": 0.02, **realtime_options},
            serve_options or {},
            websocket,
            http,
            f"http://127.0.0.1:{http_port}/",
            Panel(websocket_url=f"ws://127.0.0.1:{websocket_port}/ws", examples=EXAMPLES),
        )
        await stage.start()
        yield stage
        nursery.cancel_scope.cancel()


def open_panel(context: BrowserContext, url: str, transport: str = "websocket") -> Page:
    """The panel, once it is connected. It may not complain of anything in the console."""
    page = context.new_page()
    address, _, fragment = url.partition("#")
    page.goto(f"{address}?transport={transport}{fragment and '#'}{fragment}")
    page.wait_for_selector("#connection[data-state=open]")
    return page


def submit(page: Page, task: str) -> None:
    """Type a task and start it."""
    page.fill("#task", task)
    page.press("#task", "Enter")


def ready_question(page: Page) -> None:
    """Wait until a question may be answered: not by a key that was on its way before."""
    page.wait_for_selector("#question[open][data-ready=true]")


def answer_by_keyboard(page: Page, *, approve: bool) -> None:
    """Answer the question that is shown, with keys alone."""
    ready_question(page)
    assert page.evaluate("document.activeElement.id") == "reject"
    if approve:
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.id") == "approve"
    page.keyboard.press("Enter")


def wait_until(page: Page, holds: str, argument: Any = None) -> None:
    """Wait for something that the page can tell; what `wait_for_function` does is `eval` to it."""
    for _ in range(PATIENCE // 20):
        if page.evaluate(holds, argument):
            return
        page.wait_for_timeout(20)
    raise AssertionError(f"it did not come to this: {holds}")


def texts(page: Page, selector: str) -> list[str]:
    """What all elements of a kind say."""
    return page.eval_on_selector_all(selector, "all => all.map(each => each.innerText)")


def shoot(page: Page, name: str) -> None:
    """Leave a picture of the whole page."""
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=SCREENSHOTS / f"{name}.png", full_page=True)


def expect_no_violations(page: Page, where: str) -> None:
    """Have axe look at the page as it is, in light and in dark."""
    axe = importlib.resources.files("axe_playwright_python").joinpath("axe.min.js")
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        # Through the debugger: the page's own policy lets no foreign script in.
        page.evaluate(f"() => {{ {axe.read_text(encoding='utf-8')} }}")
        found = page.evaluate("axe.run(document, {resultTypes: ['violations']})")["violations"]
        told = [
            f"{each['id']}: {each['help']}: {[node['html'][:200] for node in each['nodes']]}"
            for each in found
        ]
        assert not told, f"{where}, {scheme}: {told}"
    page.emulate_media(color_scheme="light")
