"""Whatever is cut, a page misses nothing without being told, and nothing is done twice."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import pytest
import trio

from tests.browser.client.stage import (
    Stage,
    connected,
    expect_the_whole_log,
    on_both_transports,
    on_stage,
    outcome,
    wait_for_message,
)
from tests.browser.stage import TOKEN
from trio_agent_rt import TaskRun, open_websocket_client
from trio_agent_rt.protocol import ConfirmationRequested
from trio_agent_rt.testing import random_cuts

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext, Route

OUTPUTS = 200


class Talker:
    """An agent that says much, in small pieces, and asks at the end."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    async def __call__(self, task: str, run: TaskRun) -> str:
        self.asked.append(task)
        async with run.step("talk") as step:
            for number in range(OUTPUTS):
                step.output(f"{number} ")
                await trio.sleep(0.005)
            await step.confirm("enough?")
        return "said"


@on_both_transports
@pytest.mark.parametrize("seed", [1, 2])
async def test_every_event_is_told_once_and_in_order_although_connections_are_cut_anywhere(
    transport: str, seed: int
) -> None:
    talker = Talker()
    async with on_stage(talker) as stage:
        proxy = stage.proxies[transport]

        def script(context: BrowserContext) -> list[dict[str, Any]]:
            page = stage.follow(context, transport)
            page.wait_for_function("client.state === 'open'")
            # From here on: a session that nobody knows yet is simply begun anew.
            cuts = random_cuts(seed, 20, to_client=(0, 6000), to_server=(0, 1500))
            proxy._cuts = itertools.chain(cuts)
            trio.from_thread.run_sync(proxy.cut_now)
            page.evaluate("() => { globalThis.submitted = client.submit('talk'); }")
            question = wait_for_message(page, "waiting:confirmation")["data"]
            assert outcome(page, "confirm({...it, confirmed: true})", question) == {
                "outcome": "applied"
            }
            wait_for_message(page, "task:complete")
            assert "accepted" in page.evaluate("async () => (await submitted).outcome")
            return page.evaluate("told")

        told = await connected(stage, script)
        assert proxy.cuts_made > 1
        await expect_the_whole_log(stage, told)
    assert talker.asked == ["talk"]
    gaps = [each for each in told if each["event"] == "gap"]
    assert gaps == []


@on_both_transports
async def test_a_submit_and_an_answer_that_are_cut_off_in_flight_are_carried_out_once(
    transport: str,
) -> None:
    asked: list[str] = []

    async def agent(task: str, run: TaskRun) -> None:
        asked.append(task)
        # The page has heard nothing of it yet, or cannot be sure that it has.
        stage.proxies[transport].cut_now(reset=True)
        async with run.step("a step") as step:
            await step.confirm("the first?")
            stage.proxies[transport].cut_now(reset=True)
            await step.confirm("the second?")

    async with on_stage(agent) as stage:

        def script(context: BrowserContext) -> tuple[list[Any], list[dict[str, Any]]]:
            page = stage.follow(context, transport)
            page.wait_for_function("client.state === 'open'")
            answers = [outcome(page, "submit('task')")]
            question = wait_for_message(page, "waiting:confirmation")["data"]
            answers.append(outcome(page, "confirm({...it, confirmed: true})", question))
            second = wait_for_message(page, "waiting:confirmation", 2)["data"]
            # Nobody has answered this one, although the first answer was sent again.
            answers.append(outcome(page, "confirm({...it, confirmed: false})", second))
            end = wait_for_message(page, "task:complete")
            assert end["data"]["error"].startswith("rejected")
            return answers, page.evaluate("told")

        answers, told = await connected(stage, script)
        assert stage.proxies[transport].cuts_made >= 2
        await expect_the_whole_log(stage, told)
    assert answers[0]["outcome"] in {"accepted", "already_accepted"}
    assert answers[1:] == [{"outcome": "applied"}] * 2
    assert asked == ["task"]


async def test_a_request_that_breaks_beside_a_stream_that_lives_is_sent_again() -> None:
    talker = Talker()
    async with on_stage(talker) as stage:

        def script(context: BrowserContext) -> tuple[dict[str, Any], int]:
            page = stage.follow(context, "sse")
            page.wait_for_function("client.state === 'open'")
            fates = [not_sent, answered_by_a_proxy, answered_in_vain]

            def meet(route: Route) -> None:
                if fates:
                    fates.pop(0)(route)
                else:
                    route.continue_()

            page.route("**/task", meet)
            answer = outcome(page, "submit('talk', {taskId: 'x'})")
            assert fates == []
            return answer, page.evaluate("messages('connected').length")

        answer, connections = await connected(stage, script)
    assert (answer, connections) == ({"outcome": "already_accepted", "taskId": "x"}, 1)
    assert talker.asked == ["talk"]


def not_sent(route: Route) -> None:
    route.abort()


