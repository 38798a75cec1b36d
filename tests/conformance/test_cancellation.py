"""The races that the cancellation contract names, over the wire: one documented outcome
each, exactly one terminal message, and the work has ended when it is sent."""

from __future__ import annotations

from collections.abc import Sequence

import trio

from tests.conformance.peers import Peer, Serving
from trio_agent_rt import RealtimeAgent, TaskRun, ToolCall, ToolError, create_agent, tool
from trio_agent_rt.agent import LLMRequest, LLMResponse, WholeAnswers
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


class Work:
    """An agent that can be stopped at a named place, and knows whether it still runs."""

    def __init__(self) -> None:
        self.alive = 0
        self.started: list[str] = []
        self.ended = trio.Event()

    async def __call__(self, task: str, run: TaskRun) -> object:
        self.started.append(run.task_id)
        self.alive += 1
        try:
            return await self._work(task, run)
        finally:
            async with run.cleanup():
                for _ in range(5):
                    await trio.lowlevel.checkpoint()
            self.alive -= 1
            self.ended.set()

    async def _work(self, task: str, run: TaskRun) -> object:
        run.plan(["First", "Second"])
        if task == "before the first step":
            await trio.sleep_forever()
        async with run.step("First") as step:
            if task == "in a step":
                await trio.sleep_forever()
            if task == "in a confirmation":
                await step.confirm("May I?")
        if task == "between two steps":
            await trio.sleep_forever()
        async with run.step("Second"):
            if task == "in parallel":
                async with trio.open_nursery() as nursery:
                    for number in range(3):
                        nursery.start_soon(self._branch, run, f"branch_{number}")
        return "done"

    async def _branch(self, run: TaskRun, name: str) -> None:
        async with run.step(name):
            await trio.sleep_forever()


def only_end(events: Sequence[Event], task_id: str) -> TaskCompleted:
    """The one terminal message of a task, with everything of it in order before."""
    own = [
        each
        for each in events
        if each.task_id == task_id and not isinstance(each, Acknowledged) and not each.replay
    ]
    ends = [each for each in own if isinstance(each, TaskCompleted)]
    assert len(ends) == 1
    assert own[-1] is ends[0]
    running: set[str] = set()
    for event in own:
        if isinstance(event, StepStarted):
            running.add(event.step_id)
        elif isinstance(event, StepCompleted) or (
            isinstance(event, StepFailed) and not event.will_retry
        ):
            running.discard(event.step_id)
    assert not running
    return ends[0]


async def cancelled(peer: Peer, task_id: str = "t") -> Receipt:
    """Cancel a task and check all that the contract says of its end."""
    answer = await peer.answer(CancelTask(task_id=task_id, reason="enough", request_id="cancel"))
    assert isinstance(answer, Acknowledged)
    assert answer.outcome == "cancelled"
    end = only_end(await peer.settled(), task_id)
    assert (end.success, end.outcome) == (False, "cancelled")
    assert end.receipt is not None
    assert end.receipt == answer.receipt
    assert end.receipt.reason == "a client asked: enough"
    assert end.receipt.cleanup == "clean"
    return end.receipt


async def test_before_the_submit_was_acknowledged(serving: Serving) -> None:
    work = Work()
    async with RealtimeAgent(work) as realtime, serving(realtime) as connect, connect() as peer:
        await peer.send(SubmitTask(task="in a step", task_id="t", request_id="submit"))
        await cancelled(peer)
        assert work.alive == 0
        acks = [each.request_id for each in peer.events if isinstance(each, Acknowledged)]
        assert acks[:2] == ["submit", "cancel"]


async def test_before_the_first_step(serving: Serving) -> None:
    work = Work()
    async with RealtimeAgent(work) as realtime, serving(realtime) as connect, connect() as peer:
        await peer.answer(SubmitTask(task="before the first step", task_id="t", request_id="s"))
        receipt = await cancelled(peer)
        assert (receipt.interrupted, receipt.completed, work.alive) == ((), (), 0)


async def test_in_a_step(serving: Serving) -> None:
    work = Work()
    async with RealtimeAgent(work) as realtime, serving(realtime) as connect, connect() as peer:
        await peer.send(SubmitTask(task="in a step", task_id="t"))
        started = await peer.until(StepStarted)
        receipt = await cancelled(peer)
        assert (receipt.interrupted, receipt.completed, work.alive) == ((started.step_id,), (), 0)
        failed = await peer.until(StepFailed)
        assert (failed.error, failed.will_retry) == ("cancelled", False)
        after = peer.events[peer.events.index(failed) :]
        assert not any(isinstance(each, StatusChanged) for each in after)


