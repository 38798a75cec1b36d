"""Finds what a block of code has left behind."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import trio
from attrs import frozen

if TYPE_CHECKING:
    from ..realtime import RealtimeAgent

__all__ = ["LeakFound", "assert_no_leaks"]

_IDLE_TRIO_THREAD = "Trio thread "
"""Trio keeps threads for 10 s to use them again; one that works has a name of its work."""


class LeakFound(AssertionError):
    """Something is left behind that was not there before.

    Args:
        leaks: one line for each thing.
    """

    def __init__(self, leaks: Sequence[str]) -> None:
        super().__init__("left behind:\n" + "\n".join(f"  {each}" for each in leaks))
        self.leaks = leaks


@contextmanager
def assert_no_leaks(*realtimes: RealtimeAgent) -> Generator[None]:
    """Raise `LeakFound` when the block leaves something behind that was not there before.

    That is: Trio tasks (inside `trio.run`), open file descriptors, subprocesses that run or
    were not reaped, threads (the idle ones that Trio keeps do not count), and, of the
    `RealtimeAgent`s that are given, sessions and tasks. Descriptors and subprocesses are
    looked at where the system has a `/proc` or a `/dev/fd`.

    An exception of the block passes through, and nothing is looked at then.

    Args:
        realtimes: whose sessions and tasks are to be looked at.
    """
    before = _Present.now(realtimes)
    yield
    leaks = list(_Present.now(realtimes).beyond(before))
    if leaks:
        raise LeakFound(leaks)


@frozen
class _Present:
    """What there is at one moment: by kind, what to call each thing."""

    things: Mapping[str, Mapping[object, str]]

    @classmethod
    def now(cls, realtimes: Iterable[RealtimeAgent]) -> _Present:
        ours = tuple(realtimes)
        return cls(
            {
                "Trio task": {id(each): each.name for each in _trio_tasks()},
                "file descriptor": dict(_descriptors()),
                "subprocess": {pid: str(pid) for pid in _children()},
                "thread": {id(each): each.name for each in _busy_threads()},
                "session": {name: name for each in ours for name in each.session_ids},
                "task": {id(task): repr(task) for each in ours for task in each.tasks},
            }
        )

    def beyond(self, before: _Present) -> Iterator[str]:
        for kind, things in self.things.items():
            for key in things.keys() - before.things[kind].keys():
                yield f"{kind} {things[key]}"


def _trio_tasks() -> Iterator[trio.lowlevel.Task]:
    if not trio.lowlevel.in_trio_run():
        return
    root = trio.lowlevel.current_root_task()
    waiting = [] if root is None else [root]
    while waiting:
        task = waiting.pop()
        yield task
        for nursery in task.child_nurseries:
            waiting.extend(nursery.child_tasks)


def _descriptors() -> Iterator[tuple[object, str]]:
    folder = Path("/proc/self/fd") if Path("/proc/self/fd").is_dir() else Path("/dev/fd")
    try:
        numbers = os.listdir(folder)
    except OSError:
        return
    for number in numbers:
        with contextlib.suppress(OSError):  # one of them was for the listing itself
            os.fstat(int(number))
            target = os.readlink(folder / number) if folder.is_absolute() else ""
            yield (number, target), f"{number} ({target})"


def _children() -> Iterator[int]:
    """Subprocesses that were not reaped; looked for only when the kernel says there are some."""
    try:
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except (ChildProcessError, AttributeError):
        return
    me = str(os.getpid())
    for each in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            # The name may hold anything, spaces and parentheses too (proc(5)).
            fields = each.read_text(errors="replace").rpartition(")")[2].split()
            if fields[1] == me:
                yield int(each.parent.name)


def _busy_threads() -> Iterator[threading.Thread]:
    for each in threading.enumerate():
        if not each.name.startswith(_IDLE_TRIO_THREAD):
            yield each
