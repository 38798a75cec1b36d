"""What each command is answered with."""

from __future__ import annotations

import pytest
import trio

from tests.realtime.viewing import quick, stepping, viewer
from trio_agent_rt.agent import TaskRun, Tool, ToolCall, tool
from trio_agent_rt.protocol import (
    Acknowledged,
    CancelTask,
    CloseCode,
    CommandFailed,
    GetState,
    GetTools,
    Ping,
    Pong,
    StatusChanged,
    StepFailed,
    StepStarted,
    SubmitTask,
    TaskCompleted,
    ToolsListed,
    Usage,
)
from trio_agent_rt.realtime import ANONYMOUS, Limits, Principal, RealtimeAgent


@tool(category="text")
async def shout(call: ToolCall, text: str) -> str:
    """Say it in capitals."""
    return text.upper()


async def test_a_submit_is_acknowledged_with_the_id_of_its_task() -> None:
    async with RealtimeAgent(quick) as realtime, viewer(realtime) as me:
        answer = await me.answer(SubmitTask(task="x", request_id="r"))
        assert isinstance(answer, Acknowledged)
        assert answer.outcome == "accepted"
        completed = await me.until(TaskCompleted)
        assert completed.task_id == answer.task_id


async def test_a_submit_without_a_request_id_is_not_acknowledged() -> None:
    async with RealtimeAgent(quick) as realtime, viewer(realtime) as me:
        me.send(SubmitTask(task="x"))
        await me.until(TaskCompleted)
        assert not any(isinstance(each, Acknowledged) for each in await me.rest())


async def test_the_same_task_id_never_starts_twice() -> None:
    started: list[str] = []

    async def agent(task: str, run: TaskRun) -> object:
        started.append(run.task_id)
        async with run.step("s"):
            await trio.sleep_forever() if task == "hang" else None
        return task

    async with RealtimeAgent(agent) as realtime, viewer(realtime) as me:
        first = await me.answer(SubmitTask(task="hang", task_id="t", request_id="1"))
        await me.until(StepStarted)
        again = await me.answer(SubmitTask(task="hang", task_id="t", request_id="2"))
        assert isinstance(first, Acknowledged)
        assert isinstance(again, Acknowledged)
        assert (first.outcome, again.outcome) == ("accepted", "already_accepted")
        await me.answer(CancelTask(task_id="t", request_id="3"))
        seen = len(me.events)
        late = await me.answer(SubmitTask(task="hang", task_id="t", request_id="4"))
        assert isinstance(late, Acknowledged)
        assert late.outcome == "already_accepted"
        told = me.events[seen:]
        assert isinstance(told[0], TaskCompleted), "its end is told again, before the answer"
        assert told[0].replay
        assert told[0].position is None
        assert started == ["t"]


async def test_a_refused_submit_is_answered_with_an_error_and_the_status_that_holds() -> None:
    async with RealtimeAgent(stepping) as realtime, viewer(realtime) as me:
        me.send(SubmitTask(task="hang"))
        await me.until(StepStarted)
        seen = len(me.events)
        me.send(SubmitTask(task="another", request_id="r"))
        error = await me.until(CommandFailed)
        status = await me.until(StatusChanged)
        assert error.code == "busy"
        assert status.state == "executing"
        assert [type(each) for each in me.events[seen:]] == [CommandFailed, StatusChanged]


async def test_a_cancel_is_acknowledged_when_the_work_has_ended_with_its_receipt() -> None:
    ended = False

    async def agent(task: str, run: TaskRun) -> object:
        nonlocal ended
        async with run.step("before"):
            pass
        try:
            async with run.step("work"):
                await trio.sleep_forever()
        finally:
            async with run.cleanup():
                for _ in range(10):
                    await trio.lowlevel.checkpoint()
                ended = True
        return None

    async with RealtimeAgent(agent) as realtime, viewer(realtime) as me:
        me.send(SubmitTask(task="x", task_id="t"))
        await me.until(StepStarted, step_name="work")
        me.send(CancelTask(task_id="t", reason="enough", request_id="c"))
        assert not ended
        cancelling = await me.until(StatusChanged)
        assert cancelling.cancelling
        assert cancelling.state == "executing"
        failed = await me.until(StepFailed)
        assert (failed.error, failed.will_retry) == ("cancelled", False)
        completed = await me.until(TaskCompleted)
        assert ended
        answer = await me.until(Acknowledged)
        assert answer.outcome == "cancelled"
        assert answer.receipt == completed.receipt
        receipt = completed.receipt
        assert receipt is not None
        assert receipt.reason == "a client asked: enough"
        assert receipt.interrupted == ("work",)
        assert receipt.completed == ("before",)
        assert receipt.cleanup == "clean"
        assert completed.outcome == "cancelled"
        assert not completed.success
        assert not any(
            isinstance(each, StatusChanged) for each in (await me.rest())[me.events.index(failed) :]
        )


