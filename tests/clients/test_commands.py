"""Commands: answered, refused, timed out, and carried out once whatever is cut."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from trio_agent_rt import errors
from trio_agent_rt.clients import AgentClient, ClientTask, Reconnect
from trio_agent_rt.protocol import (
    CancelTask,
    ConfirmationRequested,
    ConfirmStep,
    GetTools,
    Receipt,
    SubmitTask,
    ToolInfo,
    ToolsListed,
)

from .fake_server import FakeLink, FakeServer, completed, progressed

RESUMED = FakeServer().connected(resumed=True)
AT_ONCE = Reconnect(base=0)


def receipt(task_id: str) -> Receipt:
    return Receipt(
        task_id=task_id,
        reason="enough",
        requested_at=1,
        ended_at=2,
        duration=1,
        interrupted=(),
        completed=(),
        cleanup="clean",
    )


class Call:
    """A call of the client's that runs in the background."""

    def __init__(self, nursery: trio.Nursery, call: Callable[[], Awaitable[Any]]) -> None:
        self.result: Any = None
        self.error: Exception | None = None
        self.done = trio.Event()
        nursery.start_soon(self._run, call)

    async def _run(self, call: Callable[[], Awaitable[Any]]) -> None:
        try:
            self.result = await call()
        except errors.AgentRTError as exc:
            self.error = exc
        self.done.set()

    async def wait(self) -> Any:
        await self.done.wait()
        if self.error is not None:
            raise self.error
        return self.result


async def submitted(client: AgentClient, link: FakeLink, nursery: trio.Nursery) -> ClientTask:
    call = Call(nursery, lambda: client.submit("do it", task_id="t"))
    link.acknowledge(await link.hear(SubmitTask), "accepted")
    return await call.wait()


async def back(server: FakeServer) -> FakeLink:
    """Cut the connection and take the next one."""
    server.links[-1].cut()
    link = await server.accept()
    link.say(RESUMED)
    return link


async def test_a_submit_returns_when_it_is_acknowledged() -> None:
    server = FakeServer()
    async with server.client() as (client, link), trio.open_nursery() as nursery:
        call = Call(nursery, lambda: client.submit("analyse", context={"deep": True}))
        command = await link.hear(SubmitTask)
        assert (command.task, command.context) == ("analyse", {"deep": True})
        assert command.task_id
        assert len(command.task_id) == 32
        await wait_all_tasks_blocked()
        assert not call.done.is_set()
        link.say(server.live(progressed(command.task_id, 5)))
        link.acknowledge(command, "accepted")
        task = await call.wait()
        assert task.id == command.task_id
        assert await anext(aiter(task)) is not None, "what came before the acknowledgement counts"


REFUSALS: Mapping[str, type[errors.AgentRTError]] = {
    "busy": errors.Busy,
    "shutting_down": errors.ShuttingDown,
    "rate_limited": errors.RateLimited,
    "unknown_task": errors.UnknownTask,
    "unknown_step": errors.UnknownStep,
    "unknown_session": errors.UnknownSession,
    "bad_message": errors.BadMessage,
    "bad_json": errors.BadJSON,
    "unknown_type": errors.UnknownMessageType,
    "too_large": errors.MessageTooLarge,
    "internal": errors.CommandRefused,
    "something_new": errors.CommandRefused,
}


@pytest.mark.parametrize("code", REFUSALS)
async def test_a_refusal_is_raised_as_what_it_is(code: str) -> None:
    server = FakeServer()
    async with server.client() as (client, link), trio.open_nursery() as nursery:
        call = Call(nursery, lambda: client.submit("x", task_id="t"))
        link.refuse(await link.hear(SubmitTask), code, "because")
        with pytest.raises(REFUSALS[code], match="because") as caught:
            await call.wait()
        assert type(caught.value) is REFUSALS[code]
        assert not client._session._tasks, "a refused task is not followed"


async def test_no_answer_in_time_is_told(autojump_clock: MockClock) -> None:
    server = FakeServer()
    async with server.client(command_timeout=7) as (client, link):
        with pytest.raises(errors.CommandTimedOut, match="has not answered a command within 7 s"):
            await client.submit("x")
        assert trio.current_time() == pytest.approx(7)
        link.acknowledge(await link.hear(SubmitTask), "accepted")  # too late, and harmless
        await wait_all_tasks_blocked()
        assert client.connected