async def test_while_a_model_plans(serving: Serving) -> None:
    class SlowModel(WholeAnswers):
        name = "slow"
        asked = trio.Event()
        alive = False

        async def complete(self, request: LLMRequest) -> LLMResponse:
            self.alive = True
            self.asked.set()
            try:
                await trio.sleep_forever()
            finally:
                self.alive = False

    model = SlowModel()
    agent = create_agent(llm=model, tools=[])
    async with RealtimeAgent(agent) as realtime, serving(realtime) as connect, connect() as peer:
        await peer.send(SubmitTask(task="x", task_id="t"))
        await model.asked.wait()
        receipt = await cancelled(peer)
        assert receipt.interrupted == ()
        assert not model.alive


async def test_in_a_confirmation(serving: Serving) -> None:
    work = Work()
    async with RealtimeAgent(work) as realtime, serving(realtime) as connect, connect() as peer:
        await peer.send(SubmitTask(task="in a confirmation", task_id="t"))
        question = await peer.until(ConfirmationRequested)
        receipt = await cancelled(peer)
        assert (receipt.interrupted, work.alive) == ((question.step_id,), 0)
        late = ConfirmStep(step_id=question.step_id, approved=True, request_id="late")
        assert await peer.outcome(late) == "expired"


async def test_between_two_steps(serving: Serving) -> None:
    work = Work()
    async with RealtimeAgent(work) as realtime, serving(realtime) as connect, connect() as peer:
        await peer.send(SubmitTask(task="between two steps", task_id="t"))
        first = await peer.until(StepCompleted)
        receipt = await cancelled(peer)
        assert (receipt.interrupted, receipt.completed) == ((), (first.step_id,))
        assert [each.step_id for each in peer.events if isinstance(each, StepStarted)] == [
            first.step_id
        ]


async def test_in_a_retrys_back_off(serving: Serving) -> None:
    attempts = 0

    class Planner(WholeAnswers):
        name = "planner"

        async def complete(self, request: LLMRequest) -> LLMResponse:
            await trio.lowlevel.checkpoint()
            step = '{"id":"step_1","tool":"flaky","retryable":true,"maxRetries":10}'
            return LLMResponse(text=f'{{"steps":[{step}]}}')

    @tool()
    async def flaky(call: ToolCall) -> str:
        """Fail."""
        nonlocal attempts
        attempts += 1
        raise ToolError("not this time")

    agent = create_agent(llm=Planner(), tools=[flaky])
    async with RealtimeAgent(agent) as realtime, serving(realtime) as connect, connect() as peer:
        await peer.send(SubmitTask(task="x", task_id="t"))
        while attempts < 5:  # the delays are random; by now one of seconds is under way
            await peer.until(StepFailed, will_retry=True)
        receipt = await cancelled(peer)
        assert receipt.interrupted == ("step_1",)
        seen = attempts
        await peer.settled()
        assert attempts == seen


async def test_in_parallel_steps(serving: Serving) -> None:
    work = Work()
    async with RealtimeAgent(work) as realtime, serving(realtime) as connect, connect() as peer:
        await peer.send(SubmitTask(task="in parallel", task_id="t"))
        for _ in ("First", "Second", "and three branches", "", ""):
            await peer.until(StepStarted)
        receipt = await cancelled(peer)
        assert set(receipt.interrupted) == {"step_2", "branch_0", "branch_1", "branch_2"}
        assert work.alive == 0


async def test_twice_and_from_two_connections(serving: Serving) -> None:
    work = Work()
    async with (
        RealtimeAgent(work) as realtime,
        serving(realtime) as connect,
        connect() as ann,
        connect(session=ann.session_id) as bob,
    ):
        await ann.send(SubmitTask(task="in a step", task_id="t"))
        await ann.until(StepStarted)
        for number in range(3):
            await ann.send(CancelTask(request_id=f"a{number}"))
            await bob.send(CancelTask(task_id="t", request_id=f"b{number}"))
        receipts: list[Receipt | None] = []
        outcomes: list[str] = []
        for peer in (ann, bob):
            for _ in range(3):
                answer = await peer.until(Acknowledged)
                outcomes.append(answer.outcome)
                receipts.append(answer.receipt)
        assert set(outcomes) <= {"cancelled", "already_ended"}
        assert outcomes[0] == "cancelled"
        for peer in (ann, bob):
            end = only_end(await peer.settled(), "t")
            assert end.receipt is not None
            assert all(each in (end.receipt, None) for each in receipts)
        assert work.alive == 0


