"""Attaching to sessions: what a viewer is given, in which order, and who may."""

from __future__ import annotations

import pytest
import trio

from tests.realtime.viewing import asking, of_task, quick, stepping, viewer
from trio_agent_rt.agent import TaskRun
from trio_agent_rt.errors import TooManyConnections, UnknownSession
from trio_agent_rt.protocol import (
    Acknowledged,
    ConfirmationRequested,
    ConfirmStep,
    Connected,
    CustomEvent,
    Event,
    GapOccurred,
    GetState,
    PlanCreated,
    PlanUpdated,
    StatusChanged,
    StepCompleted,
    StepStarted,
    SubmitTask,
    TaskCompleted,
)
from trio_agent_rt.realtime import Limits, Principal, RealtimeAgent


def kinds(events: list[Event]) -> list[str]:
    return [type(each).__name__ for each in events]


def offsets(events: list[Event]) -> list[int]:
    return [each.position.offset for each in events if each.position is not None]


async def test_a_fresh_session_says_connected_and_then_a_status_with_a_position() -> None:
    async with RealtimeAgent(quick) as realtime, viewer(realtime) as me:
        first, second = await me.read()
    assert isinstance(first, Connected)
    assert first.position is None
    assert not first.resumed
    assert first.protocol_version == 1
    assert isinstance(second, StatusChanged)
    assert second.state == "idle"
    assert second.position is not None
    assert second.position.offset == 1


async def test_two_sessions_see_their_own_events_only_and_a_third_catches_up_exactly() -> None:
    go_on = trio.Event()

    async def agent(task: str, run: TaskRun) -> object:
        run.plan(["First", "Second"])
        async with run.step("First") as step:
            step.result = task
        async with run.step("Second") as step:
            step.progress(40, "…")
            await go_on.wait()
        return task

    async with (
        RealtimeAgent(agent, broadcast_interval=0) as realtime,
        viewer(realtime) as ann,
        viewer(realtime) as bob,
    ):
        ann.send(SubmitTask(task="甲", task_id="a"))
        bob.send(SubmitTask(task="b", task_id="b"))
        await ann.until(StepStarted, step_name="Second")
        await bob.until(StepStarted, step_name="Second")
        async with viewer(realtime, session=ann.connection.session_id) as late:
            await late.until(StatusChanged)
            catch_up = list(late.events)
            go_on.set()
            await ann.until(TaskCompleted)
            await bob.until(TaskCompleted)
            await late.until(TaskCompleted)

        assert {each.task_id for each in ann.events} == {None, "a"}
        assert {each.task_id for each in bob.events} == {None, "b"}
        assert kinds(catch_up) == ["Connected", "PlanCreated", "StepStarted", "StatusChanged"]
        assert all(each.replay and each.position is None for each in catch_up[1:])
        plan = catch_up[1]
        assert isinstance(plan, PlanCreated)
        assert [each.status for each in plan.plan.steps] == ["success", "running"]
        assert plan.plan.steps[0].result is not None
        assert plan.plan.steps[0].result.output == "甲"
        assert plan.plan.steps[1].progress == 40

        live = late.events[len(catch_up) :]
        assert live == ann.events[-len(live) :]
        assert offsets(ann.events) == list(range(1, len(offsets(ann.events)) + 1))


async def test_a_connection_with_a_position_gets_what_followed_it_and_nothing_else() -> None:
    async with RealtimeAgent(stepping) as realtime, viewer(realtime) as whole:
        whole.send(SubmitTask(task="x"))
        await whole.until(TaskCompleted)
        logged = [each for each in whole.events if each.position is not None]
        for seen in range(1, len(logged) + 1):
            last = str(logged[seen - 1].position)
            async with viewer(realtime, session=whole.connection.session_id, last=last) as again:
                first, *rest = await again.read()
                assert isinstance(first, Connected)
                assert first.resumed
                assert rest == logged[seen:]


@pytest.mark.parametrize("last", ["0123456789abcdef-3", "nonsense", "💥", "-", "1-99999"])
async def test_a_position_of_another_life_is_answered_with_a_gap_and_the_state(last: str) -> None:
    async with RealtimeAgent(stepping) as realtime, viewer(realtime) as whole:
        whole.send(SubmitTask(task="x"))
        await whole.until(TaskCompleted)
        async with viewer(realtime, session=whole.connection.session_id, last=last) as again:
            events = await again.read()
    assert kinds(events) == [
        "Connected",
        "GapOccurred",
        "PlanCreated",
        "TaskCompleted",
        "StatusChanged",
    ]
    assert isinstance(events[0], Connected)
    assert not events[0].resumed
    assert isinstance(events[1], GapOccurred)
    assert events[1].missed is None


