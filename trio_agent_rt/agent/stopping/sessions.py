"""What lives on this machine, as /proc tells it, and a last act for a process that leaves.

A server that has time ends its programs one by one (`ProcessGroup`). One that leaves at
once has none, and may be in the middle of anything: so nothing was written down for it.
Whatever is in a session that a child of this process has begun is a program of ours,
which the system knows at any moment, between its fork and the next line here too.
"""

from __future__ import annotations

import os
import signal
import sys
from contextlib import suppress
from pathlib import Path

from attrs import frozen

__all__ = ["Seen", "kill_programs", "process", "processes"]

_MAX_LOOKS = 10
"""One that forks while it is looked at has hidden its child from that look, not from the
next one; what was sent SIGKILL forks no more."""


@frozen
class Seen:
    """A process, when it was looked at."""

    id: int
    lives: bool
    """Not so: a zombie, which keeps its ids until it is reaped."""
    parent: int
    group: int
    session: int


def processes() -> list[Seen] | None:
    """All that there are; None where nothing tells."""
    if sys.platform != "linux":
        return None
    found: list[Seen] = []
    try:
        entries = os.listdir("/proc")
    except OSError:
        return None
    for entry in entries:
        if not entry.isdigit():
            continue
        with suppress(OSError):  # it has ended since
            found.append(process(int(entry)))
    return found if "self" in entries else None


def process(pid: int) -> Seen:
    """One of them.

    Raises:
        OSError: when there is none, or nothing tells.
    """
    text = Path("/proc", str(pid), "stat").read_bytes()
    # After the name, which is in brackets and may hold anything: state ppid pgrp session
    state, *numbers = text.rpartition(b")")[2].split()[:4]
    return Seen(pid, state not in {b"Z", b"X"}, *map(int, numbers))


def kill_programs() -> None:
    """Send SIGKILL to every program that tasks of this process run, and wait for nothing.

    For a process that leaves with `os._exit`, in a signal handler for example: it works
    whatever the process is doing, and may be called outside of Trio. Programs are what
    `run_process` has started, with their children and orphans, and whatever else is in a
    session that a child of this process has begun. Linux only; elsewhere it does nothing.
    """
    told: set[int] = set()
    for _ in range(_MAX_LOOKS):
        new = _programs() - told
        if not new:
            return
        for pid in new:
            with suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        told |= new


def _programs() -> set[int]:
    """Who lives in a session, or in the group of the same id, that a child of ours leads."""
    found = processes() or []
    me = os.getpid()
    begun = {each.session for each in found if each.parent == me and each.session == each.id}
    return {
        each.id for each in found if each.lives and not begun.isdisjoint({each.session, each.group})
    }
