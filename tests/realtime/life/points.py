"""The points in a task's life: how it gets there, how it goes on, what is to be seen of it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import trio
import trio.testing

from trio_agent_rt.agent import ChatMessage, LLMRequest, TaskRun, Tool, create_agent
from trio_agent_rt.agent.confirming import Decision
from trio_agent_rt.protocol import ConfirmationRequested, StepStarted, TaskCompleted
from trio_agent_rt.testing import ScriptedAnswer, ScriptedLLM

if TYPE_CHECKING:
    from tests.realtime.life.life import Life

__all__ = ["CLEANUP_BOUND", "POINTS", "InStep", "Point", "plan_of", "planning"]

CLEANUP_BOUND = 1000.0
"""Seconds that a step asks for, for its cleanup."""


class Point:
    """A point; most override no more than what the agent does there."""

    interrupts: Sequence[str] = ()
    """The steps that a cancel interrupts here."""
    completes: Sequence[str] = ()
    """The steps that have ended well by then."""
    own_reason: str | None = None
    """Why it ends, when that was decided before it got here."""
    queues = False
    """Whether there must be one before it, in its session."""
    bounded = False
    """Whether it is in a cleanup, which has a bound."""
    real_time = False
    """Whether there are programs here, for which no clock can be moved."""

    def tools(self, life: Life) -> list[Tool]:
        """What the agent may use."""
        return []

    async def agent(self, life: Life, run: TaskRun) -> object:
        """The task that is held."""
        raise NotImplementedError

    async def bring(self, life: Life) -> None:
        """Submit it, and return when it is there."""
        life.submit()
        await life.at.wait()
        await trio.testing.wait_all_tasks_blocked()

    def release(self, life: Life) -> None:
        """Let it go on to its end."""
        life.go.set()

    def left(self, life: Life) -> int:
        """What else of it still runs."""
        return 0

    def check(self, life: Life, outcome: str) -> None:
        """What else is true when it has ended."""


class InStep(Point):
    """In the only step of an agent."""

    interrupts = ("work",)

    async def agent(self, life: Life, run: TaskRun) -> object:
        async with run.step("work"):
            await self.work(life, run)
        return "done"

    async def work(self, life: Life, run: TaskRun) -> None:
        """What the step does."""
        await life.hold()


class BeforeTheFirstCheckpoint(InStep):
    async def bring(self, life: Life) -> None:
        life.submit()


class Queued(InStep):
    queues = True

    async def bring(self, life: Life) -> None:
        life.submit("the one before", "before")
        await trio.testing.wait_all_tasks_blocked()
        life.submit()
        await trio.testing.wait_all_tasks_blocked()

    def release(self, life: Life) -> None:
        life.one_before_go.set()
        life.go.set()


class Starting(Queued):
    """The one before has just ended, and it was let out of the queue."""

    async def bring(self, life: Life) -> None:
        before = life.submit("the one before", "before")
        await trio.testing.wait_all_tasks_blocked()
        life.submit()
        before.on_ended.append(_Acts(life))
        await trio.testing.wait_all_tasks_blocked()
        life.one_before_go.set()
        await life.acted.wait()


class _Acts:
    gone = False

    def __init__(self, life: Life) -> None:
        self._life = life

    def __call__(self, completed: object) -> None:
        assert self._life.task.completed is None
        assert not self._life.called
        self._life.act()


def plan_of(tool: str, **fields: Any) -> str:
    """A plan of one step, `work`."""
    return json.dumps({"steps": [{"id": "work", "tool": tool, **fields}]})


async def planning(life: Life, run: TaskRun, *answers: ScriptedAnswer, **options: Any) -> object:
    """A task of the planning agent."""
    agent = create_agent(llm=ScriptedLLM(*answers), tools=run.tools, **options)
    return await agent(run.task, run)


def _quick() -> Tool:
    async def function(call: object, arguments: Mapping[str, Any]) -> str:
        await trio.lowlevel.checkpoint()
        return "quick"

    return Tool(name="quick", description="…", parameters={}, function=function)


class Planning(Point):
    def tools(self, life: Life) -> list[Tool]:
        return [_quick()]

    async def agent(self, life: Life, run: TaskRun) -> object:
        async def think(request: LLMRequest) -> str:
            await life.hold()
            return plan_of("quick")

        return await planning(life, run, think)


class SummingUp(Planning):
    completes = ("work",)

    async def agent(self, life: Life, run: TaskRun) -> object:
        async def think(request: LLMRequest) -> str:
            await life.hold()
            return "All done."

        return await planning(life, run, plan_of("quick"), think)


class WaitingForAModel(InStep):
    async def work(self, life: Life, run: TaskRun) -> None:
        async def think(request: LLMRequest) -> str:
            await life.hold()
            return "A thought."

        said = ChatMessage(role="user", content="Think.")
        await ScriptedLLM(think).complete(LLMRequest(messages=[said], purpose="summary"))


class WaitingForConfirmation(InStep):
    async def bring(self, life: Life) -> None:
        life.submit()
        await life.me.until(ConfirmationRequested)
        await trio.testing.wait_all_tasks_blocked()

    async def agent(self, life: Life, run: TaskRun) -> object:
        async with run.step("work") as step:
            with life.counted():
                await step.confirm("May I?")
        return "done"

    def release(self, life: Life) -> None:
        assert life.task.confirm("work") == "applied"

    def check(self, life: Life, outcome: str) -> None:
        late = life.task.decide("work", Decision(approved=True))
        assert late == ("expired" if outcome == "interrupted" else "already_decided")


class BetweenSteps(Point):
    completes = ("step_1",)

    async def agent(self, life: Life, run: TaskRun) -> object:
        run.plan(["one", "two"])
        async with run.step("one"):
            await trio.lowlevel.checkpoint()
        await life.hold()
        async with run.step("two"):
            await trio.lowlevel.checkpoint()
        return "done"

    def check(self, life: Life, outcome: str) -> None:
        started = [each.step_id for each in life.events if isinstance(each, StepStarted)]
        assert started == (["step_1"] if outcome == "cancelled" else ["step_1", "step_2"])


class InParallelSteps(Point):
    interrupts = ("a", "b", "c")

    async def agent(self, life: Life, run: TaskRun) -> object:
        async def branch(name: str) -> None:
            async with run.step(name):
                await life.hold(parts=3)

        async with trio.open_nursery() as nursery:
            for name in self.interrupts:
                nursery.start_soon(branch, name)
        return "done"


class InCleanup(InStep):
    """The step's work is over; what follows is a checkpoint."""

    bounded = True

    async def work(self, life: Life, run: TaskRun) -> None:
        async with run.cleanup(CLEANUP_BOUND):
            await life.hold()
        await trio.lowlevel.checkpoint()


