"""Ctrl-C, SIGTERM and SIGHUP: once for an end in good order, twice for one at once.

```
 none ──first──▶ asked ──second──▶ gone     the process ends there and then
                   │
                   └─▶ whoever answers: the task is cancelled, the server drains, …
                       nobody: the command is cancelled
```

The second one works whatever the process is doing, a cleanup that waits or a tool that
holds up Trio included: it is dealt with in the signal handler itself. So is Ctrl-\\ (SIGQUIT),
of which the process then dies.
"""

from __future__ import annotations

import os
import select
import signal
import sys
import time
from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager, suppress
from types import FrameType, TracebackType
from typing import Any, Self, TypeAlias

import trio

from .endings import ExitCode

__all__ = ["Interrupts"]

_SIGNALS = {signal.SIGINT: "Ctrl-C", signal.SIGTERM: "SIGTERM", signal.SIGHUP: "SIGHUP"}

_LEFT_IF_IGNORED = {signal.SIGHUP, signal.SIGQUIT}
"""`nohup` means it."""

_Handler: TypeAlias = Callable[[int, FrameType | None], Any] | int | signal.Handlers | None

_SAME = 0.1
"""Seconds within which a second signal is the first one, told again: a process that is
started by another one is often sent both its own and the terminal's."""


class Interrupts:
    """Takes the signals over while it is entered."""

    def __init__(self) -> None:
        self.received: str | None = None
        """What the first one was, once there was one."""
        self._at = 0.0
        self._token: trio.lowlevel.TrioToken | None = None
        self._scope = trio.CancelScope()
        self._answers: list[Callable[[str], None]] = []
        self._last_acts: list[Callable[[], object]] = []
        self._before: dict[signal.Signals, _Handler] = {}

    def __enter__(self) -> Self:
        for number in _SIGNALS:
            self._take(number, self._handle)
        self._take(signal.SIGQUIT, self._quit)
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for number, before in self._before.items():
            signal.signal(number, before)

    @property
    def elapsed(self) -> float:
        """Seconds since the first one."""
        return time.monotonic() - self._at

    async def run(self, command: Callable[[], Awaitable[ExitCode]]) -> ExitCode:
        """Run a command to its end, or to an interrupt that nobody in it answers."""
        self._token = trio.lowlevel.current_trio_token()
        if self.received is not None:
            return ExitCode.INTERRUPTED
        with self._scope:
            return await command()
        with suppress(OSError):  # the terminal is gone
            print(f"{self.received or 'Interrupted'}: ended", file=sys.stderr, flush=True)
        return ExitCode.INTERRUPTED

    @contextmanager
    def answered_by(self, answer: Callable[[str], None]) -> Generator[None]:
        """Have the first interrupt answered by `answer`, which is given its name."""
        self._answers.append(answer)
        try:
            yield
        finally:
            self._answers.remove(answer)

    @contextmanager
    def last_act(self, act: Callable[[], object]) -> Generator[None]:
        """Have something done before the process ends at once; it must not wait."""
        self._last_acts.append(act)
        try:
            yield
        finally:
            self._last_acts.remove(act)

    def _take(
        self, number: signal.Signals, handler: Callable[[int, FrameType | None], None]
    ) -> None:
        before = signal.getsignal(number)
        if before is not signal.SIG_IGN or number not in _LEFT_IF_IGNORED:
            self._before[number] = before
            signal.signal(number, handler)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        name = _SIGNALS[signal.Signals(number)]
        if self.received is None:
            self.received, self._at = name, time.monotonic()
            if self._token is not None:
                with suppress(trio.RunFinishedError):
                    self._token.run_sync_soon(self._answer, name)
        elif time.monotonic() - self._at > _SAME:
            self._leave(name)

    def _answer(self, name: str) -> None:
        if self._answers:
            self._answers[-1](name)
        else:
            self._scope.cancel(reason=name)

    def _quit(self, number: int, frame: FrameType | None) -> None:
        self._do_last_acts()
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)

    def _do_last_acts(self) -> None:
        for act in reversed(self._last_acts):
            with suppress(Exception):
                act()

    def _leave(self, name: str) -> None:
        self._do_last_acts()
        with suppress(OSError):
            if _takes_more(2):
                os.write(2, f"{name} again: ended at once\n".encode())
        os._exit(ExitCode.INTERRUPTED)


def _takes_more(fd: int) -> bool:
    """Whether a line can be written without waiting for whoever reads there."""
    _, writable, _ = select.select([], [fd], [], 0)
    return bool(writable)
