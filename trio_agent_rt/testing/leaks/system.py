"""What this process has of the system: descriptors, subprocesses, threads."""

from __future__ import annotations

import _thread
import contextlib
import os
import threading
import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path

try:
    import resource
except ImportError:  # not POSIX
    resource = None

__all__ = [
    "Threads",
    "busy_threads",
    "descriptors",
    "has_used_trio_threads",
    "mark_on_subprocesses",
    "subprocesses",
    "work_of_the_reaped",
]

_MARK = "TRIO_AGENT_RT_STARTED_BY"

_IDLE_TRIO_THREAD = "Trio thread "
"""Trio keeps threads for 10 s to use them again; one that works has a name of its work."""

_TO_BEGIN = 0.02
_TO_END = 0.2
"""Seconds for a thread that is just beginning to be there, and for one that ends to be gone."""


def descriptors(*folders: Path) -> Iterator[tuple[tuple[str, object], str]]:
    """Those that are open, each by what it is the same by, and what to call it.

    Args:
        folders: where the system may list them; none for where it does.
    """
    for folder in folders or (Path("/proc/self/fd"), Path("/dev/fd")):
        try:
            numbers = os.listdir(folder)
        except OSError:
            continue
        for number in numbers:
            with contextlib.suppress(OSError, ValueError):  # one was for the listing itself
                what, called = _described(folder, number)
                yield (number, what), called
        return


def _described(folder: Path, number: str) -> tuple[object, str]:
    stat = os.fstat(int(number))
    try:
        target = os.readlink(folder / number)
    except OSError:  # /dev/fd has no links where it is not one itself to /proc
        return (stat.st_dev, stat.st_ino), number
    return target, f"{number} ({target})"


@contextmanager
def mark_on_subprocesses() -> Generator[bytes]:
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


def work_of_the_reaped() -> object:
    """What changes whenever a subprocess was reaped; cheap to look at."""
    if resource is None:
        return None
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_minflt, used.ru_utime, used.ru_stime


def subprocesses(orphans: bytes | None) -> Iterator[tuple[int, bytes]]:
    """Subprocesses and theirs, by id and start; looked for only when there may be some.

    Args:
        orphans: with this in its environment, one counts whose parent is gone.
    """
    if orphans is None and not _has_children():
        return
    ours = {os.getpid()}
    parents: dict[int, int] = {}
    starts: dict[int, bytes] = {}
    for pid in _processes():
        folder = Path("/proc", str(pid))
        with contextlib.suppress(OSError):  # it has ended since
            # The name may hold anything, spaces and parentheses too (proc(5)).
            fields = (folder / "stat").read_bytes().rpartition(b")")[2].split()
            state, parents[pid], starts[pid] = fields[0], int(fields[1]), fields[19]
            # An orphan that has ended is init's to reap.
            if orphans is not None and state not in {b"Z", b"X"} and _bears(folder, orphans):
                ours.add(pid)
    found = set[int]()
    while more := {pid for pid, parent in parents.items() if parent in ours} - found:
        found |= more
        ours |= more
    yield from ((pid, starts[pid]) for pid in (found | ours) - {os.getpid()})


def _processes() -> Iterator[int]:
    # Not by `Path.glob`, which may raise when one ends while it looks.
    with contextlib.suppress(OSError):
        yield from (int(each) for each in os.listdir("/proc") if each.isdigit())


def _bears(process: Path, mark: bytes) -> bool:
    return mark in (process / "environ").read_bytes().split(b"\0")


def _has_children() -> bool:
    try:
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except (ChildProcessError, AttributeError):
        return False
    return True


def busy_threads() -> Iterator[threading.Thread]:
    """Those that `threading` knows, but for what Trio keeps for later."""
    for each in threading.enumerate():
        if not each.name.startswith(_IDLE_TRIO_THREAD):
            yield each


def has_used_trio_threads() -> bool:
    """Whether Trio has had a thread at work lately, since it keeps that for a while."""
    return any(each.name.startswith(_IDLE_TRIO_THREAD) for each in threading.enumerate())


class Threads:
    """The threads that Python has started and `threading` does not know, at one moment."""

    def __init__(self) -> None:
        self._unnamed = _unnamed_threads()
        self._of_the_system = _threads_of_the_system()

    def more_unnamed(self) -> int:
        """How many there are now that were not there then."""
        # One that has just begun is not counted yet; one that just ends is unknown by now.
        begins_until = time.monotonic() + _TO_BEGIN
        while (
            _unnamed_threads() <= self._unnamed
            and _threads_of_the_system() > self._of_the_system
            and time.monotonic() < begins_until
        ):
            time.sleep(0.001)
        ends_until = time.monotonic() + _TO_END
        while (found := _unnamed_threads()) > self._unnamed and time.monotonic() < ends_until:
            time.sleep(0.001)
        return max(0, found - self._unnamed)


def _unnamed_threads() -> int:
    known = sum(not isinstance(each, _UNKNOWN) for each in threading.enumerate())
    count: int = getattr(_thread, "_count", int)()
    return max(0, count - known)


def _threads_of_the_system() -> int:
    with contextlib.suppress(OSError):
        return len(os.listdir("/proc/self/task"))
    return 0


_UNKNOWN: tuple[type[threading.Thread], ...] = (
    type(threading.main_thread()),
    getattr(threading, "_DummyThread", type(threading.main_thread())),
)
"""Not started by `threading`: the first one, and what it has met by chance."""
