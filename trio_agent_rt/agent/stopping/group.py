"""The processes that one program has started: told to end, then made to, until none is left.

```
 running ──its first process exits──┐
    └──cancel───────────────────────┴─▶ SIGTERM ──grace over──▶ SIGKILL, again and again
                                           └────────────┬────────────┘
                                                   none is left ──▶ reaped
```

They are all that is in the session which the first process has begun: its children and
theirs, in the background, orphaned, in groups of their own as a shell's jobs are. So is
what has begun a session of its own, as long as the process that has started it lives: a
browser. Only what nobody of them is the parent of any more (a daemon) is out of reach.

One that forks without end, each time to go on as its own child, is never there for long
enough to be found in a list; so the latest process of all is looked at as well.

The first process stays a zombie until the others are gone, so that its id, which names
the group and the session, cannot become somebody else's.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path

import trio
from attrs import field, frozen

from .sessions import process, processes

__all__ = ["Look", "ProcessGroup"]

_FIRST_LOOK = 0.001
_LATEST_LOOK = 0.05
"""Seconds between two looks at what still lives: nothing tells when an orphan ends."""

_EMPTY_LOOKS = 2
"""How many in a row must find nobody, where somebody was found before: one that is born
while a look is taken is not in its list."""

_GLANCES = 20
"""How often the latest process is looked at, where no other one was found; each takes some
20 microseconds."""


class ProcessGroup:
    """The processes of a program that was started with `start_new_session`."""

    def __init__(self, process: trio.Process) -> None:
        self.id: int = process.pid
        """Of the first process, its group and its session."""
        self._process = process
        self._reaped = False
        self._sessions = {self.id}
        self._orphans: set[int] = set()

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
        empty = 0
        while True:
            members = await self._living()
            if not members:
                empty += 1
                if not told or empty == _EMPTY_LOOKS:
                    break
                continue
            empty = 0
            if trio.current_time() >= start + min(grace, (deadline() - start) / 2):
                self._signal(signal.SIGKILL, members)
                told = True
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
        _reap_orphans(self.id, self._orphans)

    def kill(self) -> None:
        """Send SIGKILL to the group, if it is not over, and wait for nothing."""
        if not self._reaped:
            self._signal(signal.SIGKILL, set())
            self._reaped = self._process.poll() is not None

    async def _living(self) -> set[int]:
        """The ids of those that live; zombies do not."""
        # In a thread: where many processes live, the look takes a while.
        limiter = trio.CapacityLimiter(1)
        look = await trio.to_thread.run_sync(_in_session, self.id, self._sessions, limiter=limiter)
        if look is None:
            return self._group_if_living()
        self._orphans = look.orphans - {self.id}
        return look.living

    def _group_if_living(self) -> set[int]:
        self._reaped = self._process.returncode is not None
        if self._reaped:
            _reap_orphans(self.id, set())  # a zombie would pass for one that lives
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


@frozen
class Look:
    """Who there is of a program."""

    living: set[int] = field(factory=set[int])
    orphans: set[int] = field(factory=set[int])
    """Zombies that are this process's to reap."""


def _in_session(first: int, sessions: set[int]) -> Look | None:
    """Who is in some sessions or in the groups of the same ids; None where nothing tells.

    Args:
        first: one that cannot be anybody else's.
        sessions: is brought up to date with those that descendants have begun.
    """
    found = processes()
    if found is None:
        return None
    members = {each.id for each in found if not sessions.isdisjoint({each.group, each.session})}
    children = {each.id for each in found if each.parent in members}
    while children - members:
        members |= children
        children = {each.id for each in found if each.parent in members}
    seen = [each for each in found if each.id in members]
    sessions.clear()
    sessions.update(each.session for each in seen)
    sessions.add(first)
    me = os.getpid()
    living = {each.id for each in seen if each.lives}
    return Look(
        living or _latest(sessions),
        {each.id for each in seen if not each.lives and each.parent == me},
    )


def _latest(sessions: set[int]) -> set[int]:
    """The process that has begun last, if it is in one of these sessions."""
    for _ in range(_GLANCES):
        with suppress(OSError, ValueError):
            each = process(int(Path("/proc/loadavg").read_bytes().split()[-1]))
            if each.lives and not sessions.isdisjoint({each.group, each.session}):
                return {each.id}
    return set()


def _reap_orphans(group: int, others: Iterable[int]) -> None:
    """Where this is the process that orphans are given to (the first one of a container)."""
    with suppress(ChildProcessError):
        while os.waitpid(-group, os.WNOHANG)[0]:
            pass
    for each in others:  # in groups of their own
        with suppress(ChildProcessError):
            os.waitpid(each, os.WNOHANG)
