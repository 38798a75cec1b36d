"""What `serve` tells in its log: its tasks, and how it is stopped."""

from __future__ import annotations

import logging
import sys

import trio

from ...agent import PlanningAgent, TaskRun, ToolSet
from ...realtime import RealtimeAgent
from ..interrupts import Interrupts
from ..lines import count, one_line, span
from ..opening import CleanFormatter

__all__ = ["ToldAgent", "ToldStop", "log_to_stderr"]

_log = logging.getLogger("trio_agent_rt.serve")

_CLOSING = 1.0
"""Seconds that a shutdown takes at most beyond its time-outs; see `RealtimeAgent`."""


def log_to_stderr(level: str) -> None:
    """Write the log of the library, from that level on, to standard error."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(CleanFormatter("%(asctime)s %(levelname)s %(message)s"))
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    logging.getLogger("trio_agent_rt").setLevel(level.upper())


class ToldAgent:
    """An agent whose tasks are told of in the log."""

    def __init__(self, agent: PlanningAgent) -> None:
        self.tools: ToolSet = agent.tools
        self._agent = agent

    async def __call__(self, task: str, run: TaskRun) -> object:
        """Run a task."""
        name, began, how = run.task_id[:8], trio.current_time(), "was cancelled"
        _log.info("task %s: %s", name, one_line(task, 200))
        try:
            answer = await self._agent(task, run)
            how = "succeeded"
        except Exception as exc:
            how = f"failed: {one_line(str(exc) or type(exc).__name__, 300)}"
            raise
        else:
            return answer
        finally:
            _log.info("task %s %s (%s)", name, how, span(trio.current_time() - began))


class ToldStop:
    """The end of a server, told of in the log: what it may take at most, and what it took.

    Args:
        afterwards: seconds that what is closed after the agent may take at most.
    """

    def __init__(self, interrupts: Interrupts, *, afterwards: float = 0.0) -> None:
        self._interrupts = interrupts
        self._afterwards = afterwards
        self._bound = 0.0

    def begin(self, why: str, realtime: RealtimeAgent) -> None:
        """Begin the shutdown."""
        running, finishing = len(realtime.tasks), ""
        self._bound = _CLOSING + self._afterwards
        if running:
            patience = span(realtime.drain_timeout)
            finishing = f"{count(running, 'task')} may take {patience} to finish; "
            self._bound += realtime.drain_timeout + realtime.cleanup_timeout
        again = f"this takes at most {span(self._bound)}; once more ends at once"
        _log.info("%s: stopping; %s%s", why, finishing, again)
        realtime.begin_shutdown()

    def over(self) -> None:
        """All has ended."""
        took = self._interrupts.elapsed
        level = logging.INFO if took <= self._bound else logging.WARNING
        why, bound = self._interrupts.received, span(self._bound)
        _log.log(level, "stopped, %s after %s (at most %s)", span(took), why, bound)
