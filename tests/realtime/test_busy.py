"""What happens to a submit while a task of its session runs."""

from __future__ import annotations

from contextvars import ContextVar

import pytest
import trio
import trio.testing

from tests.realtime.viewing import stepping, viewer
from trio_agent_rt.agent import TaskRun
from trio_agent_rt.errors import Busy
from trio_agent_rt.protocol import (
    Acknowledged,
    CancelTask,
    CommandFailed,
    StepStarted,
    SubmitTask,
    TaskCompleted,
)
from trio_agent_rt.realtime import BusyPolicy, Limits, RealtimeAgent


async def test_reject_is_the_default_and_lets_the_next_one_in_when_the_first_has_ended() -> None:
    async with RealtimeAgent(stepping) as realtime:
        first = realtime.submit("hang")
        with pytest.raises(Busy):
            realtime.submit("x", session=first.session_id)
        other = realtime.submit("x")
        assert await other.result() == "x", "another session is not busy"
        await first.cancel()
        assert await realtime.submit("x", session=first.session_id).result() == "x"


async def test_a_queue_runs_tasks_one_after_the_other_in_order() -> None:
    running = 0
    order: list[str] = []

    async def agent(task: str, run: TaskRun) -> object:
        nonlocal running
        running += 1
        assert running == 1
        async with run.step("s"):
            await trio.lowlevel.checkpoint()
        order.append(task)
        running -= 1
        return task

    async with RealtimeAgent(agent, busy="queue", max_queued=3) as realtime, viewer(realtime) as me:
        answers = [
            await me.answer(
                SubmitTask(task=f"{number}", request_id=f"{number}", task_id=f"{number}")
            )
            for number in range(1)
        ]
        for number in range(1, 5):
            me.send(SubmitTask(task=f"{number}", request_id=f"{number}", task_id=f"{number}"))
        for number in range(4):
            await me.until(TaskCompleted, task_id=f"{number}")
        answers += [
            each
            for each in me.events
            if isinstance(each, Acknowledged | CommandFailed) and each.request_id != "0"
        ]
    told = [each.outcome if isinstance(each, Acknowledged) else each.code for each in answers]
    assert told == ["accepted", "queued", "queued", "queued", "busy"]
    assert order == ["0", "1", "2", "3"]


async def test_a_queued_task_can_be_cancelled_and_never_runs() -> None:
    started: list[str] = []

    async def agent(task: str, run: TaskRun) -> object:
        started.append(task)
        async with run.step("s"):
            await trio.sleep_forever() if task == "hang" else None

    async with RealtimeAgent(agent, busy="queue") as realtime, viewer(realtime) as me:
        me.send(SubmitTask(task="hang", task_id="a"))
        await me.until(StepStarted)
        for task_id in ("b", "c"):
            me.send(SubmitTask(task=task_id, task_id=task_id))
        answer = await me.answer(CancelTask(task_id="b", request_id="r"))
        assert isinstance(answer, Acknowledged)
        assert answer.outcome == "cancelled"
        assert answer.receipt is not None
        assert answer.receipt.interrupted == ()
        me.send(CancelTask(task_id="a"))
        await me.until(TaskCompleted, task_id="c")
        assert started == ["hang", "c"]


async def test_one_that_has_waited_runs_in_the_context_of_its_own_submit() -> None:
    tenant = ContextVar("tenant", default="nobody")
    seen: dict[str, str] = {}
    go_on = trio.Event()

    async def agent(task: str, run: TaskRun) -> object:
        seen[task] = tenant.get()
        await go_on.wait()
        return None

    async with RealtimeAgent(agent, busy="queue") as realtime:
        first = realtime.submit("first")
        tenant.set("Bob")
        second = realtime.submit("second", session=first.session_id)
        tenant.set("Carol")
        go_on.set()
        await second.wait()
    assert seen == {"first": "nobody", "second": "Bob"}


