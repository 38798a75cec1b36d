"""The built page at an origin of its own, and the agent's server that it is told of."""

from __future__ import annotations

import functools
import mimetypes
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
import trio
from quart import Response
from quart_trio import QuartTrio

from tests.browser.chromium import in_chromium
from tests.browser.stage import Restartable
from trio_agent_rt import Cors, Principal, RealtimeAgent, Request, serve_app, serve_websocket

if TYPE_CHECKING:
    from collections.abc import Callable

    from playwright.sync_api import BrowserContext, Page

__all__ = [
    "AGENT",
    "TICKETS",
    "Scene",
    "agent_server",
    "confirm_box",
    "on_stage",
    "start_page",
    "submit",
]

AGENT = "ws://127.0.0.1:8080/ws"
"""Where the page looks for the agent unless it is told something else."""

TICKETS = "http://127.0.0.1:8081"
"""The same of the page that asks for tickets."""


def one_room(request: Request, principal: Principal) -> str:
    """As `serve --one-session` does: the panel names neither session nor position."""
    return "shared"


def agent_server(nursery: trio.Nursery, realtime: RealtimeAgent, origin: str) -> Restartable:
    """Not started yet."""
    cors = Cors([origin])
    serve = functools.partial(serve_websocket, realtime, cors=cors, choose_session=one_room)
    return Restartable(nursery, serve)


async def start_page(
    nursery: trio.Nursery,
    realtime: RealtimeAgent,
    built: Path,
    addresses: Callable[[], Mapping[str, str]],
) -> str:
    """Serve the page; gives its origin.

    Args:
        addresses: what stands where in the page, once it is asked for: the ports are not
            those that it was built with.
    """
    site = QuartTrio(__name__, static_folder=None)

    async def file(path: str = "index.html") -> Response:
        text = (built / path).read_text(encoding="utf-8")
        for written, present in addresses().items():
            text = text.replace(written, present)
        kind, _ = mimetypes.guess_type(path)
        return Response(text, content_type=f"{kind}; charset=utf-8")

    site.add_url_rule("/", view_func=file)
    site.add_url_rule("/<path:path>", view_func=file)
    address = await nursery.start(functools.partial(serve_app, site, realtime, port=0))
    return address.url


@attrs.frozen
class Scene:
    """A page, and its server."""

    realtime: RealtimeAgent
    server: Restartable
    url: str

    async def play(self, script: Callable[[Page], Any]) -> None:
        """Call `script` with the page, once it has connected."""

        def in_a_page(context: BrowserContext) -> None:
            page = context.new_page()
            page.goto(self.url)
            page.wait_for_selector(".agent-status-dot.connected")
            script(page)

        await in_chromium(in_a_page)


@asynccontextmanager
async def on_stage(built: Path, agent: Any, **options: Any) -> AsyncGenerator[Scene]:
    """The page in front of that agent, served as it is while a `RealtimeAgent` lives."""
    async with RealtimeAgent(agent, **options) as realtime, trio.open_nursery() as nursery:
        addresses: dict[str, str] = {}
        origin = await start_page(nursery, realtime, built, lambda: addresses)
        server = agent_server(nursery, realtime, origin)
        await server.start()
        addresses[AGENT] = f"ws://127.0.0.1:{server.port}/ws"
        yield Scene(realtime, server, origin)
        nursery.cancel_scope.cancel()


def submit(page: Page, task: str) -> None:
    page.fill(".agent-input", task)
    page.click(".agent-input-wrapper button")


def confirm_box(page: Page) -> None:
    """Return once it asks."""
    page.wait_for_selector(".agent-confirm")
