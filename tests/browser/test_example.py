"""The page of the example that is a web application, in a real browser."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import trio

from tests.browser.chromium import in_chromium
from tests.docs.pages import REPOSITORY

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext


async def test_the_page_of_the_example_shows_a_task_to_its_end() -> None:
    process = await trio.lowlevel.open_process(
        [sys.executable, "-W", "error", str(REPOSITORY / "examples" / "quart_app.py")],
        env={**os.environ, "PYTHONPATH": str(REPOSITORY), "PORT": "0"},
        stdout=subprocess.PIPE,
    )
    assert process.stdout is not None
    try:
        with trio.fail_after(20):
            line = await process.stdout.receive_some()
        url = line.decode().removeprefix("open ").partition(";")[0]

        def script(context: BrowserContext) -> str:
            page = context.new_page()
            page.goto(url)
            page.fill("input[name=user]", "ann")
            page.click("text=Log in")
            page.wait_for_function("clientId")
            page.fill("#task", "what is 6*7")
            page.click("text=Submit")
            page.wait_for_selector("#log:has-text('task:complete')")
            return page.inner_text("#log")

        shown = await in_chromium(script)
    finally:
        with trio.CancelScope(shield=True):
            process.kill()
            await process.wait()
            await process.stdout.aclose()
    assert [line.split()[0] for line in shown.splitlines()].count("step:start") == 1
