"""The program as its users start it: with pipes, or in a terminal at which somebody types."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import signal
import struct
import subprocess
import sys
import termios
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import trio
from attrs import define, field, frozen

__all__ = [
    "REPOSITORY",
    "Done",
    "Piped",
    "Terminal",
    "a_moment",
    "command",
    "environment",
    "in_terminal",
    "piped",
    "run_program",
    "start_server",
    "written",
]

REPOSITORY = Path(__file__).parents[2]
PATIENCE = 30.0
"""Seconds; for a machine that is busy with other things."""

_SEQUENCES = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]")


@frozen
class Done:
    """A program that has ended."""

    code: int
    out: str
    err: str

    @property
    def complaint(self) -> str:
        """The one line that it has written to standard error."""
        (line,) = self.err.splitlines()
        return line


def environment(more: Mapping[str, str] | None = None) -> dict[str, str]:
    """Ours, without what would change what is shown."""
    odd = {
        "NO_COLOR",
        "FORCE_COLOR",
        "COLUMNS",
        "LINES",
        "TERM",
        "OPENAI_API_KEY",
        "OPENAI_BASE_URL",
    }
    kept = {name: value for name, value in os.environ.items() if name not in odd}
    mine = {"PYTHONPATH": str(REPOSITORY), "PYTHONUTF8": "1", "TERM": "xterm-256color"}
    return {**kept, **mine, **(more or {})}


def command(*arguments: str, module: str = "trio_agent_rt") -> list[str]:
    """The command line that starts the program, or another one in its place."""
    return [sys.executable, "-m", module, *arguments]


async def run_program(
    *arguments: str, cwd: Path | None = None, env: Mapping[str, str] | None = None
) -> Done:
    """Run the program to its end, without a terminal."""
    with trio.fail_after(PATIENCE):
        done = await trio.run_process(
            command(*arguments),
            cwd=cwd,
            env=environment(env),
            stdin=b"",
            check=False,
            capture_stdout=True,
            capture_stderr=True,
        )
    return Done(done.returncode, done.stdout.decode(), done.stderr.decode())


@define
class Terminal:
    """A terminal in which the program runs."""

    process: trio.Process
    _fd: int
    _slave: int
    raw: str = ""
    """All that it has written."""
    _read_to: int = field(default=0, init=False)
    _echoed: bool | None = field(default=None, init=False)

    @property
    def text(self) -> str:
        """All that it has written, without control sequences."""
        return _SEQUENCES.sub("", self.raw).replace("\r", "")

    def type(self, text: str) -> None:
        """Type at its keyboard; `\\x03` is Ctrl-C."""
        os.write(self._fd, text.encode())

    def resize(self, rows: int, columns: int) -> None:
        """Make it larger or smaller, and tell the program."""
        fcntl.ioctl(self._slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        self.process.send_signal(signal.SIGWINCH)

    def hang_up(self) -> None:
        """Take the terminal away, as closing its window does."""
        if self._fd >= 0:
            os.close(self._fd)
        self._fd = -1

    async def shows(self, text: str) -> None:
        """Wait until it has shown a text, after the one that was waited for last."""
        await self.shows_match(re.escape(text))

    async def shows_match(self, pattern: str) -> None:
        """Wait until it has shown what a regular expression finds, after that."""
        wanted = re.compile(pattern)
        with trio.move_on_after(PATIENCE):
            while (found := wanted.search(self.text, self._read_to)) is None:
                if not await self._read():
                    break
            else:
                self._read_to = found.end()
                return
        raise AssertionError(f"{pattern!r} was not shown, but:\n{self.text}")

    async def ends(self) -> int:
        """Wait until the program has ended; gives its exit code."""
        with trio.fail_after(PATIENCE):
            while await self._read():
                pass
            code = await self.process.wait()
        self._echoed = self.echoes()
        return code

    def echoes(self) -> bool:
        """Whether it shows what is typed, or did so when the program had ended."""
        if self._echoed is not None:
            return self._echoed
        return bool(termios.tcgetattr(self._slave)[3] & termios.ECHO)

    async def _read(self) -> bool:
        """Take what there is; False when the program has ended and nothing is left."""
        while True:
            with trio.move_on_after(0.05):
                await trio.lowlevel.wait_readable(self._fd)
                self.raw += os.read(self._fd, 65536).decode(errors="replace")
                return True
            if self.process.poll() is not None:
                return False


@asynccontextmanager
async def in_terminal(
    *arguments: str,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    size: tuple[int, int] = (24, 80),
    program: Sequence[str] | None = None,
) -> AsyncGenerator[Terminal]:
    """The program, or another one, in a terminal of so many rows and columns."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", *size, 0, 0))
    process = await trio.lowlevel.open_process(
        command(*arguments) if program is None else [*program, *arguments],
        cwd=cwd,
        env=environment(env),
        stdin=slave,
        stdout=slave,
        stderr=slave,
        start_new_session=True,
        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
    )
    terminal = Terminal(process, master, slave)
    try:
        yield terminal
    finally:
        await end(process)
        terminal.hang_up()
        os.close(slave)