async def test_after_the_end(serving: Serving) -> None:
    work = Work()
    async with RealtimeAgent(work) as realtime, serving(realtime) as connect, connect() as peer:
        await peer.send(SubmitTask(task="simple", task_id="t"))
        await peer.until(TaskCompleted)
        assert await peer.outcome(CancelTask(task_id="t", request_id="1")) == "already_ended"
        assert await peer.outcome(CancelTask(request_id="2")) == "already_ended"
        # Over HTTP it is a 404.
        never = await peer.outcome(CancelTask(task_id="never", request_id="3"))
        assert never in {"unknown", "unknown_task"}
        assert only_end(await peer.settled(), "t").success


async def test_at_the_very_end_one_of_the_two_outcomes_and_never_both(serving: Serving) -> None:
    """The cancel meets the end wherever it may: the receipt and the terminal message agree."""
    work = Work()
    outcomes: set[str] = set()
    async with RealtimeAgent(work) as realtime, serving(realtime) as connect, connect() as peer:
        for number in range(40):
            task_id = f"t{number}"
            await peer.send(SubmitTask(task="simple", task_id=task_id))
            for _ in range(number % 10):
                await trio.lowlevel.checkpoint()
            answer = await peer.answer(CancelTask(task_id=task_id, request_id=task_id))
            assert isinstance(answer, Acknowledged)
            end = only_end(await peer.settled(), task_id)
            if end.success:
                assert (answer.outcome, end.receipt) == ("already_ended", None)
            else:
                assert (answer.outcome, answer.receipt) == ("cancelled", end.receipt)
            outcomes.add(end.outcome)
    assert work.alive == 0
    assert outcomes <= {"succeeded", "cancelled"}


async def test_a_queued_task_never_starts(serving: Serving) -> None:
    work = Work()
    async with (
        RealtimeAgent(work, busy="queue") as realtime,
        serving(realtime) as connect,
        connect() as peer,
    ):
        await peer.send(SubmitTask(task="in a step", task_id="first"))
        await peer.until(StepStarted)
        submit = SubmitTask(task="simple", task_id="t", request_id="q")
        assert await peer.outcome(submit) == "queued"
        receipt = await cancelled(peer)
        assert receipt.duration == 0
        await cancelled(peer, "first")
        assert work.started == ["first"]


async def test_the_last_disconnect_with_linger_zero(serving: Serving) -> None:
    work = Work()
    async with RealtimeAgent(work, linger=0) as realtime, serving(realtime) as connect:
        async with connect() as peer:
            await peer.send(SubmitTask(task="in a step", task_id="t"))
            await peer.until(StepStarted)
            assert work.alive == 1
        with trio.fail_after(5):
            await work.ended.wait()
        assert work.alive == 0


async def test_losing_a_connection_touches_no_other(serving: Serving) -> None:
    work = Work()
    async with (
        RealtimeAgent(work, linger=0) as realtime,
        serving(realtime) as connect,
        connect() as stays,
    ):
        await stays.send(SubmitTask(task="in a confirmation", task_id="t"))
        question = await stays.until(ConfirmationRequested)
        async with connect() as leaves:
            await leaves.send(SubmitTask(task="in a step", task_id="other"))
            await leaves.until(StepStarted)
        async with connect(session=stays.session_id) as visitor:
            await visitor.until(ConfirmationRequested)
        confirm = ConfirmStep(step_id=question.step_id, approved=True, request_id="yes")
        assert await stays.outcome(confirm) == "applied"
        assert (await stays.until(TaskCompleted)).success


async def test_a_shutdown_sends_every_terminal_message_first(serving: Serving) -> None:
    work = Work()
    async with RealtimeAgent(work) as realtime, serving(realtime) as connect, connect() as peer:
        await peer.send(SubmitTask(task="in a step", task_id="t"))
        await peer.until(StepStarted)
        realtime.begin_shutdown()
        end = await peer.until(TaskCompleted)
        assert end.receipt is not None
        assert end.receipt.reason == "the server is shutting down"
        assert work.alive == 0
