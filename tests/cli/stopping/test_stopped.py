"""Stopped by a signal, in whatever company: in good order within its bound, or at once."""

from __future__ import annotations

import os
import re
import select
import signal
import socket
import sys
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager
from pathlib import Path

import pytest
import trio
import trustme
from attrs import Factory, define

from tests.agent.stopping.programs import living
from tests.cli.processes import a_moment, start_server, written
from tests.transports.websocket.peers import CLOSE, TEXT, Frame
from trio_agent_rt.clients import open_sse_client, open_websocket_client
from trio_agent_rt.errors import ConnectionLost

from .crowd import Crowd, addresses, until_output

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc"),
    pytest.mark.hang_guard(60),
]

STUBBORN = "tests.cli.stopping.stubborn"

DRAIN_TIMEOUT = 1.0
CLEANUP_TIMEOUT = 5.0  # that of `serve`

# From the signal; see docs/reference/command-line.md.
BOUND = DRAIN_TIMEOUT + CLEANUP_TIMEOUT + 1
AT_ONCE = 1.0

_PARTING = 2.0
"""For a machine that is busy, and for Python to unload what it has loaded."""


@define
class Seen:
    """What those who listen were told until the end."""

    frames: list[Frame] = Factory(list)
    kinds: list[str] = Factory(list)
    """Of the messages of the stream."""
    in_order: bool = False
    """Whether the stream has ended with its last chunk."""
    took: float = 0.0
    """Seconds from the first signal to the end of the process."""
    code: int = -1

    async def by_peer(self, crowd: Crowd) -> None:
        self.frames = await crowd.peer.last_frames()

    async def by_stream(self, crowd: Crowd) -> None:
        self.kinds, self.in_order = await crowd.seen_by_stream()

    @property
    def texts(self) -> list[str]:
        return [each.message["type"] for each in self.frames if each.opcode == TEXT]


async def stop(process: trio.Process, signals: Sequence[int], crowd: Crowd, folder: Path) -> Seen:
    """Send the signals, as a person would who reads what is said, and wait for the end."""
    seen = Seen()

    async def watch() -> None:
        # In a thread, which is on time however much those who listen have to read.
        seen.took = await trio.to_thread.run_sync(_end_of, process.pid) - began

    async with trio.open_nursery() as nursery:
        nursery.start_soon(seen.by_peer, crowd)
        nursery.start_soon(seen.by_stream, crowd)
        began = time.monotonic()
        nursery.start_soon(watch)
        for number in signals:
            process.send_signal(number)
            await written(folder / "err", "stopping", by=process)
            await a_moment()
        with trio.fail_after(30):
            seen.code = await process.wait()
    return seen


def _end_of(pid: int) -> float:
    fd = os.pidfd_open(pid)
    try:
        select.select([fd], [], [], 30)
    finally:
        os.close(fd)
    return time.monotonic()


@asynccontextmanager
async def crowded(tmp_path: Path, drain: float) -> AsyncGenerator[tuple[trio.Process, Crowd]]:
    """A server with all of them, and nothing of it that is left at the end."""
    async with (
        start_server("--drain-timeout", str(drain), cwd=tmp_path, module=STUBBORN) as (process, _),
        AsyncExitStack() as stack,
    ):
        crowd = Crowd(*addresses((tmp_path / "out").read_text()), stack)
        await crowd.gather()
        assert min(len(living(each)) for each in crowd.families) >= 4
        yield process, crowd
        await nothing_is_left(crowd)