async def test_a_receipt_names_the_principal_who_asked() -> None:
    ann = Principal("ann")
    async with RealtimeAgent(stepping) as realtime, viewer(realtime, principal=ann) as me:
        me.send(SubmitTask(task="hang", task_id="t"))
        await me.until(StepStarted)
        answer = await me.answer(CancelTask(request_id="c"))
        assert isinstance(answer, Acknowledged)
        assert answer.receipt is not None
        assert answer.receipt.reason == "ann asked"
    assert ANONYMOUS.asker == "a client asked"


async def test_a_cancel_without_an_id_ends_every_task_and_brings_every_receipt() -> None:
    async with RealtimeAgent(stepping, busy="parallel") as realtime, viewer(realtime) as me:
        for task_id in ("a", "b", "c"):
            me.send(SubmitTask(task="hang", task_id=task_id))
            await me.until(StepStarted)
        answer = await me.answer(CancelTask(request_id="c"))
        assert isinstance(answer, Acknowledged)
        assert answer.outcome == "cancelled"
        assert answer.receipts is not None
        assert {each.task_id for each in answer.receipts} == {"a", "b", "c"}
        assert len([each for each in me.events if isinstance(each, TaskCompleted)]) == 3


async def test_a_cancel_of_nothing_says_so() -> None:
    async with RealtimeAgent(quick) as realtime, viewer(realtime) as me:
        unknown = await me.answer(CancelTask(task_id="never", request_id="1"))
        nothing = await me.answer(CancelTask(request_id="2"))
        await me.answer(SubmitTask(task="x", task_id="t", request_id="3"))
        await me.until(TaskCompleted)
        ended = await me.answer(CancelTask(task_id="t", request_id="4"))
        assert [
            each.outcome for each in (unknown, nothing, ended) if isinstance(each, Acknowledged)
        ] == [
            "unknown",
            "already_ended",
            "already_ended",
        ]
        me.send(CancelTask(task_id="never"))
        error = await me.until(CommandFailed)
        assert error.code == "unknown_task"


async def test_the_end_of_a_task_says_what_models_took_if_there_was_one() -> None:
    async def thirsty(task: str, run: TaskRun) -> None:
        for _ in range(int(task)):
            run.add_usage(Usage(input_tokens=10, output_tokens=1))

    async with RealtimeAgent(thirsty) as realtime, viewer(realtime) as me:
        for times, usage in ((2, Usage(input_tokens=20, output_tokens=2)), (0, None)):
            me.send(SubmitTask(task=str(times)))
            assert (await me.until(TaskCompleted)).usage == usage


async def test_tools_are_listed_with_how_they_stop() -> None:
    async with RealtimeAgent(quick, tools=[shout]) as realtime, viewer(realtime) as me:
        me.send(GetTools())
        listed = await me.until(ToolsListed)
        (only,) = listed.tools
        assert isinstance(shout, Tool)
        assert (only.name, only.category, only.cancellation) == ("shout", "text", "async")
        assert only.description == "Say it in capitals."
        assert only.parameters["required"] == ["text"]


async def test_a_ping_is_answered_with_a_pong_and_no_position() -> None:
    async with RealtimeAgent(quick) as realtime, viewer(realtime) as me:
        me.send(Ping())
        assert (await me.until(Pong)).position is None


async def test_a_bad_message_is_answered_and_changes_nothing() -> None:
    async with (
        RealtimeAgent(stepping) as realtime,
        viewer(realtime) as me,
        viewer(realtime, session=me.connection.session_id) as other,
    ):
        me.send(SubmitTask(task="hang"))
        await me.until(StepStarted)
        me.connection.receive('{"type":"task:submit","data":{"task":7},"requestId":"q"}')
        error = await me.until(CommandFailed)
        assert error.code == "bad_message"
        assert error.message == "data.task: expected a string, got a number"
        assert error.request_id == "q"
        await other.until(StepStarted)
        assert not any(isinstance(each, CommandFailed) for each in await other.rest())


async def test_ten_bad_messages_in_a_row_close_the_connection_and_nine_do_not() -> None:
    async with RealtimeAgent(quick) as realtime:
        async with viewer(realtime) as me:
            for _ in range(5):
                for _ in range(9):
                    me.connection.receive("{")
                me.send(Ping())
            assert me.connection.closing is None
        async with viewer(realtime) as me:
            for _ in range(11):
                me.connection.receive("{")
            assert me.connection.closing is not None
            assert me.connection.closing[0] is CloseCode.PROTOCOL_VIOLATED
            errors = [each for each in await me.rest() if isinstance(each, CommandFailed)]
            assert len(errors) == 10, "what waits is still written"


