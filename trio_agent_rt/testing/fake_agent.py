"""An agent that does what it was told to, and keeps a record of it."""

from __future__ import annotations

from contextlib import AsyncExitStack
from typing import TypeAlias

import trio
from attrs import frozen

from ..agent import TaskRun
from ..errors import TaskError

__all__ = ["Act", "Asks", "Fails", "FakeAgent", "Works"]


@frozen
class Works:
    """A step that works for some seconds and says how far it is."""

    seconds: float = 1.0
    retries: int = 0
    """How many attempts fail before one succeeds."""


@frozen
class Asks:
    """A step that asks a person first."""

    reason: str = "May it go on?"
    expires_after: float | None = 300.0
    """Seconds, or None for never."""


@frozen
class Fails:
    """A step that fails, and the task with it."""

    error: str = "it did not work"


Act: TypeAlias = Works | Asks | Fails | tuple["Act", ...]
"""One step, or several at once."""


class FakeAgent:
    """An agent for tests of servers, clients and panels: steps without any work in them.

    ```python
    agent = FakeAgent(Works(1), (Works(2), Works(3)), Asks("Send it?"), cleanup=0.5)
    async with RealtimeAgent(agent) as realtime: ...
    ```

    It behaves: its cleanup is in `run.cleanup()`, it lets every cancel through, and leaves
    nothing behind. The steps are called `1`, `2` and so on, those at once `2a`, `2b` to `2z`
    and, if there are more, `2-27`, `2-28`.

    Args:
        acts: its steps, in order; a tuple's run at the same time. Without any, one `Works()`.
        cleanup: seconds that it cleans up at its end, however that comes; 0 for not at all.
        output: what it returns.
    """

    def __init__(self, *acts: Act, cleanup: float = 0.0, output: object = "done") -> None:
        self.acts: tuple[Act, ...] = acts or (Works(),)
        self.cleanup = cleanup
        self.output = output
        self.started: list[str] = []
        """The tasks that it began, by their texts."""
        self.ended: list[str] = []
        """Those of them that are over, their cleanup included."""

    async def __call__(self, task: str, run: TaskRun) -> object:
        """Do it."""
        self.started.append(task)
        async with AsyncExitStack() as stack:
            stack.push_async_callback(self._clean_up, task, run)
            run.plan(_names(self.acts))
            for number, act in enumerate(self.acts, 1):
                await self._do(run, act, str(number))
        return self.output

    async def _clean_up(self, task: str, run: TaskRun) -> None:
        if self.cleanup:
            async with run.cleanup():
                await trio.sleep(self.cleanup)
        self.ended.append(task)

    async def _do(self, run: TaskRun, act: Act, name: str) -> None:
        if isinstance(act, tuple):
            async with trio.open_nursery() as nursery:
                for number, each in enumerate(act, 1):
                    nursery.start_soon(self._do, run, each, _name_within(name, number))
            return
        async with run.step(name) as step:
            match act:
                case Works():
                    for _ in range(act.retries):
                        await trio.sleep(act.seconds)
                        step.retry(TaskError("not yet"))
                    step.progress(50)
                    await trio.sleep(act.seconds)
                    step.result = name
                case Asks():
                    await step.confirm(act.reason, expires_after=act.expires_after)
                case Fails():
                    await trio.lowlevel.checkpoint()
                    raise TaskError(act.error)


_LETTERS = "abcdefghijklmnopqrstuvwxyz"


def _names(acts: tuple[Act, ...]) -> list[str]:
    return [name for number, act in enumerate(acts, 1) for name in _names_of(act, str(number))]


def _names_of(act: Act, name: str) -> list[str]:
    if not isinstance(act, tuple):
        return [name]
    within = ((each, _name_within(name, number)) for number, each in enumerate(act, 1))
    return [inner for each, outer in within for inner in _names_of(each, outer)]


def _name_within(name: str, number: int) -> str:
    return name + (_LETTERS[number - 1] if number <= len(_LETTERS) else f"-{number}")
