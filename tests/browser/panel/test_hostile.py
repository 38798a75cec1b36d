"""What agents send is text, however much of it; and the page stays quick, and small for days."""

from __future__ import annotations

import contextlib
import threading
from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

from tests.browser.chromium import in_chromium

from .kitchen import GROSS, HOSTILE, LONG_LINE, MANY
from .stage import (
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

MOST_BUILT = 100
"""Elements that the page may make for each step, from its plan to its end. A page that drew all
steps anew whenever one of them changed would make some thousands."""

DONE = """text => {
  const task = document.querySelector(".task");
  return task?.dataset.state === "succeeded" && task.querySelector("h2").innerText === text;
}"""

KEPT = 20
"""Tasks that the page keeps once they have ended."""

LAST = f".step:nth-child({MANY})[data-state=success]"

WATCH = """() => {
  globalThis.longest = 0;
  globalThis.gap = 0;
  globalThis.built = 0;
  new MutationObserver((records) => {
    for (const { addedNodes } of records)
      for (const node of addedNodes)
        if (node.nodeType === 1) built += 1 + node.getElementsByTagName("*").length;
  }).observe(document.body, { childList: true, subtree: true });
  new PerformanceObserver((list) => {
    for (const { duration } of list.getEntries()) longest = Math.max(longest, duration);
  }).observe({ type: "longtask", buffered: false });
  let last = performance.now();
  const frame = (now) => {
    gap = Math.max(gap, now - last);
    last = now;
    requestAnimationFrame(frame);
  };
  requestAnimationFrame(frame);
}"""


@on_both_transports
async def test_scripts_and_endless_lines_are_shown_as_text(transport: str) -> None:
    async with on_stage() as stage:

        def script(context: BrowserContext) -> None:
            page = open_panel(context, stage.own_url, transport)
            complaints: list[str] = []
            page.on("console", lambda told: complaints.append(told.text))
            submit(page, f"hostile {HOSTILE}")
            ready_question(page)
            assert HOSTILE in page.inner_text("#question-text pre")
            assert len(page.inner_text("#question-text pre")) < 2000
            page.click("#question-text button")
            assert page.inner_text("#question-text pre") == f"{HOSTILE} {LONG_LINE}"
            shoot(page, f"hostile-question-{transport}")
            page.click("#approve")
            page.wait_for_selector(".task[data-state=succeeded]")
            assert texts(page, ".step .name") == [HOSTILE]
            assert HOSTILE in page.inner_text(".task h2")
            whole = f"{HOSTILE}\n{LONG_LINE}\n{LONG_LINE}\n"
            streamed = page.inner_text(".step .output pre")
            assert len(streamed) < 5000
            assert "长" in streamed or "x" in streamed
            page.click(".step .output .long button")
            assert page.text_content(".step .output pre") == whole
            assert HOSTILE.replace('"', '\\"') in page.inner_text(".ending > .long pre")
            page.click("#log-details summary")
            page.wait_for_selector("#log li")
            assert page.evaluate("globalThis.hacked") is None
            assert page.query_selector("main script, main img, main svg") is None
            width = page.evaluate("document.documentElement.scrollWidth - innerWidth")
            assert width <= 0
            assert complaints == []
            shoot(page, f"hostile-{transport}")

        await in_chromium(script)


async def test_foreign_scripts_are_refused_by_the_page_itself() -> None:
    async with on_stage() as stage:

        def script(context: BrowserContext) -> None:
            page = open_panel(context, stage.own_url)
            refused = page.evaluate("""() => new Promise((resolve) => {
              document.addEventListener("securitypolicyviolation",
                (event) => resolve(event.effectiveDirective), { once: true });
              const script = document.createElement("script");
              script.textContent = "globalThis.hacked = 1";
              document.body.append(script);
            })""")
            assert refused.startswith("script-src")
            assert page.evaluate("globalThis.hacked") is None

        await in_chromium(script)


@on_both_transports
async def test_five_hundred_steps_do_not_hold_the_page_up(transport: str) -> None:
    async with on_stage(buffer_size=5000) as stage:

        def script(context: BrowserContext) -> None:
            page = open_panel(context, stage.own_url, transport)
            page.click("#log-details summary")
            page.evaluate(WATCH)
            with traced(context, page) as tasks:
                submit(page, "many steps")
                page.wait_for_selector(LAST, timeout=60_000)
                page.wait_for_selector(".task[data-state=succeeded]")
                longest, gap, built = page.evaluate("[longest, gap, built]")
            assert len(texts(page, ".step[data-state=success]")) == MANY
            assert len(texts(page, "#log li")) <= 300
            assert "left out" in page.inner_text("#log-note")
            # The list has gone along with what ran.
            assert page.evaluate("document.querySelector('.steps').scrollTop") > 5000
            shoot(page, f"many-{transport}")
            print(
                f"\n{MANY} steps over {transport}: at most {max(tasks):.0f} ms of the processor "
                f"at a time in {len(tasks)} tasks; by the clock {longest:.0f} ms, and {gap:.0f} ms "
                f"between two frames; {built / MANY:.0f} elements made for each step"
            )
            assert tasks
            assert built / MANY < MOST_BUILT

        await in_chromium(script)


@on_both_transports
async def test_a_tab_that_is_open_for_days_keeps_the_last_tasks_and_no_more_memory(
    transport: str,
) -> None:
    async with on_stage() as stage:

        def script(context: BrowserContext) -> None:
            page = open_panel(context, stage.own_url, transport)
            page.click("#log-details summary")
            debugger = context.new_cdp_session(page)

            def run(numbers: range) -> float:
                """Megabytes that the page has taken afterwards."""
                for number in numbers:
                    submit(page, f"gross {number}")
                    # Not `wait_for_selector`, whose answer keeps what it has found in memory.
                    wait_until(page, DONE, f"gross {number}")
                debugger.send("HeapProfiler.collectGarbage")
                return debugger.send("Runtime.getHeapUsage")["usedSize"] / 1e6

            before = run(range(KEPT + 2))
            after = run(range(KEPT + 2, 2 * KEPT + 2))
            kept = [f"gross {number}" for number in reversed(range(KEPT + 2, 2 * KEPT + 2))]
            assert texts(page, ".task h2") == kept
            assert len(texts(page, "#log li")) <= 300
            print(f"\n{transport}: {before:.1f} MB with {KEPT} tasks, then {after:.1f} MB")
            # Nothing of the other twenty is left, each of which was larger than this.
            assert after - before < 2 * len(GROSS) / 1e6

        await in_chromium(script)


async def test_what_the_page_keeps_of_events_has_bounds_whatever_comes() -> None:
    async with on_stage() as stage:

        def script(context: BrowserContext) -> None:
            page = open_panel(context, stage.own_url)
            kept = page.evaluate("""async () => {
              const { Model } = await import("/panel/page/model.js");
              const model = new Model();
              const tell = (type, taskId, data) => model.apply({ type, taskId, data });
              for (let number = 0; number < 1000; number++) {
                const stepId = "s", taskId = String(number);
                tell("step:start", taskId, { stepId, stepName: "s" });
                tell("waiting:confirmation", taskId, { stepId, reason: "?", expiresAt: null });
                tell("task:complete", taskId, { success: true });
              }
              const ended = [...model.tasks.keys()];
              for (let number = 0; number < 100; number++) {
                const stepId = String(number);
                tell("step:start", "talks", { stepId, stepName: "s" });
                for (let more = 0; more < 10; more++) {
                  tell("step:output", "talks", { stepId, text: "x".repeat(50_000) });
                }
              }
              const { outputs, steps } = model.tasks.get("talks");
              const long = Array.from(steps.values(), ({ output }) => output.length);
              const lost = Array.from(steps.values(), ({ dropped }) => dropped);
              const sum = (all) => all.reduce((left, right) => left + right);
              return { ended, log: model.log.length, outputs, long: sum(long), lost: sum(lost) };
            }""")
            assert kept["ended"] == [str(number) for number in range(1000 - KEPT, 1000)]
            assert kept["log"] == 300
            assert kept["long"] == kept["outputs"] <= 2 * 1024 * 1024
            assert kept["long"] + kept["lost"] == 100 * 10 * 50_000

        await in_chromium(script)


@contextlib.contextmanager
def traced(context: BrowserContext, page: Page) -> Iterator[list[float]]:
    """What each task of the page's main thread took of the processor, in ms; empty before."""
    events: list[dict[str, Any]] = []
    complete = threading.Event()
    tasks: list[float] = []
    debugger = context.new_cdp_session(page)
    debugger.on("Tracing.dataCollected", lambda told: events.extend(told["value"]))
    debugger.on("Tracing.tracingComplete", lambda _: complete.set())
    categories = ["toplevel", "devtools.timeline"]
    debugger.send("Tracing.start", {"traceConfig": {"includedCategories": categories}})
    yield tasks
    debugger.send("Tracing.end")
    while not complete.is_set():
        page.wait_for_timeout(20)
    # The thread that lays the page out is the one that runs its scripts.
    (thread, _), *_ = Counter(
        (each["pid"], each["tid"]) for each in events if each["name"] == "Layout"
    ).most_common()
    tasks += [
        each["tdur"] / 1000
        for each in events
        if each["name"].endswith("RunTask") and (each["pid"], each["tid"]) == thread
        if "tdur" in each
    ]
