"""What people answer first is their answer, whatever becomes of the line meanwhile."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import trio

from tests.browser.chromium import in_chromium
from tests.browser.panel.kitchen import Kitchen
from tests.browser.panel.stage import (
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

from .line import Line, open_panel_with_a_clock

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext, Page, Route

# A browser starts for each, on a machine that may be busy.
pytestmark = pytest.mark.hang_guard(180)

UNSENT = "it is sent as soon as there is a connection."


def quick_kitchen(*, patience: float = 300.0) -> Kitchen:
    """One that asks at once."""
    kitchen = Kitchen(patience=patience)
    for name in ("和面", "烤"):
        kitchen.may_go_on[name].set()
    return kitchen


def expect_the_answer_to_stand(page: Page, answer: str) -> None:
    """It is said, and there is no way to give another one."""
    page.wait_for_selector(".task[data-state=answered]")
    assert page.inner_text(".asks span") == f"You have answered {answer}; {UNSENT}"
    assert page.is_hidden(".asks button")
    assert page.query_selector("#question[open]") is None
    wait_until(page, "document.title.includes('Answered')")


@on_both_transports
async def test_an_answer_without_a_connection_is_said_to_wait_for_one_and_stands(
    transport: str,
) -> None:
    async with on_stage(quick_kitchen()) as stage:
        line = Line(stage)

        def script(context: BrowserContext) -> None:
            page = open_panel_with_a_clock(context, stage.url, transport)
            submit(page, "烤一条面包")
            ready_question(page)
            line.down()
            page.wait_for_selector("#connection:not([data-state=open])")
            page.click("#approve")
            expect_the_answer_to_stand(page, "yes")
            expect_no_violations(page, "answered")
            shoot(page, f"answered-{transport}")
            page.clock.fast_forward(31_000)
            page.wait_for_timeout(300)  # a frame or two, in which it would be asked again
            expect_the_answer_to_stand(page, "yes")
            line.up()
            page.wait_for_selector(".task[data-state=succeeded]")
            assert page.inner_text(".decided li") == "装盒: approved by a client"
            assert texts(page, ".note span") == []

        await in_chromium(script)


async def test_an_answer_that_is_not_answered_stands_too_and_is_sent_again() -> None:
    async with on_stage(quick_kitchen()) as stage:
        line = Line(stage)

        def script(context: BrowserContext) -> None:
            page = open_panel_with_a_clock(context, stage.url, "websocket")
            submit(page, "烤一条面包")
            ready_question(page)
            line.swallow(page, "websocket", "confirm")
            page.click("#reject")
            page.clock.fast_forward(31_000)
            page.wait_for_selector("text=You have answered no; it is on its way.")
            assert page.query_selector("#question[open]") is None
            line.hear_again(page, "websocket", "confirm")
            page.wait_for_selector(".task[data-state=failed]")
            assert page.inner_text(".decided li") == "装盒: rejected by a client"

        await in_chromium(script)


async def test_a_reload_keeps_an_answer_that_is_not_sent_yet() -> None:
    async with on_stage(quick_kitchen()) as stage:
        line = Line(stage, http_too=False)

        def script(context: BrowserContext) -> None:
            page = open_panel(context, stage.url)
            submit(page, "烤一条面包")
            ready_question(page)
            line.down()
            page.wait_for_selector("#connection:not([data-state=open])")
            page.click("#approve")
            page.reload()
            expect_the_answer_to_stand(page, "yes")
            line.up()
            page.wait_for_selector(".task[data-state=succeeded]")

        await in_chromium(script)


async def test_an_answer_that_comes_too_late_is_said_to_have_done_so() -> None:
    async with on_stage(quick_kitchen(patience=3.0)) as stage:
        line = Line(stage)

        def script(context: BrowserContext) -> None:
            page = open_panel(context, stage.url)
            submit(page, "烤一条面包")
            ready_question(page)
            line.down()
            page.wait_for_selector("#connection:not([data-state=open])")
            page.click("#approve")
            page.wait_for_timeout(3000)  # as long as the question is open
            line.up()
            page.wait_for_selector(".task[data-state=failed]")
            (told,) = texts(page, ".note span")
            assert told.startswith("Your answer")
            assert texts(page, ".note bdi") == ["烤一条面包"]

        await in_chromium(script)


async def test_an_answer_for_a_session_that_is_over_is_lost_with_it_and_one_note_says_all() -> None:
    async with on_stage(quick_kitchen()) as stage:
        line = Line(stage)

        def script(context: BrowserContext) -> None:
            page = open_panel(context, stage.url)
            submit(page, "烤一条面包")
            ready_question(page)
            line.down()
            page.wait_for_selector("#connection:not([data-state=open])")
            page.click("#approve")
            trio.from_thread.run(stage.stop)
            trio.from_thread.run(stage.start)
            page.wait_for_selector(".task[data-state=lost]")
            assert "Your answer (yes) may not have reached it." in page.inner_text(".task")
            (told,) = texts(page, ".note span")
            assert told.startswith("The earlier session is over")
            # Nor is there a second note for a question that nobody had answered.
            page.wait_for_selector("#connection[data-state=open]")
            page.click(".note button")
            submit(page, "烤 蛋糕")
            ready_question(page)
            line.down()
            trio.from_thread.run(stage.stop)
            trio.from_thread.run(stage.start)
            page.wait_for_selector("text=The earlier session is over")
            assert page.query_selector("#question[open]") is None
            assert len(texts(page, ".note")) == 1

        await in_chromium(script)


async def test_a_question_whose_answer_is_refused_is_asked_again_and_says_why() -> None:
    async with on_stage(quick_kitchen()) as stage:

        def script(context: BrowserContext) -> None:
            page = open_panel(context, stage.own_url, "sse")
            page.route("**/confirm", refuse)
            submit(page, "烤一条面包")
            ready_question(page)
            page.click("#approve")
            page.wait_for_selector("#question-error:not([hidden])")
            assert "too fast" in page.inner_text("#question-error")
            page.unroute("**/confirm")
            ready_question(page)
            page.click("#reject")
            page.wait_for_selector(".task[data-state=failed]")
            assert page.inner_text(".decided li") == "装盒: rejected by a client"

        def refuse(route: Route) -> None:
            error = {"code": "rate_limited", "message": "slower"}
            route.fulfill(status=429, json={"success": False, "error": error})

        await in_chromium(script)


async def test_of_two_answers_at_the_same_time_the_loser_is_told_once() -> None:
    async with on_stage(quick_kitchen()) as stage:
        line = Line(stage)

        def script(context: BrowserContext) -> None:
            page = open_panel(context, stage.url)
            submit(page, "烤一条面包")
            ready_question(page)
            with context.expect_page() as opened:
                page.evaluate("document.querySelector('#join').click()")
            other = opened.value
            ready_question(other)
            # Neither can have heard of the other one's answer when it gives its own.
            line.down()
            both = (page, other)
            for each, answer in zip(both, ("#reject", "#approve"), strict=True):
                each.wait_for_selector("#connection:not([data-state=open])")
                each.click(answer)
            line.up()
            for each in both:
                each.wait_for_selector(".task:is([data-state=succeeded], [data-state=failed])")
            while not any(texts(each, ".note") for each in both):
                page.wait_for_timeout(50)
            page.wait_for_timeout(300)  # for a second one
            told = [texts(each, ".note") for each in both]
            assert sum(map(len, told)) == 1, repr(told).replace("\\n", " / ")

        await in_chromium(script)
