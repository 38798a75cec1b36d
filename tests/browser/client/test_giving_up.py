"""When a client stops, it says why and leaves nothing running; when it waits, it waits."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import trio

from tests.browser.chromium import in_chromium
from tests.browser.client.scripted import Answer, connected_as, scripted
from tests.browser.client.stage import (
    Stage,
    connected,
    on_both_transports,
    on_stage,
    outcome,
    wait_for_message,
)
from trio_agent_rt import ConnectionRejected, Limits, Principal, Request, TaskRun

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext, Page


async def wait(task: str, run: TaskRun) -> None:
    """Work until it is cancelled."""
    async with run.step("wait") as step:
        step.output("begun")
        await trio.sleep_forever()


def open_page_with_a_clock(stage: Stage, context: BrowserContext) -> Page:
    page = context.new_page()
    page.clock.install()
    page.goto(stage.site)
    page.wait_for_function("Boolean(globalThis.follow)")
    return page


def expect_nothing_more(page: Page, stage: Stage) -> None:
    """For an hour nothing happens, whatever browsers tell pages."""
    page.wait_for_function("client.state === 'closed'")
    before = page.evaluate("told.length")
    connections = [each.connections for each in stage.proxies.values()]
    for _ in range(2):
        page.clock.fast_forward(30 * 60 * 1000)
        page.evaluate("dispatchEvent(new Event('online'))")
        page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    page.evaluate("fetch('/')")
    assert page.evaluate("told.length") == before
    assert [each.connections for each in stage.proxies.values()] == connections


@on_both_transports
async def test_who_is_not_let_in_is_told_so_and_does_not_try_again(transport: str) -> None:
    async with on_stage(wait) as stage:

        def script(context: BrowserContext) -> tuple[list[dict[str, Any]], dict[str, Any]]:
            page = open_page_with_a_clock(stage, context)
            page.evaluate("options => follow(options)", stage.options(transport))
            expect_nothing_more(page, stage)
            states = page.evaluate("states().map(({state, error}) => ({state, ...error}))")
            return states, outcome(page, "submit('task')")

        states, refused = await in_chromium(script)
    assert [each["state"] for each in states] == ["connecting", "closed"]
    assert (states[-1]["code"], states[-1]["status"]) == ("unauthorized", 401)
    assert refused["code"] == "unauthorized"


@on_both_transports
async def test_who_is_no_longer_let_in_is_told_so_and_what_was_asked_is_rejected(
    transport: str,
) -> None:
    until = 0.0
    may_end = trio.Event()

    async def agent(task: str, run: TaskRun) -> None:
        async with run.step("wait") as step:
            step.output("begun")
            try:
                await trio.sleep_forever()
            finally:
                async with run.cleanup():
                    await may_end.wait()

    async def for_a_moment(request: Request) -> Principal:
        await trio.lowlevel.checkpoint()
        if time.time() > until:
            raise ConnectionRejected(401, "log in again")
        return Principal("ann", expires_at=until)

    async with on_stage(agent, serve_options={"authenticate": for_a_moment}) as stage:

        def script(context: BrowserContext) -> tuple[dict[str, Any], dict[str, Any]]:
            page = stage.open_page(context)
            nonlocal until
            until = time.time() + 2
            page.evaluate("options => follow(options)", stage.options(transport))
            outcome(page, "submit('task')")
            wait_for_message(page, "step:output")
            page.evaluate("() => { globalThis.cancelled = outcome(client.cancel()); }")
            page.wait_for_function("client.state === 'closed'")
            trio.from_thread.run_sync(may_end.set)
            return page.evaluate("cancelled"), page.evaluate("({...states().at(-1).error})")

        rejected, error = await in_chromium(script)
    assert error["code"] == rejected["code"] == "unauthorized"


@on_both_transports
async def test_a_session_that_is_over_is_final_and_connecting_again_begins_another(
    transport: str,
) -> None:
    async with on_stage(wait, linger=0) as stage:

        def script(context: BrowserContext) -> tuple[str, list[str]]:
            page = stage.follow(context, transport)
            page.wait_for_function("client.state === 'open'")
            page.evaluate("() => { globalThis.first = client.session; }")
            trio.from_thread.run_sync(stage.proxies[transport].cut_now)
            page.wait_for_function("client.state === 'closed'")
            code = page.evaluate("states().at(-1).error.code")
            page.evaluate("client.connect()")
            page.wait_for_function("client.state === 'open'")
            return code, page.evaluate("[first, client.session]")

        code, (first, second) = await connected(stage, script)
    assert code == "unknown_session"
    assert first != second


@on_both_transports
async def test_a_server_that_is_full_is_left_alone_for_as_long_as_it_says(transport: str) -> None:
    async with on_stage(wait, limits=Limits(max_connections=1)) as stage:

        def script(context: BrowserContext) -> dict[str, Any]:
            one = stage.follow(context, transport)
            one.wait_for_function("client.state === 'open'")
            two = stage.follow(context, transport)
            two.wait_for_function("client.state === 'waiting'")
            told = two.evaluate("({...states().at(-1)})")
            error = two.evaluate("({...states().at(-1).error})")
            two.evaluate("dispatchEvent(new Event('online'))")
            assert two.evaluate("client.state") == "waiting"
            one.evaluate("client.close()")
            two.wait_for_function("client.state === 'open'")
            return {**told, **error}

        told = await connected(stage, script)
    assert told["code"] == "rate_limited"
    assert told["retryIn"] >= 1000
    if transport == "sse":
        assert told["status"] == 429
        assert told["retryIn"] >= 1000 * told["retryAfter"] > 0
    else:
        assert told["closeCode"] == 1013


@on_both_transports
async def test_closing_ends_everything_and_nothing_comes_back(transport: str) -> None:
    async with on_stage(wait) as stage:

        def script(context: BrowserContext) -> list[Any]:
            page = open_page_with_a_clock(stage, context)
            page.evaluate("options => follow(options)", stage.options(transport))
            outcome(page, "submit('task')")
            wait_for_message(page, "step:output")
            error = page.evaluate(
                """async () => {
                  const waiting = outcome(client.submit("another"));
                  client.close();
                  return waiting;
                }"""
            )
            expect_nothing_more(page, stage)
            codes = [error["code"], outcome(page, "tools()")["code"]]
            # Also when it waits to come back, and when a handler closes it.
            page.evaluate("client.connect()")
            page.wait_for_function("client.state === 'open'")
            page.evaluate("client.addEventListener('state', () => client.close(), {once: true})")
            trio.from_thread.run_sync(stage.proxies[transport].cut_now)
            expect_nothing_more(page, stage)
            assert page.evaluate("states().at(-1).error") is None
            return codes

        assert await connected(stage, script) == ["closed", "closed"]


STATUS = {"type": "status", "data": {"state": "idle", "message": "-"}}
AT = "0123456789abcdef"


@on_both_transports
async def test_a_server_that_has_fallen_silent_is_left_for_a_new_connection(
    transport: str,
) -> None:
    brief: dict[str, Any] = {"heartbeatInterval": 0.2}
    first = [connected_as(**brief), {**STATUS, "id": f"{AT}-1"}]
    async with scripted(first, [connected_as(resumed=True)]) as server, on_stage(wait) as stage:

        def script(context: BrowserContext) -> dict[str, Any]:
            page = stage.open_page(context)
            page.evaluate("options => follow(options)", server.options(transport))
            page.wait_for_function("messages('connected').length === 2")
            return page.evaluate("states().find(({state}) => state === 'waiting').error.message")

        assert "silent" in await in_chromium(script)
    assert server.queries == [{}, {"session": "s", "lastEventId": f"{AT}-1"}]
    if transport == "websocket":
        assert {"type": "ping"} in server.heard


@on_both_transports
async def test_what_was_told_before_is_dropped_and_a_hole_is_filled_by_coming_back(
    transport: str,
) -> None:
    def at(offset: int) -> dict[str, Any]:
        return {"type": "custom", "data": {"number": offset}, "id": f"{AT}-{offset}"}

    first = [connected_as(), {**STATUS, "id": f"{AT}-1"}, at(2), at(2), at(4)]
    second = [connected_as(resumed=True), at(2), at(3), at(4), at(5)]
    async with scripted(first, second) as server, on_stage(wait) as stage:

        def script(context: BrowserContext) -> list[int]:
            page = stage.open_page(context)
            page.evaluate("options => follow(options)", server.options(transport))
            page.wait_for_function("messages('custom').length >= 4")
            return page.evaluate("messages('custom').map(({data}) => data.number)")

        assert await in_chromium(script) == [2, 3, 4, 5]
    assert server.queries[1]["lastEventId"] == f"{AT}-2"


NOT_OURS = {
    "no JSON": ["<html>"],
    "no message": ["[1, 2]"],
    "no `connected`": [STATUS],
    "another version": [connected_as(protocolVersion=2)],
    "another session": [connected_as("another")],
    "not allowed any more": [connected_as(), Answer(close_code=4500, body="expired")],
    "a web page": [Answer(body="<html>", headers={"Content-Type": "text/html"}, close_code=1003)],
    "no such path": [Answer(404, close_code=1008)],
}


@on_both_transports
async def test_what_would_only_happen_again_is_not_tried_again(transport: str) -> None:
    cases = {
        name: script
        for name, script in NOT_OURS.items()
        if transport == "websocket" or not isinstance(script[-1], Answer) or len(script) == 1
    }
    async with scripted([]) as server, on_stage(wait) as stage:

        def script(context: BrowserContext) -> None:
            page = stage.open_page(context)
            for name, each in cases.items():
                server.scripts, server.queries = [each], []
                options = server.options(transport, session="s")
                page.evaluate("options => follow(options)", options)
                page.wait_for_function("client.state === 'closed'")
                assert page.evaluate("states().length") == 2, name
                assert len(server.queries) == 1, name

        await in_chromium(script)


@on_both_transports
async def test_delays_grow_up_to_a_bound_and_are_random(
    transport: str,
) -> None:
    gone = [Answer(503, close_code=1011)]
    good = [connected_as(), {**STATUS, "id": f"{AT}-1"}]
    async with scripted(*9 * [gone], good) as server, on_stage(wait) as stage:

        def script(context: BrowserContext) -> list[dict[str, Any]]:
            page = stage.open_page(context)
            page.evaluate("Math.random = () => 0.5")
            options = server.options(transport, backoff={"base": 2, "cap": 100})
            page.evaluate("options => follow(options)", options)
            page.wait_for_function("client.state === 'open'")
            return page.evaluate("states().filter(({state}) => state === 'waiting')")

        waits = await in_chromium(script)
    assert [each["attempt"] for each in waits] == list(range(1, 10))
    assert [each["retryIn"] for each in waits] == [1, 2, 4, 8, 16, 32, 50, 50, 50]
