"""The panel of `@gtc-tech/agent-core-ui` shows and steers our agents, as it is.

It takes three seconds to come back, so the tests with a restart take their time.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import trio

from tests.browser.react.stage import (
    AGENT,
    Scene,
    agent_server,
    confirm_box,
    on_stage,
    start_page,
    submit,
)
from tests.browser.stage import Baker
from trio_agent_rt import RealtimeAgent, TaskRun

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.hang_guard(120)


IN_SIGHT = """() => {
  const [question, list] = [".agent-log-entry.warn", ".agent-logs"].map(
    (selector) => document.querySelector(selector).getBoundingClientRect());
  return question.top >= list.top && question.bottom <= list.bottom;
}"""


def let_bake(baker: Baker) -> None:
    """From the thread of the browser: nothing holds the baker up any more."""
    for may_go_on in baker.may_go_on.values():
        trio.from_thread.run_sync(may_go_on.set)


def expect_end(page: Page, title: str, *texts: str) -> None:
    page.wait_for_selector(f".agent-result-title:has-text('{title}')")
    for text in texts:
        assert text in page.inner_text(".agent-result")
    page.wait_for_selector(".agent-status:has-text('已完成')")
    page.wait_for_selector(".agent-input:enabled")


def statuses(page: Page) -> list[str]:
    """Of the steps, in order."""
    shown = page.eval_on_selector_all(".agent-step", "all => all.map(each => each.className)")
    return [next(iter({*each.split()} - {"agent-step", "active"}), "") for each in shown]


async def test_it_shows_a_task_step_by_step_and_its_question_is_answered_with_yes(
    built: Path,
) -> None:
    baker = Baker()
    async with on_stage(built, baker) as at:

        def script(page: Page) -> None:
            page.wait_for_selector(".agent-status:has-text('空闲')")
            submit(page, "烤一条面包，不要太甜")
            page.wait_for_selector(".agent-step.running:has-text('和面')")
            page.wait_for_selector(".agent-status:has-text('执行中')")
            assert statuses(page) == ["running", "", ""]
            assert page.is_disabled(".agent-input")
            let_bake(baker)
            confirm_box(page)
            assert statuses(page) == ["success", "success", "running"]
            # The question itself stands in its log alone, which follows what is new.
            assert "可以装盒吗?" in page.inner_text(".agent-log-entry.warn")
            page.wait_for_function(IN_SIGHT)
            page.click("text=确认继续")
            expect_end(page, "任务完成", "一条面包")
            assert statuses(page) == ["success"] * 3
            assert page.locator(".agent-confirm, .receipt").count() == 0

        await at.play(script)
    assert baker.asked == ["烤一条面包，不要太甜"]


async def test_its_question_is_answered_with_no(built: Path) -> None:
    baker = Baker()
    async with on_stage(built, baker) as at:

        def script(page: Page) -> None:
            submit(page, "烤一条面包")
            let_bake(baker)
            confirm_box(page)
            page.click(".agent-confirm button:has-text('取消')")
            expect_end(page, "任务失败", "rejected")
            assert statuses(page) == ["success", "success", "failed"]

        await at.play(script)


async def test_a_cancel_ends_the_task_and_the_page_shows_its_receipt(built: Path) -> None:
    baker = Baker()
    async with on_stage(built, baker) as at:

        def script(page: Page) -> None:
            submit(page, "等十秒")
            page.wait_for_selector(".agent-step.running")
            page.click("text=取消任务")
            expect_end(page, "任务失败", "cancelled: a client asked")
            assert statuses(page) == ["failed"]
            receipt = page.inner_text(".receipt")
            assert receipt.startswith("a client asked; ended after ")
            assert receipt.endswith("cleanup: clean; interrupted: step_1")
            submit(page, "烤一条面包")
            page.wait_for_selector(".agent-step.running:has-text('和面')")

        await at.play(script)
    assert baker.asked == ["等十秒", "烤一条面包"]


async def test_a_submit_beside_its_question_leaves_the_question_where_it_was(built: Path) -> None:
    baker = Baker()
    async with on_stage(built, baker) as at:

        def script(page: Page) -> None:
            submit(page, "烤一条面包")
            let_bake(baker)
            confirm_box(page)
            submit(page, "再烤一条")
            page.wait_for_selector(".agent-log-entry.error:has-text('a task is running')")
            confirm_box(page)
            assert statuses(page) == ["success", "success", "running"]
            page.click("text=确认继续")
            expect_end(page, "任务完成", "一条面包")

        await at.play(script)
    assert baker.asked == ["烤一条面包"]


async def test_it_answers_for_the_step_that_asks_although_another_started_last(built: Path) -> None:
    async def two_ovens(task: str, run: TaskRun) -> str:
        run.plan(["先烤", "后烤"])
        started, may_end = trio.Event(), trio.Event()

        async def second() -> None:
            async with run.step("后烤"):
                started.set()
                await may_end.wait()

        async with trio.open_nursery() as nursery:
            async with run.step("先烤") as step:
                nursery.start_soon(second)
                await started.wait()
                await step.confirm("可以打开烤箱吗?")
            may_end.set()
        return "两条面包"

    async with on_stage(built, two_ovens) as at:

        def script(page: Page) -> None:
            submit(page, "烤两条")
            confirm_box(page)
            page.click("text=确认继续")
            expect_end(page, "任务完成", "两条面包")

        await at.play(script)


async def test_while_the_server_is_restarted_it_waits_and_then_shows_where_the_task_stands(
    built: Path,
) -> None:
    baker = Baker()
    async with on_stage(built, baker) as at:

        def script(page: Page) -> None:
            submit(page, "烤一条面包")
            page.wait_for_selector(".agent-step.running:has-text('和面')")
            trio.from_thread.run(at.server.stop)
            page.wait_for_selector(".agent-status:has-text('未连接')")
            assert page.is_disabled(".agent-input")
            let_bake(baker)  # up to its question, of which the page hears nothing
            trio.from_thread.run(at.server.start)
            confirm_box(page)
            assert statuses(page) == ["success", "success", "running"]
            page.click("text=确认继续")
            expect_end(page, "任务完成", "一条面包")
            # And once more, after the end: the last task is shown again.
            trio.from_thread.run(at.server.stop)
            page.wait_for_selector(".agent-status:has-text('未连接')")
            trio.from_thread.run(at.server.start)
            expect_end(page, "任务完成", "一条面包")

        await at.play(script)
    assert baker.asked == ["烤一条面包"]


async def test_after_a_server_that_forgot_everything_it_takes_the_next_task(built: Path) -> None:
    baker = Baker()
    async with RealtimeAgent(baker) as site, trio.open_nursery() as nursery:
        port = 0
        origin = await start_page(
            nursery, site, built, lambda: {AGENT: f"ws://127.0.0.1:{port}/ws"}
        )

        async def one_life(scope: trio.CancelScope, *, task_status: trio.TaskStatus[int]) -> None:
            with scope:
                async with RealtimeAgent(baker) as realtime, trio.open_nursery() as inner:
                    server = agent_server(inner, realtime, origin)
                    server.port = port
                    await server.start()
                    task_status.started(server.port)
                    await trio.sleep_forever()

        first, second = trio.CancelScope(), trio.CancelScope()
        port = await nursery.start(one_life, first)

        def script(page: Page) -> None:
            submit(page, "等十秒")
            page.wait_for_selector(".agent-step.running")
            trio.from_thread.run_sync(first.cancel)
            page.wait_for_selector(".agent-status:has-text('未连接')")
            trio.from_thread.run(nursery.start, one_life, second)
            page.wait_for_selector(".agent-status:has-text('空闲')")
            # What it cannot be told to forget: the plan of a task that is no more.
            assert len(statuses(page)) == 1
            submit(page, "烤一条面包")
            let_bake(baker)
            confirm_box(page)
            page.click("text=确认继续")
            expect_end(page, "任务完成", "一条面包")

        await Scene(site, agent_server(nursery, site, origin), origin).play(script)
        nursery.cancel_scope.cancel()
    assert baker.asked == ["等十秒", "烤一条面包"]