async def test_a_position_that_left_the_log_is_answered_with_how_many_are_missing() -> None:
    async def agent(task: str, run: TaskRun) -> object:
        for number in range(20):
            async with run.step(f"s{number}"):
                pass
        return None

    async with RealtimeAgent(agent, buffer_size=10) as realtime:
        running = realtime.submit("x")
        await running.wait()
        async with viewer(realtime, session=running.session_id) as fresh:
            await fresh.read()
            epoch = running.start_position.epoch
        async with viewer(realtime, session=running.session_id, last=f"{epoch}-5") as again:
            events = await again.read()
    assert isinstance(events[1], GapOccurred)
    assert events[1].missed is not None
    assert events[1].missed > 20


async def test_a_pending_confirmation_is_in_the_catch_up_and_survives_a_reconnect() -> None:
    async with RealtimeAgent(asking) as realtime:
        async with viewer(realtime) as me:
            me.send(SubmitTask(task="x"))
            await me.until(ConfirmationRequested)
            session = me.connection.session_id
        async with viewer(realtime, session=session) as again:
            question = await again.until(ConfirmationRequested)
            assert question.replay
            status = await again.until(StatusChanged)
            assert status.state == "waiting"
            again.send(ConfirmStep(step_id=question.step_id, approved=True))
            completed = await again.until(TaskCompleted)
    assert completed.success


async def test_an_unknown_session_and_somebody_elses_cannot_be_told_apart() -> None:
    async with (
        RealtimeAgent(quick) as realtime,
        viewer(realtime, principal=Principal("ann")) as ann,
    ):
        texts: set[str] = set()
        for session in ("never-was", ann.connection.session_id):
            with pytest.raises(UnknownSession) as caught:
                async with viewer(realtime, session=session, principal=Principal("bob")):
                    pass
            texts.add(str(caught.value))
        assert len(texts) == 1
        async with viewer(
            realtime, session=ann.connection.session_id, principal=Principal("ann")
        ) as again:
            assert kinds(await again.read()) == ["Connected", "StatusChanged"]


async def test_a_room_lets_everybody_in_that_the_application_sends_there() -> None:
    async with (
        RealtimeAgent(quick) as realtime,
        viewer(realtime, session="lobby", create=True, principal=Principal("ann")) as ann,
        viewer(realtime, session="lobby", create=True, principal=Principal("bob")) as bob,
    ):
        ann.send(SubmitTask(task="x"))
        await ann.until(TaskCompleted)
        await bob.until(TaskCompleted)
        mine = [each for each in ann.events if each.task_id]
        assert of_task(bob.events, mine[0].task_id or "") == mine


async def test_a_broadcast_stands_in_every_session_in_order() -> None:
    async with RealtimeAgent(quick) as realtime, viewer(realtime) as ann, viewer(realtime) as bob:
        realtime.broadcast("custom", {"n": 1})
        realtime.broadcast("custom", {"n": 2}, session=bob.connection.session_id)
        ann_heard = await ann.until(CustomEvent)
        bob_heard = [await bob.until(CustomEvent), await bob.until(CustomEvent)]
        assert ann_heard.data == {"n": 1}
        assert [each.data for each in bob_heard] == [{"n": 1}, {"n": 2}]
        assert offsets(bob.events) == [1, 2, 3]
        for reserved in ("status", "task:submit", ""):
            with pytest.raises(ValueError, match="cannot be broadcast"):
                realtime.broadcast(reserved, {})
        with pytest.raises(UnknownSession):
            realtime.broadcast("custom", {}, session="never-was")


async def test_connections_and_sessions_are_limited() -> None:
    async with RealtimeAgent(quick, limits=Limits(max_connections=2)) as realtime:
        async with viewer(realtime), viewer(realtime):
            with pytest.raises(TooManyConnections):
                async with viewer(realtime):
                    pass
        async with viewer(realtime):
            pass
    async with RealtimeAgent(quick, limits=Limits(max_sessions=1)) as realtime, viewer(realtime):
        with pytest.raises(TooManyConnections):
            async with viewer(realtime):
                pass


async def test_an_idle_session_gives_way_to_a_new_one_and_a_busy_one_does_not() -> None:
    async with RealtimeAgent(stepping, limits=Limits(max_sessions=2)) as realtime:
        async with viewer(realtime) as busy:
            busy.send(SubmitTask(task="hang"))
            await busy.until(StepStarted)
        async with viewer(realtime) as idle:
            pass
        async with viewer(realtime), viewer(realtime, session=busy.connection.session_id):
            with pytest.raises(UnknownSession):
                async with viewer(realtime, session=idle.connection.session_id):
                    pass


