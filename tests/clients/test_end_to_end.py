"""The client and the server together, over a real WebSocket."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TypeVar

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from trio_agent_rt.agent import TaskRun
from trio_agent_rt.agent.tools import default_tools
from trio_agent_rt.clients import Reconnect
from trio_agent_rt.errors import (
    Busy,
    ConnectionLost,
    ConnectionRejected,
    MessageTooLarge,
    SessionLost,
    TaskCancelled,
    TaskFailed,
    ToolError,
)
from trio_agent_rt.protocol import (
    ConfirmationRequested,
    CustomEvent,
    Event,
    GapOccurred,
    PlanCreated,
    StatusChanged,
    StepStarted,
    TaskCompleted,
)
from trio_agent_rt.realtime import Principal, RealtimeAgent
from trio_agent_rt.testing import CuttingProxy
from trio_agent_rt.transports import Request

from .serving import Over

E = TypeVar("E", bound=Event)
AT_ONCE = Reconnect(base=0.01, cap=0.02)


async def agent(task: str, run: TaskRun) -> object:
    """Does what the task says: "work", "fail", "ask", "hang"."""
    run.plan(["Begin", "End"])
    async with run.step("Begin") as step:
        step.progress(50, "half")
        if task == "fail":
            raise ToolError("it went wrong")
        if task == "hang":
            await trio.sleep_forever()
        if task == "ask":
            await step.confirm("Shall I?")
    async with run.step("End") as step:
        step.result = {"context": dict(run.context)}
    return {"task": task, "context": dict(run.context)}


async def _next(events: AsyncIterator[Event], kind: type[E]) -> E:
    """The next event of that kind."""
    async for event in events:
        if isinstance(event, kind):
            return event
    raise AssertionError(f"no {kind.__name__} came")


def kinds(events: list[Event]) -> list[str]:
    return [type(each).__name__ for each in events]


async def test_a_task_from_its_submit_to_its_result(over: Over) -> None:
    with trio.fail_after(10):
        async with over.served(agent) as (_, address), over.open_client(address.url) as client:
            task = await client.submit("work", context={"n": 1})
            events = [each async for each in task]
            assert kinds(events) == [
                "StatusChanged",
                "PlanCreated",
                "StatusChanged",
                "StepStarted",
                "StepProgressed",
                "StepCompleted",
                "StepStarted",
                "StepCompleted",
                "StatusChanged",
                "TaskCompleted",
            ]
            assert {each.task_id for each in events} == {task.id}
            assert await task.result() == {"task": "work", "context": {"n": 1}}
            assert (await task.wait()).outcome == "succeeded"
            assert await task.cancel() is None, "it had succeeded already"
            again = await client.submit("work", task_id=task.id)
            assert again is task


async def test_a_failure_is_raised_by_result_alone(over: Over) -> None:
    with trio.fail_after(10):
        async with over.served(agent) as (_, address), over.open_client(address.url) as client:
            task = await client.submit("fail")
            completed = await task.wait()
            assert completed.outcome == "failed"
            with pytest.raises(TaskFailed, match="it went wrong"):
                await task.result()


async def test_a_cancel_returns_the_receipt(over: Over) -> None:
    with trio.fail_after(10):
        async with over.served(agent) as (_, address), over.open_client(address.url) as client:
            task = await client.submit("hang")
            event = await _next(aiter(task), StepStarted)
            receipt = await task.cancel("enough")
            assert receipt is not None
            assert receipt.task_id == task.id
            assert "enough" in receipt.reason
            assert list(receipt.interrupted) == [event.step_id]
            with pytest.raises(TaskCancelled) as caught:
                await task.result()
            assert caught.value.receipt == receipt
            assert await task.cancel() == receipt, "asked again, it tells the same"
            assert list(await client.cancel()) == []


@pytest.mark.parametrize("approved", [True, False])
async def test_a_question_is_answered(over: Over, approved: bool) -> None:
    with trio.fail_after(10):
        async with over.served(agent) as (_, address), over.open_client(address.url) as client:
            task = await client.submit("ask")
            async for event in task:
                if isinstance(event, ConfirmationRequested):
                    answer = task.confirm if approved else task.reject
                    assert await answer(event.step_id) == "applied"
                    assert await answer(event.step_id) == "already_decided"
            assert (await task.wait()).success is approved
            assert await task.confirm("no such step") == "unknown"


async def test_two_tasks_at_once_and_all_are_cancelled(over: Over) -> None:
    with trio.fail_after(10):
        async with (
            over.served(agent, busy="parallel") as (_, address),
            over.open_client(address.url) as client,
        ):
            tasks = [await client.submit("hang") for _ in range(3)]
            receipts = await client.cancel("all")
            assert {each.task_id for each in receipts} == {each.id for each in tasks}
            for task in tasks:
                assert (await task.wait()).outcome == "cancelled"


async def test_a_busy_server_refuses(over: Over) -> None:
    with trio.fail_after(10):
        async with over.served(agent) as (_, address), over.open_client(address.url) as client:
            first = await client.submit("hang")
            with pytest.raises(Busy, match="a task is running"):
                await client.submit("work")
            await first.cancel()
            assert await (await client.submit("work")).result()


async def test_tools_are_listed(over: Over) -> None:
    with trio.fail_after(10):
        async with (
            over.served(agent, tools=default_tools()) as (_, address),
            over.open_client(address.url) as client,
        ):
            names = {each.name for each in await client.tools()}
            assert names == {each.name for each in default_tools()}


async def test_two_sessions_are_apart_and_a_third_client_joins_in_the_middle(over: Over) -> None:
    with trio.fail_after(10):
        async with (
            over.served(agent) as (_, address),
            over.open_client(address.url) as one,
            over.open_client(address.url) as two,
        ):
            first, second = await one.submit("ask"), await two.submit("work")
            async for event in first:
                if isinstance(event, ConfirmationRequested):
                    break
            await second.result()
            async with over.open_client(address.url, session=one.session_id) as third:
                joined = third.task(first.id)
                caught_up: list[Event] = []
                events = third.events()
                while not caught_up or kinds(caught_up)[-1] != "StatusChanged":
                    caught_up.append(await anext(events))
                assert kinds(caught_up) == [
                    "PlanCreated",
                    "StepStarted",
                    "ConfirmationRequested",
                    "StatusChanged",
                ]
                assert all(each.replay and each.position is None for each in caught_up)
                asked = caught_up[2]
                assert isinstance(asked, ConfirmationRequested)
                assert await joined.confirm(asked.step_id) == "applied"
                live = [await anext(events)]
                while not isinstance(live[-1], TaskCompleted):
                    live.append(await anext(events))
                assert [each async for each in first][-len(live) :] == live
            assert {each.task_id for each in live} == {first.id}


async def test_what_the_application_broadcasts_arrives(over: Over) -> None:
    with trio.fail_after(10):
        async with (
            over.served(agent) as (realtime, address),
            over.open_client(address.url) as client,
        ):
            realtime.broadcast("news", {"n": 1})
            async for event in client.events():
                if isinstance(event, CustomEvent):
                    assert (event.type, event.data) == ("news", {"n": 1})
                    break


async def authenticate(request: Request) -> Principal:
    await trio.lowlevel.checkpoint()
    match request.headers.get("authorization"):
        case None:
            raise ConnectionRejected(401, "Who are you?")
        case "Bearer right":
            return Principal("me")
        case _:
            raise ConnectionRejected(403, "Not you.")


async def test_a_token_opens_the_door_and_nothing_else_does(over: Over) -> None:
    with trio.fail_after(10):
        async with over.served(agent, authenticate=authenticate) as (_, address):
            async with over.open_client(address.url, token="right") as client:
                assert await (await client.submit("work")).result()
            for token, status in ((None, 401), ("wrong", 403)):
                with pytest.raises(ConnectionRejected) as caught:
                    await over.open_client(address.url, token=token).__aenter__()
                assert caught.value.status == status


async def test_another_path_is_not_found(over: Over) -> None:
    with trio.fail_after(10):
        async with over.served(agent) as (_, address):
            with pytest.raises(ConnectionRejected, match="is /other the right path") as caught:
                await over.open_client(f"{address.url.rpartition('/')[0]}/other").__aenter__()
            assert caught.value.status == 404


async def test_a_session_that_is_unknown_is_lost(over: Over) -> None:
    with trio.fail_after(10):
        async with over.served(agent) as (_, address):
            with pytest.raises(SessionLost):
                await over.open_client(address.url, session="no-such-session").__aenter__()


async def test_a_server_that_restarts_has_lost_the_session(over: Over) -> None:
    with trio.fail_after(10):
        async with (
            over.served(agent) as (_, address),
            over.served(agent) as (_, restarted),
            trio.open_nursery() as nursery,
        ):
            proxy = CuttingProxy("127.0.0.1", address.port)
            port = await nursery.start(proxy.serve)
            url = over.url(port)
            async with over.open_client(url, reconnect=AT_ONCE) as client:
                task = await client.submit("hang")
                proxy.target = ("127.0.0.1", restarted.port)
                proxy.cut_now()
                with pytest.raises(SessionLost, match="no longer knows the session"):
                    await task.wait()
                with pytest.raises(SessionLost):
                    await client.submit("work")
            nursery.cancel_scope.cancel()


async def test_a_server_that_shuts_down_tells_how_its_tasks_ended(over: Over) -> None:
    with trio.fail_after(10):
        async with over.served(agent) as (realtime, address):
            never = Reconnect(enabled=False)
            async with over.open_client(address.url, reconnect=never) as client:
                task = await client.submit("hang")
                realtime.begin_shutdown()
                assert (await task.wait()).outcome == "cancelled"
                # SSE has no close codes.
                code, text = (1001, "1001") if over.name == "websocket" else (None, "has ended")
                with pytest.raises(ConnectionLost, match=text) as caught:
                    await client.task("another").wait()
                assert caught.value.code == code


@asynccontextmanager
async def away_from(realtime: RealtimeAgent, proxy: CuttingProxy) -> AsyncIterator[None]:
    """While the client is away, more happens than the log holds."""
    there, proxy.target = proxy.target, ("127.0.0.1", 1)  # where nothing listens
    proxy.cut_now()
    for number in range(10):
        realtime.broadcast("noise", number)
    yield
    proxy.target = there


@pytest.mark.parametrize("count", [1, 2])
async def test_a_gap_hides_neither_a_running_task_nor_one_that_waits(
    over: Over, count: int
) -> None:
    gate = trio.Event()

    async def gated(task: str, run: TaskRun) -> object:
        async with run.step(task):
            await gate.wait()
        return task

    with trio.fail_after(10):
        async with (
            over.served(gated, busy="queue", buffer_size=5) as (realtime, address),
            trio.open_nursery() as nursery,
        ):
            proxy = CuttingProxy("127.0.0.1", address.port)
            port = await nursery.start(proxy.serve)
            url = over.url(port)
            async with over.open_client(url, reconnect=AT_ONCE) as client:
                tasks = [await client.submit(f"{n}") for n in range(count)]
                async with away_from(realtime, proxy):
                    pass
                async for event in client.events():
                    if isinstance(event, StatusChanged) and event.replay:
                        break
                await client.tools()  # answered after whatever the gap made it ask
                gate.set()
                assert [await each.result() for each in tasks] == [f"{n}" for n in range(count)]
                for each in tasks:
                    assert "GapOccurred" in kinds([event async for event in each])
            nursery.cancel_scope.cancel()


async def test_a_gap_hides_no_result(over: Over) -> None:
    gate, all_done = trio.Event(), trio.Event()
    done: list[str] = []

    async def gated(task: str, run: TaskRun) -> object:
        await gate.wait()
        done.append(task)
        if len(done) == 5:
            all_done.set()
        return task

    with trio.fail_after(10):
        async with (
            over.served(gated, busy="parallel", buffer_size=5) as (realtime, address),
            trio.open_nursery() as nursery,
        ):
            proxy = CuttingProxy("127.0.0.1", address.port)
            port = await nursery.start(proxy.serve)
            url = over.url(port)
            async with over.open_client(url, reconnect=AT_ONCE) as client:
                tasks = [await client.submit(f"{n}") for n in range(5)]
                async with away_from(realtime, proxy):
                    gate.set()
                    await all_done.wait()
                    await wait_all_tasks_blocked()
                assert [await each.result() for each in tasks] == ["0", "1", "2", "3", "4"]
            nursery.cancel_scope.cancel()


async def test_leaving_leaves_the_task_to_whoever_comes_back(over: Over) -> None:
    with trio.fail_after(10):
        async with over.served(agent) as (_, address):
            async with over.open_client(address.url) as client:
                task = await client.submit("ask")
                events = client.events()
                last = await anext(events)
                while not isinstance(last, PlanCreated):
                    last = await anext(events)
                session, task_id = client.session_id, task.id
            async with over.open_client(
                address.url, session=session, last_position=last.position
            ) as client:
                async for event in client.task(task_id):
                    assert not isinstance(event, GapOccurred)
                    if isinstance(event, ConfirmationRequested):
                        assert await client.task(task_id).confirm(event.step_id) == "applied"
                assert await client.task(task_id).result()


async def test_a_command_that_is_too_large_is_refused_and_nothing_else_is_lost(over: Over) -> None:
    with trio.fail_after(10):
        async with over.served(agent) as (_, address), over.open_client(address.url) as client:
            task = await client.submit("ask")
            with pytest.raises(MessageTooLarge, match="at most 1048576"):
                await client.submit("x" * 2_000_000)
            async for event in task:
                if isinstance(event, ConfirmationRequested):
                    await task.confirm(event.step_id)
            assert (await task.wait()).success