def answered_by_a_proxy(route: Route) -> None:
    origin = route.request.headers["origin"]
    allowed = {
        "Access-Control-Allow-Origin": origin,
        "Access-Control-Allow-Credentials": "true",
    }
    route.fulfill(status=502, body="<html>", headers=allowed)


def answered_in_vain(route: Route) -> None:
    route.fetch()
    route.abort()


@on_both_transports
async def test_what_the_log_no_longer_holds_is_a_gap_and_then_the_present_state(
    transport: str,
) -> None:
    go_on = trio.Event()

    async def agent(task: str, run: TaskRun) -> str:
        async with run.step("talk") as step:
            step.output("first")
            await go_on.wait()
            for number in range(50):
                step.output(f"{number}")
                await trio.lowlevel.checkpoint()
            await step.confirm("heard?")
        return "said"

    async with on_stage(agent, buffer_size=10) as stage:
        proxy = stage.proxies[transport]

        def miss_much() -> None:
            proxy.target = ("127.0.0.1", 1)
            proxy.cut_now()
            go_on.set()

        def script(context: BrowserContext) -> list[dict[str, Any]]:
            page = stage.follow(context, transport)
            outcome(page, "submit('task')")
            wait_for_message(page, "step:output")
            page.evaluate("() => { globalThis.before = told.length; }")
            trio.from_thread.run_sync(miss_much)
            page.wait_for_function("client.state === 'waiting'")
            trio.from_thread.run(wait_until_asked, stage, page.evaluate("client.session"))
            trio.from_thread.run_sync(lambda: setattr(proxy, "target", target))
            question = wait_for_message(page, "waiting:confirmation")["data"]
            page.wait_for_function("client.state === 'open'")
            outcome(page, "confirm({...it, confirmed: true})", question)
            wait_for_message(page, "task:complete")
            return page.evaluate("told.slice(before)")

        target = proxy.target
        told = await connected(stage, script)
    (gap,) = [each for each in told if each["event"] == "gap"]
    assert gap["data"]["missed"] > 40
    after = told[told.index(gap) + 1 :]
    replayed = list(itertools.takewhile(lambda each: each.get("replay"), after))
    kinds = ["step:start", "waiting:confirmation", "status"]
    assert [each["type"] for each in replayed if each["type"] != "plan:created"] == kinds
    live = [int(each["id"].rpartition("-")[2]) for each in after if "id" in each]
    assert live == list(range(live[0], live[0] + len(live)))
    assert after[-1]["type"] == "task:complete"


async def wait_until_asked(stage: Stage, session: str) -> None:
    """Return when a task of the session has asked something."""
    url = f"ws://127.0.0.1:{stage.ports['websocket']}/ws"
    async with open_websocket_client(url, session=session, token=TOKEN) as client:
        async for event in client.events():
            if isinstance(event, ConfirmationRequested):
                return


@on_both_transports
async def test_a_restart_is_a_gap_where_the_session_lives_on_under_its_name(
    transport: str,
) -> None:
    def choose(request: object, principal: object) -> str:
        return "lobby"

    talker = Talker()
    async with on_stage(talker, serve_options={"choose_session": choose}) as stage:

        async def restart() -> None:
            await stage.stop()
            await stage.start()

        def script(context: BrowserContext) -> list[dict[str, Any]]:
            page = stage.follow(context, transport)
            page.wait_for_function("client.state === 'open'")
            trio.from_thread.run(restart)
            page.wait_for_function("told.some(({event}) => event === 'gap')")
            outcome(page, "submit('talk')")
            wait_for_message(page, "waiting:confirmation")
            return page.evaluate("told")

        told = await connected(stage, script)
    kinds = [each["type"] if each["event"] == "message" else each["event"] for each in told]
    gap = kinds.index("gap")
    assert told[gap]["data"] == {"missed": None}
    assert kinds[gap - 1] == "connected"
    assert (kinds[gap + 1], told[gap + 1]["replay"]) == ("status", True)
    epochs = {each["id"].rpartition("-")[0] for each in told if "id" in each}
    assert len(epochs) == 2
    assert len({each["data"]["text"] for each in told if each.get("type") == "step:output"}) > 10


@on_both_transports
async def test_coming_back_does_not_wait_when_there_is_a_network_again(transport: str) -> None:
    async with on_stage(Talker()) as stage:
        proxy = stage.proxies[transport]

        def script(context: BrowserContext) -> None:
            page = stage.follow(context, transport, backoff={"base": 10**7, "cap": 10**8})
            page.wait_for_function("client.state === 'open'")
            for happens in ("dispatchEvent(new Event('online'))", "client.reconnectNow()"):
                trio.from_thread.run_sync(proxy.cut_now)
                page.wait_for_function("client.state === 'waiting'")
                page.evaluate(happens)
                page.wait_for_function("client.state === 'open'")
            seen = page.evaluate("messages('connected').map(({data}) => data.resumed)")
            assert seen == [False, True, True]

        await connected(stage, script)
