"""Answers that are given in people's place: by tool, by category, or by a rule of the user's.

A policy sees what a step is about to do before anybody is asked, and approves it, rejects
it, or has people asked. What it decides is told in the task's end like an answer of theirs.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import TYPE_CHECKING, Any, TypeAlias, cast

from attrs import field, frozen

from .confirmation import Decision

if TYPE_CHECKING:
    from ..tool import Tool, ToolSet

__all__ = ["AutoConfirm", "ConfirmationPolicy", "Question", "decided_by"]

_log = logging.getLogger(__name__)


@frozen(kw_only=True)
class Question:
    """What a step is about to do, for whoever decides whether it may.

    Args:
        tool: what it runs.
        arguments: what it gives it, with every reference resolved.
        step_id: its id in the plan.
        task: the text of the task.
        context: what the client sent along with the task.
    """

    tool: Tool
    arguments: Mapping[str, Any]
    step_id: str
    task: str
    context: Mapping[str, Any]


ConfirmationPolicy: TypeAlias = Callable[[Question], Decision | None]
"""Decides in people's place, or gives None to have them asked. It must not wait."""


def _names(values: Iterable[str]) -> frozenset[str]:
    if isinstance(values, str):
        raise TypeError(f"expected several names, not one text: ({values!r},)")
    return frozenset(values)


@frozen
class AutoConfirm:
    """A policy that approves what the named tools, or all tools of a category, want to do.

    Everything else is asked for as usual.

    Args:
        tools: names of tools.
        categories: of tools.

    Raises:
        TypeError: when one text is given in place of several names.
    """

    tools: Collection[str] = field(default=(), converter=_names)
    categories: Collection[str] = field(default=(), converter=_names, kw_only=True)

    def __call__(self, question: Question) -> Decision | None:
        """Approve, or have people asked."""
        if question.tool.name in self.tools:
            return Decision(approved=True, by=f"auto-confirm: tool {question.tool.name}")
        if question.tool.category in self.categories:
            return Decision(approved=True, by=f"auto-confirm: category {question.tool.category}")
        return None

    def check(self, tools: ToolSet) -> None:
        """See that it names nothing that does not exist.

        Raises:
            ValueError: when it does; the text lists what exists.
        """
        for what, wanted, known in (
            ("tool", self.tools, set(tools.names)),
            ("category", self.categories, {each.category for each in tools}),
        ):
            for name in sorted(set(wanted) - known):
                raise ValueError(
                    f"auto_confirm: there is no {what} {name!r}; "
                    f"there are: {', '.join(sorted(known)) or 'none'}"
                )


def decided_by(policy: ConfirmationPolicy | None, question: Question) -> Decision | None:
    """What `policy` decides, or None when people are to be asked.

    They are as well when it raises, or gives something else than a decision: what nobody
    has decided is not approved.
    """
    if policy is None:
        return None
    try:
        decision = cast("object", policy(question))
    except Exception:
        _log.exception("the confirmation policy failed; people are asked")
        return None
    if decision is None or isinstance(decision, Decision):
        return decision
    _log.error("the confirmation policy gave %r, no Decision; people are asked", decision)
    return None
