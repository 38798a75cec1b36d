"""The page that the documentation of the client builds works as it stands there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import trio

from tests.browser.client.stage import connected, on_stage
from tests.docs.pages import REPOSITORY, blocks
from trio_agent_rt import TaskRun

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext

PAGE = REPOSITORY / "docs" / "howto" / "use-the-browser-client.md"


def written(language: str) -> str:
    """All that the page has in a language."""
    found = [each for each in blocks(PAGE) if each.kind == "page" and each.language == language]
    return "\n".join(each.code for each in found)


async def test_the_documented_page_follows_answers_cancels_and_lives_through_a_reload() -> None:
    async def agent(task: str, run: TaskRun) -> str:
        async with run.step("bake") as step:
            step.output("flour ")
            await step.confirm("with salt?")
            step.output("bread")
            if task == "slowly":
                await trio.sleep_forever()
        return "a loaf"

    def own_script(ports: Mapping[str, int]) -> str:
        return (
            written("js")
            .replace("127.0.0.1:8080", f"127.0.0.1:{ports['websocket']}")
            .replace("127.0.0.1:8081", f"127.0.0.1:{ports['sse']}")
        )

    async with on_stage(agent, page=written("html"), script=own_script) as stage:

        def script(context: BrowserContext) -> None:
            page = context.new_page()
            page.goto(stage.site)
            page.wait_for_selector("#connection:has-text('open')")
            for task, end in (("quickly", "done: a loaf"), ("slowly", "")):
                page.fill("#task", task)
                page.click("text=Submit")
                page.click("text=Yes")
                page.wait_for_selector("#log:has-text('bake: flour bread')")
                if end:
                    page.wait_for_selector(f"#state:has-text('{end}')")
            page.reload()
            page.wait_for_selector("#log:has-text('bake:')")
            page.click("text=Cancel")
            page.wait_for_selector("#log:has-text('cancelled, cleanup: clean')")

        await connected(stage, script)
