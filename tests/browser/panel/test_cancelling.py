"""A cancel is under way until the receipt says that the work has ended."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import trio

from tests.browser.chromium import in_chromium

from .stage import (
    expect_no_violations,
    on_both_transports,
    on_stage,
    open_panel,
    ready_question,
    shoot,
    submit,
    texts,
    wait_until,
)

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext, Page, Route

# A browser starts for each, on a machine that may be busy.
pytestmark = pytest.mark.hang_guard(180)


@on_both_transports
async def test_it_says_cancelling_until_the_receipt_and_a_second_press_is_harmless(
    transport: str,
) -> None:
    async with on_stage() as stage:

        def script(context: BrowserContext) -> None:
            page = open_panel(context, stage.own_url, transport)
            sent: list[str] = []
            page.on("request", lambda asked: sent.append(asked.url.rpartition("/")[2]))
            submit(page, "等 客人")
            page.wait_for_selector("text=还没来")
            page.focus("button.cancel")
            page.keyboard.press("Enter")
            page.wait_for_selector(".task[data-state=cancelling]")
            assert page.inner_text("button.cancel") == "Cancelling…"
            assert page.title() == "◌ Cancelling – Agent panel"
            page.keyboard.press("Enter")
            page.dispatch_event("button.cancel", "click")
            wait_until(page, "document.querySelector('.task .time').innerText.includes('for')")
            # The work goes on, so there is no receipt yet.
            assert page.query_selector(".receipt") is None
            shoot(page, f"cancelling-{transport}")
            trio.from_thread.run_sync(stage.kitchen.may_go_on["收摊"].set)
            page.wait_for_selector(".receipt")
            assert page.get_attribute(".task", "data-state") == "cancelled"
            rows = dict(zip(texts(page, ".receipt dt"), texts(page, ".receipt dd"), strict=True))
            assert rows["Asked for by"] == "a client asked: pressed Cancel in the panel"
            assert rows["Interrupted"] == "等人"
            assert rows["Completed before"] == "none"
            assert rows["Cleanup"].startswith("clean")
            assert " later, at " in rows["Ended"]
            assert texts(page, ".step .state") == ["Cancelled", "Not run"]
            assert texts(page, ".notes .note") == []
            assert transport == "websocket" or sent.count("cancel") == 1
            shoot(page, f"cancelled-{transport}")

        await in_chromium(script)


@on_both_transports
async def test_a_reload_while_it_is_cancelled_still_ends_with_the_receipt(transport: str) -> None:
    async with on_stage() as stage:

        def script(context: BrowserContext) -> None:
            page = open_panel(context, stage.own_url, transport)
            submit(page, "等 客人")
            page.wait_for_selector("text=还没来")
            page.click("button.cancel")
            page.wait_for_selector(".task[data-state=cancelling]")
            page.reload()
            page.wait_for_selector("#connection[data-state=open]")
            assert page.get_attribute(".task", "data-state") == "cancelling"
            trio.from_thread.run_sync(stage.kitchen.may_go_on["收摊"].set)
            page.wait_for_selector(".receipt")

        await in_chromium(script)


async def test_a_cancel_takes_the_question_away_and_says_so() -> None:
    async with on_stage() as stage:
        for name in ("和面", "烤"):
            stage.kitchen.may_go_on[name].set()

        def script(context: BrowserContext) -> None:
            page = open_panel(context, stage.own_url)
            submit(page, "烤一条面包")
            page.wait_for_selector("#question[open]")
            trio.from_thread.run(cancel_all)
            page.wait_for_selector(".receipt")
            assert page.query_selector("#question[open]") is None
            assert texts(page, ".note span") == [
                "The question was withdrawn: its step has ended.",
            ]
            assert texts(page, ".note bdi") == ["烤一条面包"]
            expect_no_violations(page, "with a note")
            shoot(page, "withdrawn")

        async def cancel_all() -> None:
            for task in stage.realtime.tasks:
                await task.cancel("the shop closes")

        await in_chromium(script)


async def test_a_question_that_nobody_answers_expires_before_everybodys_eyes() -> None:
    async with on_stage() as stage:
        stage.kitchen.patience = 2.5
        for name in ("和面", "烤"):
            stage.kitchen.may_go_on[name].set()

        def script(context: BrowserContext) -> None:
            page = open_panel(context, stage.own_url)
            submit(page, "烤一条面包")
            page.wait_for_selector("#question[open] .urgent")
            wait_until(page, "document.querySelector('#question-time').innerText.includes(' 2 s;')")
            page.wait_for_selector(".task[data-state=failed]")
            assert page.query_selector("#question[open]") is None
            assert texts(page, ".note span") == ["Nobody answered the question in time."]

        await in_chromium(script)


async def test_tasks_side_by_side_do_not_mix() -> None:
    async with on_stage(busy="parallel") as stage:
        stage.kitchen.may_go_on["收摊"].set()

        def script(context: BrowserContext) -> None:
            page = open_panel(context, stage.own_url)
            submit(page, "烤一条面包")
            page.wait_for_selector("text=和面:前一半")
            submit(page, "等 客人")
            page.wait_for_selector("text=还没来")
            submit(page, "坏 了")
            page.wait_for_selector(".task[data-state=failed]")
            assert seen(page) == [
                ("坏 了", "failed", ["点火"]),
                ("等 客人", "running", ["等人", "收拾"]),
                ("烤一条面包", "running", ["和面", "烤", "装盒"]),
            ]
            page.click("[aria-label='Cancel: 等 客人']")
            page.wait_for_selector(".task[data-state=cancelled]")
            assert [state for _, state, _ in seen(page)] == ["failed", "cancelled", "running"]
            for name in ("和面", "烤"):
                trio.from_thread.run_sync(stage.kitchen.may_go_on[name].set)
            page.wait_for_selector("#question[open][data-ready=true]")
            assert page.inner_text("#question-task") == "For the task: 烤一条面包"
            page.click("#approve")
            page.wait_for_selector(".task[data-state=succeeded]")
            assert [state for _, state, _ in seen(page)] == ["failed", "cancelled", "succeeded"]

        def seen(page: Page) -> list[tuple[str, str, list[str]]]:
            found = page.eval_on_selector_all(
                ".task",
                """all => all.map(task => [
                  task.querySelector("h2").innerText, task.dataset.state,
                  [...task.querySelectorAll(".step .name")].map(each => each.innerText)])""",
            )
            return [tuple(each) for each in found]

        await in_chromium(script)


async def test_a_question_that_is_closed_leaves_the_answers_to_others_alone() -> None:
    async with on_stage(busy="parallel") as stage:
        for name in ("和面", "烤"):
            stage.kitchen.may_go_on[name].set()

        def script(context: BrowserContext) -> None:
            page = open_panel(context, stage.own_url, "sse")
            held: list[Route] = []

            def hold(route: Route) -> None:
                held.append(route)

            page.route("**/confirm", hold)
            submit(page, "烤一条面包")
            page.wait_for_selector("#question[open]")
            page.click("#later")
            submit(page, "烤 蛋糕")
            ready_question(page)
            page.click("#approve")
            wait_until(page, "document.querySelector('#approve').ariaDisabled === 'true'")
            while not held:
                page.wait_for_timeout(20)
            trio.from_thread.run(cancel_the_first)
            page.wait_for_selector(".task[data-state=cancelled]")
            held[0].continue_()
            page.wait_for_selector(".task[data-state=succeeded]")
            # Not "answered elsewhere".
            assert texts(page, ".note span") == ["The question was withdrawn: its step has ended."]

        async def cancel_the_first() -> None:
            await next(iter(stage.realtime.tasks)).cancel("the shop closes")

        await in_chromium(script)