async def test_a_live_plan_does_not_repeat_results_and_a_catch_up_has_them() -> None:
    async def agent(task: str, run: TaskRun) -> object:
        for number in range(20):
            async with run.step(f"s{number}") as step:
                step.result = "r" * 10_000
        await trio.sleep_forever()

    async with RealtimeAgent(agent) as realtime, viewer(realtime) as me:
        me.send(SubmitTask(task="x"))
        await me.until(StepCompleted, step_name="s19")
        plans = [each for each in me.events if isinstance(each, PlanUpdated)]
        assert all(step.result is None for plan in plans for step in plan.plan.steps)
        async with viewer(realtime, session=me.connection.session_id) as late:
            told = await late.until(PlanCreated)
            assert [each.result.output for each in told.plan.steps if each.result] == [
                "r" * 10_000
            ] * 20


async def test_nothing_follows_the_terminal_message() -> None:
    kept: list[TaskRun] = []

    async def agent(task: str, run: TaskRun) -> object:
        kept.append(run)
        async with run.step("s") as step:
            step.progress(1)
        return None

    async with RealtimeAgent(agent) as realtime, viewer(realtime) as me:
        me.send(SubmitTask(task="x", task_id="t"))
        await me.until(TaskCompleted)
        kept[0].plan(["too late"])
        assert isinstance(of_task(await me.rest(), "t")[-1], TaskCompleted)


async def test_the_state_can_be_asked_for() -> None:
    async with RealtimeAgent(stepping) as realtime, viewer(realtime) as me:
        me.send(SubmitTask(task="x"))
        await me.until(TaskCompleted)
        before = len(me.events)
        await me.answer(GetState(request_id="s"))
        told = me.events[before:]
        assert kinds(told) == ["PlanCreated", "TaskCompleted", "StatusChanged", "Acknowledged"]
        assert all(each.replay for each in told[:-1])
        assert isinstance(told[-1], Acknowledged)
        assert told[-1].outcome == "ok"


async def test_big_outputs_are_cut_for_viewers_and_whole_for_the_application() -> None:
    async def agent(task: str, run: TaskRun) -> object:
        async with run.step("big") as step:
            step.result = "z" * 2_000_000
        return "z" * 2_000_000

    async with RealtimeAgent(agent) as realtime, viewer(realtime) as me:
        running = realtime.submit("x", session=me.connection.session_id)
        completed = await me.until(TaskCompleted)
        assert len(await running.result()) == 2_000_000
        assert "more characters]" in completed.output
        step = next(each for each in me.events if isinstance(each, StepCompleted))
        assert len(step.result.output) < 300_000


async def test_the_ids_that_a_session_knows_are_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trio_agent_rt.realtime.session.REMEMBERED_IDS", 2)
    async with RealtimeAgent(quick) as realtime, viewer(realtime) as me:
        for task_id in ("a", "b", "c"):
            me.send(SubmitTask(task="x", task_id=task_id))
            await me.until(TaskCompleted)
        outcomes: list[str] = []
        for task_id in ("c", "a"):
            answer = await me.answer(SubmitTask(task="x", task_id=task_id, request_id=task_id))
            assert isinstance(answer, Acknowledged)
            outcomes.append(answer.outcome)
        assert outcomes == ["already_accepted", "accepted"]


async def test_sessions_that_gave_way_are_gone_with_their_clocks() -> None:
    async with RealtimeAgent(quick, limits=Limits(max_sessions=3)) as realtime:
        before = trio.lowlevel.current_statistics().tasks_living
        for _ in range(50):
            async with viewer(realtime):
                pass
        await trio.testing.wait_all_tasks_blocked()
        assert trio.lowlevel.current_statistics().tasks_living <= before + 3


async def test_a_room_that_gave_way_and_was_made_again_is_not_removed_by_its_old_clock(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with RealtimeAgent(stepping, linger=10, limits=Limits(max_sessions=1)) as realtime:
        async with viewer(realtime, session="room", create=True):
            pass
        await trio.sleep(5)
        async with viewer(realtime):
            pass
        async with viewer(realtime, session="room", create=True) as me:
            me.send(SubmitTask(task="hang"))
            await me.until(StepStarted)
            await trio.sleep(60)
            realtime.broadcast("custom", "still here", session="room")
            await me.until(CustomEvent)
