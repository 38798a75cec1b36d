"""However a task is ended, no process of its is there any more when its end is told."""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack

import pytest
import trio

from tests.agent.stopping.programs import HEARS_NOTHING, living, sh
from tests.realtime.viewing import Viewer, viewer
from trio_agent_rt.agent import Command, Tool, ToolCall, create_agent, tool
from trio_agent_rt.protocol import CancelTask, Receipt, StepOutput, SubmitTask, TaskCompleted
from trio_agent_rt.realtime import RealtimeAgent, RunningTask
from trio_agent_rt.testing import ScriptedLLM

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc"),
    pytest.mark.hang_guard(30),
]

FAMILY = f"{HEARS_NOTHING} (sleep 60; sleep 60) & (sleep 60 | cat) & (sleep 60 &); echo $$; wait"
"""A shell that ignores SIGTERM, as its children do, one of which is an orphan."""

PLAN = {"steps": [{"id": "s1", "name": "Run", "tool": "run"}]}


def a_tool() -> Tool:
    @tool(name="run", cancellation="subprocess")
    def family(call: ToolCall) -> Command:
        """Run a family of processes that hear nothing."""
        return Command(sh(f"{FAMILY}; sleep 60"), stream=True, grace=0.3)

    return family


class Scene:
    """A server with one task that runs such a family, and somebody who watches."""

    def __init__(self, realtime: RealtimeAgent, me: Viewer, stack: AsyncExitStack) -> None:
        self.realtime = realtime
        self.me = me
        self.stack = stack
        self.left: list[list[str]] = []
        """What lived when the end of the task was told."""
        self.completed: list[TaskCompleted] = []
        self.session = 0

    @property
    def task(self) -> RunningTask:
        (task,) = self.realtime.tasks
        return task

    async def begin(self) -> None:
        self.me.send(SubmitTask(task="x", task_id="t"))
        self.session = int((await self.me.until(StepOutput)).text)
        assert len(living(self.session)) >= 3, "the shell, and what it has put in the background"
        self.task.on_ended.append(self)

    gone = False

    def __call__(self, completed: TaskCompleted) -> None:
        self.completed.append(completed)
        self.left.append(living(self.session))


async def cancelled(scene: Scene) -> None:
    scene.me.send(CancelTask())
    await scene.me.until(TaskCompleted)


async def cancelled_twice(scene: Scene) -> None:
    scene.me.send(CancelTask())
    await trio.lowlevel.checkpoint()
    scene.me.send(CancelTask())
    await scene.task.cancel("again")


async def shut_down(scene: Scene) -> None:
    await scene.realtime.shut_down()


async def left_by_its_last_viewer(scene: Scene) -> None:
    task = scene.task
    await scene.stack.aclose()
    await task.wait()


@pytest.mark.parametrize("end", [cancelled, cancelled_twice, shut_down, left_by_its_last_viewer])
async def test_nothing_lives_when_the_end_is_told(end: Callable[[Scene], Awaitable[None]]) -> None:
    agent = create_agent(llm=ScriptedLLM(PLAN), tools=[a_tool()])
    async with RealtimeAgent(agent, linger=0) as realtime, AsyncExitStack() as stack:
        scene = Scene(realtime, await stack.enter_async_context(viewer(realtime)), stack)
        await scene.begin()
        with trio.fail_after(10):
            await end(scene)
    check(scene)


async def test_nothing_lives_when_the_server_was_cancelled_from_around_it() -> None:
    agent = create_agent(llm=ScriptedLLM(PLAN), tools=[a_tool()])
    scenes: list[Scene] = []
    with trio.fail_after(10), trio.CancelScope() as scope:
        async with RealtimeAgent(agent) as realtime, AsyncExitStack() as stack:
            me = await stack.enter_async_context(viewer(realtime))
            scenes.append(Scene(realtime, me, stack))
            await scenes[0].begin()
            scope.cancel()
    check(scenes[0])


def check(scene: Scene) -> None:
    assert scene.left == [[]]
    assert living(scene.session) == []
    (completed,) = scene.completed
    assert isinstance(completed.receipt, Receipt)
    assert completed.receipt.interrupted == ("s1",)
    assert completed.receipt.cleanup == "clean"
    assert 300 <= completed.receipt.duration < 5000
