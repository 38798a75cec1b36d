"""Steps that run others once: one branch of two, or several at the same time."""

from __future__ import annotations

import trio

from ....errors import TaskError
from ..execution import failure_of, outcome_of
from ..plans import ConditionalStep, ParallelStep
from .job import Job, Site, skip_inside

__all__ = ["conditional_job", "parallel_job"]


def conditional_job(step: ConditionalStep, site: Site) -> Job:
    """The job of a step that runs one branch: its output is that of the branch."""

    async def attempt(clock: trio.CancelScope) -> object:
        await trio.lowlevel.checkpoint()
        holds = step.condition.holds(site.scope)
        taken, left = (step.then, step.otherwise) if holds else (step.otherwise, step.then)
        reason = f"not taken: {step.condition.text} is {'true' if holds else 'false'}"
        skip_inside(site.run, left, site.scope.suffix, reason)
        scope = site.scope.inside()
        await site.run_inside(taken, scope)
        if scope.errors:
            raise TaskError(failure_of(taken, scope.errors))
        return outcome_of(taken, scope.outputs)

    return Job(
        attempt=attempt,
        question=site.question(step.name, {"if": step.condition.text}),
        asks=step.need_confirmation,
        timeout=step.timeout,
    )


def parallel_job(step: ParallelStep, site: Site) -> Job:
    """The job of a step that runs others at once: its output is theirs, by id."""

    async def attempt(clock: trio.CancelScope) -> object:
        scope = site.scope.inside()
        await site.run_inside(step.steps, scope)
        if scope.errors:
            raise TaskError(failure_of(step.steps, scope.errors))
        return {each.id: scope.outputs[each.id] for each in step.steps}

    return Job(
        attempt=attempt,
        question=site.question(step.name, {"at once": ", ".join(each.name for each in step.steps)}),
        asks=step.need_confirmation,
        timeout=step.timeout,
    )
