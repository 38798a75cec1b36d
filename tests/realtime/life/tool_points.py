"""The points that are in a tool: of each kind, and between two attempts of one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import trio
import trio.testing

from tests.agent.stopping.programs import HEARS_NOTHING, living, sh
from tests.realtime.life.points import InStep, Point, plan_of, planning
from trio_agent_rt.agent import (
    Command,
    Executor,
    SubprocessTool,
    TaskRun,
    Tool,
    ToolCall,
    check_cancelled,
    tool,
)
from trio_agent_rt.errors import ToolError
from trio_agent_rt.protocol import StepFailed, StepOutput

if TYPE_CHECKING:
    from tests.realtime.life.life import Life

__all__ = ["TOOL_POINTS"]


class InAsyncTool(InStep):
    """A step that runs the first of the tools."""

    def tools(self, life: Life) -> list[Tool]:
        @tool()
        async def held(call: ToolCall) -> None:
            """Wait."""
            await life.hold()

        return [held]

    async def agent(self, life: Life, run: TaskRun) -> object:
        async with run.step("work") as step:
            (name,) = [each.name for each in run.tools.infos()]
            await run.tools[name].run(step, {})
        return "done"


class InThreadTool(InAsyncTool):
    """In a thread that polls."""

    def tools(self, life: Life) -> list[Tool]:
        @tool(cancellation="thread")
        def held(call: ToolCall) -> None:
            """Wait in a thread, and listen."""
            with life.counted():
                life.thread_begun.set()
                while not life.thread_go.wait(0.001):
                    check_cancelled()

        return [held]

    async def bring(self, life: Life) -> None:
        life.submit()
        await trio.to_thread.run_sync(life.thread_begun.wait, 10)

    def release(self, life: Life) -> None:
        life.thread_go.set()


class InAbandonTool(InThreadTool):
    """In a thread that hears nothing."""

    def tools(self, life: Life) -> list[Tool]:
        @tool(cancellation="abandon")
        def held(call: ToolCall) -> None:
            """Wait in a thread."""
            life.thread_begun.set()
            assert life.thread_go.wait(20)

        return [held]


class InSubprocessTool(InAsyncTool):
    """In a program that ignores SIGTERM, as does its child."""

    real_time = True

    def tools(self, life: Life) -> list[Tool]:
        class Held(SubprocessTool):
            """Run a program that does not want to end."""

            def run(self, call: ToolCall) -> Command:
                go = life.folder / "go"
                wait = f"while [ ! -e '{go}' ]; do sleep 0.05; done"
                script = f"{HEARS_NOTHING} sleep 60 & echo $$; {wait}"
                return Command(sh(script), stream=True, grace=0.1)

        return [Held().tool]

    async def bring(self, life: Life) -> None:
        life.submit()
        life.session_of_program = int((await life.me.until(StepOutput)).text)
        assert living(life.session_of_program)

    def release(self, life: Life) -> None:
        (life.folder / "go").touch()

    def left(self, life: Life) -> int:
        return len(living(life.session_of_program))


class RetryBackOff(InStep):
    """The first attempt has failed, and the second one is to come."""

    def tools(self, life: Life) -> list[Tool]:
        @tool()
        async def flaky(call: ToolCall) -> str:
            """Fail once."""
            life.here += 1
            await trio.lowlevel.checkpoint()
            if life.here == 1:
                raise ToolError("not this time")
            return "this time"

        return [flaky]

    async def agent(self, life: Life, run: TaskRun) -> object:
        executor = Executor(retry_delay=1000, max_retry_delay=1000, jitter=lambda _, most: most)
        return await planning(life, run, plan_of("flaky", maxRetries=1), executor=executor)

    async def bring(self, life: Life) -> None:
        life.submit()
        await life.me.until(StepFailed, will_retry=True)
        await trio.testing.wait_all_tasks_blocked()

    def release(self, life: Life) -> None:
        life.clock.jump(1000)

    def check(self, life: Life, outcome: str) -> None:
        assert life.here == (1 if outcome == "interrupted" else 2)


TOOL_POINTS: Mapping[str, Point] = {
    "in an async tool": InAsyncTool(),
    "in a subprocess tool": InSubprocessTool(),
    "in a thread tool": InThreadTool(),
    "in an abandon tool": InAbandonTool(),
    "retry back-off": RetryBackOff(),
}
