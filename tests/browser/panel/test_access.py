"""Everybody can use it: axe finds nothing, in light and in dark, and 320 pixels are enough."""

from __future__ import annotations

import itertools
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
    wait_until,
)

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext, Page

# A browser starts for each, on a machine that may be busy.
pytestmark = pytest.mark.hang_guard(180)


async def test_axe_finds_nothing_in_any_state_of_the_page() -> None:
    async with on_stage() as stage:

        def go_on(name: str) -> None:
            trio.from_thread.run_sync(stage.kitchen.may_go_on[name].set)

        def script(context: BrowserContext) -> None:
            page = open_panel(context, stage.own_url)
            expect_no_violations(page, "idle")
            submit(page, "烤一条面包")
            page.wait_for_selector("text=和面:前一半")
            page.click("#log-details summary")
            page.click("#tools-details summary")
            expect_no_violations(page, "running")
            shoot_dark(page, "running-dark")
            go_on("和面")
            go_on("烤")
            ready_question(page)
            expect_no_violations(page, "question")
            shoot_dark(page, "question-dark")
            page.keyboard.press("Escape")
            expect_no_violations(page, "question put off")
            page.click(".asks button")
            ready_question(page)
            page.click("#approve")
            page.wait_for_selector(".task[data-state=succeeded]")
            expect_no_violations(page, "succeeded")
            submit(page, "坏 了")
            page.wait_for_selector(".task[data-state=failed]")
            submit(page, "等 客人")
            page.wait_for_selector("text=还没来")
            page.click("button.cancel")
            page.wait_for_selector(".task[data-state=cancelling]")
            expect_no_violations(page, "cancelling, failed")
            go_on("收摊")
            page.wait_for_selector(".receipt")
            expect_no_violations(page, "cancelled")
            shoot_dark(page, "all-dark")
            page.set_viewport_size({"width": 320, "height": 640})
            expect_no_violations(page, "narrow")
            assert page.evaluate("document.documentElement.scrollWidth") == 320
            shoot(page, "all-narrow")
            submit(page, "再烤一条")
            ready_question(page)
            assert page.evaluate("document.documentElement.scrollWidth") == 320
            box = page.locator("#question").bounding_box()
            assert box is not None
            assert box["x"] >= 0
            assert box["x"] + box["width"] <= 320
            shoot(page, "question-narrow")

        await in_chromium(script)


def shoot_dark(page: Page, name: str) -> None:
    page.emulate_media(color_scheme="dark")
    shoot(page, name)
    page.emulate_media(color_scheme="light")


@on_both_transports
async def test_a_screen_reader_is_told_what_matters_and_not_too_often(transport: str) -> None:
    async with on_stage(buffer_size=5000) as stage:

        def script(context: BrowserContext) -> None:
            page = open_panel(context, stage.own_url, transport)
            page.evaluate("""() => {
              globalThis.told = [];
              const seen = document.querySelector("#announcer");
              new MutationObserver(() => told.push([performance.now(), seen.textContent]))
                .observe(seen, { childList: true, characterData: true, subtree: true });
            }""")
            submit(page, "many steps")
            page.wait_for_selector(".task[data-state=succeeded]", timeout=60_000)
            wait_until(page, "told.at(-1)?.[1] === 'many steps: Succeeded'")
            told = page.evaluate("told")
            assert any(text.startswith("Step ") for _, text in told[:-1])
            for (before, _), (after, _) in itertools.pairwise(told):
                assert after - before > 1900

        await in_chromium(script)


async def test_nothing_moves_for_whoever_wants_less_motion() -> None:
    async with on_stage() as stage:

        def script(context: BrowserContext) -> None:
            page = open_panel(context, stage.own_url)
            page.evaluate("document.querySelector('#connection').dataset.state = 'connecting'")
            page.emulate_media(reduced_motion="no-preference")
            assert page.evaluate("document.getAnimations().length") > 0
            page.emulate_media(reduced_motion="reduce")
            assert page.evaluate("document.getAnimations().length") == 0

        await in_chromium(script)


async def test_all_of_it_is_reached_by_keyboard_and_the_focus_is_seen() -> None:
    async with on_stage() as stage:

        def script(context: BrowserContext) -> None:
            page = open_panel(context, stage.own_url)
            reached: list[str] = []
            for _ in range(12):
                page.keyboard.press("Tab")
                found = page.evaluate("""() => {
                  const element = document.activeElement;
                  const { outlineStyle, outlineWidth } = getComputedStyle(element);
                  const name = element === document.body ? "" : element.id || element.innerText;
                  return [name, outlineStyle, parseFloat(outlineWidth)];
                }""")
                reached.append(found[0])
                if found[0]:
                    assert found[1] != "none", found
                    assert found[2] >= 1, found
            for expected in ("task", "Start", "烤一条面包", "Log 2", "Tools", "join"):
                assert expected in reached, reached

        await in_chromium(script)
