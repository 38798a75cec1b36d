"""A plan under construction."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any

from attrs import define, field, frozen

from .speech import REFUSALS, STEP_NAMES, say
from .words import Language

__all__ = ["NotUnderstood", "PlanBuilder", "Reportable", "beside"]


class NotUnderstood(Exception):
    """Why a task cannot be planned, as one sentence for a person."""


@frozen
class Reportable:
    """What a later "save a report" would write."""

    step_id: str
    text: str
    """With references to steps in it."""
    path: str
    """Where to, unless another file is named."""
    source: str | None = None
    """The file that it is about and that it must not overwrite."""


@define
class PlanBuilder:
    """Collects the steps of a plan.

    Args:
        tools: the names of the tools that there are.
        language: what steps and refusals are worded in.
    """

    tools: Collection[str]
    language: Language
    clause: str = field(init=False, default="")
    """What is being planned, for refusals."""
    reportable: list[Reportable] = field(init=False, factory=list[Reportable])
    """What the last clause that had something to say said."""
    steps: list[dict[str, Any]] = field(init=False, factory=list["dict[str, Any]"])
    in_place: str | None = field(init=False, default=None)
    """The step that writes a changed file back, unless it is to be saved elsewhere."""
    _before: Sequence[str] = field(init=False, default=())
    _ends: list[str] = field(init=False, factory=list[str])

    def begin_clause(self, clause: str) -> None:
        """What is added from now on waits for what has been added so far."""
        self.clause = clause
        if self._ends:
            self._before, self._ends = tuple(self._ends), []

    def refuse(self, why: str, *args: object) -> NotUnderstood:
        """The exception to raise for one of `REFUSALS`."""
        return NotUnderstood(say(REFUSALS, why, self.language, *args))

    def add(
        self,
        tool: str,
        arguments: Mapping[str, Any],
        *,
        named: Sequence[object],
        after: Sequence[str] = (),
        timeout: float = 60,
        confirm: bool = False,
        retries: int = 0,
    ) -> str:
        """Append a step and return its id.

        Args:
            named: what its name is filled in with.
            after: the steps it waits for, or none for those of the clause before.
            retries: how often it may be tried again.

        Raises:
            NotUnderstood: when the agent does not have the tool.
        """
        if tool not in self.tools:
            raise self.refuse("no_tool", tool, self.clause)
        step_id = f"step_{len(self.steps) + 1}"
        name = say(STEP_NAMES, tool, self.language, *named)
        self.steps.append(
            {
                "id": step_id,
                "name": name,
                "description": name,
                "type": "tool",
                "tool": tool,
                "arguments": dict(arguments),
                "dependsOn": list(after or self._before),
                "needConfirmation": confirm,
                "timeout": timeout,
                "retryable": retries > 0,
                "maxRetries": retries,
            }
        )
        self._ends = [each for each in self._ends if each not in after] + [step_id]
        return step_id

    def read(self, path: str) -> str:
        """Append a step that reads a file, and return its id."""
        return self.add("file_read", {"path": path}, named=[path])

    def write(self, path: str, text: str, after: Sequence[str]) -> str:
        """Append a step that writes a file after asking, and return its id.

        What stands there already is not written again: nobody is asked twice for one thing.
        """
        last = self._written.get(PurePosixPath(path))
        if last is not None and last["arguments"]["text"] == text:
            return last["id"]
        arguments = {"path": path, "text": text}
        return self.add("file_write", arguments, named=[path], after=after, confirm=True)

    def is_written(self, text: str, path: str | None = None) -> bool:
        """Whether that text stands, alone or with others, in the end in `path`, or in any file."""
        return any(
            text in step["arguments"]["text"] and (path is None or PurePosixPath(path) == written)
            for written, step in self._written.items()
        )

    @property
    def _written(self) -> Mapping[PurePosixPath, dict[str, Any]]:
        """The last step that writes each file."""
        return {
            PurePosixPath(each["arguments"]["path"]): each
            for each in self.steps
            if each["tool"] == "file_write"
        }

    def write_elsewhere(self) -> None:
        """Take back the step that writes a changed file where it was."""
        if self.in_place is not None and self.steps[-1]["id"] == self.in_place:
            self.steps.pop()
        self.in_place = None


def beside(path: str, ending: str) -> str:
    """A file of its own next to `path`: `data/sales.csv` → `data/sales_report.md`."""
    return str(PurePosixPath(path).with_name(PurePosixPath(path).stem + ending))
