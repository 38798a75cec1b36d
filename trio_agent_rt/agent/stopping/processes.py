"""Programs that a step runs: ended when the step ends, with all that they have started."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import trio
from attrs import field, frozen
from attrs.validators import ge

from ...errors import ToolError
from ...ungrouping import Ungrouping
from ..cleanup import Cleanup
from ..failures import MAX_ERROR_CHARS
from .claims import record_of, require
from .group import ProcessGroup
from .pipes import Outlet, feed

if TYPE_CHECKING:
    from ..tool import ToolCall

__all__ = [
    "MAX_OUTPUT_BYTES",
    "TERMINATE_GRACE",
    "Command",
    "ProcessResult",
    "run_process",
    "start_program",
]

TERMINATE_GRACE = 2.5
"""Seconds between SIGTERM and SIGKILL: half of the default `cleanup_timeout`, in the way in
which Jupyter divides the 5 s that it gives a kernel."""

MAX_OUTPUT_BYTES = 1_000_000
"""What is kept of each of a program's outputs: about what a message may have by default."""

KILL_TIMEOUT = 0.5
"""Seconds beyond the time for cleanup, in which what was killed is reaped. Part of the one
second by which a shutdown may pass its time-outs."""

_LAST_WORDS = 0.2
"""Seconds for output that is on its way when the last process has gone. A daemon that has
kept the pipe open must not hold up the step."""

_OUT_OF_REACH = "a process that got away still holds its output"

_ERROR_CHARS = MAX_ERROR_CHARS // 2
"""Characters that an error repeats of what a program said last: half of what may be shown of
an error, so that they are not what is cut off there."""


def _as_bytes(text: str | bytes | None) -> bytes | None:
    return text.encode() if isinstance(text, str) else text


def _as_argv(argv: Sequence[str | os.PathLike[str]]) -> tuple[str, ...]:
    if isinstance(argv, str | bytes):
        raise TypeError(f'argv is a list of texts, not {argv!r}; a shell is ["sh", "-c", …]')
    if not argv:
        raise ValueError("argv is empty: its first item is the program")
    return tuple(os.fspath(each) for each in argv)


@frozen
class Command:
    """A program, and how it is run.

    Args:
        argv: the program and its arguments; no shell reads them.
        stdin: what it reads, text as UTF-8; None for nothing.
        cwd: the folder it runs in, or None for this process's own.
        env: its whole environment, or None for this process's own.
        stream: whether its output is shown to the viewers as it comes.
        check: whether an exit status other than 0 is a failure.
        grace: seconds from SIGTERM to SIGKILL when it is to end. It is killed sooner if
            less than twice as much is left for cleanup.
        max_output_bytes: how much of its output is kept (and shown): the first bytes of
            stdout, the last ones of stderr. What comes beyond is read and dropped.
    """

    argv: Sequence[str] = field(converter=_as_argv)
    stdin: bytes | None = field(default=None, converter=_as_bytes, kw_only=True, repr=False)
    cwd: str | os.PathLike[str] | None = field(default=None, kw_only=True)
    env: Mapping[str, str] | None = field(default=None, kw_only=True, repr=False)
    stream: bool = field(default=False, kw_only=True)
    check: bool = field(default=True, kw_only=True)
    grace: float = field(default=TERMINATE_GRACE, validator=ge(0), kw_only=True)
    max_output_bytes: int = field(default=MAX_OUTPUT_BYTES, validator=ge(0), kw_only=True)


@frozen(kw_only=True)
class ProcessResult:
    """What a program came to."""

    exit_status: int
    """0 if it says that all is well; -N when the signal N has ended it."""
    stdout: str
    stderr: str
    truncated: bool
    """Whether it wrote more than was kept."""


async def run_process(
    call: ToolCall, command: Command | Sequence[str | os.PathLike[str]]
) -> ProcessResult:
    """Run a program to its end, in a session of its own. POSIX only.

    When its first process exits, what that has left running is ended as well, so that
    nothing of it is there any more when this returns or raises. A daemon, which begins a
    session of its own and whose parent is gone, is the one thing that escapes; while it
    keeps the program's output open, the receipt says so. Where there is no /proc, jobs in
    process groups of their own escape too.

    Args:
        call: of the tool or step that it is for.
        command: what to run; a plain list is its argv.

    Raises:
        ToolError: when there is no such program, it may not be run, or it fails; when this
            process ignores SIGCHLD, which hides how programs end.
        RuntimeError: when the tool has declared that it stops as `async`.
        NotImplementedError: where there is no POSIX.

    Cancellation: SIGTERM to all its processes, SIGKILL to what is left after the grace;
    raises when they are gone and reaped. What cannot be killed within the time for
    cleanup is named in the receipt and in the log.

    Backpressure: none; its output is always read.
    """
    require("subprocess", "runs a program")
    if not isinstance(command, Command):
        command = Command(command)
    process = await start_program(command)
    return await _Running(call, command, process).run()