async def test_a_task_that_waits_and_is_submitted_again_still_waits() -> None:
    async with RealtimeAgent(stepping, busy="queue") as realtime, viewer(realtime) as me:
        me.send(SubmitTask(task="hang", task_id="a"))
        await me.until(StepStarted)
        outcomes: list[str] = []
        for number in range(2):
            submit = SubmitTask(task="x", task_id="b", request_id=f"{number}")
            answer = await me.answer(submit)
            assert isinstance(answer, Acknowledged)
            outcomes.append(answer.outcome)
        assert outcomes == ["queued", "queued"]
        me.send(CancelTask(task_id="a"))
        await me.until(TaskCompleted, task_id="b")


async def test_replace_starts_the_new_task_only_when_the_old_one_has_ended() -> None:
    order: list[str] = []

    async def agent(task: str, run: TaskRun) -> object:
        order.append(f"{task} starts")
        try:
            async with run.step("s"):
                await trio.sleep_forever() if task == "old" else None
        finally:
            async with run.cleanup():
                for _ in range(10):
                    await trio.lowlevel.checkpoint()
            order.append(f"{task} ends")
        return task

    async with RealtimeAgent(agent, busy="replace") as realtime:
        old = realtime.submit("old")
        await trio.testing.wait_all_tasks_blocked()
        new = realtime.submit("new", session=old.session_id)
        assert await new.result() == "new"
        completed = await old.wait()
        assert order == ["old starts", "old ends", "new starts", "new ends"]
        assert completed.receipt is not None
        assert completed.receipt.reason == "replaced by a newer task"


async def test_of_many_replacements_the_last_one_runs() -> None:
    started: list[str] = []

    async def agent(task: str, run: TaskRun) -> object:
        started.append(task)
        async with run.step("s"):
            await trio.sleep_forever() if task == "0" else None
        return task

    async with RealtimeAgent(agent, busy="replace") as realtime:
        tasks = [realtime.submit("0")]
        await trio.testing.wait_all_tasks_blocked()
        tasks += [realtime.submit(str(n), session=tasks[0].session_id) for n in range(1, 5)]
        outcomes = [(await each.wait()).outcome for each in tasks]
        assert outcomes == ["cancelled"] * 4 + ["succeeded"]
        assert started == ["0", "4"]


async def test_parallel_tasks_of_one_session_share_its_log() -> None:
    async with RealtimeAgent(stepping, busy="parallel") as realtime, viewer(realtime) as me:
        for task_id in ("a", "b"):
            me.send(SubmitTask(task="hang", task_id=task_id))
        both = {(await me.until(StepStarted)).task_id, (await me.until(StepStarted)).task_id}
        assert both == {"a", "b"}
        async with viewer(realtime, session=me.connection.session_id) as late:
            assert {(await late.until(StepStarted)).task_id for _ in both} == both
        me.send(CancelTask(task_id="a"))
        await me.until(TaskCompleted, task_id="a")
        me.send(SubmitTask(task="x", task_id="c"))
        await me.until(TaskCompleted, task_id="c")


async def test_a_queue_without_room_still_takes_a_task_that_need_not_wait() -> None:
    async with RealtimeAgent(stepping, busy="queue", max_queued=0) as realtime:
        running = realtime.submit("hang")
        with pytest.raises(Busy):
            realtime.submit("x", session=running.session_id)
        await running.cancel()
        assert (await realtime.submit("x", session=running.session_id).wait()).success


@pytest.mark.parametrize("busy", ["queue", "parallel", "replace"])
async def test_tasks_of_a_session_are_limited_whatever_the_policy(busy: BusyPolicy) -> None:
    limits = Limits(max_tasks_per_session=3)
    async with RealtimeAgent(
        stepping,
        busy=busy,
        max_queued=100,
        limits=limits,
    ) as realtime:
        first = realtime.submit("hang")
        if busy == "replace":
            for _ in range(10):
                realtime.submit("hang", session=first.session_id)
            return
        for _ in range(2):
            realtime.submit("hang", session=first.session_id)
        with pytest.raises(Busy):
            realtime.submit("hang", session=first.session_id)


def test_an_unknown_policy_is_refused_at_once() -> None:
    with pytest.raises(ValueError, match="reject, queue, replace, parallel"):
        RealtimeAgent(stepping, busy="wait")  # pyright: ignore[reportArgumentType]
