"""A task stays in sight until the server has said whether it took it, and is started once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import trio

from tests.browser.chromium import in_chromium
from tests.browser.panel.stage import (
    expect_no_violations,
    on_both_transports,
    on_stage,
    open_panel,
    shoot,
    submit,
    texts,
    wait_until,
)

from .line import Line, open_panel_with_a_clock

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext, Page

# A browser starts for each, on a machine that may be busy.
pytestmark = pytest.mark.hang_guard(180)

UNSENT = "It is sent as soon as there is a connection."
MAYBE = "The server has not answered, and may have begun it"


def expect_a_card_and_an_empty_box(page: Page, task: str) -> None:
    """It is in its card and not in the box, where it would be started once more."""
    wait_until(page, "document.querySelector('#task').value === ''")
    assert page.inner_text(".task h2") == task
    assert page.get_attribute(".task", "data-state") == "submitting"
    assert page.is_hidden("#task-error")


@on_both_transports
async def test_a_task_that_nobody_answers_for_stays_and_is_asked_for_again(
    transport: str,
) -> None:
    async with on_stage() as stage:
        line = Line(stage)

        def script(context: BrowserContext) -> None:
            page = open_panel_with_a_clock(context, stage.url, transport)
            line.swallow(page, transport, "task")
            submit(page, "坏 了")
            page.wait_for_selector(".task[data-state=submitting]")
            page.clock.fast_forward(31_000)
            page.wait_for_selector(f"text={MAYBE}")
            expect_a_card_and_an_empty_box(page, "坏 了")
            expect_no_violations(page, "unanswered")
            shoot(page, f"unanswered-{transport}")
            line.hear_again(page, transport, "task")
            page.wait_for_selector(".task[data-state=failed]")
            assert len(texts(page, ".task")) == 1
            assert texts(page, ".note span") == []

        await in_chromium(script)
    assert stage.kitchen.asked == ["坏 了"]


@on_both_transports
async def test_a_task_of_when_the_server_was_dead_goes_to_the_session_of_the_next_one(
    transport: str,
) -> None:
    async with on_stage() as stage:

        def script(context: BrowserContext) -> None:
            page = open_panel(context, stage.url, transport)
            session = page.inner_text("#session")
            trio.from_thread.run(stage.stop)
            page.wait_for_selector("#connection[data-state=waiting]")
            submit(page, "坏 了")
            page.wait_for_selector(f"text={UNSENT}")
            expect_a_card_and_an_empty_box(page, "坏 了")
            expect_no_violations(page, "unsent")
            shoot(page, f"unsent-{transport}")
            trio.from_thread.run(stage.start)
            page.wait_for_selector(".task[data-state=failed]")
            assert page.inner_text("#session") != session
            assert "烤箱坏了" in page.inner_text(".ending .complaint")
            assert len(texts(page, ".task")) == 1

        await in_chromium(script)
    assert stage.kitchen.asked == ["坏 了"]


@on_both_transports
async def test_a_task_that_may_have_run_in_a_session_that_is_over_is_for_people_to_send_again(
    transport: str,
) -> None:
    async with on_stage() as stage:
        line = Line(stage)

        def script(context: BrowserContext) -> None:
            page = open_panel(context, stage.url, transport)
            line.swallow(page, transport, "task")
            submit(page, "坏 了")
            page.wait_for_selector(".task[data-state=submitting]")
            trio.from_thread.run(stage.stop)
            line.hear_again(page, transport, "task")
            trio.from_thread.run(stage.start)
            page.wait_for_selector(".task[data-state=lost]")
            assert "it may have run" in page.inner_text(".ending .complaint")
            assert page.inner_text(".task h2") == "坏 了"
            expect_no_violations(page, "lost")
            page.wait_for_selector("#connection[data-state=open]")
            assert stage.kitchen.asked == []
            page.click("text=Send again")
            page.wait_for_selector(".task[data-state=failed]")
            assert len(texts(page, ".task")) == 1
            assert page.is_hidden("text=Send again")

        await in_chromium(script)
    assert stage.kitchen.asked == ["坏 了"]


async def test_a_task_is_cancelled_before_it_is_sent_and_can_be_sent_all_the_same() -> None:
    async with on_stage() as stage:
        line = Line(stage)

        def script(context: BrowserContext) -> None:
            page = open_panel(context, stage.url)
            line.down()
            page.wait_for_selector("#connection[data-state=waiting]")
            submit(page, "坏 了")
            page.click("button.cancel")
            page.wait_for_selector(".task[data-state=refused]")
            assert page.inner_text(".ending .complaint") == "It was cancelled before it was sent."
            line.up()
            page.wait_for_selector("#connection[data-state=open]")
            # What was to be sent is by now: tasks go in their order.
            submit(page, "坏 的")
            page.wait_for_selector(".task[data-state=failed]")
            assert stage.kitchen.asked == ["坏 的"]
            again = page.locator("[aria-label='Send again: 坏 了']")
            again.evaluate("button => { button.click(); button.click(); }")
            wait_until(page, "document.querySelectorAll('.task[data-state=failed]').length === 2")
            assert len(texts(page, ".task")) == 2

        await in_chromium(script)
    assert stage.kitchen.asked == ["坏 的", "坏 了"]


@on_both_transports
async def test_a_cancel_does_not_overtake_a_task_that_nobody_has_answered_for(
    transport: str,
) -> None:
    async with on_stage() as stage:
        stage.kitchen.may_go_on["收摊"].set()
        line = Line(stage)

        def script(context: BrowserContext) -> None:
            page = open_panel_with_a_clock(context, stage.url, transport)
            line.swallow(page, transport, "task")
            submit(page, "等 客人")
            page.click("button.cancel")
            page.wait_for_selector(".task[data-state=cancelling]")
            page.clock.fast_forward(31_000)
            page.wait_for_selector("text=it is cancelled as soon as there is an answer")
            line.hear_again(page, transport, "task")
            page.wait_for_selector(".receipt")
            assert page.get_attribute(".task", "data-state") == "cancelled"
            assert texts(page, ".note span") == []

        await in_chromium(script)
    assert stage.kitchen.asked == ["等 客人"]


async def test_what_is_refused_later_keeps_its_card_and_can_be_sent_again() -> None:
    async with on_stage() as stage:
        line = Line(stage)
        stage.kitchen.may_go_on["收摊"].set()

        def script(context: BrowserContext) -> None:
            page = open_panel(context, stage.url)
            line.down()
            page.wait_for_selector("#connection[data-state=waiting]")
            submit(page, "等 客人")
            submit(page, "坏 了")
            page.fill("#task", "half of an")
            line.up()
            page.wait_for_selector(".task[data-state=refused]")
            refused, running = texts(page, ".task h2")
            assert (refused, running) == ("坏 了", "等 客人")
            assert "one at a time" in page.inner_text(".task[data-state=refused] .complaint")
            assert page.input_value("#task") == "half of an"
            page.click("[aria-label='Cancel: 等 客人']")
            page.wait_for_selector(".receipt")
            page.click("[aria-label='Send again: 坏 了']")
            page.wait_for_selector(".task[data-state=failed]")
            assert len(texts(page, ".task")) == 2

        await in_chromium(script)
    assert stage.kitchen.asked == ["等 客人", "坏 了"]


async def test_a_task_that_was_refused_and_has_begun_all_the_same_is_shown_as_it_is() -> None:
    async with on_stage() as stage:

        def script(context: BrowserContext) -> None:
            page = open_panel(context, stage.own_url)
            told = page.evaluate("""async () => {
              const { Model } = await import("/panel/page/model.js");
              const model = new Model();
              const task = model.submitting("bake");
              const tell = (type, data) => model.apply({ type, taskId: task.id, data });
              const states = [];
              model.sending(task);
              model.refused(task, "Another one runs.");
              for (const [type, data] of [
                ["status", { state: "executing", message: "Another one runs." }],
                ["step:start", { stepId: "s", stepName: "s" }],
                ["task:complete", { outcome: "succeeded" }],
              ]) {
                states.push([task.state, task.error, Model.maySendAgain(task)]);
                tell(type, data);
              }
              return [...states, [task.state, task.error, Model.maySendAgain(task)]];
            }""")
            assert told == [
                ["refused", "Another one runs.", True],
                ["refused", "Another one runs.", True],
                ["running", None, False],
                ["succeeded", None, False],
            ]

        await in_chromium(script)


async def test_a_reload_loses_no_task_that_is_not_sent_yet() -> None:
    async with on_stage() as stage:
        line = Line(stage, http_too=False)

        def script(context: BrowserContext) -> None:
            page = open_panel(context, stage.url)
            line.down()
            page.wait_for_selector("#connection[data-state=waiting]")
            submit(page, "坏 了")
            page.wait_for_selector(f"text={UNSENT}")
            page.reload()
            page.wait_for_selector(f"text={UNSENT}")
            expect_a_card_and_an_empty_box(page, "坏 了")
            line.up()
            page.wait_for_selector(".task[data-state=failed]")

        await in_chromium(script)
    assert stage.kitchen.asked == ["坏 了"]


async def test_half_of_a_character_holds_nothing_up() -> None:
    async with on_stage() as stage:

        def script(context: BrowserContext) -> None:
            page = open_panel(context, stage.own_url)
            page.evaluate(r"() => { document.querySelector('#task').value = '坏 \ud800'; }")
            page.press("#task", "Enter")
            page.wait_for_selector(".task[data-state=failed]")

        await in_chromium(script)
    assert stage.kitchen.asked == ["坏 \ufffd"]
