"""A page with nothing but `EventSource` and `fetch` misses nothing, whatever happens."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import trio

from tests.browser.chromium import in_chromium, wait_for_output
from tests.browser.stage import (
    Baker,
    Restartable,
    authenticate,
    log_in,
    log_of,
    page_address,
    proxied,
    start_site,
)
from trio_agent_rt import Cors, RealtimeAgent, serve_sse

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext, Page


def restartable(nursery: trio.Nursery, realtime: RealtimeAgent, origin: str) -> Restartable:
    cors = Cors([origin], credentials=True)
    serve = functools.partial(serve_sse, realtime, authenticate=authenticate, cors=cors)
    return Restartable(nursery, serve)


async def test_a_page_of_another_origin_sees_every_event_although_it_is_cut_off_twice() -> None:
    baker = Baker()
    realtime = RealtimeAgent(baker, buffer_size=1000, broadcast_interval=0)
    async with realtime, trio.open_nursery() as nursery:
        site = await start_site(nursery, realtime)
        server = restartable(nursery, realtime, site)
        await server.start()
        async with proxied(server.port) as (proxy, port):

            def cut() -> None:
                proxy.cut_now(reset=True)
                baker.may_go_on["和面"].set()

            async def stop() -> None:
                await server.stop()
                baker.may_go_on["烤"].set()

            def script(context: BrowserContext) -> list[dict[str, Any]]:
                log_in(context)
                page = context.new_page()
                page.goto(page_address(site, http=f"http://127.0.0.1:{port}"))
                page.wait_for_function("follower.clientId")
                page.evaluate(COUNT_FAILURES)
                submit(page, "烤一条面包")
                wait_for_output(page, "和面4 ")
                trio.from_thread.run_sync(cut)
                wait_for_output(page, "烤4 ")

                failures = page.evaluate("failures")
                trio.from_thread.run(stop)
                # The end of the stream, and the browser's first attempt, which finds nobody.
                page.wait_for_function("before => failures >= before + 2", arg=failures)
                trio.from_thread.run(server.start)
                page.click("text=Yes")
                page.wait_for_selector("text=succeeded: 一条面包")

                submit(page, "等十秒")
                page.click("text=Cancel")
                page.wait_for_selector("text=cancelled: ann asked")
                page.wait_for_function("answers.length === 4")
                outcomes = ["accepted", "applied", "accepted", "cancelled"]
                assert page.evaluate("answers.map(({outcome}) => outcome)") == outcomes
                # All of it the browser's own doing: the page has made no other EventSource.
                assert page.evaluate("follower.source === first")
                return page.evaluate("seen")

            seen = await in_chromium(script)
            assert proxy.cuts_made
        nursery.cancel_scope.cancel()

        connected = [each["data"] for each in seen if each["type"] == "connected"]
        assert [each["resumed"] for each in connected] == [False, True, True]
        (session,) = {each["sessionId"] for each in connected}
        await expect_every_event_once(seen, realtime, session)
        ends = [each["data"]["outcome"] for each in seen if each["type"] == "task:complete"]
        assert ends == ["succeeded", "cancelled"]
    assert baker.asked == ["烤一条面包", "等十秒"]


async def test_a_page_whose_session_is_over_begins_a_new_one() -> None:
    baker = Baker()
    async with RealtimeAgent(baker, linger=0) as realtime, trio.open_nursery() as nursery:
        site = await start_site(nursery, realtime)
        server = restartable(nursery, realtime, site)
        await server.start()
        async with proxied(server.port) as (proxy, port):

            def script(context: BrowserContext) -> tuple[list[int], list[str], list[str]]:
                log_in(context)
                answered: list[tuple[str, int]] = []
                page = context.new_page()
                page.on("response", lambda got: answered.append((got.url, got.status)))
                page.goto(page_address(site, http=f"http://127.0.0.1:{port}"))
                page.wait_for_function("follower.clientId")
                submit(page, "等十秒")
                page.wait_for_selector("text=等: running")
                trio.from_thread.run_sync(proxy.cut_now)
                page.wait_for_function("connections().length === 2")
                tasks = page.eval_on_selector_all("article", "all => all.map(one => one.innerText)")
                statuses = [status for url, status in answered if "/sse?" in url]
                return statuses, page.evaluate("connections()"), tasks

            statuses, sessions, tasks = await in_chromium(script)
        nursery.cancel_scope.cancel()
    # The browser's own attempt is told that it is over, and gives up; the page's is new.
    assert statuses == [200, 204, 200]
    assert len(set(sessions)) == 2
    assert tasks == []


COUNT_FAILURES = """() => {
  globalThis.failures = 0;
  globalThis.first = follower.source;
  first.addEventListener("error", () => { failures += 1; });
}"""


def submit(page: Page, task: str) -> None:
    page.fill("#task", task)
    page.click("text=Submit")


async def expect_every_event_once(
    seen: list[dict[str, Any]], realtime: RealtimeAgent, session: str
) -> None:
    found = [each for each in seen if "id" in each]
    epoch, _, first = found[0]["id"].partition("-")
    assert first == "1"
    assert found == await log_of(realtime, session, epoch)
    assert len(found) > 30