@pytest.mark.parametrize("heard", [True, False])
async def test_an_unanswered_submit_is_sent_again_under_the_same_ids(heard: bool) -> None:
    server = FakeServer()
    async with server.client(reconnect=AT_ONCE) as (client, link), trio.open_nursery() as nursery:
        if not heard:
            link.cut()
            await wait_all_tasks_blocked()
        call = Call(nursery, lambda: client.submit("x"))
        first = await link.hear(SubmitTask) if heard else None
        if heard:
            link.cut()
        again = await server.accept()
        again.say(RESUMED)
        second = await again.hear(SubmitTask)
        assert first in (None, second)
        assert not again.heard_more
        again.acknowledge(second, "already_accepted" if heard else "accepted")
        task = await call.wait()
        again.say(server.live(completed(task.id)))
        assert await task.result() == f"output of {task.id}"


async def test_commands_are_sent_again_in_their_order_and_answered_ones_are_not() -> None:
    server = FakeServer()
    async with server.client(reconnect=AT_ONCE) as (client, link), trio.open_nursery() as nursery:
        calls = [Call(nursery, lambda n=n: client.submit(f"{n}")) for n in range(4)]
        heard = sorted([await link.hear(SubmitTask) for _ in calls], key=lambda each: each.task)
        link.acknowledge(heard[1], "accepted")
        await wait_all_tasks_blocked()
        again = await back(server)
        repeated = [await again.hear(SubmitTask) for _ in range(3)]
        assert {each.task for each in repeated} == {"0", "2", "3"}
        numbers = [int(each.request_id or "") for each in repeated]
        assert numbers == sorted(numbers)
        for each in repeated:
            again.acknowledge(each, "accepted")
        for call in calls:
            await call.wait()


async def test_what_nobody_waits_for_any_more_is_not_sent() -> None:
    server = FakeServer()
    async with server.client(reconnect=AT_ONCE) as (client, link):
        link.cut()
        again = await server.accept()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(client.submit, "x")
            await wait_all_tasks_blocked()
            nursery.cancel_scope.cancel()
        again.say(RESUMED)
        await wait_all_tasks_blocked()
        assert not again.heard_more


async def test_a_cancel_returns_the_receipt_when_the_task_has_ended(
    autojump_clock: MockClock,
) -> None:
    server = FakeServer()
    async with server.client() as (client, link), trio.open_nursery() as nursery:
        task = await submitted(client, link, nursery)
        call = Call(nursery, lambda: task.cancel("enough"))
        command = await link.hear(CancelTask)
        assert (command.task_id, command.reason) == ("t", "enough")
        await trio.sleep(1000)
        assert not call.done.is_set(), "a cancel is not bounded by the command time-out"
        link.say(server.live(completed("t", "cancelled", receipt=receipt("t"))))
        link.acknowledge(command, "cancelled", receipt=receipt("t"))
        assert await call.wait() == receipt("t")
        with pytest.raises(errors.TaskCancelled) as caught:
            await task.result()
        assert caught.value.receipt == receipt("t")


@pytest.mark.parametrize("outcome", ["succeeded", "cancelled"])
async def test_cancelling_what_has_ended(outcome: Any) -> None:
    server = FakeServer()
    async with server.client() as (client, link), trio.open_nursery() as nursery:
        task = await submitted(client, link, nursery)
        told = receipt("t") if outcome == "cancelled" else None
        link.say(server.live(completed("t", outcome, receipt=told)))
        call = Call(nursery, task.cancel)
        link.acknowledge(await link.hear(CancelTask), "already_ended")
        assert await call.wait() == told


async def test_a_cancel_whose_answer_was_cut_off_still_has_its_receipt() -> None:
    server = FakeServer()
    async with server.client(reconnect=AT_ONCE) as (client, link), trio.open_nursery() as nursery:
        task = await submitted(client, link, nursery)
        call = Call(nursery, task.cancel)
        await link.hear(CancelTask)
        again = await back(server)
        again.say(server.live(completed("t", "cancelled", receipt=receipt("t"))))
        again.acknowledge(await again.hear(CancelTask), "already_ended")
        assert await call.wait() == receipt("t")


async def test_cancelling_an_unknown_task_says_so() -> None:
    server = FakeServer()
    async with server.client() as (client, link), trio.open_nursery() as nursery:
        call = Call(nursery, client.task("nobody's").cancel)
        link.acknowledge(await link.hear(CancelTask), "unknown")
        with pytest.raises(errors.UnknownTask, match="nobody's"):
            await call.wait()


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"receipts": [receipt("a"), receipt("b")]}, [receipt("a"), receipt("b")]),
        ({"receipt": receipt("a")}, [receipt("a")]),
        ({}, []),
    ],
)
async def test_all_tasks_are_cancelled_at_once(fields: Any, expected: list[Receipt]) -> None:
    server = FakeServer()
    async with server.client() as (client, link), trio.open_nursery() as nursery:
        call = Call(nursery, lambda: client.cancel("all of it"))
        command = await link.hear(CancelTask)
        assert (command.task_id, command.reason) == (None, "all of it")
        link.acknowledge(command, "cancelled", **fields)
        assert list(await call.wait()) == expected


