"""Which pages a real browser lets in: by origin, cookie, token and ticket."""

from __future__ import annotations

import functools
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import attrs
import trio

from tests.browser.chromium import in_chromium, wait_for_output
from tests.browser.stage import (
    TOKEN,
    Baker,
    authenticate,
    log_in,
    log_of,
    make_site,
    page_address,
    proxied,
    start_site,
)
from trio_agent_rt import (
    Cors,
    RealtimeAgent,
    SSEOptions,
    WebSocketOptions,
    serve,
    serve_app,
    sse_blueprint,
)

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext, Page


@attrs.frozen
class Scene:
    """Both transports of one agent, and a page of another origin that may use them."""

    nursery: trio.Nursery
    realtime: RealtimeAgent
    baker: Baker
    site: str
    http: str
    http_port: int
    websocket: str

    def page(self, site: str | None = None, **parameters: str) -> str:
        given = {"http": self.http, "websocket": self.websocket, **parameters}
        return page_address(site or self.site, **given)


@asynccontextmanager
async def scene() -> AsyncGenerator[Scene]:
    baker = Baker()
    realtime = RealtimeAgent(baker, buffer_size=1000, broadcast_interval=0)
    async with realtime, trio.open_nursery() as nursery:
        site = await start_site(nursery, realtime)
        addresses = await nursery.start(
            functools.partial(
                serve,
                realtime,
                websocket=WebSocketOptions(port=0),
                sse=SSEOptions(port=0),
                authenticate=authenticate,
                cors=Cors([site], credentials=True),
            )
        )
        yield Scene(
            nursery,
            realtime,
            baker,
            site,
            addresses.sse.base_url,
            addresses.sse.port,
            addresses.websocket.url,
        )
        nursery.cancel_scope.cancel()


async def test_a_page_without_its_cookie_is_refused_and_gives_up() -> None:
    async with scene() as at:

        def script(context: BrowserContext) -> tuple[list[int], dict[str, Any], list[Any]]:
            page = context.new_page()
            answered: list[tuple[str, int]] = []
            page.on("response", lambda got: answered.append((got.url, got.status)))
            page.goto(at.page())
            page.wait_for_function("ended")
            assert page.evaluate("follower.source.readyState") == 2
            statuses = [status for url, status in answered if "/sse?" in url]
            return statuses, page.evaluate("ended"), page.evaluate("seen")

        statuses, ended, seen = await in_chromium(script)
    assert statuses == [401]
    assert ended["status"] == 401
    assert ended["message"] == "log in first"
    assert seen == []


# Everything that a page could try, with the user's cookie and with what it may have heard of.
ATTEMPTS = """async ([http, websocket, clientId, session, token]) => {
  const body = JSON.stringify({clientId, task: "偷面包"});
  const told = [];
  const fetched = async (path, options) => {
    try {
      const response = await fetch(http + path, {credentials: "include", ...options});
      told.push(response.type === "opaque" ? await response.text() : response.status);
    } catch (error) {
      told.push(error instanceof TypeError ? "" : String(error));
    }
  };
  await fetched("/tools");
  await fetched("/health");
  await fetched(`/state?clientId=${clientId}`);
  await fetched("/task", {method: "POST", body});
  await fetched("/task", {method: "POST", body, mode: "no-cors"});
  await fetched("/task", {method: "POST", body, headers: {"Content-Type": "application/json"}});
  await fetched("/task", {method: "POST", body, headers: {Authorization: `Bearer ${token}`}});
  await fetched("/cancel", {method: "POST", body: JSON.stringify({clientId})});
  await fetched("/ticket", {method: "POST"});
  await fetched(`/sse?session=${session}`, {mode: "no-cors"});
  const opened = (source) => new Promise((resolve) => {
    source.onmessage = (event) => resolve(event.data);
    source.onopen = () => resolve("open");
    source.onerror = () => resolve("");
  });
  for (const path of ["/sse", `/sse?session=${session}`, `/sse?session=${session}&named=1`]) {
    told.push(await opened(new EventSource(http + path, {withCredentials: true})));
  }
  for (const protocols of [[], ["trio-agent-rt", `bearer.${encodeURIComponent(token)}`]]) {
    told.push(await opened(new WebSocket(`${websocket}?session=${session}`, protocols)));
  }
  return told;
}"""


