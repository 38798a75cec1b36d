"""What cannot be sent is said at once, or mended: nothing waits for an answer that never comes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.browser.chromium import in_chromium
from tests.browser.client.stage import connected, on_both_transports, on_stage, outcome
from tests.browser.stage import TOKEN
from trio_agent_rt import TaskRun

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext

UNSENDABLE = ["s3cret 中", "two words", "ü" * 30, "a\nb", "=", ""]


@pytest.mark.parametrize("way", ["websocket", "websocket without tickets", "sse"])
async def test_a_token_that_no_header_can_hold_is_refused_at_once_and_for_good(way: str) -> None:
    async def agent(task: str, run: TaskRun) -> None:
        raise AssertionError("nobody was let in")

    async with on_stage(agent) as stage:

        def script(context: BrowserContext) -> None:
            page = stage.open_page(context)
            options = stage.options(way.partition(" ")[0])
            if " " in way:
                del options["httpUrl"]
            for token in UNSENDABLE:
                page.evaluate("options => follow(options)", {**options, "token": token})
                page.wait_for_function("client.state === 'closed'")
                states = page.evaluate("states().map(({state, error}) => ({state, ...error}))")
                assert [each["state"] for each in states] == ["connecting", "closed"], token
                assert states[-1]["code"] == "unauthorized"
                message = page.evaluate("states().at(-1).error.message")
                assert "ASCII letters" in message
            # The next one is as good as any.
            page.evaluate("options => follow(options)", {**options, "token": TOKEN})
            page.wait_for_function("client.state === 'open'")

        await in_chromium(script)


async def test_a_command_is_refused_when_the_token_has_become_one_that_cannot_be_sent() -> None:
    async def agent(task: str, run: TaskRun) -> None:
        raise AssertionError("nothing was sent")

    async with on_stage(agent) as stage:

        def script(context: BrowserContext) -> dict[str, Any]:
            page = stage.open_page(context)
            page.evaluate(
                "([options, token]) => { globalThis.token = token;"
                "follow({...options, token: () => globalThis.token}); }",
                [stage.options("sse"), TOKEN],
            )
            page.wait_for_function("client.state === 'open'")
            page.evaluate("() => { globalThis.token = '中'; }")
            return outcome(page, "submit('task')")

        assert (await in_chromium(script))["code"] == "unauthorized"


@on_both_transports
async def test_half_of_a_character_is_sent_as_the_sign_for_one_that_is_missing(
    transport: str,
) -> None:
    asked: list[tuple[str, Any]] = []

    async def agent(task: str, run: TaskRun) -> None:
        asked.append((task, dict(run.context)))

    async with on_stage(agent) as stage:

        def script(context: BrowserContext) -> str:
            page = stage.follow(context, transport)
            submitted = page.evaluate(
                r"""outcome(client.submit("\ud800 lone 😀 \\ud800 \"\udfff\"", {
                  context: { "\udc00": ["\ud83d"], whole: "👩‍👩‍👧" } }))"""
            )
            return submitted["outcome"]

        assert await connected(stage, script) == "accepted"
    assert asked == [
        ('\ufffd lone 😀 \\ud800 "\ufffd"', {"\ufffd": ["\ufffd"], "whole": "👩‍👩‍👧"}),
    ]


async def test_what_is_known_of_a_task_is_forgotten_with_its_end() -> None:
    async def agent(task: str, run: TaskRun) -> None:
        raise AssertionError("nothing was sent")

    async with on_stage(agent) as stage:

        def script(context: BrowserContext) -> list[str | None]:
            page = stage.open_page(context)
            return page.evaluate("""async () => {
              const { Session } = await import("/client/session.js");
              const session = new Session(null, null);
              const take = (type, taskId, data) => session.take({ type, taskId, data });
              for (const taskId of ["ended", "asks"]) {
                take("waiting:confirmation", taskId, { stepId: "s", confirmationId: taskId });
              }
              const of = () => session.question("s", undefined) ?? null;
              const before = of();
              take("task:complete", "ended", {});
              return [before, of()];
            }""")

        # Of two open questions none is meant; the one that is left is.
        assert await connected(stage, script) == [None, "asks"]