async def nothing_is_left(crowd: Crowd) -> None:
    """No process lives, and both ports can be taken at once."""
    for address in (crowd.ws, crowd.sse):
        for listener in await trio.open_tcp_listeners(address.port, host=address.host):
            await listener.aclose()
    for _ in range(200):
        if not any(living(each) for each in crowd.families):
            return
        await trio.sleep(0.01)  # they are init's to reap: there is nothing to wait for but time
    raise AssertionError([living(each) for each in crowd.families])


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_one_signal_ends_all_in_good_order_within_the_bound(
    tmp_path: Path, number: signal.Signals
) -> None:
    async with crowded(tmp_path, DRAIN_TIMEOUT) as (process, crowd):
        seen = await stop(process, [number], crowd, tmp_path)
        left = [living(each) for each in crowd.families]
        with trio.fail_after(2):
            ends = [(await each.wait()).outcome for each in crowd.tasks]
            assert (await crowd.brief.wait()).outcome == "succeeded"
    print(f"{number.name}: {seen.took:.2f} s (at most {BOUND:g} s)")
    assert seen.code == 0
    # One of the tasks has held out until its time for cleanup was over.
    assert DRAIN_TIMEOUT + CLEANUP_TIMEOUT < seen.took < BOUND + _PARTING
    assert left == [[], []]
    assert ends == ["cancelled"] * len(crowd.tasks)
    assert seen.texts[-1] == "task:complete"
    assert [each.code for each in seen.frames if each.opcode == CLOSE] == [1001]
    assert (seen.kinds[-1], seen.in_order) == ("task:complete", True)
    log = (tmp_path / "err").read_text()
    name = "Ctrl-C" if number == signal.SIGINT else "SIGTERM"
    assert "may take 1.0 s to finish; this takes at most 7.0 s" in log
    told = re.search(rf" (\S+) stopped, (\S+) s after {name} \(at most 7.0 s\)\n$", log)
    assert told is not None
    # A machine that is busy with other tests may be late, and then that is told.
    assert told[1] == "INFO" or float(told[2]) >= BOUND, log
    assert seen.took - _PARTING < float(told[2]) < seen.took + 0.1
    print(f"  by its own clock: {told[2]} s")


@pytest.mark.parametrize(
    "signals",
    [
        (signal.SIGINT, signal.SIGINT),
        (signal.SIGINT, signal.SIGTERM),
        (signal.SIGTERM, signal.SIGTERM),
    ],
)
async def test_a_second_signal_ends_all_at_once_and_nobody_is_told_a_success(
    tmp_path: Path, signals: tuple[signal.Signals, ...]
) -> None:
    async with crowded(tmp_path, 60) as (process, crowd):
        seen = await stop(process, signals, crowd, tmp_path)
        for each in [*crowd.tasks, crowd.brief]:
            with trio.fail_after(5), pytest.raises(ConnectionLost):
                await each.wait()
            assert each.completed is None
    print(f"{', '.join(each.name for each in signals)}: {seen.took:.2f} s from the first one")
    assert seen.code == 130
    assert seen.took < AT_ONCE + _PARTING
    assert seen.texts
    assert "task:complete" not in seen.texts
    # 1006 to a client, after which it comes back; an SSE stream that broke is as good.
    assert [each for each in seen.frames if each.opcode == CLOSE] == []
    assert "task:complete" not in seen.kinds
    assert not seen.in_order
    assert (tmp_path / "err").read_text().endswith(" again: ended at once\n")


async def test_without_tasks_a_second_is_enough_whoever_is_in_the_way(tmp_path: Path) -> None:
    """TLS handshakes that never end, on both ports."""
    trustme.CA().issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(
        tmp_path / "server.pem"
    )
    async with start_server("--certfile", "server.pem", cwd=tmp_path) as (process, _):
        hello = bytes.fromhex("1603010200010001fc0303")  # the beginning of a ClientHello
        with ExitStack() as sockets:
            for at in addresses((tmp_path / "out").read_text()):
                for sent in (b"", hello):
                    mute = sockets.enter_context(socket.create_connection((at.host, at.port)))
                    mute.sendall(sent)
            began = time.monotonic()
            process.send_signal(signal.SIGINT)
            with trio.fail_after(10):
                assert await process.wait() == 0
            took = time.monotonic() - began
    print(f"without tasks: {took:.2f} s (at most 1 s)")
    assert took < 1 + _PARTING
    log = (tmp_path / "err").read_text()
    assert "Ctrl-C: stopping; this takes at most 1.0 s; once more ends at once" in log


@pytest.mark.parametrize("transport", ["websocket", "sse"])
async def test_a_receipt_over_the_wire_comes_when_no_process_is_left(
    tmp_path: Path, transport: str
) -> None:
    async with start_server(cwd=tmp_path, module=STUBBORN):
        ws, sse = addresses((tmp_path / "out").read_text())
        over_ws = transport == "websocket"
        client = open_websocket_client(ws.url) if over_ws else open_sse_client(sse.url)
        with trio.fail_after(10):
            async with client:
                task = await client.submit("family")
                session = int(await until_output(task, r"\d+"))
                assert len(living(session)) >= 4
                receipt = await task.cancel()
                assert living(session) == []
    assert receipt is not None
    assert (receipt.cleanup, receipt.interrupted) == ("clean", ("family",))
