"""Servers and clients as processes: each pinned to a core, bounded in time, ended by its own id."""

from __future__ import annotations

import contextlib
import json
import os
import resource
import select
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Any

from attrs import frozen

from ..servers import Server

__all__ = [
    "MeasurementFailed",
    "RunningClient",
    "RunningServer",
    "built_client",
    "raise_open_files",
    "running_client",
    "running_server",
]

REPOSITORY = Path(__file__).parents[2]
SOURCE = Path(__file__).parents[1] / "client" / "loadclient.c"

START_TIMEOUT = 60.0
"""Seconds for a server to listen; a busy machine takes its time."""
END_TIMEOUT = 5.0
"""Seconds for a server to end once nobody talks to it."""
SERVER_CORE, CLIENT_CORE = 0, 1
"""Which of the cores that this process may use."""


class MeasurementFailed(Exception):
    """A server or the client did not do what it was to do."""


@contextlib.contextmanager
def built_client() -> Iterator[Path]:
    """The load client, for as long as the block runs.

    Raises:
        MeasurementFailed: when there is no C compiler, or it fails.
    """
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        raise MeasurementFailed("the load client needs a C compiler: apt-get install gcc libc6-dev")
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        client = Path(folder) / "loadclient"
        command = [compiler, "-O2", "-Wall", "-Wextra", "-o", str(client), str(SOURCE)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
        if done.returncode:
            raise MeasurementFailed(f"the load client could not be built: {done.stderr[-2000:]}")
        yield client


def raise_open_files(wanted: int) -> int:
    """Let this process and what it starts have `wanted` open files, or as many as may be."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    allowed = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, allowed), hard))
    return max(soft, allowed)


@contextlib.contextmanager
def _pinned(core: int) -> Iterator[None]:
    """What is started in the block runs on that core alone, with all its threads."""
    before = os.sched_getaffinity(0)
    cores = sorted(before)
    os.sched_setaffinity(0, {cores[core % len(cores)]})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def _tail(file: IO[str]) -> str:
    file.seek(0)
    lines = [line.rstrip() for line in file if line.strip()]
    return " | ".join(lines[-5:])[-600:]


@frozen(kw_only=True)
class RunningServer:
    """A server that listens."""

    server: Server
    pid: int
    port: int
    credit: int
    """The other end of its standard input."""
    versions: dict[str, str]
    errors: IO[str]

    def memory(self) -> int:
        """How many bytes of it are in memory."""
        status = Path(f"/proc/{self.pid}/status").read_text(encoding="ascii")
        (line,) = (each for each in status.splitlines() if each.startswith("VmRSS:"))
        return int(line.split()[1]) * 1024

    def complaints(self) -> str:
        """The last of what it has written to standard error."""
        return _tail(self.errors)


@contextlib.contextmanager
def running_server(server: Server, command: Sequence[str]) -> Iterator[RunningServer]:
    """Start a server; it has ended when this is left.

    Raises:
        MeasurementFailed: when it does not listen in time.
    """
    reading, credit = os.pipe()
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as errors:
        try:
            with _pinned(SERVER_CORE):
                process = subprocess.Popen(
                    command,
                    cwd=REPOSITORY,
                    stdin=reading,
                    stdout=subprocess.PIPE,
                    stderr=errors,
                )
        except OSError as wrong:
            os.close(credit)
            raise MeasurementFailed(f"{server.name} could not be started: {wrong}") from wrong
        finally:
            os.close(reading)
        with process:
            try:
                told = _announcement(process, server, errors)
                yield RunningServer(
                    server=server,
                    pid=process.pid,
                    port=told["port"],
                    credit=credit,
                    versions=told["versions"],
                    errors=errors,
                )
            finally:
                os.close(credit)
                _end(process)


def _announcement(process: subprocess.Popen[bytes], server: Server, errors: IO[str]) -> Any:
    assert process.stdout is not None
    readable, _, _ = select.select([process.stdout], [], [], START_TIMEOUT)
    line = process.stdout.readline() if readable else b""
    if not line:
        raise MeasurementFailed(f"{server.name} does not listen: {_tail(errors)}")
    return json.loads(line)


def _end(process: subprocess.Popen[bytes]) -> None:
    """It ends by itself when its input is closed; if not, it is killed."""
    try:
        process.wait(END_TIMEOUT)
    except subprocess.TimeoutExpired:
        process.kill()


@frozen
class RunningClient:
    """The load client, which connects or is connected."""

    process: subprocess.Popen[str]

    def wait_connected(self, within: float) -> None:
        """Return once everybody is connected."""
        assert self.process.stderr is not None
        readable, _, _ = select.select([self.process.stderr], [], [], within)
        line = self.process.stderr.readline() if readable else "it takes too long"
        if line.strip() != "CONNECTED":
            raise MeasurementFailed(f"not all could connect: {line.strip()}")

    def result(self, within: float) -> dict[str, Any]:
        """What it tells; idle ones are told to end."""
        try:
            out, err = self.process.communicate(timeout=within)
        except subprocess.TimeoutExpired:
            raise MeasurementFailed("the client did not end in time") from None
        if self.process.returncode:
            raise MeasurementFailed(err.strip().splitlines()[-1] if err.strip() else "it crashed")
        return json.loads(out)


@contextlib.contextmanager
def running_client(
    program: Path, running: RunningServer, clients: int, limit: float, *options: object
) -> Iterator[RunningClient]:
    """Start the load client against a server; it has ended when this is left.

    Args:
        limit: seconds after which it ends in any case.
        options: more of its own.
    """
    server = running.server
    command = [
        program,
        *("--mode", server.transport),
        *("--port", running.port),
        *("--path", server.path),
        *("--server-pid", running.pid),
        *("--clients", clients),
        *("--limit", limit),
        *options,
    ]
    if server.socketio:
        command.append("--socketio")
    with _pinned(CLIENT_CORE):
        process = subprocess.Popen(
            [str(each) for each in command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            pass_fds=[running.credit],
        )
    with process:
        try:
            yield RunningClient(process)
        finally:
            process.kill()
