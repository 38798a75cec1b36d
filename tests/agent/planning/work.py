"""Tools that do what a test says, and plans of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

import trio

from tests.agent.stage import Stage
from trio_agent_rt.agent import (
    Execution,
    Executor,
    TaskRun,
    Tool,
    ToolCall,
    ToolStep,
)
from trio_agent_rt.protocol import TaskCompleted

__all__ = ["Workshop", "failing", "hang", "planned"]

Work = Callable[[ToolCall], Awaitable[object]]


def planned(step_id: str, *depends_on: str, **fields: Any) -> ToolStep:
    """A step that runs the tool of its own name."""
    usual: dict[str, Any] = {
        "name": step_id.upper(),
        "description": "",
        "tool": step_id,
        "arguments": {},
        "need_confirmation": False,
        "timeout": None,
        "max_retries": 0,
    }
    return ToolStep(id=step_id, depends_on=list(depends_on), **{**usual, **fields})


def failing(
    *errors: BaseException, then: object = "done"
) -> Callable[[ToolCall], Awaitable[object]]:
    """Raises each error in turn, after a second, and then ends well."""
    left = list(errors)

    async def work(call: ToolCall) -> object:
        call.progress(50)
        await trio.sleep(1)
        if left:
            raise left.pop(0)
        return then

    return work


async def hang(call: ToolCall) -> object:
    await trio.sleep_forever()


class Workshop:
    """Runs plans whose tools do what they are told, and notes what ran when.

    Args:
        work: what each tool does; one that is not named takes a second.
        executor: how steps are run.
    """

    def __init__(self, work: Mapping[str, Work] | None = None, **executor: Any) -> None:
        self.executor = Executor(**executor)
        self.started: list[str] = []
        self.calls: Counter[str] = Counter()
        self.arguments: dict[str, Mapping[str, Any]] = {}
        self.most_at_once = 0
        self.execution: Execution | None = None
        self._now = 0
        self._work = dict(work or {})

    def tool(self, name: str, **fields: Any) -> Tool:
        """The tool of a step."""

        async def function(call: ToolCall, arguments: Mapping[str, Any]) -> object:
            self.started.append(name)
            self.calls[name] += 1
            self.arguments[name] = arguments
            self._now += 1
            self.most_at_once = max(self.most_at_once, self._now)
            try:
                if name in self._work:
                    return await self._work[name](call)
                await trio.sleep(1)
                return f"{name} done"
            finally:
                self._now -= 1

        return Tool(name=name, description="…", parameters={}, function=function, **fields)

    def stage(self, steps: Sequence[ToolStep], **tool_fields: Any) -> Stage:
        return Stage(tools=[self.tool(each, **tool_fields) for each in {s.tool for s in steps}])

    async def play(self, steps: Sequence[ToolStep], stage: Stage | None = None) -> TaskCompleted:
        """Run a plan to its end, and see whether its events keep the contract."""

        async def agent(task: str, run: TaskRun) -> object:
            run.plan(each.shown() for each in steps)
            self.execution = await self.executor.execute(run, steps)
            return self.execution.outputs

        return await (stage or self.stage(steps)).play(agent)

    @property
    def outputs(self) -> dict[str, object]:
        assert self.execution is not None
        return self.execution.outputs

    @property
    def errors(self) -> dict[str, str]:
        assert self.execution is not None
        return self.execution.errors
