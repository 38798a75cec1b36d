"""What an answer to a question is answered with, whoever gives it."""

from __future__ import annotations

from tests.realtime.viewing import asking, quick, viewer
from trio_agent_rt.agent import TaskRun
from trio_agent_rt.protocol import (
    Acknowledged,
    CommandFailed,
    ConfirmationRequested,
    ConfirmStep,
    PlanCreated,
    StatusChanged,
    StepFailed,
    SubmitTask,
    TaskCompleted,
)
from trio_agent_rt.realtime import ANONYMOUS, Principal, RealtimeAgent


async def test_the_first_answer_to_a_question_wins() -> None:
    async with RealtimeAgent(asking) as realtime, viewer(realtime) as me:
        me.send(SubmitTask(task="x"))
        step = (await me.until(ConfirmationRequested)).step_id
        yes = ConfirmStep(step_id=step, approved=True, reason="fine", request_id="1")
        no = ConfirmStep(step_id=step, approved=False, request_id="2")
        first, second = await me.answer(yes), await me.answer(no)
        assert isinstance(first, Acknowledged)
        assert isinstance(second, Acknowledged)
        assert (first.outcome, second.outcome) == ("applied", "already_decided")
        completed = await me.until(TaskCompleted)
        assert completed.output == "fine"
        late = await me.answer(ConfirmStep(step_id=step, approved=True, request_id="3"))
        assert isinstance(late, Acknowledged)
        assert late.outcome == "already_decided", "also when the task has ended"


async def asking_twice(task: str, run: TaskRun) -> None:
    async with run.step("a") as step:
        await step.confirm("Delete the cache?")
        await step.confirm("Delete the database?")


async def test_a_second_click_answers_no_other_question_if_it_names_its_own() -> None:
    async with RealtimeAgent(asking_twice, busy="parallel") as realtime, viewer(realtime) as me:
        me.send(SubmitTask(task="x", task_id="one"))
        first = await me.until(ConfirmationRequested)
        me.send(SubmitTask(task="x", task_id="two"))
        other = await me.until(ConfirmationRequested, task_id="two")
        assert first.step_id == other.step_id

        async def click(question: ConfirmationRequested) -> str:
            yes = ConfirmStep(
                step_id=question.step_id,
                approved=True,
                confirmation_id=question.confirmation_id,
                request_id=f"{question.confirmation_id}{len(me.events)}",
            )
            answer = await me.answer(yes)
            assert isinstance(answer, Acknowledged)
            return answer.outcome

        assert [await click(first), await click(first)] == ["applied", "already_decided"]
        second = await me.until(ConfirmationRequested, task_id="one")
        assert await click(first) == "already_decided"
        assert [await click(second), await click(other)] == ["applied", "applied"]
        await me.until(TaskCompleted, task_id="one")
        assert await click(first) == "already_decided", "also when the task has ended"
        await me.until(ConfirmationRequested, task_id="two")


async def test_the_end_of_a_task_says_who_has_decided() -> None:
    ann, bob = Principal("ann"), Principal("bob")
    async with RealtimeAgent(asking, authorize=lambda *_: True) as realtime:
        async with viewer(realtime, principal=ann) as one:
            session = one.connection.session_id
            for principal, by in ((ann, "ann"), (bob, "bob"), (ANONYMOUS, "a client")):
                async with viewer(realtime, principal=principal, session=session) as me:
                    one.send(SubmitTask(task="x"))
                    step = (await one.until(ConfirmationRequested)).step_id
                    me.send(ConfirmStep(step_id=step, approved=True, reason="fine"))
                    completed = await one.until(TaskCompleted)
                    assert completed.confirmations
                    (record,) = completed.confirmations
                    assert (record.step_id, record.outcome) == (step, "approved")
                    assert (record.by, record.reason) == (by, "fine")
            task = realtime.submit("x", session=session)
            step = (await one.until(ConfirmationRequested)).step_id
            assert task.confirm(step) == "applied"
            records = (await task.wait()).confirmations
            assert records
            (record,) = records
            assert record.by == "the application"


async def test_a_rejected_question_fails_its_step_and_its_task() -> None:
    async with RealtimeAgent(asking) as realtime, viewer(realtime) as me:
        me.send(SubmitTask(task="x"))
        step = (await me.until(ConfirmationRequested)).step_id
        me.send(ConfirmStep(step_id=step, approved=False, reason="no, thanks"))
        after = await me.until(StatusChanged)
        failed = await me.until(StepFailed)
        completed = await me.until(TaskCompleted)
        assert after.state == "executing"
        assert failed.error == "rejected: no, thanks"
        assert completed.outcome == "failed"
        assert completed.error == "rejected: no, thanks"


async def test_an_answer_to_no_question_says_so() -> None:
    async with RealtimeAgent(quick) as realtime, viewer(realtime) as me:
        answer = await me.answer(ConfirmStep(step_id="s", approved=True, request_id="1"))
        assert isinstance(answer, Acknowledged)
        assert answer.outcome == "unknown"
        me.send(ConfirmStep(step_id="s", approved=True))
        assert (await me.until(CommandFailed)).code == "unknown_step"
        me.send(ConfirmStep(step_id="s", approved=True, task_id="never"))
        assert (await me.until(CommandFailed)).code == "unknown_task"


async def test_the_waiting_question_is_answered_by_any_viewer_of_the_session() -> None:
    async with RealtimeAgent(asking) as realtime, viewer(realtime) as me:
        me.send(SubmitTask(task="x"))
        await me.until(ConfirmationRequested)
        async with viewer(realtime, session=me.connection.session_id) as other:
            question = await other.until(ConfirmationRequested)
            assert any(isinstance(each, PlanCreated) for each in other.events)
            other.send(ConfirmStep(step_id=question.step_id, approved=True))
            await other.until(TaskCompleted)
        assert (await me.until(TaskCompleted)).success