async def test_a_page_of_an_origin_that_is_not_listed_sees_nothing_and_starts_nothing() -> None:
    async with scene() as at:
        stranger = await start_site(at.nursery, at.realtime)

        def script(context: BrowserContext) -> list[Any]:
            log_in(context)
            good = context.new_page()
            good.goto(at.page())
            good.wait_for_function("follower.clientId")
            ours = good.evaluate("seen")[0]["data"]

            bad = context.new_page()
            bad.goto(at.page(stranger))
            # It is not even told that it was refused, so it goes on trying.
            bad.wait_for_function("follower.failures > 0")
            told = bad.evaluate(
                ATTEMPTS, [at.http, at.websocket, ours["clientId"], ours["sessionId"], TOKEN]
            )
            assert bad.evaluate("[seen, ended]") == [[], None]
            # The page that may does see what happens in the session: nothing has.
            good.evaluate("submit(follower.clientId, '等十秒')")
            good.wait_for_selector("text=等: running")
            return told

        told = await in_chromium(script)
        assert told == [""] * 15
        assert at.baker.asked == ["等十秒"]
        assert "sessions=1" in repr(at.realtime)


async def test_a_page_of_the_servers_own_origin_needs_no_cors() -> None:
    realtime = RealtimeAgent(Baker(), buffer_size=1000)
    async with realtime, trio.open_nursery() as nursery:
        app = make_site()
        blueprint = sse_blueprint(realtime, authenticate=authenticate)
        app.register_blueprint(blueprint, url_prefix="/agent")
        address = await nursery.start(functools.partial(serve_app, app, realtime, port=0))

        def script(context: BrowserContext) -> None:
            log_in(context)
            page = context.new_page()
            page.goto(page_address(address.url, http="/agent"))
            page.wait_for_function("follower.clientId")
            page.fill("#task", "等十秒")
            page.click("text=Submit")
            page.wait_for_selector("text=等: running")
            page.click("text=Cancel")
            page.wait_for_selector("text=cancelled: ann asked")

        await in_chromium(script)
        nursery.cancel_scope.cancel()


async def test_a_page_with_a_ticket_comes_back_with_another_and_misses_nothing() -> None:
    async with scene() as at, proxied(at.http_port) as (proxy, port):

        def cut() -> None:
            proxy.cut_now()
            for may_go_on in at.baker.may_go_on.values():
                may_go_on.set()

        def script(context: BrowserContext) -> tuple[list[str], list[dict[str, Any]]]:
            page = context.new_page()
            asked: list[str] = []
            page.on("request", lambda sent: asked.append(sent.url))
            page.goto(at.page(http=f"http://127.0.0.1:{port}", token=TOKEN))
            page.wait_for_function("follower.clientId")
            page.evaluate("submit(follower.clientId, '烤一条面包')")
            wait_for_output(page, "和面4 ")
            trio.from_thread.run_sync(cut)
            page.click("text=Yes")
            page.wait_for_selector("text=succeeded: 一条面包")
            return [each for each in asked if "ticket=" in each], page.evaluate("seen")

        tickets, seen = await in_chromium(script)
        await expect_the_whole_log(at, seen)
    first, again_by_the_browser_itself, another = tickets
    assert again_by_the_browser_itself == first
    assert "lastEventId=" in another


async def test_a_page_follows_over_a_websocket_with_a_token_and_with_a_ticket() -> None:
    async with scene() as at:

        def script(context: BrowserContext) -> list[dict[str, Any]]:
            page = context.new_page()
            page.goto(at.page(over="websocket", token=TOKEN))
            page.wait_for_function("follower.clientId")
            assert page.evaluate("follower.socket.protocol") == "trio-agent-rt"
            with_ticket(page)
            page.evaluate("follower.send('task:submit', {task: '烤一条面包'})")
            wait_for_output(page, "和面4 ")
            # As if the connection were lost: the page's own code opens another one.
            page.evaluate("follower.socket.close()")
            trio.from_thread.run_sync(at.baker.may_go_on["和面"].set)
            trio.from_thread.run_sync(at.baker.may_go_on["烤"].set)
            page.click("text=Yes")
            page.wait_for_selector("text=succeeded: 一条面包")
            return page.evaluate("seen")

        await expect_the_whole_log(at, await in_chromium(script))


def with_ticket(page: Page) -> None:
    """A second WebSocket, to the same session, by a ticket alone."""
    told = page.evaluate(
        """async () => {
          const {ticket} = await ask("/ticket", {});
          const query = new URLSearchParams({ticket, session: follower.sessionId});
          const opened = () => new Promise((resolve) => {
            const socket = new WebSocket(`${agent.websocket}?${query}`);
            socket.onmessage = ({data}) => resolve(JSON.parse(data).type);
            socket.onerror = () => resolve("refused");
          });
          return [await opened(), await opened()];
        }"""
    )
    assert told == ["connected", "refused"]


async def expect_the_whole_log(at: Scene, seen: list[dict[str, Any]]) -> None:
    connected, *_ = (each["data"] for each in seen if each["type"] == "connected")
    found = [each for each in seen if "id" in each]
    epoch = found[0]["id"].partition("-")[0]
    assert found == await log_of(at.realtime, connected["sessionId"], epoch)
    assert found[-1]["type"] == "task:complete"
