"""What the pages of the browser tests talk to: an agent, its server, and their own servers."""

from __future__ import annotations

import functools
import urllib.parse
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import attrs
import msgspec
import trio
from quart import Response
from quart_trio import QuartTrio

from tests.browser.chromium import DOCUMENTED, PAGE
from trio_agent_rt import (
    ConnectionRejected,
    Principal,
    RealtimeAgent,
    Request,
    TaskRun,
    serve_app,
)
from trio_agent_rt.events import Encoded
from trio_agent_rt.testing import CuttingProxy

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext

__all__ = [
    "TOKEN",
    "Baker",
    "Restartable",
    "authenticate",
    "log_in",
    "log_of",
    "make_site",
    "page_address",
    "proxied",
    "start_site",
]

ANN = Principal("ann")
TOKEN = "a-token/of+many.characters~=="
COOKIE = "a-cookie-of-many-characters"


async def authenticate(request: Request) -> Principal:
    """Ann, by her token or by her cookie."""
    await trio.lowlevel.checkpoint()
    if request.bearer_token == TOKEN or request.cookies.get("login") == COOKIE:
        return ANN
    raise ConnectionRejected(401, "log in first")


def log_in(context: BrowserContext) -> None:
    """Give the browser Ann's cookie, which it sends to every port of this machine."""
    context.add_cookies([{"name": "login", "value": COOKIE, "url": "http://127.0.0.1"}])


@attrs.define
class Baker:
    """An agent that talks, waits until it may go on, and talks: in three steps."""

    asked: list[str] = attrs.field(factory=list[str])
    """The texts of all tasks that it was given."""
    may_go_on: Mapping[str, trio.Event] = attrs.field(
        factory=lambda: {"和面": trio.Event(), "烤": trio.Event()}
    )
    """By step: set when its second half may be done."""

    async def __call__(self, task: str, run: TaskRun) -> str:
        self.asked.append(task)
        if task.startswith("等"):
            async with run.step("等"):
                await trio.sleep_forever()
        run.plan([*self.may_go_on, "装盒"])
        for name, may_go_on in self.may_go_on.items():
            async with run.step(name) as step:
                for number in range(5):
                    step.output(f"{name}{number} ")
                await may_go_on.wait()
                for number in range(5, 10):
                    step.output(f"{name}{number} ")
        async with run.step("装盒") as step:
            await step.confirm("可以装盒吗?")
        return "一条面包"


class Restartable:
    """A server that ends and starts again at the same port, while its agent lives on.

    Args:
        serve: called with a `port` and a `task_status`.
    """

    def __init__(self, nursery: trio.Nursery, serve: Callable[..., Any]) -> None:
        self._nursery = nursery
        self._serve = serve
        self.port = 0
        self._scope = trio.CancelScope()
        self._ended = trio.Event()

    async def start(self) -> None:
        address = await self._nursery.start(self._run)
        self.port = address.port

    async def stop(self) -> None:
        self._scope.cancel()
        await self._ended.wait()

    async def _run(self, *, task_status: trio.TaskStatus[Any]) -> None:
        self._ended = trio.Event()
        async with trio.open_nursery() as nursery:
            self._scope = nursery.cancel_scope
            serve = functools.partial(self._serve, port=self.port)
            task_status.started(await nursery.start(serve))
        self._ended.set()


def make_site() -> QuartTrio:
    """A web site that has the page, and nothing else."""
    site = QuartTrio(__name__, static_folder=None)

    async def page() -> Response:
        return Response(PAGE, content_type="text/html; charset=utf-8")

    async def script() -> Response:
        return Response(DOCUMENTED, content_type="text/javascript; charset=utf-8")

    async def icon() -> tuple[str, int]:
        return "", 204

    site.add_url_rule("/", view_func=page)
    site.add_url_rule("/agent.js", view_func=script)
    site.add_url_rule("/favicon.ico", view_func=icon)
    return site


async def start_site(nursery: trio.Nursery, realtime: RealtimeAgent) -> str:
    """Serve the page at an origin of its own, which is returned."""
    address = await nursery.start(functools.partial(serve_app, make_site(), realtime, port=0))
    return address.url


def page_address(site: str, **parameters: str) -> str:
    """The page of a site, told where the agent's server is."""
    return f"{site}/?{urllib.parse.urlencode(parameters)}"


@asynccontextmanager
async def proxied(port: int) -> AsyncGenerator[tuple[CuttingProxy, int]]:
    """A proxy in front of a local port, and its own port."""
    proxy = CuttingProxy("127.0.0.1", port)
    async with trio.open_nursery() as nursery:
        yield proxy, await nursery.start(proxy.serve)
        nursery.cancel_scope.cancel()


async def log_of(realtime: RealtimeAgent, session_id: str, epoch: str) -> list[dict[str, Any]]:
    """All events of a session's log, from the first one on."""
    found: list[dict[str, Any]] = []
    connecting = realtime.connect(
        framing=Encoded.sse, principal=ANN, session_id=session_id, last_position=f"{epoch}-0"
    )
    async with connecting as connection:
        connected, *_ = items = await connection.next_items()
        assert msgspec.json.decode(connected.json)["data"]["resumed"], "the log was too short"
        found += [msgspec.json.decode(each.json) for each in items if each.position is not None]
    return found
