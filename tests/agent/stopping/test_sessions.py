"""A process that leaves at once takes the programs of its tasks with it, and nothing else."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence

import pytest

from trio_agent_rt.agent import kill_programs
from trio_agent_rt.agent.stopping import sessions

from .programs import HEARS_NOTHING, living, python, sh

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")


class Programs:
    def __init__(self) -> None:
        self.all: list[subprocess.Popen[bytes]] = []

    def start(self, argv: Sequence[str], *, session: bool = True) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(argv, stdout=subprocess.PIPE, start_new_session=session)
        self.all.append(process)
        assert process.stdout is not None
        assert process.stdout.readline() == b"up\n"
        return process


@pytest.fixture
def programs() -> Iterator[Programs]:
    found = Programs()
    yield found
    for each in found.all:
        each.kill()
        each.wait()
        assert each.stdout is not None
        each.stdout.close()


def test_all_of_a_program_is_killed_though_it_hears_nothing(programs: Programs) -> None:
    script = f"{HEARS_NOTHING} sleep 60 & (sleep 60 &); echo up; wait"
    one, two = (programs.start(sh(script)) for _ in range(2))
    kill_programs()
    for each in (one, two):
        # 0: the shell has seen its child killed before it was killed itself.
        assert each.wait(5) in {0, -signal.SIGKILL}
        assert _all_gone(each.pid)


def test_what_its_first_process_has_left_is_killed_as_long_as_that_is_not_reaped(
    programs: Programs,
) -> None:
    first = programs.start(sh(f"{HEARS_NOTHING} (sleep 60 &); echo up"))
    while not any(" Z " in each for each in living(first.pid)):
        pass
    kill_programs()
    assert first.wait(5) == 0
    assert _all_gone(first.pid)


def test_what_has_begun_no_session_or_left_it_lives_on(programs: Programs) -> None:
    """A child that came with `exec`, for example, is not ours."""
    beside = programs.start(sh("echo up; exec sleep 60"), session=False)
    daemon = """
        import os, time
        if os.fork() == 0:
            os.setsid()
            print("up", os.getpid(), sep="\\n", flush=True)
            time.sleep(60)
        os._exit(0)
    """
    first = programs.start(python(daemon))
    assert first.stdout is not None
    left = int(first.stdout.readline())
    assert beside.pid not in sessions._programs()
    kill_programs()
    assert beside.poll() is None
    assert living(left)
    os.kill(left, signal.SIGKILL)


def test_one_that_forks_while_it_is_looked_at_is_found_by_the_next_look(
    programs: Programs, monkeypatch: pytest.MonkeyPatch
) -> None:
    process = programs.start(sh("sleep 60 & echo up; wait"))
    ours = sessions._programs()
    first, *others = sorted(ours)
    looks = [{first}, ours, ours]
    monkeypatch.setattr(sessions, "_programs", lambda: looks.pop(0))
    kill_programs()
    assert process.wait(5) == -signal.SIGKILL
    assert others
    assert _all_gone(process.pid)


def test_where_nothing_tells_nothing_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sessions, "processes", lambda: None)
    kill_programs()


def _all_gone(session: int) -> bool:
    """Once what was killed has had the time that the system takes for it."""
    with subprocess.Popen(["sleep", "2"]) as patience:
        while living(session):
            if patience.poll() is not None:
                return False
        patience.kill()
    return True
