"""Running an agent's code apart, so that nothing that it does ends anything but itself.

```
 whoever runs it ── with Apart() ──┬── nursery ── Trio task ── with Apart() ── agent
                                   │                                └ keeps what it raises
                                   └ keeps what breaks the Trio task itself: a nursery or a
                                     cancel scope that the agent has left open
```

An async generator is code of the agent's that no nursery knows: Python tells the event loop
when one begins and when it is let go of. So while agents run, this listens there too, and
those of an agent end inside its scope, before it does.
"""

from __future__ import annotations

import sys
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from contextlib import contextmanager, suppress
from contextvars import Context, ContextVar, copy_context
from math import inf
from types import AsyncGeneratorType, TracebackType
from typing import Any, TypeAlias, cast
from weakref import WeakSet

import attrs
import trio

from ..protocol import TaskOutcome
from .failures import came_of_cancel

__all__ = ["Apart", "Ending", "Generators", "owner", "run_apart"]

_Generator: TypeAlias = AsyncGenerator[Any, Any]


@attrs.define
class Ending:
    """How an agent's code ended."""

    output: object = None
    """What it returned, if it did."""
    returned: bool = False
    """Whether it returned."""
    error: BaseException | None = None
    """What it raised; None also when it was cancelled."""
    of_generators: list[BaseException] = attrs.field(factory=list[BaseException])
    """What its generators raised when they were closed."""

    def outcome(self, *, cancelled: bool, interrupted: bool) -> TaskOutcome:
        """What became of the task: what the agent did decides, not who asked last.

        Args:
            cancelled: whether somebody has asked for its end.
            interrupted: whether that has interrupted a step.
        """
        if self.returned and not interrupted:
            return "succeeded"
        if self.error is None or (cancelled and (interrupted or came_of_cancel(self.error))):
            return "cancelled"
        return "failed"  # it had raised before the cancel reached it, if there was one


class Apart:
    """A block of an agent's code: whatever comes out of it is kept, not raised.

    What belongs to the world around goes on: a cancel that is under way here (one that
    is not is a leftover which the agent has kept and raised again), and Ctrl-C.
    """

    def __init__(self, ending: Ending) -> None:
        self._ending = ending

    def __enter__(self) -> None:
        pass

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool:
        if exc is None or _goes_on(exc):
            return False
        if self._ending.error is None:
            self._ending.error = exc
        self._ending.returned = False
        return True


def _goes_on(exc: BaseException) -> bool:
    if isinstance(exc, BaseExceptionGroup):
        members = cast("BaseExceptionGroup[BaseException]", exc).exceptions
        return any(_goes_on(each) for each in members)
    if isinstance(exc, trio.Cancelled):
        return trio.current_effective_deadline() == -inf
    return isinstance(exc, KeyboardInterrupt)


async def run_apart(
    scope: trio.CancelScope, agent: Callable[[], Awaitable[object]], ending: Ending
) -> None:
    """Run an agent under its cancel scope, and note how it ended. Raises nothing of it.

    Args:
        ending: filled in, also when this is cancelled from around it.

    Cancellation: cancels the agent, and returns or raises when all of it has ended.
    """

    generators = Generators(ending)

    async def call() -> None:
        async with generators:
            with Apart(ending):
                ending.output = await agent()
                ending.returned = True

    with Apart(ending), scope, _hooks_installed():
        async with trio.open_nursery() as nursery:
            await trio.lowlevel.checkpoint()  # cancelled by now, it is not even called
            generators.nursery = nursery
            nursery.start_soon(call)


