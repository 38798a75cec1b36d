"""A run of Trio that ends, and says where it hung, when a test does not.

pytest-timeout interrupts Trio in the middle of its own work, and the test's finally
blocks never run. Here a thread waits instead, and at the deadline asks Trio, on its own
terms, to cancel the whole run: fixtures and tests unwind as after any other cancel.
"""

from __future__ import annotations

import contextlib
import functools
import sys
import threading
import traceback
from collections.abc import Awaitable, Callable
from typing import Any

import trio

__all__ = ["Hung", "guarded_run", "has_hang_guard", "with_hang_guard"]


class Hung(Exception):
    """A test took longer than it may; the text shows where its Trio tasks stood."""


def with_hang_guard(
    function: Callable[..., Awaitable[Any]], seconds: float
) -> Callable[..., Awaitable[Any]]:
    """`function`, cancelled after `seconds` of real time, whatever clock Trio follows.

    Raises:
        Hung: instead of the cancelled function's result.
    """

    @functools.wraps(function)
    async def guarded(*args: Any, **kwargs: Any) -> Any:
        token = trio.lowlevel.current_trio_token()
        scope = trio.CancelScope()
        hung: list[str] = []

        def stop() -> None:
            hung.append(f"still running after {seconds:g} s\n\n" + _where_tasks_stand())
            # At once as well: a shielded wait goes on until the backstop ends the process.
            print(hung[0], file=sys.stderr)
            scope.cancel(reason="the hang guard")

        def alarm() -> None:
            with contextlib.suppress(trio.RunFinishedError):
                token.run_sync_soon(stop)

        timer = threading.Timer(seconds, alarm)
        timer.daemon = True
        timer.start()
        result = None
        try:
            with scope:
                result = await function(*args, **kwargs)
        finally:
            timer.cancel()
            timer.join()
            if hung:
                raise Hung(hung[0])
        return result

    vars(guarded)["has_hang_guard"] = True
    return guarded


def has_hang_guard(function: Callable[..., Any]) -> bool:
    """Whether `function` came from `with_hang_guard`."""
    return getattr(function, "has_hang_guard", False)


def guarded_run(seconds: float, function: Callable[..., Awaitable[Any]], **options: Any) -> Any:
    """`trio.run`, stopped after `seconds`; fixtures that run inside it are covered too."""
    return trio.run(with_hang_guard(function, seconds), **options)


def _where_tasks_stand() -> str:
    root = trio.lowlevel.current_root_task()
    waiting = [root] if root else []
    told: list[str] = []
    while waiting:
        task = waiting.pop()
        for nursery in task.child_nurseries:
            waiting.extend(nursery.child_tasks)
        stack = [
            traceback.FrameSummary(frame.f_code.co_filename, line, frame.f_code.co_qualname)
            for frame, line in task.iter_await_frames()
        ]
        if stack and not task.name.startswith(("<", "trio.")):
            told.append(f"{task.name}\n" + "".join(traceback.format_list(stack[-8:])))
    return "\n".join(told)
