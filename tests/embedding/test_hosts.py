"""Whoever runs Trio, that is all it needs: AnyIO, a guest, other threads, a signal."""

from __future__ import annotations

import functools
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from typing import Any

import anyio
import pytest
import trio

from trio_agent_rt import RealtimeAgent, TaskRun, open_websocket_client, serve_websocket
from trio_agent_rt.testing import assert_no_leaks

PROGRAM = """
import functools, sys, trio
from trio_agent_rt import RealtimeAgent, open_websocket_client, serve_websocket
from trio_agent_rt.testing import assert_no_leaks

async def agent(task, run):
    if sys.argv[1] == "in the agent":
        spin()
    await trio.sleep_forever()

def spin():
    print("ready", flush=True)
    while True:
        pass

async def main():
    async with RealtimeAgent(agent) as realtime, trio.open_nursery() as nursery:
        address = await nursery.start(functools.partial(serve_websocket, realtime, port=0))
        async with open_websocket_client(address.url) as client:
            task = await client.submit("a task")
            if sys.argv[1] == "in the block":
                spin()
            if sys.argv[1] == "while it waits":
                print("ready", flush=True)
            await task.result()

with assert_no_leaks():
    try:
        trio.run(main)
    except* KeyboardInterrupt as group:
        (one,) = group.exceptions  # the nursery of the program, and no other
        print(type(one).__name__, flush=True)
"""


async def echo(task: str, run: TaskRun) -> object:
    return task


async def there_and_back() -> object:
    """A task, over a socket, in a server and a client of its own."""
    async with RealtimeAgent(echo) as realtime, trio.open_nursery() as nursery:
        address = await nursery.start(functools.partial(serve_websocket, realtime, port=0))
        async with open_websocket_client(address.url) as client:
            result = await (await client.submit("hello")).result()
        nursery.cancel_scope.cancel()
    return result


@pytest.mark.parametrize("where", ["while it waits", "in the block", "in the agent"])
def test_a_signal_ends_a_program_and_comes_out_in_its_own_group(where: str) -> None:
    command = [sys.executable, "-X", "dev", "-W", "error", "-c", PROGRAM, where]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            process.send_signal(signal.SIGINT)
            printed, complaints = process.communicate(timeout=20)
        finally:
            process.kill()
    assert (printed, process.returncode) == ("KeyboardInterrupt\n", 0), complaints
    assert "Warning" not in complaints
    assert "never" not in complaints


def test_one_run_after_another_and_beside_another() -> None:
    results: list[Any] = []
    with assert_no_leaks():
        assert trio.run(there_and_back) == trio.run(there_and_back) == "hello"
        threads = [
            threading.Thread(target=lambda: results.append(trio.run(there_and_back)))
            for _ in range(2)
        ]
        for each in threads:
            each.start()
        for each in threads:
            each.join(20)
    assert results == ["hello", "hello"]


async def test_two_servers_in_one_process_know_nothing_of_each_other() -> None:
    async with RealtimeAgent(echo) as one, RealtimeAgent(echo) as other:
        mine = one.submit("mine")
        await mine.result()
        assert other.session_ids == []
        await other.shut_down()
        assert await one.submit("again").result() == "again"


def test_as_a_guest_of_another_loop() -> None:
    todo: queue.Queue[Callable[[], object]] = queue.Queue()
    ended: list[Any] = []
    with assert_no_leaks():
        trio.lowlevel.start_guest_run(
            there_and_back, run_sync_soon_threadsafe=todo.put, done_callback=ended.append
        )
        while not ended:
            todo.get(timeout=20)()
    assert ended[0].unwrap() == "hello"


def test_what_a_system_task_holds_ends_when_the_main_one_returns() -> None:
    realtime = RealtimeAgent(echo)
    serving = trio.Event()

    async def in_the_background() -> None:
        async with realtime, trio.open_nursery() as nursery:
            await nursery.start(functools.partial(serve_websocket, realtime, port=0))
            serving.set()

    async def main() -> None:
        trio.lowlevel.spawn_system_task(in_the_background)
        await serving.wait()

    with assert_no_leaks():
        trio.run(main)
    assert realtime.phase == "closed"


def test_under_anyio_its_scopes_and_groups_are_as_good() -> None:
    error = ValueError("beside it")

    async def fail() -> None:
        raise error

    async def main() -> None:
        with anyio.move_on_after(0.2) as scope:
            async with RealtimeAgent(echo) as realtime, anyio.create_task_group() as group:
                address: Any = await group.start(
                    functools.partial(serve_websocket, realtime, port=0)
                )
                async with open_websocket_client(address.url) as client:
                    assert await (await client.submit("hello")).result() == "hello"
                    await anyio.sleep_forever()
        assert scope.cancelled_caught
        with pytest.RaisesGroup(ValueError) as caught:
            async with RealtimeAgent(echo) as realtime, anyio.create_task_group() as group:
                await group.start(functools.partial(serve_websocket, realtime, port=0))
                group.start_soon(fail)
        assert list(caught.value.exceptions) == [error]

    with assert_no_leaks():
        anyio.run(main, backend="trio")
