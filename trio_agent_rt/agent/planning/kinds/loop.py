"""A step that repeats others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import cast

import attrs
import trio

from ....errors import TaskError, ToolError
from ....protocol import PlanStep
from ..execution import failure_of, outcome_of
from ..language import Scope, resolve
from ..language.references import kind_of
from ..plans import LoopStep, shown_steps
from .job import Job, Site, shown_inside, skip_inside

__all__ = ["SHOWN_ITERATIONS", "loop_job"]

SHOWN_ITERATIONS = 10
"""How many iterations are announced to viewers at once, where it is known that they come,
and how many of those that are over stay in the plan: what a loop says grows with the number
of its iterations, and not with its square."""


def loop_job(step: LoopStep, site: Site) -> Job:
    """The job of a step that repeats others: its output is the list of what they came to."""

    async def attempt(clock: trio.CancelScope) -> object:
        await trio.lowlevel.checkpoint()
        loop = _Loop(step, site)
        await loop.run()
        if not loop.results:
            skip_inside(site.run, step.body, f"{site.scope.suffix}.1", "there was nothing to do")
        return loop.results

    repeats = {"while": step.condition.text} if step.condition else {"over": step.over}
    return Job(
        attempt=attempt,
        question=site.question(step.name, repeats),
        asks=step.need_confirmation,
        timeout=step.timeout,
    )


@attrs.define
class _Loop:
    _step: LoopStep
    _site: Site
    results: list[object] = attrs.field(init=False, factory=list[object])
    _announced: int = attrs.field(init=False, default=1)
    _last: Mapping[str, object] = attrs.field(init=False, factory=dict[str, object])
    """What the steps of the last iteration came to."""

    async def run(self) -> None:
        if self._step.condition is None:
            items = self._items()
            for index, item in enumerate(items):
                self._announce(index + 1, len(items))
                await self._iterate(self._site.scope.iteration(index, item))
                self._site.step.progress(100 * len(self.results) / len(items))
            return
        while self._goes_on():
            if len(self.results) == self._step.max_iterations:
                raise ToolError(f"its condition is still true after {len(self.results)} iterations")
            self._announce(len(self.results) + 1, len(self.results) + 1)
            await self._iterate(self._site.scope.iteration(len(self.results)))

    def _items(self) -> Sequence[object]:
        found = resolve(self._step.over, self._site.scope)
        if not isinstance(found, list | tuple):
            raise ToolError(f"{self._step.over} is {kind_of(found)}, not a list")
        items = tuple(cast("Sequence[object]", found))
        most = self._step.max_iterations
        if len(items) > most:
            raise ToolError(f"the list has {len(items):,} items; maxIterations is {most:,}")
        return items

    def _goes_on(self) -> bool:
        assert self._step.condition is not None
        scope = Scope(
            parent=self._site.scope,
            outputs=dict(self._last),
            index=len(self.results),
            not_yet={each.id for each in self._step.body},
        )
        return self._step.condition.holds(scope)

    async def _iterate(self, scope: Scope) -> None:
        await self._site.run_inside(self._step.body, scope)
        if scope.errors:
            failure = failure_of(self._step.body, scope.errors)
            raise TaskError(f"iteration {len(self.results) + 1}: {failure}")
        self._last = scope.outputs
        self.results.append(outcome_of(self._step.body, scope.outputs))

    def _announce(self, number: int, known: int) -> None:
        """Tell viewers of an iteration, and of those that are known to come after it."""
        if number <= self._announced:
            return
        self._announced = min(known, number + SHOWN_ITERATIONS - 1)
        run, suffix = self._site.run, self._site.scope.suffix
        present = {each.id for each in shown_inside(run, self._step.body, suffix)}
        plan: list[PlanStep] = []
        at = 0
        for each in run.planned_steps:
            mine = each.id in present
            if not mine or self._number(each.id) >= number - SHOWN_ITERATIONS:
                plan.append(each)
            if mine or each.id == self._site.step.id:
                at = len(plan)
        plan[at:at] = [
            shown
            for each in range(number, self._announced + 1)
            for shown in shown_steps(
                self._step.body, suffix=f"{suffix}.{each}", around=self._site.step.id
            )
        ]
        run.plan(plan)

    def _number(self, step_id: str) -> int:
        """The iteration that a step is of."""
        suffix = step_id[step_id.index(".") :].removeprefix(self._site.scope.suffix)
        return int(suffix.split(".")[1])
