"""The job of any step."""

from __future__ import annotations

from ....errors import PlanError
from ..plans import ConditionalStep, LLMStep, LoopStep, ParallelStep, PlannedStep, ToolStep
from .branches import conditional_job, parallel_job
from .job import Job, Site
from .llm import llm_job
from .loop import loop_job
from .tool import tool_job

__all__ = ["job_for"]


def job_for(step: PlannedStep, site: Site, timeout: float) -> Job:
    """What there is to do for a step, with its references replaced.

    Args:
        timeout: seconds for an attempt of a step that does its work itself and names no
            time-out.

    Raises:
        ToolError: when a reference leads nowhere.
    """
    match step:
        case ToolStep():
            return tool_job(step, site, timeout)
        case LLMStep():
            return llm_job(step, site, timeout)
        case ConditionalStep():
            return conditional_job(step, site)
        case LoopStep():
            return loop_job(step, site)
        case ParallelStep():
            return parallel_job(step, site)
        case _:
            raise PlanError(f"nobody knows how to run {step.id!r}, a {type(step).__name__}")
