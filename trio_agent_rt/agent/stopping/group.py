"""The processes that one program has started: told to end, then made to, until none is left.

```
 running ──its first process exits──┐
    └──cancel───────────────────────┴─▶ SIGTERM ──grace over──▶ SIGKILL, again and again
                                           └────────────┬────────────┘
                                                   none is left ──▶ reaped
```

They are all that is in the session which the first process has begun: its children and
theirs, in the background, orphaned, in groups of their own as a shell's jobs are. Only
what has begun a session of its own (a daemon) is out of reach.

The first process stays a zombie until the others are gone, so that its id, which names
the group and the session, cannot become somebody else's.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from contextlib import suppress

import trio

from .sessions import processes

__all__ = ["ProcessGroup"]

_FIRST_LOOK = 0.001
_LATEST_LOOK = 0.05
"""Seconds between two looks at what still lives: nothing tells when an orphan ends."""


class ProcessGroup:
    """The processes of a program that was started with `start_new_session`."""

    def __init__(self, process: trio.Process) -> None:
        self.id: int = process.pid
        """Of the first process, its group and its session."""
        self._process = process
        self._reaped = False

    async def wait_first(self) -> None:
        """Return when the first process has exited.

        Cancellation: safe, and leaves it running.
        """
        try:
            fd = os.pidfd_open(self.id)
        except (AttributeError, OSError):  # not Linux, or an old one
            await self._process.wait()
            self._reaped = True
            return
        try:
            await trio.lowlevel.wait_readable(fd)
        finally:
            os.close(fd)

    async def end(self, grace: float, deadline: Callable[[], float]) -> None:
        """Return when none of them is left, and the first one has been reaped.

        Args:
            grace: seconds between SIGTERM and SIGKILL.
            deadline: gives Trio's time by which they should be gone, which may come
                nearer; half of the time until then is kept for SIGKILL to work.

        Cancellation: they have been told what they have been told; call it again.
        """
        start, told, delay = trio.current_time(), False, _FIRST_LOOK
        while members := await self._living():
            if trio.current_time() >= start + min(grace, (deadline() - start) / 2):
                self._signal(signal.SIGKILL, members)
            elif not told:
                self._signal(signal.SIGTERM, members)
                # As systemd does it: one that is stopped would not notice.
                self._signal(signal.SIGCONT, members)
                told = True
            await trio.sleep(delay)
            delay = min(2 * delay, _LATEST_LOOK)
        if not self._reaped:  # a look misses one that forks while it looks, and then exits
            self._signal(signal.SIGKILL, set())
            await self._process.wait()
            self._reaped = True
        _reap_orphans(self.id)

    def kill(self) -> None:
        """Send SIGKILL to the group, if it is not over, and wait for nothing."""
        if not self._reaped:
            self._signal(signal.SIGKILL, set())
            self._reaped = self._process.poll() is not None

    async def _living(self) -> set[int]:
        """The ids of those that live; zombies do not."""
        # In a thread: where many processes live, the look takes a while.
        found = await trio.to_thread.run_sync(_in_session, self.id, limiter=trio.CapacityLimiter(1))
        return self._group_if_living() if found is None else found

    def _group_if_living(self) -> set[int]:
        self._reaped = self._process.returncode is not None
        if self._reaped:
            _reap_orphans(self.id)  # a zombie would pass for one that lives
        try:
            os.killpg(self.id, 0)
        except ProcessLookupError:
            return set()
        except PermissionError:  # macOS, of a group that has zombies alone
            return set() if self._reaped else {self.id}
        return {self.id}

    def _signal(self, number: signal.Signals, members: set[int]) -> None:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.id, number)
        for pid in members - {self.id}:
            with suppress(ProcessLookupError, PermissionError):
                if os.getpgid(pid) != self.id:  # otherwise it was told just now
                    os.kill(pid, number)


def _in_session(session: int) -> set[int] | None:
    """Who lives in a session or in the group of the same id; None where nothing tells."""
    found = processes()
    if found is None:
        return None
    return {each.id for each in found if each.lives and session in (each.group, each.session)}


def _reap_orphans(group: int) -> None:
    """Where this is the process that orphans are given to (the first one of a container)."""
    with suppress(ChildProcessError):
        while os.waitpid(-group, os.WNOHANG)[0]:
            pass
