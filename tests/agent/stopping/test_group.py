"""A look at processes may miss one, or find zombies; neither is left nor waited for."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest
import trio

from tests.agent.stage import Stage
from trio_agent_rt.agent import Command, TaskRun, run_process
from trio_agent_rt.agent.stopping import group
from trio_agent_rt.agent.stopping.sessions import process

from .programs import HEARS_NOTHING, Heard, living, python, sh

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc"),
    pytest.mark.hang_guard(30),
]


async def gone(session: int) -> None:
    """Return when no process of a session lives."""

    def look() -> None:
        while living(session):
            time.sleep(0.01)

    with trio.fail_after(10):
        await trio.to_thread.run_sync(look, abandon_on_cancel=True)


async def cancelled(command: Command) -> int:
    """The session of a program that was cancelled once it had said something."""
    heard = Heard()
    with trio.fail_after(10), trio.CancelScope() as scope:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(run_process, heard, command)
            await heard.until("\n")
            scope.cancel()
    return heard.number


async def test_one_that_the_look_has_missed_is_killed_all_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(group, "_in_session", lambda *_: group.Look())
    heard = Heard()
    await run_process(heard, Command(sh(f"{HEARS_NOTHING} sleep 60 & echo $$"), stream=True))
    await gone(heard.number)


async def test_a_failure_while_it_is_ended_is_raised_and_holds_up_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr(group, "_in_session", fail)
    with trio.fail_after(10), pytest.raises(MemoryError):
        await run_process(Heard(), sh("sleep 60 &"))


async def test_one_that_is_stopped_is_made_to_hear() -> None:
    heard = Heard()
    code = """
        import os, signal, time

        def bye(*_):
            os.write(1, b"bye\\n")
            os._exit(0)

        signal.signal(signal.SIGTERM, bye)
        if os.fork() == 0:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            while open(f"/proc/{os.getppid()}/stat").read().split()[2] != "T":
                time.sleep(0.01)
            print("stopped", flush=True)
            os._exit(0)
        os.kill(os.getpid(), signal.SIGSTOP)
        time.sleep(60)
    """
    with trio.fail_after(2), trio.CancelScope() as scope:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(run_process, heard, Command(python(code), stream=True, grace=60))
            await heard.until("\n")
            scope.cancel()
    assert heard.text.endswith("bye\n")


SCRIPTS = [
    "echo $$; sleep 60",
    f"{HEARS_NOTHING} sleep 60 & (sleep 60 &); echo $$; wait; sleep 60",
    "(trap '' TERM; echo $$; sleep 60; sleep 60) & wait",
]


@pytest.fixture(params=["no pidfd", "no pidfd, no proc"])
def elsewhere(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on systems that can tell less."""

    def refuse(pid: int) -> int:
        raise OSError("not implemented")

    monkeypatch.setattr("os.pidfd_open", refuse)
    if "no proc" in request.param:
        monkeypatch.setattr(group, "_in_session", lambda *_: None)


@pytest.mark.parametrize("script", SCRIPTS)
async def test_nothing_is_left_on_systems_that_can_tell_less(script: str, elsewhere: None) -> None:
    await gone(await cancelled(Command(sh(script), stream=True, grace=0.2)))


async def test_what_is_left_in_the_background_is_ended_there_too(elsewhere: None) -> None:
    heard = Heard()
    with trio.fail_after(10):
        await run_process(heard, Command(sh("(sleep 60 &); echo $$"), stream=True, grace=0.1))
    await gone(heard.number)


@pytest.mark.parametrize(
    ("proc", "script"),
    [
        (True, "(sleep 60 &); (sleep 60 &); exit"),
        (False, "(sleep 60 &); (sleep 60 &); exit"),
        (True, "set -m; sleep 60 & sleep 60 & exit"),  # in groups of their own
    ],
)
def test_orphans_are_reaped_by_a_server_that_they_are_given_to(proc: bool, script: str) -> None:
    """As the first process of a container, which nobody else reaps for."""
    code = f"""
        import ctypes, os, trio
        from trio_agent_rt.agent import Command, run_process
        from trio_agent_rt.agent.stopping import group

        class Call:
            def output(self, text): ...

        if not {proc}:
            group._in_session = lambda *_: None
        assert ctypes.CDLL(None).prctl(36, 1, 0, 0, 0) == 0  # PR_SET_CHILD_SUBREAPER
        trio.run(run_process, Call(), Command(["bash", "-c", {script!r}], grace=0.2))
        try:
            print(os.waitpid(-1, os.WNOHANG))
        except ChildProcessError:
            print("none")
    """
    argv = [sys.executable, "-c", textwrap.dedent(code)]
    done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=20)
    assert (done.stdout, done.stderr) == ("none\n", "")


def stubborn(file: Path) -> str:
    """The code of a process with a session of its own, which has written down its id."""
    return f"""
        import os, signal, sys, time
        if os.fork() == 0:
            os.setsid()
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            open({str(file)!r} + ".tmp", "w").write(str(os.getpid()))
            os.rename({str(file)!r} + ".tmp", {str(file)!r})
            time.sleep(60)
        while not os.path.exists({str(file)!r}):
            time.sleep(0.01)
        print(os.getpid(), flush=True)
    """


async def test_what_has_begun_a_session_of_its_own_is_ended_while_its_parent_lives(
    tmp_path: Path,
) -> None:
    file = tmp_path / "id"
    code = textwrap.dedent(stubborn(file)) + "os.wait()"
    await cancelled(Command(python(code), stream=True, grace=0.1))
    await gone(int(file.read_text()))


async def test_one_that_got_away_and_holds_the_output_is_named(tmp_path: Path) -> None:
    file = tmp_path / "id"
    stage = Stage()

    async def agent(task: str, run: TaskRun) -> object:
        async with run.step("a") as step:
            await run_process(step, python(stubborn(file)))
            stage.cancel()
            await trio.sleep_forever()

    completed = await stage.play(agent)
    os.kill(int(file.read_text()), signal.SIGKILL)
    assert completed.receipt is not None
    assert completed.receipt.cleanup == "timed_out"
    assert completed.receipt.cleanup_detail == "a (a process that got away still holds its output)"


async def test_one_that_is_in_no_list_is_found_as_the_latest_of_all(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    program = await trio.lowlevel.open_process(sh("sleep 60"), start_new_session=True)
    latest = process(program.pid)
    monkeypatch.setattr(group, "processes", list[object])
    monkeypatch.setattr(group, "process", lambda _: latest)
    assert group._in_session(program.pid, {program.pid}) == group.Look(living={program.pid})
    program.kill()
    await program.wait()
