"""A task from the first look at the page to its result, as a person does it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import trio

from tests.browser.chromium import in_chromium

from .stage import (
    answer_by_keyboard,
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
    from playwright.sync_api import BrowserContext, Page

# A browser starts for each, on a machine that may be busy.
pytestmark = pytest.mark.hang_guard(180)


@on_both_transports
async def test_a_task_is_seen_from_its_plan_to_its_result(transport: str) -> None:
    async with on_stage() as stage:

        def go_on(name: str) -> None:
            trio.from_thread.run_sync(stage.kitchen.may_go_on[name].set)

        def script(context: BrowserContext) -> None:
            page = open_panel(context, stage.own_url, transport)
            assert page.title() == "Agent panel"
            shoot(page, f"idle-{transport}")
            page.click("text=烤一条面包")
            page.wait_for_selector("text=和面:前一半")
            assert texts(page, ".step .name") == ["和面", "烤", "装盒"]
            assert texts(page, ".step .state") == ["Running", "Pending", "Pending"]
            page.wait_for_selector(".step .progress")
            assert page.inner_text(".step .progress") == "40 % 揉得差不多了"
            assert page.get_by_label("Progress of 和面").evaluate("bar => bar.value") == 40
            wait_until(page, "document.title === '▶ Running 0/3 – Agent panel'")
            before = page.inner_text(".step[data-state=running] .time")
            wait_until(
                page,
                "before => document.querySelector('.step[data-state=running] .time')"
                ".innerText !== before",
                before,
            )
            shoot(page, f"running-{transport}")
            go_on("和面")
            page.wait_for_selector("text=烤:前一半")
            assert texts(page, ".step .state") == ["Done", "Running", "Pending"]
            go_on("烤")
            ready_question(page)
            assert page.inner_text("#question-text pre") == "可以装盒吗?"
            assert "装盒" in page.inner_text("#question-title")
            assert "It waits for another" in page.inner_text("#question-time")
            assert page.title() == "? Waiting for you – Agent panel"
            shoot(page, f"question-{transport}")
            page.click("#approve")
            page.wait_for_selector(".task[data-state=succeeded]")
            assert page.query_selector("#question[open]") is None
            assert page.inner_text(".ending > .long pre") == '{\n  "面包": 1,\n  "好吃": true\n}'
            assert texts(page, ".step .state") == ["Done", "Done", "Done"]
            assert all(texts(page, ".step .time"))
            assert page.title() == "✓ Succeeded – Agent panel"
            assert texts(page, ".output > summary") == ["Output, 14 characters"] * 1 + [
                "Output, 12 characters"
            ]
            shoot(page, f"succeeded-{transport}")

        await in_chromium(script)
    assert stage.kitchen.asked == ["烤一条面包"]


@on_both_transports
async def test_a_question_is_answered_by_keyboard_and_escape_approves_nothing(
    transport: str,
) -> None:
    async with on_stage() as stage:
        for name in ("和面", "烤"):
            stage.kitchen.may_go_on[name].set()

        def script(context: BrowserContext) -> None:
            page = open_panel(context, stage.own_url, transport)
            submit(page, "烤一条面包")
            ready_question(page)
            page.keyboard.press("Escape")
            page.wait_for_selector("#question:not([open])", state="attached")
            assert page.inner_text(".asks span") == "A step waits for your answer."
            page.focus(".asks button")
            page.keyboard.press("Enter")
            # Nor does Enter in the text that goes along.
            ready_question(page)
            page.fill("#question-reason", "香")
            page.press("#question-reason", "Enter")
            page.keyboard.press("Escape")
            page.wait_for_selector("#question:not([open])", state="attached")
            page.click(".asks button")
            answer_by_keyboard(page, approve=True)
            page.wait_for_selector(".task[data-state=succeeded]")
            assert page.inner_text(".decided li") == "装盒: approved by a client"

            submit(page, "再烤一条")
            answer_by_keyboard(page, approve=False)
            page.wait_for_selector(".task[data-state=failed]")
            assert texts(page, ".notes .note") == []
            shoot(page, f"rejected-{transport}")

        await in_chromium(script)


async def test_a_key_that_was_on_its_way_before_the_question_answers_nothing() -> None:
    async with on_stage() as stage:
        for name in ("和面", "烤"):
            stage.kitchen.may_go_on[name].set()

        def script(context: BrowserContext) -> None:
            page = open_panel(context, stage.own_url)
            # Faster than anybody can read: pressed in the moment in which it comes up.
            page.evaluate("""() => {
              const question = document.querySelector("#question");
              new MutationObserver(() => {
                for (const id of ["reject", "approve"]) document.getElementById(id).click();
                globalThis.tried = true;
              }).observe(question, { attributeFilter: ["open"] });
            }""")
            submit(page, "烤一条面包")
            wait_until(page, "globalThis.tried")
            ready_question(page)
            assert page.query_selector("#question[open]") is not None
            page.click("#approve")
            page.wait_for_selector(".task[data-state=succeeded]")

        await in_chromium(script)


async def test_a_failure_says_why_and_a_refusal_is_a_sentence_at_the_box() -> None:
    async with on_stage() as stage:

        def script(context: BrowserContext) -> None:
            page = open_panel(context, stage.own_url)
            submit(page, "  ")
            assert page.inner_text("#task-error") == "Say first what to do."
            submit(page, "坏 了")
            page.wait_for_selector(".task[data-state=failed]")
            assert "烤箱坏了" in page.inner_text(".ending .complaint")
            assert page.title() == "✗ Failed – Agent panel"
            shoot(page, "failed")
            submit(page, "等 一个")
            page.wait_for_selector("text=还没来")
            submit(page, "等 两个")
            page.wait_for_selector("text=takes one at a time")
            assert page.input_value("#task") == "等 两个"
            assert len(texts(page, ".task")) == 2

        await in_chromium(script)
    assert stage.kitchen.asked == ["坏 了", "等 一个"]


async def test_what_is_complained_of_is_not_said_any_more_when_it_is_over() -> None:
    async with on_stage() as stage:
        stage.kitchen.may_go_on["收摊"].set()

        def script(context: BrowserContext) -> None:
            page = open_panel(context, stage.own_url)
            submit(page, "  ")
            page.wait_for_selector("#task-error:not([hidden])")
            page.type("#task", "等")
            assert page.is_hidden("#task-error")
            submit(page, "等 一个")
            page.wait_for_selector("text=还没来")
            submit(page, "等 两个")
            page.wait_for_selector("text=takes one at a time")
            page.wait_for_timeout(600)  # it stays for as long as it is so
            assert page.is_visible("text=takes one at a time")
            page.click("button.cancel")
            page.wait_for_selector(".receipt")
            page.wait_for_selector("#task-error", state="hidden")
            assert page.input_value("#task") == "等 两个"

        await in_chromium(script)


async def test_the_enter_that_ends_a_chinese_word_submits_nothing() -> None:
    async with on_stage() as stage:

        def script(context: BrowserContext) -> None:
            page = open_panel(context, stage.own_url)
            page.fill("#task", "坏 了")
            press(page, composing=True)
            assert texts(page, ".task") == []
            press(page, composing=False)
            page.wait_for_selector(".task[data-state=failed]")

        def press(page: Page, *, composing: bool) -> None:
            page.evaluate(
                """isComposing => document.querySelector("#task").dispatchEvent(
                  new KeyboardEvent("keydown", { key: "Enter", isComposing, cancelable: true }))""",
                composing,
            )

        await in_chromium(script)
    assert stage.kitchen.asked == ["坏 了"]
