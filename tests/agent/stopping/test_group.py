"""A look at processes may miss one, or find zombies; neither is left nor waited for."""

from __future__ import annotations

import subprocess
import sys
import textwrap
import time

import pytest
import trio

from trio_agent_rt.agent import Command, run_process
from trio_agent_rt.agent.stopping import group

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
    monkeypatch.setattr(group, "_in_session", lambda session: set[int]())
    heard = Heard()
    await run_process(heard, Command(sh(f"{HEARS_NOTHING} sleep 60 & echo $$"), stream=True))
    await gone(heard.number)


async def test_a_failure_while_it_is_ended_is_raised_and_holds_up_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(session: int) -> None:
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
        monkeypatch.setattr(group, "_in_session", lambda session: None)


@pytest.mark.parametrize("script", SCRIPTS)
async def test_nothing_is_left_on_systems_that_can_tell_less(script: str, elsewhere: None) -> None:
    await gone(await cancelled(Command(sh(script), stream=True, grace=0.2)))


async def test_what_is_left_in_the_background_is_ended_there_too(elsewhere: None) -> None:
    heard = Heard()
    with trio.fail_after(10):
        await run_process(heard, Command(sh("(sleep 60 &); echo $$"), stream=True, grace=0.1))
    await gone(heard.number)


@pytest.mark.parametrize("proc", [True, False])
def test_orphans_are_reaped_by_a_server_that_they_are_given_to(proc: bool) -> None:
    """As the first process of a container, which nobody else reaps for."""
    code = f"""
        import ctypes, os, trio
        from trio_agent_rt.agent import Command, run_process
        from trio_agent_rt.agent.stopping import group

        class Call:
            def output(self, text): ...

        if not {proc}:
            group._in_session = lambda session: None
        assert ctypes.CDLL(None).prctl(36, 1, 0, 0, 0) == 0  # PR_SET_CHILD_SUBREAPER
        script = "(sleep 60 &); (sleep 60 &); exit"
        trio.run(run_process, Call(), Command(["sh", "-c", script], grace=0.2))
        try:
            print(os.waitpid(-1, os.WNOHANG))
        except ChildProcessError:
            print("none")
    """
    argv = [sys.executable, "-c", textwrap.dedent(code)]
    done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=20)
    assert (done.stdout, done.stderr) == ("none\n", "")