async def start_program(command: Command) -> trio.Process:
    """A program that has been started, in a session of its own, and is the caller's to end.

    Raises:
        ToolError: when there is no such program, or it may not be run.
    """
    if os.name != "posix":
        raise NotImplementedError("programs are run in POSIX sessions, which this system has not")
    name = command.argv[0]
    if signal.getsignal(signal.SIGCHLD) is signal.SIG_IGN:  # inherited, from `nohup` of old say
        # The system reaps its children itself then, and Python takes that for a success.
        raise ToolError(f"{name}: how it ends cannot be told: SIGCHLD is ignored in this process")
    try:
        # A cancel while it is being started is told when it has been.
        return await trio.lowlevel.open_process(
            command.argv,
            stdin=subprocess.DEVNULL if command.stdin is None else subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=command.cwd,
            env=command.env,
            start_new_session=True,
        )
    except (FileNotFoundError, NotADirectoryError) as exc:
        if command.cwd is not None and exc.filename == command.cwd:
            raise ToolError(f"{name}: there is no folder {os.fspath(command.cwd)!r}") from None
        raise ToolError(f"{name}: there is no such program here") from None
    except PermissionError:
        raise ToolError(f"{name}: it may not be run") from None
    except OSError as exc:
        text = (exc.strerror or str(exc)).lower()
        if exc.errno == errno.E2BIG:
            text = "its arguments are too long"
        raise ToolError(f"{name}: it could not be started: {text}") from None
    except ValueError as exc:  # a null byte
        raise ToolError(f"{name}: it could not be started: {exc}") from None


class _Running:
    """A program that runs, with what reads its output and what ends it."""

    def __init__(self, call: ToolCall, command: Command, process: trio.Process) -> None:
        self._command = command
        self._process = process
        self._record, self._step = record_of(call)
        self._group = ProcessGroup(process)
        assert process.stdout is not None
        assert process.stderr is not None
        limit = command.max_output_bytes
        say = call.output if command.stream else None
        self._out = Outlet(process.stdout, limit, say=say)
        self._err = Outlet(process.stderr, limit, keep_last=True)
        self._to_end = trio.Event()
        self._lives_on = False

    async def run(self) -> ProcessResult:
        with Ungrouping():
            await self._run()
        return self._result()

    async def _run(self) -> None:
        async with trio.open_nursery() as nursery:
            # These two run on under a cancel, until the third one has ended the program.
            nursery.start_soon(self._out.run)
            nursery.start_soon(self._err.run)
            nursery.start_soon(self._end_when_told)
            try:
                if self._process.stdin is not None:
                    nursery.start_soon(feed, self._process.stdin, self._command.stdin or b"")
                await self._group.wait_first()
            finally:
                self._to_end.set()
            await self._out.over.wait()
            await self._err.over.wait()
            nursery.cancel_scope.cancel(reason="the program has ended")

    async def _end_when_told(self) -> None:
        try:
            with trio.CancelScope(shield=True):
                await self._to_end.wait()
                async with Cleanup(self._record, self._step, None) as cleanup:
                    await self._group.end(self._command.grace, lambda: cleanup.scope.deadline)
                if cleanup.scope.cancelled_caught:
                    await self._kill()
                with trio.move_on_after(_LAST_WORDS) as last_words:
                    await self._out.over.wait()
                    await self._err.over.wait()
                if last_words.cancelled_caught and not self._lives_on:
                    self._record.left_behind(f"{self._step} ({_OUT_OF_REACH})")
        finally:
            self._group.kill()
            for each in (self._out, self._err):
                each.over.set()
                each.scope.cancel(reason="the program has ended")

    async def _kill(self) -> None:
        """Its time is over: at once, then, and with a little time to be reaped."""
        with trio.move_on_after(KILL_TIMEOUT) as scope:
            await self._group.end(0, trio.current_time)
        if scope.cancelled_caught:
            self._lives_on = True
            self._record.left_behind(f"{self._step} (process group {self._group.id} lives on)")

    def _result(self) -> ProcessResult:
        for each in (self._out, self._err):
            if each.error is not None:
                raise each.error
        status = self._process.returncode
        assert status is not None
        result = ProcessResult(
            exit_status=status,
            stdout=self._out.text,
            stderr=self._err.text,
            truncated=self._out.truncated or self._err.truncated,
        )
        if status and self._command.check:
            raise ToolError(_failure(self._command.argv[0], result))
        return result


def _failure(name: str, result: ProcessResult) -> str:
    status = result.exit_status
    if status < 0:
        try:
            ended = f"was ended by {signal.Signals(-status).name}"
        except ValueError:
            ended = f"was ended by signal {-status}"
    else:
        ended = f"ended with exit status {status}"
    said = (result.stderr.strip() or result.stdout.strip())[-_ERROR_CHARS:]
    return f"{name} {ended}: {said}" if said else f"{name} {ended}"
