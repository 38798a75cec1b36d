"""Reloads, second tabs, cut networks and restarts: nothing is lost without a word."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import trio

from tests.browser.chromium import in_chromium

from .stage import (
    Stage,
    answer_by_keyboard,
    on_both_transports,
    on_stage,
    open_panel,
    shoot,
    submit,
    texts,
    wait_until,
)

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext

# A browser starts for each, on a machine that may be busy.
pytestmark = pytest.mark.hang_guard(180)


def go_on(stage: Stage, name: str) -> None:
    trio.from_thread.run_sync(stage.kitchen.may_go_on[name].set)


@on_both_transports
async def test_a_reload_in_the_middle_shows_everything_as_it_was_and_goes_on(
    transport: str,
) -> None:
    async with on_stage() as stage:

        def script(context: BrowserContext) -> None:
            page = open_panel(context, stage.own_url, transport)
            submit(page, "烤一条面包")
            page.wait_for_selector("text=和面:前一半")
            session = page.inner_text("#session")
            page.reload()
            page.wait_for_selector("#connection[data-state=open]")
            assert page.inner_text("#session") == session
            assert page.inner_text(".task h2") == "烤一条面包"
            assert page.inner_text(".output pre") == "和面:前一半\n"
            assert page.inner_text(".step .progress") == "40 % 揉得差不多了"
            go_on(stage, "和面")
            page.wait_for_selector("text=烤:前一半")
            assert texts(page, ".output pre")[0] == "和面:前一半\n和面:后一半\n"
            go_on(stage, "烤")
            page.wait_for_selector("#question[open]")
            # A question outlives the page that showed it.
            page.reload()
            answer_by_keyboard(page, approve=True)
            page.wait_for_selector(".task[data-state=succeeded]")
            page.reload()
            page.wait_for_selector(".task[data-state=succeeded]")
            assert len(texts(page, ".task")) == 1

        await in_chromium(script)
    assert stage.kitchen.asked == ["烤一条面包"]


async def test_a_reload_keeps_what_is_half_written_and_no_task_that_was_sent() -> None:
    async with on_stage() as stage:

        def script(context: BrowserContext) -> None:
            page = open_panel(context, stage.own_url)
            page.fill("#task", "half of\na task 中")
            page.reload()
            assert page.input_value("#task") == "half of\na task 中"
            submit(page, "坏 了")
            page.wait_for_selector(".task[data-state=failed]")
            page.reload()
            page.wait_for_selector("#connection[data-state=open]")
            assert page.input_value("#task") == ""

        await in_chromium(script)


async def test_the_address_of_another_session_leads_there_also_in_a_tab_that_is_open() -> None:
    async with on_stage() as stage:

        def script(context: BrowserContext) -> None:
            page = open_panel(context, stage.own_url)
            submit(page, "烤一条面包")
            page.wait_for_selector("text=和面:前一半")
            address = page.evaluate("document.querySelector('#join').href")
            other = open_panel(context, stage.own_url)
            assert other.inner_text("#session") != page.inner_text("#session")
            other.evaluate("address => { location.href = address; }", address)
            other.wait_for_selector(".step[data-state=running]")
            assert other.inner_text("#session") == page.inner_text("#session")
            assert "session=" not in other.url
            # Its own leads nowhere else, and is not kept in the address either.
            other.evaluate("address => { location.href = address; }", address)
            wait_until(other, "!location.href.includes('session=')")
            assert texts(other, ".step .name") == ["和面", "烤", "装盒"]

        await in_chromium(script)


@on_both_transports
async def test_a_second_tab_sees_the_same_task_and_answers_its_question(transport: str) -> None:
    async with on_stage() as stage:

        def script(context: BrowserContext) -> None:
            page = open_panel(context, stage.own_url, transport)
            submit(page, "烤一条面包")
            page.wait_for_selector("text=和面:前一半")
            with context.expect_page() as opened:
                page.click("#join")
            other = opened.value
            other.wait_for_selector("#connection[data-state=open]")
            other.wait_for_selector(".step[data-state=running]")
            assert texts(other, ".step .name") == ["和面", "烤", "装盒"]
            assert other.inner_text("#session") == page.inner_text("#session")
            # The session's id lets people in: it does not stay in the address.
            assert "session=" not in other.url
            go_on(stage, "和面")
            go_on(stage, "烤")
            page.wait_for_selector("#question[open]")
            answer_by_keyboard(other, approve=True)
            for each in (page, other):
                each.wait_for_selector(".task[data-state=succeeded]")
                assert each.query_selector("#question[open]") is None
            assert texts(page, ".note span") == ["The question was answered elsewhere."]
            assert texts(page, ".note bdi") == ["烤一条面包"]
            assert texts(other, ".note span") == []

        await in_chromium(script)
    assert stage.kitchen.asked == ["烤一条面包"]


@on_both_transports
async def test_a_network_that_is_cut_comes_back_and_misses_nothing(transport: str) -> None:
    async with on_stage() as stage:

        def cut() -> None:
            stage.cut()
            stage.kitchen.may_go_on["和面"].set()

        def script(context: BrowserContext) -> None:
            page = open_panel(context, stage.url, transport)
            submit(page, "烤一条面包")
            page.wait_for_selector("text=和面:前一半")
            page.evaluate("""() => {
              globalThis.states = [];
              const seen = document.querySelector("#connection");
              new MutationObserver(() => states.push(seen.dataset.state)).observe(
                seen, { attributeFilter: ["data-state"] });
            }""")
            trio.from_thread.run_sync(cut)
            page.wait_for_selector("text=烤:前一半")
            page.wait_for_selector("#connection[data-state=open]")
            assert page.evaluate("states")[0] == "waiting"
            assert texts(page, ".output pre")[0] == "和面:前一半\n和面:后一半\n"
            assert "gap" not in texts(page, "#log b")
            go_on(stage, "烤")
            answer_by_keyboard(page, approve=True)
            page.wait_for_selector(".task[data-state=succeeded]")

        await in_chromium(script)
    assert stage.kitchen.asked == ["烤一条面包"]


@on_both_transports
async def test_a_server_that_is_restarted_gets_a_new_session_and_what_was_lost_is_said(
    transport: str,
) -> None:
    async with on_stage() as stage:

        def script(context: BrowserContext) -> None:
            page = open_panel(context, stage.url, transport)
            submit(page, "烤一条面包")
            page.wait_for_selector("text=和面:前一半")
            before = page.inner_text("#session")
            trio.from_thread.run(stage.stop)
            page.wait_for_selector("#connection[data-state=waiting]")
            wait_until(page, "document.title.startsWith('⚠ Offline')")
            assert page.is_visible("#reconnect")
            shoot(page, f"offline-{transport}")
            trio.from_thread.run(stage.start)
            page.dispatch_event("#reconnect", "click")  # it may be faster by itself
            page.wait_for_selector("#connection[data-state=open]")
            page.wait_for_selector("text=The earlier session is over")
            assert len(texts(page, ".note")) == 1
            assert page.inner_text("#session") != before
            # Its end came before the server went, or else nobody knows it.
            assert page.get_attribute(".task", "data-state") in {"cancelled", "lost"}
            assert not set(texts(page, ".step .state")) & {"Running", "Pending"}
            submit(page, "坏 了")
            page.wait_for_selector(".task[data-state=failed]")
            assert len(texts(page, ".task")) == 2
            shoot(page, f"restarted-{transport}")

        await in_chromium(script)
    assert stage.kitchen.asked == ["烤一条面包", "坏 了"]


async def test_a_gap_is_in_the_log_and_the_present_state_is_shown() -> None:
    async with on_stage(buffer_size=4) as stage:

        def script(context: BrowserContext) -> None:
            page = open_panel(context, stage.url)
            submit(page, "烤一条面包")
            page.wait_for_selector("text=和面:前一半")
            page.goto("about:blank")
            go_on(stage, "和面")
            go_on(stage, "烤")
            page.wait_for_timeout(500)  # what is missed has to have happened
            page.go_back()
            page.wait_for_selector("#question[open]")
            page.keyboard.press("Escape")
            page.click("#log-details summary")
            page.wait_for_selector("#log b >> text=gap")
            assert texts(page, ".step .state") == ["Done", "Done", "Waiting for you"]

        await in_chromium(script)
