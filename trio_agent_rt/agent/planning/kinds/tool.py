"""A step that runs a tool."""

from __future__ import annotations

import trio

from ..language import resolve
from ..plans import ToolStep
from .job import Job, Site

__all__ = ["tool_job"]


def tool_job(step: ToolStep, site: Site, timeout: float) -> Job:
    """The job of a step that runs a tool."""
    tool = site.tools[step.tool]
    arguments = resolve(step.arguments, site.scope)

    async def attempt(clock: trio.CancelScope) -> object:
        return await tool.run(site.step, arguments)

    return Job(
        attempt=attempt,
        question=site.question(step.tool, arguments, tool),
        asks=step.need_confirmation or tool.needs_confirmation,
        timeout=step.timeout or timeout,
        retries=max(step.max_retries, 2 if tool.retryable else 0),
        tool=tool,
        arguments=arguments,
    )
