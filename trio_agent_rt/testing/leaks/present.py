"""Finds what a block of code has left behind."""

from __future__ import annotations

from collections.abc import Generator, Hashable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

import trio
from attrs import frozen

from .system import (
    Threads,
    busy_threads,
    descriptors,
    mark_on_subprocesses,
    subprocesses,
    work_of_the_reaped,
)

if TYPE_CHECKING:
    from ...realtime import RealtimeAgent
    from ...realtime.registry import SessionRegistry
    from ...realtime.session import Session

__all__ = ["LeakFound", "assert_no_leaks"]

_REGISTRY = "_registry"
"""Where a server has its sessions: which of them are in use is nobody's business but its own."""


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
    `RealtimeAgent`s that are given, tasks and the sessions that somebody uses. Descriptors
    are looked at where the system has a `/proc` or a `/dev/fd`, subprocesses where it has a
    `/proc`.

    What a subprocess has started counts too. One whose parent is gone is known by a variable
    that is in the environment meanwhile; if it was given another environment, it is missed.
    So is a thread that was started by a library in C and not by Python.

    A `RealtimeAgent` that stays open when the block is left must be given: else the clock of
    a session that nobody uses any more, which runs for its `linger`, counts as left behind.

    An exception of the block passes through, and nothing is looked at then.

    Args:
        realtimes: whose sessions and tasks are to be looked at.
    """
    with mark_on_subprocesses() as mark:
        reaped = work_of_the_reaped()
        threads = Threads()
        before = _Present.now(realtimes)
        yield
        # To look for orphans means to look at every process there is.
        orphans = mark if work_of_the_reaped() != reaped else None
        leaks = list(_Present.now(realtimes, orphans).beyond(before))
        leaks += ["thread without a name, not started by `threading`"] * threads.more_unnamed()
    if leaks:
        raise LeakFound(leaks)


@frozen
class _Present:
    """What there is at one moment: by kind, what to call each thing.

    The things themselves are held, since the `id` of one that is gone is used again.
    """

    things: Mapping[str, Mapping[Hashable, str]]

    @classmethod
    def now(cls, realtimes: Iterable[RealtimeAgent], orphans: bytes | None = None) -> _Present:
        """What there is; with the processes that bear the mark `orphans`, if it is given."""
        ours = tuple(realtimes)
        return cls(
            {
                "Trio task": {each: each.name for each in _trio_tasks(ours)},
                "file descriptor": dict(descriptors()),
                "subprocess": {each: str(each[0]) for each in subprocesses(orphans)},
                "thread": {each: each.name for each in busy_threads()},
                "session": {each.id: each.id for each in _used_sessions(ours)},
                "task": {task: repr(task) for each in ours for task in each.tasks},
            }
        )

    def beyond(self, before: _Present) -> Iterator[str]:
        for kind, things in self.things.items():
            for key in things.keys() - before.things[kind].keys():
                yield f"{kind} {things[key]}"


def _trio_tasks(realtimes: Iterable[RealtimeAgent]) -> Iterator[trio.lowlevel.Task]:
    if not trio.lowlevel.in_trio_run():
        return
    root = trio.lowlevel.current_root_task()
    servers = {
        each.nursery: {f"task {task.id}" for task in each.tasks} for each in _open(realtimes)
    }
    waiting = [] if root is None else [root]
    while waiting:
        task = waiting.pop()
        yield task
        for nursery in task.child_nurseries:
            running = servers.get(nursery)
            # Beside its tasks a server has the clocks of sessions, which end by themselves.
            waiting.extend(
                each for each in nursery.child_tasks if running is None or each.name in running
            )


def _used_sessions(realtimes: Iterable[RealtimeAgent]) -> Iterator[Session]:
    """All but those without a task and a viewer, which only linger."""
    for each in _open(realtimes):
        registry: SessionRegistry = getattr(each, _REGISTRY)
        yield from (session for session in registry.sessions if not session.idle)


def _open(realtimes: Iterable[RealtimeAgent]) -> Iterator[RealtimeAgent]:
    yield from (each for each in realtimes if each.phase != "closed")