class Generators:
    """The async generators that an agent has begun, in whichever of its Trio tasks."""

    def __init__(self, ending: Ending) -> None:
        self.nursery: trio.Nursery | None = None
        """Where those that are let go of end, while the agent runs."""
        self._ending = ending
        self._token = trio.lowlevel.current_trio_token()
        self._alive: WeakSet[_Generator] = WeakSet()
        self._let_go: list[tuple[_Generator, Context, trio.lowlevel.Task | None]] = []
        self._closed = False

    def begin(self, generator: _Generator) -> bool:
        """One begins in this context; whether it is the agent's."""
        task: trio.lowlevel.Task | None = trio.lowlevel.current_task()
        while task is not None and (inner := task.parent_nursery) is not self.nursery:
            task = None if inner is None else inner.parent_task
        if task is None or self._closed:  # the agent has started something outside of itself
            return False
        self._alive.add(generator)
        return True

    def let_go(self, generator: _Generator) -> bool:
        """Nobody has it any more; whether it will be closed here. In any thread."""
        if self._closed:
            return False
        ours = owner.get(None) is self and trio.lowlevel.in_trio_task()
        context = copy_context() if ours else Context()
        task = trio.lowlevel.current_task() if ours else None
        self._let_go.append((generator, context, task))
        with suppress(trio.RunFinishedError):
            self._token.run_sync_soon(self._close_soon)
        return True

    def _close_soon(self) -> None:
        while self._let_go and self.nursery is not None:
            generator, context, _ = self._let_go.pop()
            context.run(self.nursery.start_soon, self._close_one, generator)

    async def __aenter__(self) -> None:
        """The code of the agent runs in here."""
        owner.set(self)

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Return when those that were let go of have ended; all, if the agent has not returned.

        One that an agent which has returned still keeps somewhere is not in use.
        """
        me = trio.lowlevel.current_task()
        try:
            while self._let_go or (self._alive and not self._ending.returned):
                if self._let_go:
                    generator, context, task = self._let_go.pop()
                    if task is not me:
                        assert self.nursery is not None
                        context.run(self.nursery.start_soon, self._close_one, generator)
                        continue
                else:
                    generator = self._alive.pop()
                # Here, where it was begun: it may hold nurseries and cancel scopes.
                with trio.move_on_after(0, shield=True):  # it awaits in cleanups alone
                    await self._close_one(generator)
        finally:
            self._closed = True

    async def _close_one(self, generator: _Generator) -> None:
        """As Trio does it: what awaits in it is cancelled, but for a cleanup."""
        self._alive.discard(generator)
        if cast("AsyncGeneratorType[Any, Any]", generator).ag_running:
            return
        failed = Ending()
        with Apart(failed), trio.CancelScope(shield=True) as scope:
            scope.cancel(reason="the generator is not iterated any more")
            await generator.aclose()
        if failed.error is not None:
            self._ending.of_generators.append(failed.error)


owner: ContextVar[Generators] = ContextVar("trio_agent_rt_owner")
"""Whose code runs: one for each run of an agent."""


@attrs.define
class _Hooks:
    """What Python tells of async generators, heard on its way to Trio."""

    users: int = 1
    _before: Any = attrs.field(factory=sys.get_asyncgen_hooks)
    _owners: dict[int, Generators] = attrs.field(factory=dict[int, Generators])
    """By `id`, since weak references are cleared first. One that has ended by itself stays
    until another one has its place in memory, which is told of too."""

    def install(self) -> None:
        sys.set_asyncgen_hooks(self._begins, self._is_let_go)

    def remove(self) -> None:
        if sys.get_asyncgen_hooks().firstiter == self._begins:
            sys.set_asyncgen_hooks(*self._before)
        self._owners.clear()  # whoever has built upon it is heard further on

    def _begins(self, generator: _Generator) -> None:
        self._owners.pop(id(generator), None)
        if self._before.firstiter is not None:
            self._before.firstiter(generator)
        whose = owner.get(None) if trio.lowlevel.in_trio_task() else None
        if whose is not None and whose.begin(generator):
            self._owners[id(generator)] = whose

    @trio.lowlevel.enable_ki_protection
    def _is_let_go(self, generator: _Generator) -> None:
        whose = self._owners.pop(id(generator), None)
        if (whose is None or not whose.let_go(generator)) and self._before.finalizer is not None:
            self._before.finalizer(generator)


_hooks: trio.lowlevel.RunVar[_Hooks | None] = trio.lowlevel.RunVar("trio_agent_rt_hooks")


@contextmanager
def _hooks_installed() -> Generator[None]:
    """Listen while agents run, the last one included; then all is as it was."""
    hooks = _hooks.get(None)
    if hooks is not None:
        hooks.users += 1
    else:
        hooks = _Hooks()
        hooks.install()
        _hooks.set(hooks)
    try:
        yield
    finally:
        hooks.users -= 1
        if not hooks.users:
            hooks.remove()
            _hooks.set(None)
