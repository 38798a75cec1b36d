"""The agent that comes with the library: a model plans, tools run, a model sums up."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec
import trio
from attrs import evolve

from ...errors import LLMError, PlanError, TaskError
from ...protocol import to_jsonable
from ..confirming import AutoConfirm, ConfirmationPolicy
from ..llm import ChatMessage, LLMClient, LLMRequest
from ..run import Answer, TaskRun
from ..tool import Tool, ToolSet
from .executor import Execution, Executor
from .plan import PLAN_SCHEMA, PlannedStep, parse_plan

__all__ = ["PlanningAgent", "create_agent"]

_log = logging.getLogger(__name__)

_PLAN_PROMPT = """\
You plan tasks. Answer with a plan: steps that each run one of the tools below.
- Use only these tools and their arguments. Give every step a short id (step_1, step_2, …) \
and a name in the language of the task.
- A step's argument may refer to what an earlier step returned: "{{step_1.output}}" or \
"{{step_1.output.field[0]}}". A text that is exactly one reference becomes the value itself.
- List in dependsOn the steps that must have ended before. Steps without a dependency on \
each other run at the same time.
- Set needConfirmation for what a person should agree to first.
- If the tools cannot do the task, leave steps empty and say why in "error".

Tools:
"""

_SUMMARY_PROMPT = """\
Sum up in one to three sentences what this task came to, for the person who asked, in the \
language of the task. State results, not how you got them. Invent nothing.
"""

_SUMMARY_OUTPUT_CHARS = 4000
"""How much of each step's output a model is shown for the summary."""


class PlanningAgent:
    """An agent that asks a model for a plan, runs it with tools, and sums up.

    It is an `async def agent(task, run)` like any other; see `create_agent`.

    Args:
        llm: who plans and sums up.
        tools: what the plan may use.
        executor: how steps are run.
        auto_confirm: decides in people's place where a step needs a confirmation, such as
            `AutoConfirm(["file_write"])`; None for what the executor says, which asks
            people unless told otherwise.
        max_steps: how many steps a plan may have.
        planning_timeout: seconds for the model to plan, and again to sum up.

    Raises:
        ValueError: when `AutoConfirm` names a tool or a category that there is not.
    """

    def __init__(
        self,
        *,
        llm: LLMClient,
        tools: Iterable[Tool],
        executor: Executor | None = None,
        auto_confirm: ConfirmationPolicy | None = None,
        max_steps: int = 50,
        planning_timeout: float = 120.0,
    ) -> None:
        self.llm = llm
        self.tools: ToolSet = ToolSet(tuple(tools))
        self._executor = executor or Executor()
        if auto_confirm is not None:
            self._executor = evolve(self._executor, auto_confirm=auto_confirm)
        if isinstance(self._executor.auto_confirm, AutoConfirm):
            self._executor.auto_confirm.check(self.tools)
        self._max_steps = max_steps
        self._planning_timeout = planning_timeout

    def __repr__(self) -> str:
        return f"<PlanningAgent llm={self.llm.name} tools={len(self.tools)}>"

    async def __call__(self, task: str, run: TaskRun) -> Answer:
        """Run one task.

        Returns:
            The output of the plan's last step (or, when several steps have no successor,
            their outputs by step id), and a summary.

        Raises:
            TaskError: when the task cannot be planned, or a step of it failed.

        Cancellation: every step that runs is interrupted; nothing runs on.
        """
        steps = await self._plan(task, run)
        run.plan(each.shown() for each in steps)
        execution = await self._executor.execute(run, steps, tools=self.tools)
        if execution.errors:
            raise TaskError(_failure(steps, execution))
        return Answer(
            output=_output(steps, execution), summary=await self._summary(task, steps, execution)
        )

    async def _plan(self, task: str, run: TaskRun) -> list[PlannedStep]:
        tools = msgspec.json.encode([to_jsonable(each) for each in self.tools.infos()]).decode()
        messages = [
            ChatMessage(role="system", content=_PLAN_PROMPT + tools),
            ChatMessage(role="user", content=task),
        ]
        if run.context:
            context = msgspec.json.encode(to_jsonable(run.context)).decode()
            messages.insert(1, ChatMessage(role="user", content=f"Context: {context}"))
        request = LLMRequest(
            messages=messages,
            purpose="plan",
            schema=PLAN_SCHEMA,
            schema_name="plan",
            tools=self.tools.infos(),
        )
        with trio.move_on_after(self._planning_timeout) as scope:
            response = await self.llm.complete(request)
            return parse_plan(response.text, self.tools, max_steps=self._max_steps)
        assert scope.cancelled_caught
        raise PlanError(f"{self.llm.name} had no plan within {self._planning_timeout:g} s")

    async def _summary(
        self, task: str, steps: Iterable[PlannedStep], execution: Execution
    ) -> str | None:
        """Closing words, or None: a task that has succeeded does not fail for them."""
        done: list[Mapping[str, Any]] = [
            {
                "id": each.id,
                "name": each.name,
                "tool": each.tool,
                "status": "success",
                "output": to_jsonable(execution.outputs[each.id], max_chars=_SUMMARY_OUTPUT_CHARS),
                "error": None,
            }
            for each in steps
        ]
        content = msgspec.json.encode({"task": to_jsonable(task), "steps": done}).decode()
        request = LLMRequest(
            messages=[
                ChatMessage(role="system", content=_SUMMARY_PROMPT),
                ChatMessage(role="user", content=content),
            ],
            purpose="summary",
        )
        try:
            with trio.move_on_after(self._planning_timeout):
                return (await self.llm.complete(request)).text.strip() or None
        except LLMError as exc:
            _log.warning("no summary from %s: %s", self.llm.name, exc)
        except Exception:
            _log.exception("no summary from %s", self.llm.name)
        else:
            _log.warning("no summary from %s in %g s", self.llm.name, self._planning_timeout)
        return None


def create_agent(*, llm: LLMClient, tools: Iterable[Tool], **options: Any) -> PlanningAgent:
    """A `PlanningAgent`.

    Args:
        llm: who plans, `OfflineClient()` for one that needs no network and no key.
        tools: what it may use, `default_tools()` for those that come with the library.
        options: as for `PlanningAgent`.
    """
    return PlanningAgent(llm=llm, tools=tools, **options)


def _failure(steps: Iterable[PlannedStep], execution: Execution) -> str:
    names = {each.id: each.name for each in steps}
    first, error = next(iter(execution.errors.items()))
    more = len(execution.errors) - 1
    text = f"{names[first]} ({first}): {error}"
    return (
        f"{text} — {more} more step{'s' if more > 1 else ''} did not run to success"
        if more
        else text
    )


def _output(steps: Sequence[PlannedStep], execution: Execution) -> object:
    needed = {each for step in steps for each in step.depends_on}
    last = [each.id for each in steps if each.id not in needed]
    if len(last) == 1:
        return execution.outputs[last[0]]
    return {each: execution.outputs[each] for each in last}