async def test_a_flood_of_commands_closes_the_connection(
    autojump_clock: trio.testing.MockClock,
) -> None:
    limits = Limits(max_commands_per_minute=600, command_burst=20)
    async with RealtimeAgent(quick, limits=limits) as realtime, viewer(realtime) as me:
        for _ in range(3):
            for _ in range(20):
                me.send(Ping())
            await trio.sleep(2)
        assert me.connection.closing is None
        await me.rest()
        for _ in range(21):
            me.send(Ping())
        assert me.connection.closing is not None
        assert me.connection.closing[0] is CloseCode.POLICY_VIOLATION
        errors = [each for each in await me.rest() if isinstance(each, CommandFailed)]
        assert [each.code for each in errors] == ["rate_limited"]


async def test_an_error_of_ours_is_told_with_a_reference_and_no_details(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with RealtimeAgent(quick) as realtime, viewer(realtime) as me:

        def broken(self: object) -> None:
            raise RuntimeError("secret")

        monkeypatch.setattr("trio_agent_rt.realtime.session.Session.catch_up", broken)
        me.connection.receive('{"type":"get:state","requestId":"q"}')
        error = await me.until(CommandFailed)
        assert error.code == "internal"
        assert "secret" not in error.message
        reference = error.message.rpartition(" ")[2]
        assert reference in caplog.text
        assert "secret" in caplog.text


async def test_waiting_cancels_of_one_task_are_limited() -> None:
    limits = Limits(command_burst=1000)
    async with RealtimeAgent(stepping, limits=limits) as realtime, viewer(realtime) as me:
        me.send(SubmitTask(task="hang"))
        await me.until(StepStarted)
        for number in range(65):
            me.send(CancelTask(request_id=f"{number}"))
        await me.until(TaskCompleted)
        answers = [
            each for each in await me.rest() if isinstance(each, Acknowledged | CommandFailed)
        ]
        assert len(answers) == 65
        refused = [each for each in answers if isinstance(each, CommandFailed)]
        assert [(each.code, each.request_id) for each in refused] == [("busy", "64")]


async def test_a_cancel_that_is_not_waited_for_is_carried_out_all_the_same() -> None:
    limits = Limits(command_burst=1000)
    async with (
        RealtimeAgent(stepping, limits=limits, busy="parallel") as realtime,
        viewer(realtime) as me,
    ):
        for task_id in ("a", "b"):
            me.send(SubmitTask(task="hang", task_id=task_id))
            await me.until(StepStarted)
        for number in range(64):
            me.send(CancelTask(task_id="a", request_id=f"{number}"))
        me.send(CancelTask(request_id="all"))
        ended = {(await me.until(TaskCompleted)).task_id for _ in range(2)}
        assert ended == {"a", "b"}


async def test_big_messages_count_for_more_than_small_ones() -> None:
    limits = Limits(max_commands_per_minute=600, command_burst=20)
    async with RealtimeAgent(quick, limits=limits) as realtime, viewer(realtime) as me:
        for _ in range(2):
            assert me.connection.closing is None
            me.connection.receive('{"type":"ping","data":{"pad":"%s"}}' % ("x" * 200_000))
        assert me.connection.closing is not None
        assert me.connection.closing[0] is CloseCode.POLICY_VIOLATION


async def _wait(task: str, run: TaskRun) -> None:
    await trio.sleep_forever()


async def test_who_asks_for_much_state_again_and_again_is_refused_and_stays(
    autojump_clock: trio.testing.MockClock,
) -> None:
    limits = Limits(max_commands_per_minute=60, command_burst=20)
    realtime = RealtimeAgent(_wait, limits=limits, busy="parallel")
    async with realtime, viewer(realtime) as me:
        for _ in range(40):  # told in some 80 events: eight commands
            realtime.submit("wait", session=me.connection.session_id)
        await trio.testing.wait_all_tasks_blocked()
        for _ in range(2):
            assert isinstance(await me.answer(GetState(request_id="state")), Acknowledged)
        refused = await me.answer(GetState(request_id="state"))
        assert isinstance(refused, CommandFailed)
        assert refused.code == "rate_limited"
        assert me.connection.closing is None
        await trio.sleep(20)
        assert isinstance(await me.answer(GetState(request_id="again")), Acknowledged)


async def test_a_refused_submit_is_told_the_whole_state_within_the_limit_alone(
    autojump_clock: trio.testing.MockClock,
) -> None:
    limits = Limits(max_commands_per_minute=60, command_burst=20, max_tasks_per_session=40)
    realtime = RealtimeAgent(_wait, limits=limits, busy="parallel")
    async with realtime, viewer(realtime) as me:
        for _ in range(40):
            realtime.submit("wait", session=me.connection.session_id)
        await trio.testing.wait_all_tasks_blocked()
        await me.rest()
        told: list[int] = []
        for _ in range(3):
            before = len(me.events)
            me.send(SubmitTask(task="one more"))
            await me.rest()
            refused, *state = me.events[before:]
            assert isinstance(refused, CommandFailed)
            told.append(len(state))
        assert told[0] == told[1] > 10
        assert told[2] == 0
        assert me.connection.closing is None