class InCleanupAfterACancel(InStep):
    own_reason = "earlier"
    bounded = True

    async def work(self, life: Life, run: TaskRun) -> None:
        try:
            life.here += 1
            await trio.sleep_forever()
        finally:
            async with run.cleanup(CLEANUP_BOUND):
                await life.hold(parts=2)

    async def bring(self, life: Life) -> None:
        life.submit()
        await trio.testing.wait_all_tasks_blocked()
        assert life.task.request_cancel("earlier")
        await life.at.wait()


class Encoded(Point):
    """It has returned what calls code of its own while it is made JSON."""

    async def bring(self, life: Life) -> None:
        life.submit()
        await life.acted.wait()

    async def agent(self, life: Life, run: TaskRun) -> object:
        return _Output(life)

    def check(self, life: Life, outcome: str) -> None:
        ends = {each.task_id: each for each in life.events if isinstance(each, TaskCompleted)}
        assert ends["held"].output == {"all": 1}


class _Output(Mapping[str, int]):
    def __init__(self, life: Life) -> None:
        self._life = life

    def __getitem__(self, key: str) -> int:
        return 1

    def __iter__(self) -> Iterator[str]:
        self._life.act()
        return iter(("all",))

    def __len__(self) -> int:
        return 1


class Ended(Point):
    async def bring(self, life: Life) -> None:
        life.submit()
        await life.task.wait()

    async def agent(self, life: Life, run: TaskRun) -> object:
        return "done"


POINTS: Mapping[str, Point] = {
    "before the first checkpoint": BeforeTheFirstCheckpoint(),
    "queued": Queued(),
    "starting, out of the queue": Starting(),
    "planning": Planning(),
    "waiting for a model, in a step": WaitingForAModel(),
    "waiting for confirmation": WaitingForConfirmation(),
    "between steps": BetweenSteps(),
    "in parallel steps": InParallelSteps(),
    "in cleanup, not cancelled yet": InCleanup(),
    "in cleanup, after a cancel": InCleanupAfterACancel(),
    "summing up": SummingUp(),
    "while its result is encoded": Encoded(),
    "ended": Ended(),
}
