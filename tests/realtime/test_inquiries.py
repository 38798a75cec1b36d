"""Commands that come beside a connection, and what becomes of their peer."""

from __future__ import annotations

import pytest
import trio
import trio.testing

from trio_agent_rt.agent import TaskRun
from trio_agent_rt.errors import (
    Busy,
    RateLimited,
    ShuttingDown,
    UnknownSession,
    UnknownStep,
    UnknownTask,
)
from trio_agent_rt.protocol import (
    Acknowledged,
    CancelTask,
    Command,
    ConfirmStep,
    GetState,
    StatusChanged,
    SubmitTask,
)
from trio_agent_rt.realtime import ANONYMOUS, Inquiry, Limits, Principal, RealtimeAgent
from trio_agent_rt.realtime.peers.commands import MAX_WAITING_CANCELS
from trio_agent_rt.realtime.registry import REMEMBERED_CLIENTS

from .viewing import (
    ConfirmationRequested,
    StepStarted,
    TaskCompleted,
    Viewer,
    asking,
    quick,
    stepping,
    viewer,
)

ANN = Principal("ann")
BOB = Principal("bob")


def ask(
    realtime: RealtimeAgent,
    me: Viewer | str,
    command: Command,
    *,
    principal: Principal = ANONYMOUS,
    size: int = 1,
) -> Inquiry:
    client_id = me if isinstance(me, str) else me.connection.client_id
    return realtime.ask(command, client_id=client_id, principal=principal, size=size)


async def test_a_submit_is_answered_beside_the_stream_that_shows_its_task() -> None:
    async with RealtimeAgent(quick) as realtime, viewer(realtime) as me:
        answer = await ask(realtime, me, SubmitTask(task="x")).wait()
        assert answer.outcome == "accepted"
        completed = await me.until(TaskCompleted)
        assert completed.task_id == answer.task_id
        assert not any(isinstance(each, Acknowledged) for each in me.events)


async def test_a_cancel_is_answered_with_the_receipt_once_the_work_has_ended() -> None:
    ended = trio.Event()

    async def agent(task: str, run: object) -> None:
        try:
            await trio.sleep_forever()
        finally:
            with trio.CancelScope(shield=True):
                await ended.wait()

    async with RealtimeAgent(agent) as realtime, viewer(realtime) as me:
        await ask(realtime, me, SubmitTask(task="x", task_id="t")).wait()
        await trio.testing.wait_all_tasks_blocked()
        inquiry = ask(realtime, me, CancelTask(task_id="t", reason="enough"))
        await trio.testing.wait_all_tasks_blocked()
        assert inquiry.answer is None
        ended.set()
        answer = await inquiry.wait()
        assert answer.outcome == "cancelled"
        assert answer.receipt is not None
        assert answer.receipt.reason == "a client asked: enough"


async def test_a_cancel_goes_on_when_nobody_waits_for_its_answer() -> None:
    async with RealtimeAgent(stepping) as realtime, viewer(realtime) as me:
        await ask(realtime, me, SubmitTask(task="hang")).wait()
        await me.until(StepStarted)
        inquiry = ask(realtime, me, CancelTask())
        with trio.CancelScope() as scope:
            scope.cancel()
            await inquiry.wait()
        assert (await me.until(TaskCompleted)).outcome == "cancelled"


async def test_a_refused_submit_tells_who_watches_the_state_that_holds() -> None:
    async with RealtimeAgent(stepping) as realtime, viewer(realtime) as me:
        await ask(realtime, me, SubmitTask(task="hang")).wait()
        await me.until(StepStarted)
        inquiry = ask(realtime, me, SubmitTask(task="another"))
        with pytest.raises(Busy):
            await inquiry.wait()
        assert (await me.until(StatusChanged, replay=True)).state == "executing"


async def test_a_submit_that_is_sent_again_after_the_end_brings_the_result() -> None:
    async with RealtimeAgent(quick) as realtime, viewer(realtime) as me:
        await ask(realtime, me, SubmitTask(task="x", task_id="t")).wait()
        await me.until(TaskCompleted)
        again = ask(realtime, me, SubmitTask(task="x", task_id="t"))
        assert (await again.wait()).outcome == "already_accepted"
        (completed,) = again.messages
        assert isinstance(completed, TaskCompleted)
        assert completed.success


async def test_what_is_unknown_is_an_error() -> None:
    async with RealtimeAgent(quick) as realtime, viewer(realtime) as me:
        with pytest.raises(UnknownTask):
            await ask(realtime, me, CancelTask(task_id="never")).wait()
        with pytest.raises(UnknownStep):
            await ask(realtime, me, ConfirmStep(step_id="never", approved=True)).wait()
        confirm = ConfirmStep(step_id="never", approved=True, task_id="never")
        with pytest.raises(UnknownTask):
            await ask(realtime, me, confirm).wait()


