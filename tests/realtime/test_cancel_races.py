"""Every race that the cancellation contract names has one outcome and one terminal message."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import trio
import trio.testing

from tests.realtime.viewing import Viewer, asking, of_task, stepping, viewer
from trio_agent_rt.agent import (
    LLMRequest,
    LLMResponse,
    TaskRun,
    ToolCall,
    WholeAnswers,
    create_agent,
    tool,
)
from trio_agent_rt.errors import ToolError
from trio_agent_rt.protocol import (
    Acknowledged,
    CancelTask,
    ConfirmationRequested,
    ConfirmStep,
    Event,
    Receipt,
    StatusChanged,
    StepCompleted,
    StepFailed,
    StepStarted,
    SubmitTask,
    TaskCompleted,
)
from trio_agent_rt.realtime import RealtimeAgent


async def the_end(me: Viewer, task_id: str) -> TaskCompleted:
    """The one terminal message of a task, after which nothing of it follows."""
    await me.until(TaskCompleted, task_id=task_id)
    events = of_task(await me.rest(), task_id)
    ends = [each for each in events if isinstance(each, TaskCompleted)]
    assert len(ends) == 1
    assert events[-1] is ends[0]
    started = [each.step_id for each in events if isinstance(each, StepStarted)]
    over = [
        each.step_id
        for each in events
        if isinstance(each, StepCompleted) or (isinstance(each, StepFailed) and not each.will_retry)
    ]
    assert sorted(started) == sorted(over), "each step that started has ended exactly once"
    return ends[0]


def the_receipt(completed: TaskCompleted) -> Receipt:
    assert completed.outcome == "cancelled"
    assert not completed.success
    assert completed.receipt is not None
    return completed.receipt


async def test_before_the_first_checkpoint_the_agent_is_not_even_called() -> None:
    called = False

    async def agent(task: str, run: TaskRun) -> object:
        nonlocal called
        called = True
        return None

    async with RealtimeAgent(agent) as realtime, viewer(realtime) as me:
        me.send(SubmitTask(task="x", task_id="t"))
        me.send(CancelTask(task_id="t", request_id="c"))
        receipt = the_receipt(await the_end(me, "t"))
        assert receipt.interrupted == ()
        assert not called


async def test_before_the_submit_was_acknowledged_it_is_found_and_cancelled() -> None:
    async with RealtimeAgent(stepping) as realtime, viewer(realtime) as me:
        me.send(SubmitTask(task="hang", task_id="t", request_id="s"))
        me.send(CancelTask(task_id="t", request_id="c"))
        accepted = await me.until(Acknowledged)
        cancelled = await me.until(Acknowledged)
        assert (accepted.request_id, accepted.outcome) == ("s", "accepted")
        assert (cancelled.request_id, cancelled.outcome) == ("c", "cancelled")


async def test_during_planning_the_model_is_cut_off() -> None:
    class SlowModel(WholeAnswers):
        name = "slow"
        cut_off = False

        async def complete(self, request: LLMRequest) -> LLMResponse:
            try:
                await trio.sleep_forever()
            finally:
                self.cut_off = True

    model = SlowModel()
    agent = create_agent(llm=model, tools=[])
    async with RealtimeAgent(agent) as realtime, viewer(realtime) as me:
        me.send(SubmitTask(task="x", task_id="t"))
        assert (await me.until(StatusChanged, state="planning")).task_id == "t"
        await trio.testing.wait_all_tasks_blocked()
        me.send(CancelTask(request_id="c"))
        receipt = the_receipt(await the_end(me, "t"))
        assert model.cut_off
        assert receipt.interrupted == ()


async def test_during_a_confirmation_the_question_is_withdrawn() -> None:
    async with RealtimeAgent(asking) as realtime, viewer(realtime) as me:
        me.send(SubmitTask(task="x", task_id="t"))
        question = await me.until(ConfirmationRequested)
        me.send(CancelTask(request_id="c"))
        cancelling = await me.until(StatusChanged)
        assert (cancelling.state, cancelling.cancelling) == ("waiting", True)
        receipt = the_receipt(await the_end(me, "t"))
        assert receipt.interrupted == (question.step_id,)
        late = await me.answer(
            ConfirmStep(step_id=question.step_id, approved=True, request_id="late")
        )
        assert isinstance(late, Acknowledged)
        assert late.outcome == "expired"


async def test_an_answer_and_a_cancel_at_the_same_moment_both_hold() -> None:
    async with RealtimeAgent(asking) as realtime, viewer(realtime) as me:
        me.send(SubmitTask(task="x", task_id="t"))
        question = await me.until(ConfirmationRequested)
        me.send(ConfirmStep(step_id=question.step_id, approved=True, request_id="yes"))
        me.send(CancelTask(request_id="c"))
        answer = await me.until(Acknowledged, request_id="yes")
        assert answer.outcome == "applied"
        completed = await the_end(me, "t")
        # The agent had nothing left to wait for: it finished before the cancel reached it.
        assert completed.outcome == "succeeded"
        cancel = next(
            each for each in me.events if isinstance(each, Acknowledged) and each.request_id == "c"
        )
        assert cancel.outcome == "already_ended"


async def test_between_two_steps_no_other_step_starts() -> None:
    reached = trio.Event()

    async def agent(task: str, run: TaskRun) -> object:
        run.plan(["one", "two"])
        async with run.step("one"):
            pass
        reached.set()
        await trio.sleep_forever()
        async with run.step("two"):
            pass

    async with RealtimeAgent(agent) as realtime, viewer(realtime) as me:
        me.send(SubmitTask(task="x", task_id="t"))
        await reached.wait()
        me.send(CancelTask(request_id="c"))
        receipt = the_receipt(await the_end(me, "t"))
        assert receipt.completed == ("step_1",)
        assert receipt.interrupted == ()
        assert [each.step_id for each in me.events if isinstance(each, StepStarted)] == ["step_1"]


PLAN = '{"steps":[{"id":"step_1","tool":"flaky","retryable":true,"maxRetries":5}]}'


class OnePlan(WholeAnswers):
    """A model that always has the same plan."""

    name = "one plan"

    def __init__(self, plan: str) -> None:
        self.plan = plan

    async def complete(self, request: LLMRequest) -> LLMResponse:
        await trio.lowlevel.checkpoint()
        return LLMResponse(text=self.plan)


async def test_during_a_retrys_back_off_no_other_attempt_follows(
    autojump_clock: trio.testing.MockClock,
) -> None:
    attempts: list[float] = []

    @tool()
    async def flaky(call: ToolCall) -> str:
        """Fail."""
        attempts.append(trio.current_time())
        raise ToolError("not this time")

    agent = create_agent(llm=OnePlan(PLAN), tools=[flaky])
    async with RealtimeAgent(agent) as realtime, viewer(realtime) as me:
        me.send(SubmitTask(task="x", task_id="t"))
        failed = await me.until(StepFailed)
        assert failed.will_retry
        me.send(CancelTask(request_id="c"))
        receipt = the_receipt(await the_end(me, "t"))
        assert receipt.interrupted == ("step_1",)
        await trio.sleep(100)
        assert len(attempts) == 1


async def test_at_the_very_end_a_success_stays_a_success() -> None:
    async def agent(task: str, run: TaskRun) -> object:
        async with run.step("only"):
            pass
        me.send(CancelTask(request_id="c"))  # and then there is nothing left to cancel
        return "done"

    async with RealtimeAgent(agent) as realtime, viewer(realtime) as me:
        me.send(SubmitTask(task="x", task_id="t"))
        completed = await the_end(me, "t")
        assert completed.outcome == "succeeded"
        assert completed.output == "done"
        assert completed.receipt is None
        answer = next(each for each in me.events if isinstance(each, Acknowledged))
        assert answer.outcome == "already_ended"


async def test_after_the_end_nothing_changes() -> None:
    async with RealtimeAgent(stepping) as realtime, viewer(realtime) as me:
        me.send(SubmitTask(task="x", task_id="t"))
        await me.until(TaskCompleted)
        answer = await me.answer(CancelTask(task_id="t", request_id="c"))
        assert isinstance(answer, Acknowledged)
        assert answer.outcome == "already_ended"
        assert (await the_end_of(await me.rest(), "t")).success


async def the_end_of(events: Sequence[Event], task_id: str) -> TaskCompleted:
    (only,) = [
        each for each in events if isinstance(each, TaskCompleted) and each.task_id == task_id
    ]
    return only


async def test_twice_and_from_two_connections_one_end_and_the_first_reason() -> None:
    async with (
        RealtimeAgent(stepping) as realtime,
        viewer(realtime) as ann,
        viewer(realtime, session=ann.connection.session_id) as bob,
    ):
        ann.send(SubmitTask(task="hang", task_id="t"))
        await ann.until(StepStarted)
        ann.send(CancelTask(reason="first", request_id="a1"))
        bob.send(CancelTask(reason="second", request_id="b"))
        ann.send(CancelTask(task_id="t", reason="third", request_id="a2"))
        receipt = the_receipt(await the_end(ann, "t"))
        assert receipt.reason == "a client asked: first"
        await bob.until(Acknowledged)
        answers = {
            each.request_id: (each.outcome, each.receipt)
            for each in (*ann.events, *bob.events)
            if isinstance(each, Acknowledged)
        }
        assert answers == dict.fromkeys(("a1", "a2", "b"), ("cancelled", receipt))


async def test_in_parallel_steps_each_is_interrupted_and_named() -> None:
    async def agent(task: str, run: TaskRun) -> object:
        run.plan(["a", "b", "c"])

        async def work(name: str) -> None:
            async with run.step(name):
                await trio.sleep_forever()

        async with trio.open_nursery() as nursery:
            for name in ("a", "b", "c"):
                nursery.start_soon(work, name)

    async with RealtimeAgent(agent) as realtime, viewer(realtime) as me:
        me.send(SubmitTask(task="x", task_id="t"))
        for _ in range(3):
            await me.until(StepStarted)
        me.send(CancelTask(request_id="c"))
        receipt = the_receipt(await the_end(me, "t"))
        assert sorted(receipt.interrupted) == ["step_1", "step_2", "step_3"]


async def test_the_terminal_message_comes_after_the_last_finally_block() -> None:
    order: list[str] = []

    async def agent(task: str, run: TaskRun) -> object:
        async def background() -> None:
            try:
                await trio.sleep_forever()
            finally:
                async with run.cleanup():
                    for _ in range(20):
                        await trio.lowlevel.checkpoint()
                    order.append("background ended")

        async with trio.open_nursery() as nursery:
            nursery.start_soon(background)
            async with run.step("work"):
                await trio.sleep_forever()

    class Told:
        gone = False

        def __call__(self, completed: TaskCompleted) -> None:
            order.append(completed.outcome)

    async with RealtimeAgent(agent) as realtime:
        running = realtime.submit("x")
        running.on_ended.append(Told())
        await trio.testing.wait_all_tasks_blocked()
        receipt = await running.cancel("now")
        assert order == ["background ended", "cancelled"]
        assert receipt is not None
        assert receipt.reason == "now"


async def test_cleanup_that_overruns_is_cut_off_and_named(
    autojump_clock: trio.testing.MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    async def agent(task: str, run: TaskRun) -> object:
        async with run.step("slow to end"):
            try:
                await trio.sleep_forever()
            finally:
                async with run.cleanup():
                    await trio.sleep(1000)

    async with RealtimeAgent(agent, cleanup_timeout=3) as realtime:
        running = realtime.submit("x")
        await trio.testing.wait_all_tasks_blocked()
        before = trio.current_time()
        receipt = await running.cancel()
        assert trio.current_time() - before == pytest.approx(3)
        assert receipt is not None
        assert (receipt.cleanup, receipt.duration) == ("timed_out", 3000)
        assert receipt.cleanup_detail is not None
        assert "cut off" in caplog.text


async def test_an_error_that_cleanup_raises_is_reported_and_the_task_is_still_cancelled(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def agent(task: str, run: TaskRun) -> object:
        try:
            await trio.sleep_forever()
        finally:
            raise ValueError("the lock file is gone")

    async with RealtimeAgent(agent) as realtime:
        running = realtime.submit("x")
        await trio.testing.wait_all_tasks_blocked()
        receipt = await running.cancel()
        assert receipt is not None
        assert receipt.cleanup == "raised"
        assert "the lock file is gone" in (receipt.cleanup_detail or "")
        assert "the lock file is gone" in caplog.text


async def test_an_agent_that_swallows_its_cancel_in_a_step_is_not_called_a_success() -> None:
    async def agent(task: str, run: TaskRun) -> object:
        try:
            async with run.step("work"):
                await trio.sleep_forever()
        except trio.Cancelled:
            return "pretend that all is well"

    async with RealtimeAgent(agent) as realtime:
        running = realtime.submit("x")
        await trio.testing.wait_all_tasks_blocked()
        receipt = await running.cancel()
        assert receipt is not None
        assert receipt.interrupted == ("work",)


async def test_a_task_that_ignores_its_cancel_is_named_in_the_log(
    autojump_clock: trio.testing.MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    async def agent(task: str, run: TaskRun) -> object:
        async with run.step("stubborn"):
            with trio.CancelScope(shield=True):
                await trio.sleep(60)
            await trio.sleep_forever()

    async with RealtimeAgent(agent, cleanup_timeout=5) as realtime:
        running = realtime.submit("x")
        await trio.testing.wait_all_tasks_blocked()
        await running.cancel()
        assert "stubborn" in caplog.text
        assert "still runs" in caplog.text