async def test_a_submit_waits_for_a_cancel_of_everything_that_may_be_sent_again() -> None:
    server = FakeServer()
    async with server.client(reconnect=AT_ONCE) as (client, link), trio.open_nursery() as nursery:
        cancel = Call(nursery, client.cancel)
        await link.hear(CancelTask)
        submit = Call(nursery, lambda: client.submit("x"))
        await wait_all_tasks_blocked()
        assert not link.heard_more
        again = await back(server)
        again.acknowledge(await again.hear(CancelTask), "cancelled")
        await cancel.wait()
        again.acknowledge(await again.hear(SubmitTask), "accepted")
        await submit.wait()


@pytest.mark.parametrize("approved", [True, False])
@pytest.mark.parametrize("outcome", ["applied", "already_decided", "expired", "unknown"])
async def test_a_confirmation_is_answered_and_the_outcome_told(
    approved: bool, outcome: Any
) -> None:
    server = FakeServer()
    async with server.client() as (client, link), trio.open_nursery() as nursery:
        task = client.task("t")
        call = Call(nursery, lambda: task.confirm("s") if approved else task.reject("s", "no"))
        command = await link.hear(ConfirmStep)
        assert command == ConfirmStep(
            step_id="s",
            approved=approved,
            reason=None if approved else "no",
            task_id="t",
            request_id=command.request_id,
        )
        link.acknowledge(command, outcome)
        assert await call.wait() == outcome


@pytest.mark.parametrize("code", ["unknown_task", "unknown_step"])
async def test_a_confirmation_of_nothing_is_unknown(code: str) -> None:
    server = FakeServer()
    async with server.client() as (client, link), trio.open_nursery() as nursery:
        call = Call(nursery, lambda: client.task("t").confirm("s"))
        link.refuse(await link.hear(ConfirmStep), code)
        assert await call.wait() == "unknown"


async def test_an_own_answer_that_arrived_before_the_cut_was_applied() -> None:
    server = FakeServer()
    async with server.client(reconnect=AT_ONCE) as (client, link), trio.open_nursery() as nursery:
        call = Call(nursery, lambda: client.task("t").confirm("s"))
        await link.hear(ConfirmStep)
        again = await back(server)
        again.acknowledge(await again.hear(ConfirmStep), "already_decided")
        assert await call.wait() == "applied"


async def test_an_answer_to_a_question_names_it_also_when_it_is_sent_again() -> None:
    question = ConfirmationRequested(
        step_id="s",
        step_name="S",
        reason="May I?",
        expires_at=None,
        confirmation_id="t.3",
        task_id="t",
    )
    server = FakeServer()
    async with server.client(reconnect=AT_ONCE) as (client, link), trio.open_nursery() as nursery:
        call = Call(nursery, lambda: client.task("t").confirm(question))
        assert (await link.hear(ConfirmStep)).confirmation_id == "t.3"
        again = await back(server)
        command = await again.hear(ConfirmStep)
        assert (command.step_id, command.confirmation_id) == ("s", "t.3")
        again.acknowledge(command, "already_decided")
        assert await call.wait() == "applied"


async def test_tools_are_listed_even_if_the_first_answer_is_cut_off() -> None:
    server = FakeServer()
    tool = ToolInfo(name="t", description="d", category="c", parameters={}, cancellation="async")
    async with server.client(reconnect=AT_ONCE) as (client, link), trio.open_nursery() as nursery:
        call = Call(nursery, client.tools)
        await link.hear(GetTools)
        again = await back(server)
        command = await again.hear(GetTools)
        again.say(ToolsListed(tools=[tool]))
        again.acknowledge(command, "ok")
        assert await call.wait() == [tool]


async def test_the_same_task_id_is_the_same_task() -> None:
    server = FakeServer()
    async with server.client() as (client, link), trio.open_nursery() as nursery:
        task = await submitted(client, link, nursery)
        call = Call(nursery, lambda: client.submit("do it", task_id="t"))
        link.acknowledge(await link.hear(SubmitTask), "already_accepted")
        assert await call.wait() is task
        assert not task.over


async def test_a_command_is_never_a_bare_wait() -> None:
    """Every call is a checkpoint, also the one that has nothing to wait for."""
    server = FakeServer()
    async with server.client() as (client, _):
        for call in (client.tools, client.cancel, client.task("t").cancel):
            with trio.CancelScope() as scope:
                scope.cancel()
                await call()
            assert scope.cancelled_caught
