"""What a page does with one session, over either transport."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import trio

from tests.browser.chromium import in_chromium
from tests.browser.client.stage import (
    connected,
    expect_the_whole_log,
    on_both_transports,
    on_stage,
    outcome,
    wait_for_message,
)
from tests.browser.stage import TOKEN
from trio_agent_rt import TaskRun

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext


async def ask_twice(task: str, run: TaskRun) -> str:
    """Ask two questions in one step."""
    async with run.step("a step") as step:
        await step.confirm("the first?")
        step.output("one ")
        await step.confirm("the second?")
        step.output("two ")
    return f"{task}: done"


async def wait(task: str, run: TaskRun) -> None:
    """Work until it is cancelled."""
    async with run.step("wait") as step:
        step.output("begun")
        await trio.sleep_forever()


@on_both_transports
async def test_a_task_from_its_submit_to_its_end(transport: str) -> None:
    async with on_stage(ask_twice) as stage:

        def script(context: BrowserContext) -> tuple[list[dict[str, Any]], list[Any]]:
            page = stage.follow(context, transport)
            page.wait_for_function("client.state === 'open'")
            assert page.evaluate("client.transport") == transport
            answers = [outcome(page, "submit('task', {taskId: 'x', context: {language: 'en'}})")]
            for number in (1, 2):
                question = wait_for_message(page, "waiting:confirmation", number)["data"]
                answers.append(outcome(page, "confirm({...it, confirmed: true})", question))
            end = wait_for_message(page, "task:complete")
            assert (end["taskId"], end["data"]["output"]) == ("x", "task: done")
            assert page.evaluate("client.since") == end["id"]
            return page.evaluate("told"), answers

        told, answers = await connected(stage, script)
        await expect_the_whole_log(stage, told)
    applied = {"outcome": "applied"}
    assert answers == [{"outcome": "accepted", "taskId": "x"}, applied, applied]
    assert [each["state"] for each in told if each["event"] == "state"] == ["connecting", "open"]


@on_both_transports
async def test_a_cancel_resolves_when_the_work_has_ended_and_its_receipt_arrives(
    transport: str,
) -> None:
    async with on_stage(wait) as stage:

        def script(context: BrowserContext) -> tuple[dict[str, Any], dict[str, Any]]:
            page = stage.follow(context, transport)
            task = outcome(page, "submit('task')")["taskId"]
            wait_for_message(page, "step:output")
            answer = outcome(page, "cancel({taskId: it, reason: 'enough'})", task)
            receipt = wait_for_message(page, "task:complete")["data"]["receipt"]
            again = outcome(page, "cancel({taskId: it})", task)
            assert again == {"outcome": "already_ended", "receipt": receipt}
            assert outcome(page, "cancel({taskId: 'nobody'})") == {"outcome": "unknown"}
            return answer, receipt

        answer, receipt = await connected(stage, script)
    assert answer == {"outcome": "cancelled", "receipt": receipt}
    assert "enough" in receipt["reason"]


@on_both_transports
async def test_only_another_submit_waits_for_the_end_of_a_cancel(transport: str) -> None:
    may_end = trio.Event()

    async def agent(task: str, run: TaskRun) -> None:
        try:
            async with run.step("wait") as step:
                step.output("begun")
                await trio.sleep_forever()
        finally:
            async with run.cleanup():
                await may_end.wait()

    async with on_stage(agent) as stage:

        def script(context: BrowserContext) -> None:
            page = stage.follow(context, transport)
            outcome(page, "submit('task')")
            wait_for_message(page, "step:output")
            page.evaluate(
                """() => {
                  globalThis.ended = null;
                  client.cancel().then(({outcome}) => { ended = outcome; });
                }"""
            )
            assert page.evaluate("client.tools()") == []
            assert page.evaluate("ended") is None
            # It would be told that the other one is not over yet, or be cancelled as well.
            page.evaluate("() => { globalThis.next = outcome(client.submit('next')); }")
            assert page.evaluate("client.tools()") == []
            trio.from_thread.run_sync(may_end.set)
            page.wait_for_function("ended === 'cancelled'")
            assert page.evaluate("next")["outcome"] == "accepted"

        await connected(stage, script)


@on_both_transports
async def test_a_refused_command_is_rejected_with_its_code(transport: str) -> None:
    async with on_stage(wait) as stage:

        def script(context: BrowserContext) -> list[dict[str, Any]]:
            page = stage.follow(context, transport)
            outcome(page, "submit('task')")
            errors = [
                outcome(page, f"submit({task})") for task in ("'another'", "7", "'x'.repeat(2e6)")
            ]
            assert page.evaluate("client.state") == "open"
            return errors

        busy, wrong, large = await connected(stage, script)
    assert busy["code"] == "busy"
    assert wrong["code"] == "bad_message"
    assert "expected a string" in wrong["message"]
    assert large["code"] == "too_large"


@on_both_transports
async def test_a_question_that_is_answered_twice_is_answered_once(transport: str) -> None:
    async with on_stage(ask_twice) as stage:

        def script(context: BrowserContext) -> list[dict[str, Any]]:
            page = stage.follow(context, transport)
            outcome(page, "submit('task')")
            question = wait_for_message(page, "waiting:confirmation")["data"]
            answers = page.evaluate(
                """async ({stepId}) => {
                  const clicks = [1, 2].map(() => client.confirm({stepId, confirmed: true}));
                  return Promise.all(clicks);
                }""",
                question,
            )
            again = outcome(page, "confirm({...it, confirmed: true})", question)
            # The second question has not been answered by any of these.
            wait_for_message(page, "waiting:confirmation", 2)
            assert outcome(page, "confirm({...it, confirmed: false})", question) == again
            assert page.evaluate("messages('step:complete').length") == 0
            assert page.evaluate("messages('step:output').length") == 1
            return [*answers, again]

        answers = await connected(stage, script)
    assert [each["outcome"] for each in answers] == ["applied", *2 * ["already_decided"]]


async def test_two_tabs_on_one_session_see_the_same_and_either_may_answer() -> None:
    async with on_stage(ask_twice) as stage:

        def script(context: BrowserContext) -> list[list[dict[str, Any]]]:
            one = stage.follow(context, "websocket")
            one.wait_for_function("client.state === 'open'")
            two = stage.follow(context, "sse", session=one.evaluate("client.session"))
            two.wait_for_function("client.state === 'open'")
            outcome(one, "submit('task')")
            for number, page in enumerate((two, one), 1):
                question = wait_for_message(page, "waiting:confirmation", number)["data"]
                outcome(page, "confirm({...it, confirmed: true})", question)
            for page in (one, two):
                wait_for_message(page, "task:complete")
            return [page.evaluate("told.filter(({id}) => id)") for page in (one, two)]

        one, two = await connected(stage, script)
    assert two == one[-len(two) :]
    assert len(one) - len(two) == 1  # the idle status that the session began with


@on_both_transports
async def test_a_token_is_enough_and_a_connection_that_is_cut_comes_back_with_it(
    transport: str,
) -> None:
    async with on_stage(ask_twice) as stage:

        def script(context: BrowserContext) -> tuple[list[str], list[dict[str, Any]]]:
            page = stage.open_page(context)
            asked: list[str] = []
            page.on("request", lambda sent: asked.append(sent.url))
            page.on("websocket", lambda sent: asked.append(sent.url))
            options = stage.options(transport, credentials=False)
            page.evaluate(
                "([options, token]) => follow({...options, token: async () => token})",
                [options, TOKEN],
            )
            outcome(page, "submit('task')")
            question = wait_for_message(page, "waiting:confirmation")["data"]
            trio.from_thread.run_sync(stage.proxies[transport].cut_now)
            page.wait_for_function("states().length === 5")
            outcome(page, "confirm({...it, confirmed: true})", question)
            wait_for_message(page, "waiting:confirmation", 2)
            return asked, page.evaluate("told")

        asked, told = await in_chromium(script)
        await expect_the_whole_log(stage, told)
    if transport == "websocket":
        first, second = [each.partition("ticket=")[2] for each in asked if "ticket=" in each]
        assert first.partition("&")[0] != second.partition("&")[0]
    assert not any(TOKEN in each or "bearer" in each.lower() for each in asked)


async def test_a_token_goes_into_the_subprotocol_where_there_is_nobody_to_buy_a_ticket_from() -> (
    None
):
    async with on_stage(ask_twice) as stage:

        def script(context: BrowserContext) -> None:
            page = stage.follow(context, "websocket", httpUrl=None, token=TOKEN)
            page.wait_for_function("client.state === 'open'")

        await in_chromium(script)


@on_both_transports
async def test_a_listener_that_throws_disturbs_nothing(transport: str) -> None:
    async with on_stage(ask_twice) as stage:

        def script(context: BrowserContext) -> list[dict[str, Any]]:
            page = stage.open_page(context)
            page.evaluate(
                """() => {
                  globalThis.caught = 0;
                  addEventListener("error", (event) => {
                    caught += 1;
                    event.preventDefault();
                  });
                }"""
            )
            page.evaluate("options => follow(options)", stage.options(transport))
            page.evaluate(
                """() => {
                  for (const type of ["message", "state"]) {
                    client.addEventListener(type, () => { throw new Error("a listener's own"); });
                  }
                }"""
            )
            outcome(page, "submit('task')")
            for number in (1, 2):
                question = wait_for_message(page, "waiting:confirmation", number)["data"]
                outcome(page, "confirm({...it, confirmed: true})", question)
            wait_for_message(page, "task:complete")
            assert page.evaluate("caught") > 5
            return page.evaluate("told")

        await expect_the_whole_log(stage, await connected(stage, script))