@asynccontextmanager
async def start_server(
    *arguments: str,
    cwd: Path,
    env: Mapping[str, str] | None = None,
    module: str = "trio_agent_rt",
) -> AsyncGenerator[tuple[trio.Process, str]]:
    """`serve` on free ports, and its WebSocket URL; it writes to `out` and `err` of `cwd`."""
    with (cwd / "out").open("wb") as out, (cwd / "err").open("wb") as err:
        process = await trio.lowlevel.open_process(
            command("serve", "--port", "0", "--http-port", "0", *arguments, module=module),
            cwd=cwd,
            env=environment(env),
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=err,
        )
    try:
        await written(cwd / "out", "wait 10 seconds", by=process)
        told = (cwd / "out").read_text().splitlines()
        yield process, next(each for each in told if each.startswith("ws"))
    finally:
        await end(process)


async def written(path: Path, text: str, *, by: trio.Process) -> None:
    """Wait until a program has written a text to a file."""
    with trio.fail_after(PATIENCE):
        while text not in path.read_text():
            assert by.poll() is None, f"it ended with {by.returncode} before it wrote {text!r}"
            await trio.sleep(0.02)  # another process: there is nothing to wait for but time


@define
class Piped:
    """The program with its standard output in a pipe."""

    process: trio.Process
    text: str = ""

    async def shows(self, text: str) -> None:
        """Wait until it has shown a text."""
        assert self.process.stdout is not None
        with trio.fail_after(PATIENCE):
            while text not in self.text:
                data = await self.process.stdout.receive_some()
                assert data, f"{text!r} was not shown, but:\n{self.text}"
                self.text += data.decode()

    async def ends(self) -> int:
        """Wait until the program has ended; gives its exit code."""
        assert self.process.stdout is not None
        with trio.fail_after(PATIENCE):
            async for data in self.process.stdout:
                self.text += data.decode()
            return await self.process.wait()


@asynccontextmanager
async def piped(
    *arguments: str, cwd: Path | None = None, errors: bool = False
) -> AsyncGenerator[Piped]:
    """The program, read from while it runs; with `errors`, standard error is a pipe too."""
    process = await trio.lowlevel.open_process(
        command(*arguments),
        cwd=cwd,
        env=environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE if errors else None,
    )
    assert process.stdout is not None
    try:
        async with process.stdout:
            yield Piped(process)
    finally:
        await end(process)


async def a_moment() -> None:
    """Let as much time pass as lies between two Ctrl-C of a person."""
    await trio.sleep(0.2)


async def end(process: trio.Process) -> None:
    """See to it that a program has ended."""
    with trio.CancelScope(shield=True, deadline=trio.current_time() + 5):
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
        await process.wait()
