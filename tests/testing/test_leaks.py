"""Whatever is left behind is named; what was there before, or is gone, is not."""

from __future__ import annotations

import _thread
import os
import select
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager
from pathlib import Path

import pytest
import trio
import trio.testing

from trio_agent_rt import RealtimeAgent
from trio_agent_rt.events import Encoded
from trio_agent_rt.testing import FakeAgent, LeakFound, Works, assert_no_leaks
from trio_agent_rt.testing.leaks.system import descriptors


@contextmanager
def leaking(what: str) -> Iterator[None]:
    with pytest.raises(LeakFound, match=what), assert_no_leaks():
        yield


async def test_a_trio_task_is_found() -> None:
    async with trio.open_nursery() as nursery:
        with leaking("Trio task .*sleep_forever"):
            nursery.start_soon(trio.sleep_forever)
        nursery.cancel_scope.cancel()


async def test_a_trio_task_that_has_ended_or_was_there_before_is_none() -> None:
    async with trio.open_nursery() as outer:
        outer.start_soon(trio.sleep_forever)
        with assert_no_leaks():
            async with trio.open_nursery() as nursery:
                nursery.start_soon(trio.lowlevel.checkpoint)
                nursery.start_soon(trio.lowlevel.checkpoint)
        outer.cancel_scope.cancel()


async def test_a_trio_task_is_found_where_another_one_has_ended() -> None:
    """Each may get the place in memory, and so the `id`, of one that is gone."""
    async with trio.open_nursery() as nursery:
        for _ in range(20):
            scope = trio.CancelScope()

            async def ends(scope: trio.CancelScope = scope) -> None:
                with scope:
                    await trio.sleep_forever()

            nursery.start_soon(ends)
            await trio.testing.wait_all_tasks_blocked()
            with leaking("Trio task .*sleep_forever"):
                scope.cancel()
                await trio.testing.wait_all_tasks_blocked()
                nursery.start_soon(trio.sleep_forever)
                await trio.testing.wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()


def test_a_file_descriptor_is_found() -> None:
    opened: list[int] = []
    with leaking("file descriptor .*null"):
        opened.append(os.open(os.devnull, os.O_RDONLY))
    os.close(opened[0])
    with assert_no_leaks():
        os.close(os.open(os.devnull, os.O_RDONLY))


def test_file_descriptors_are_found_where_the_system_has_no_links_to_them(tmp_path: Path) -> None:
    opened = os.open(os.devnull, os.O_RDONLY)
    for name in ("0", str(opened), "9999", "not a number"):
        (tmp_path / name).touch()
    missing = tmp_path / "nowhere"
    found = {number for (number, _), _ in descriptors(missing, tmp_path)}
    assert found == {"0", str(opened)}
    os.close(opened)
    assert list(descriptors(missing)) == []


def test_a_subprocess_is_found_while_it_runs_and_until_it_is_reaped() -> None:
    command = [sys.executable, "-c", "input()"]
    started: list[subprocess.Popen[bytes]] = []
    with leaking("subprocess"):
        started.append(subprocess.Popen(command, stdin=subprocess.PIPE))
    with leaking("subprocess"):
        started.append(subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=-3))
        os.waitid(os.P_PID, started[1].pid, os.WEXITED | os.WNOWAIT)
    for each in started:
        each.communicate(b"\n")
    with assert_no_leaks():
        subprocess.run([sys.executable, "-c", ""], check=True)


def test_what_a_subprocess_has_started_is_found_when_that_is_gone_too() -> None:
    started: list[int] = []

    def start(*, session: bool = False) -> None:
        """A shell that leaves a program running, in a session of its own or not."""
        command = ["sh", "-c", "sleep 60 <&- >&- 2>&- & echo $!"]
        started.append(
            int(
                subprocess.run(
                    command, check=True, capture_output=True, start_new_session=session
                ).stdout
            )
        )

    try:
        for session in (False, True):
            with leaking("subprocess"):
                start(session=session)
            with assert_no_leaks():  # it was there before
                subprocess.run(["true"], check=True)
        with leaking("subprocess"), assert_no_leaks():
            start()
    finally:
        for pid in started:
            os.kill(pid, signal.SIGKILL)
    with assert_no_leaks():
        start()
        process = os.pidfd_open(started[-1])
        os.kill(started[-1], signal.SIGKILL)
        assert select.select([process], [], [], 10)[0]
        os.close(process)
    assert not [name for name in os.environ if "STARTED_BY" in name]


def test_a_thread_is_found() -> None:
    go_on = threading.Event()
    thread = threading.Thread(target=go_on.wait, name="a worker")
    with leaking("thread a worker"):
        thread.start()
    go_on.set()
    thread.join()


def test_a_thread_is_found_that_threading_does_not_know() -> None:
    go_on, gone = threading.Lock(), threading.Event()

    def work() -> None:
        with go_on:
            gone.set()

    with go_on:
        with leaking("thread without a name"):
            _thread.start_new_thread(work, ())
        with assert_no_leaks():  # it was there before
            pass
    gone.wait()
    with assert_no_leaks():
        for _ in range(20):
            thread = threading.Thread(target=int)
            thread.start()
            thread.join()
            done = threading.Event()
            _thread.start_new_thread(done.set, ())
            done.wait()


async def test_a_thread_that_trio_keeps_for_later_is_none() -> None:
    with assert_no_leaks():
        await trio.to_thread.run_sync(int)


async def test_sessions_and_tasks_are_found() -> None:
    async with RealtimeAgent(FakeAgent(Works(0.01)), linger=0) as realtime:
        with pytest.raises(LeakFound) as caught, assert_no_leaks(realtime):
            realtime.submit("a task")
        kinds = {each.split()[0] for each in caught.value.leaks}
        assert {"session", "task"} <= kinds
        for task in realtime.tasks:
            await task.wait()


@pytest.mark.parametrize("linger", [0, 30, None])
async def test_a_session_that_only_lingers_is_none(linger: float | None) -> None:
    async with RealtimeAgent(FakeAgent(Works(0.01)), linger=linger) as realtime:
        with assert_no_leaks(realtime):
            await realtime.submit("a task").result()
            async with realtime.connect(framing=Encoded.websocket):
                await trio.lowlevel.checkpoint()


async def test_a_session_with_a_viewer_is_found() -> None:
    async with RealtimeAgent(FakeAgent()) as realtime, AsyncExitStack() as stack:
        with leaking("session"), assert_no_leaks(realtime):
            await stack.enter_async_context(realtime.connect(framing=Encoded.websocket))


async def test_a_realtime_agent_that_was_closed_has_left_nothing() -> None:
    realtime = RealtimeAgent(FakeAgent(Works(0.01)))
    with assert_no_leaks(realtime):
        async with realtime:
            await realtime.submit("a task").result()


async def test_an_exception_of_the_block_comes_first() -> None:
    async with trio.open_nursery() as nursery:
        with pytest.raises(OSError, match="mine"), assert_no_leaks():
            nursery.start_soon(trio.sleep_forever)
            raise OSError("mine")
        nursery.cancel_scope.cancel()
