"""A client that needs no network and no key."""

from __future__ import annotations

import json
from collections.abc import Collection
from types import TracebackType
from typing import Any, Self

import trio

from ...agent.llm import LLMRequest, LLMResponse, WholeAnswers
from ...errors import LLMError
from .plan import NotUnderstood, PlanBuilder
from .rules import RULES
from .speech import NO_OTHER_PLAN, NO_TEXT
from .summary import summarise
from .words import clauses, language_of, lift

__all__ = ["OfflineClient", "plan_task"]

_MAX_CHARS = 2000


class OfflineClient(WholeAnswers):
    """An `LLMClient` that is no language model: it follows fixed rules, offline.

    The same task always gives the same plan. It understands simple tasks in English and
    Chinese (a file to analyse, read or search, an expression, a list of files, waiting,
    an address if there is a tool for it, several of them joined with "then"), uses only
    tools that the request names, and says so when it does not understand. Its summaries
    state results and that no model wrote them; it cannot write free text.

    Use it directly or as `async with OfflineClient() as llm`; there is nothing to close.
    """

    @property
    def name(self) -> str:
        """`offline`."""
        return "offline"

    def __repr__(self) -> str:
        return "OfflineClient()"

    async def __aenter__(self) -> Self:
        await trio.lowlevel.checkpoint()
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Leave; there is nothing to close or to wait for."""

    async def complete(self, request: LLMRequest) -> LLMResponse:
        """A plan or a summary, by rules; asked for another plan, it says that it has none.

        Raises:
            LLMError: when there is no question, a summary is asked of something else than
                the steps of a task, or free text is asked for: it can write none.
        """
        await trio.lowlevel.checkpoint()
        asked = [each.content for each in request.messages if each.role == "user"]
        if not asked:
            raise LLMError("the offline client was asked nothing")
        if request.purpose == "plan":
            plan = plan_task(asked[-1], {each.name for each in request.tools})
            return LLMResponse(text=json.dumps(plan, ensure_ascii=False))
        if request.purpose == "replan":
            return LLMResponse(text=json.dumps({"error": NO_OTHER_PLAN}))
        if request.purpose == "summary":
            return LLMResponse(text=summarise(asked[-1]))
        raise LLMError(NO_TEXT)


def plan_task(task: str, tools: Collection[str]) -> dict[str, Any]:
    """The plan for a task as JSON values: `{"steps": …}`, or `{"error": …}` in words.

    Args:
        tools: the names of the tools that may be used.
    """
    lifted = lift(task[:_MAX_CHARS])
    plan = PlanBuilder(tools, language_of(lifted))
    try:
        if len(task) > _MAX_CHARS:
            raise plan.refuse("long", _MAX_CHARS, len(task))
        if "{{" in task:
            raise plan.refuse("braces")
        if not lifted.text:
            raise plan.refuse("empty")
        found = clauses(lifted)
        for clause in found:
            plan.begin_clause(lifted.value(clause))
            if not any(rule(clause, lifted, plan) for rule in RULES):
                raise plan.refuse("unknown", lifted.value(clause))
        if not plan.steps:
            raise plan.refuse("unknown", task)
    except NotUnderstood as exc:
        return {"error": str(exc)}
    return {"steps": plan.steps}