async def test_the_state_is_told_in_the_answer() -> None:
    async with RealtimeAgent(asking) as realtime, viewer(realtime) as me:
        await ask(realtime, me, SubmitTask(task="x")).wait()
        question = await me.until(ConfirmationRequested)
        inquiry = ask(realtime, me, GetState())
        await inquiry.wait()
        assert question.step_id in {
            each.step_id for each in inquiry.messages if isinstance(each, ConfirmationRequested)
        }
        assert all(each.replay for each in inquiry.messages)
        confirm = ConfirmStep(step_id=question.step_id, approved=True)
        assert (await ask(realtime, me, confirm).wait()).outcome == "applied"
        assert (await me.until(TaskCompleted)).success


async def test_a_client_of_somebody_else_cannot_be_told_from_none() -> None:
    async with RealtimeAgent(quick) as realtime, viewer(realtime, principal=ANN) as ann:
        texts: set[str] = set()
        for client_id in ("never-was", ann.connection.client_id):
            with pytest.raises(UnknownSession) as caught:
                ask(realtime, client_id, GetState(), principal=BOB)
            texts.add(str(caught.value))
        assert len(texts) == 1
        await ask(realtime, ann, GetState(), principal=ANN).wait()


async def test_a_client_whose_connection_broke_still_finds_its_session() -> None:
    async with RealtimeAgent(stepping) as realtime, viewer(realtime) as watching:
        session = watching.connection.session_id
        async with viewer(realtime, session=session) as me:
            client_id = me.connection.client_id
        await ask(realtime, client_id, SubmitTask(task="hang")).wait()
        await watching.until(StepStarted)
        inquiry = ask(realtime, client_id, SubmitTask(task="another"))
        with pytest.raises(Busy):  # and there is nobody to tell the state
            await inquiry.wait()


async def test_clients_that_are_gone_are_remembered_within_bounds_and_with_their_session() -> None:
    async with RealtimeAgent(quick, linger=0) as realtime:
        gone: list[str] = []
        async with viewer(realtime) as watching:
            for _ in range(REMEMBERED_CLIENTS + 1):
                async with viewer(realtime, session=watching.connection.session_id) as me:
                    gone.append(me.connection.client_id)
            await ask(realtime, gone[1], GetState()).wait()
            with pytest.raises(UnknownSession):
                ask(realtime, gone[0], GetState())
        with pytest.raises(UnknownSession):
            ask(realtime, gone[-1], GetState())


async def test_commands_beside_a_connection_count_with_those_on_it(
    autojump_clock: trio.testing.MockClock,
) -> None:
    limits = Limits(max_commands_per_minute=60, command_burst=4)
    async with RealtimeAgent(quick, limits=limits) as realtime, viewer(realtime) as me:
        me.send(GetState())
        for _ in range(2):
            await ask(realtime, me, GetState()).wait()
        ask(realtime, me, GetState(), size=16 * 1024)
        with pytest.raises(RateLimited):
            ask(realtime, me, GetState())
        await trio.sleep(1)
        with pytest.raises(RateLimited):
            ask(realtime, me, GetState(), size=32 * 1024)
        await ask(realtime, me, GetState()).wait()


async def test_a_server_that_has_shut_down_answers_nothing() -> None:
    async with RealtimeAgent(quick) as realtime, viewer(realtime) as me:
        await realtime.shut_down()
        with pytest.raises(ShuttingDown):
            ask(realtime, me, GetState())


async def test_cancels_that_nobody_waits_for_any_more_keep_nobody_from_waiting() -> None:
    cleaned = trio.Event()

    async def agent(task: str, run: TaskRun) -> None:
        try:
            await trio.sleep_forever()
        finally:
            async with run.cleanup():
                await cleaned.wait()

    async with RealtimeAgent(agent) as realtime, viewer(realtime) as me:
        await ask(realtime, me, SubmitTask(task="x", task_id="t")).wait()
        await trio.testing.wait_all_tasks_blocked()
        for _ in range(MAX_WAITING_CANCELS):
            with trio.CancelScope() as left:
                left.cancel()
                await ask(realtime, me, CancelTask(task_id="t")).wait()
        waiting = ask(realtime, me, CancelTask(task_id="t"))
        cleaned.set()
        assert (await waiting.wait()).outcome == "cancelled"


async def test_a_command_of_many_bytes_is_refused_without_being_read() -> None:
    limits = Limits(command_burst=2)
    async with RealtimeAgent(quick, limits=limits) as realtime:
        async with viewer(realtime, principal=ANN) as ann, viewer(realtime, principal=BOB) as bob:
            hers, his = ann.connection.client_id, bob.connection.client_id
            for unknown in ((), ("never-was",), (his, "never-was")):
                with pytest.raises(UnknownSession):
                    realtime.check_size(unknown, ANN, 20_000)
            realtime.check_size(("never-was", hers), ANN, 20_000)
            with pytest.raises(RateLimited):
                realtime.check_size((his, hers), ANN, 20_000)
