"""Asking a model for plans: what it is told, and what happens when its plan is none.

```
 task ──▶ model ──▶ plan ──▶ checked ──────────────▶ steps
            ▲                   │ invalid                ⋮ run, and a step has failed
            ├── what is wrong ◀─┘                        ⋮
            └── what came of it ◀────────────────────────┘
```
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import msgspec
import trio
from attrs import define, field

from ...errors import LLMError, PlanError
from ...protocol import to_jsonable
from ..llm import ChatMessage, LLMClient, LLMRequest, Purpose
from ..run import TaskRun
from ..tool import ToolSet
from .execution import Execution
from .plans import PLAN_SCHEMA, Declined, PlannedStep, ids_of, parse_plan
from .prompts import (
    MEND_PROMPT,
    PLAN_PROMPT,
    PROMPT_VERSION,
    REPLAN_PROMPT,
    SUMMARY_PROMPT,
)

__all__ = ["Planner", "sum_up"]

_log = logging.getLogger(__name__)

_OUTPUT_CHARS = 4000
"""How much of each step's output a model is shown."""

_ALL_OUTPUT_CHARS = 100_000
"""How much it is shown of all of them together."""

_PLAN_CHARS = 20_000
"""How much of its own plan it is shown again."""


@define(kw_only=True)
class Planner:
    """A conversation with a model about the plan of one task.

    Args:
        max_steps: how many steps a plan may have, those inside others included.
        attempts: how often a plan is asked for until it is valid.
        timeout: seconds for one plan, all attempts together.
    """

    llm: LLMClient
    tools: ToolSet
    max_steps: int
    attempts: int
    timeout: float
    _messages: list[ChatMessage] = field(init=False, factory=list[ChatMessage])

    async def plan(self, task: str, run: TaskRun) -> list[PlannedStep]:
        """The steps for a task.

        Raises:
            PlanError: when there is no valid plan in time.
            LLMError: when the model does not answer.

        Cancellation: safe; nothing has been run.
        """
        tools = msgspec.json.encode([to_jsonable(each) for each in self.tools.infos()]).decode()
        self._messages = [
            ChatMessage(role="system", content=PLAN_PROMPT + tools),
            ChatMessage(role="user", content=task),
        ]
        if run.context:
            context = msgspec.json.encode(to_jsonable(run.context)).decode()
            self._messages.insert(1, ChatMessage(role="user", content=f"Context: {context}"))
        return await self._ask(run, "plan")

    async def replan(
        self, run: TaskRun, steps: Sequence[PlannedStep], execution: Execution
    ) -> list[PlannedStep]:
        """The steps that remain after some have failed.

        Args:
            steps: all that were planned so far.
            execution: what they came to.

        Raises:
            PlanError, LLMError: as `plan`.

        Cancellation: safe; nothing more has been run.
        """
        taken = list(ids_of(steps))
        told = msgspec.json.encode(_told(steps, execution)).decode()
        content = REPLAN_PROMPT.format(told=told, taken=", ".join(taken))
        self._messages.append(ChatMessage(role="user", content=content))
        return await self._ask(run, "replan", given=list(execution.outputs), taken=taken)

    async def _ask(
        self,
        run: TaskRun,
        purpose: Purpose,
        *,
        given: Collection[str] = (),
        taken: Collection[str] = (),
    ) -> list[PlannedStep]:
        complaint: PlanError | None = None
        with trio.move_on_after(self.timeout):
            for _ in range(self.attempts):
                try:
                    text = await self._answer(run, purpose)
                    steps = parse_plan(
                        text, self.tools, max_steps=self.max_steps, given=given, taken=taken
                    )
                except (LLMError, Declined) as exc:
                    if complaint is None:
                        raise
                    _log.info("no better plan from %s: %s", self.llm.name, exc)
                    break
                except PlanError as exc:
                    _log.info(
                        "invalid plan from %s (prompt %s): %s", self.llm.name, PROMPT_VERSION, exc
                    )
                    complaint, purpose = exc, "replan"
                    mend = MEND_PROMPT.format(complaint=exc)
                    self._messages.append(ChatMessage(role="user", content=mend))
                else:
                    _log.info(
                        "steps planned by %s: %d (prompt %s)",
                        self.llm.name,
                        len(steps),
                        PROMPT_VERSION,
                    )
                    return steps
        raise complaint or PlanError(f"{self.llm.name} had no plan within {self.timeout:g} s")

    async def _answer(self, run: TaskRun, purpose: Purpose) -> str:
        request = LLMRequest(
            messages=tuple(self._messages),
            purpose=purpose,
            schema=PLAN_SCHEMA,
            schema_name="plan",
            tools=self.tools.infos(),
        )
        response = await self.llm.complete(request)
        run.add_usage(response.usage)
        said: str = to_jsonable(response.text, max_chars=_PLAN_CHARS)
        self._messages.append(ChatMessage(role="assistant", content=said))
        return response.text


async def sum_up(
    llm: LLMClient, run: TaskRun, steps: Sequence[PlannedStep], execution: Execution
) -> str | None:
    """Closing words for a task that has succeeded.

    Raises:
        LLMError: when the model does not answer.

    Cancellation: safe.
    """
    told = {"task": to_jsonable(run.task), "steps": _told(steps, execution)}
    request = LLMRequest(
        messages=[
            ChatMessage(role="system", content=SUMMARY_PROMPT),
            ChatMessage(role="user", content=msgspec.json.encode(told).decode()),
        ],
        purpose="summary",
    )
    response = await llm.complete(request)
    run.add_usage(response.usage)
    return response.text.strip() or None


def _told(steps: Sequence[PlannedStep], execution: Execution) -> list[Mapping[str, Any]]:
    """What came of each step that was run, for a model."""
    most = min(_OUTPUT_CHARS, _ALL_OUTPUT_CHARS // max(len(steps), 1))
    told: list[Mapping[str, Any]] = []
    for each in steps:
        error = execution.errors.get(each.id)
        if error is None and each.id not in execution.outputs:
            continue  # of a plan before; another has taken its place
        shown = each.shown()
        told.append(
            {
                "id": each.id,
                "name": each.name,
                "tool": shown.tool or each.type,
                "status": "success" if error is None else "failed",
                "output": to_jsonable(execution.outputs.get(each.id), max_chars=most),
                "error": error,
            }
        )
    return told
