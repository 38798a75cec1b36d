"""Finds what a block of code has left behind."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import trio
from attrs import frozen

if TYPE_CHECKING:
    from ..realtime import RealtimeAgent

try:
    import resource
except ImportError:  # not POSIX
    resource = None

__all__ = ["LeakFound", "assert_no_leaks"]

_MARK = "TRIO_AGENT_RT_STARTED_BY"

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

    What a subprocess has started counts too. One whose parent is gone is known by a variable
    that is in the environment meanwhile; if it was given another environment, it is missed.

    An exception of the block passes through, and nothing is looked at then.

    Args:
        realtimes: whose sessions and tasks are to be looked at.
    """
    with _mark_on_subprocesses() as mark:
        reaped = _work_of_the_reaped()
        before = _Present.now(realtimes)
        yield
        # To look for orphans means to look at every process there is.
        orphans = mark if _work_of_the_reaped() != reaped else None
        leaks = list(_Present.now(realtimes, orphans).beyond(before))
    if leaks:
        raise LeakFound(leaks)


@frozen
class _Present:
    """What there is at one moment: by kind, what to call each thing."""

    things: Mapping[str, Mapping[object, str]]

    @classmethod
    def now(cls, realtimes: Iterable[RealtimeAgent], orphans: bytes | None = None) -> _Present:
        """What there is; with the processes that bear the mark `orphans`, if it is given."""
        ours = tuple(realtimes)
        return cls(
            {
                "Trio task": {id(each): each.name for each in _trio_tasks()},
                "file descriptor": dict(_descriptors()),
                "subprocess": {pid: str(pid) for pid in _subprocesses(orphans)},
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


@contextmanager
def _mark_on_subprocesses() -> Generator[bytes]:
    """Has a variable in the environment that all bear which are started meanwhile."""
    outer = os.environ.get(_MARK)
    mine = os.environ[_MARK] = f"{os.getpid()}-{time.monotonic_ns()}"
    try:
        yield f"{_MARK}={mine}".encode()
    finally:
        if outer is None:
            os.environ.pop(_MARK, None)
        else:
            os.environ[_MARK] = outer


def _work_of_the_reaped() -> object:
    """What changes whenever a subprocess was reaped; cheap to look at."""
    if resource is None:
        return None
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_minflt, used.ru_utime, used.ru_stime


def _subprocesses(orphans: bytes | None) -> Iterator[int]:
    """Subprocesses and theirs; looked for only when there may be some."""
    if orphans is None and not _has_children():
        return
    ours = {os.getpid()}
    parents: dict[int, int] = {}
    for each in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            # The name may hold anything, spaces and parentheses too (proc(5)).
            state, parent, *_ = (each / "stat").read_bytes().rpartition(b")")[2].split()
            parents[int(each.name)] = int(parent)
            # An orphan that has ended is init's to reap.
            if orphans is not None and state not in {b"Z", b"X"} and _bears(each, orphans):
                ours.add(int(each.name))
    found = set[int]()
    while more := {pid for pid, parent in parents.items() if parent in ours} - found:
        found |= more
        ours |= more
    yield from (found | ours) - {os.getpid()}


def _bears(process: Path, mark: bytes) -> bool:
    return mark in (process / "environ").read_bytes().split(b"\0")


def _has_children() -> bool:
    try:
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except (ChildProcessError, AttributeError):
        return False
    return True


def _busy_threads() -> Iterator[threading.Thread]:
    for each in threading.enumerate():
        if not each.name.startswith(_IDLE_TRIO_THREAD):
            yield each
