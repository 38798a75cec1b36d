"""The program `trio-agent-rt`: its commands, and how each of them ends."""

from __future__ import annotations

import argparse
import errno
import functools
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import NoReturn, TextIO, cast

import trio

from ..agent import kill_programs
from .commands import add_run, add_serve, add_submit, add_watch
from .commands.scripts import add_cancel, add_confirm, add_sessions, add_tools
from .completion import RecordingParser, add_completion
from .demo import add_demo
from .endings import Complaint, ExitCode, OutputLost, complaint_of
from .interrupts import Interrupts
from .lines import clean
from .options import with_ids_joined

__all__ = ["main", "make_parser"]

_EXIT_CODES = """\
exit codes:
  0    done: what was asked for; the task succeeded; the server was stopped in good order
  1    the task failed; there was nothing to cancel or to answer any more
  2    wrong usage: an option, a URL, a file or a folder
  3    something needed is not there: the server, the port, the model's key or package
  4    the task was cancelled
  130  interrupted twice, or before there was a task to cancel

Ctrl-C (or SIGTERM, SIGHUP) once ends in good order: a task is cancelled and its receipt shown, a
server lets its tasks finish for a while. Twice ends at once.
"""


class _Parser(RecordingParser):
    """A parser that complains in one sentence."""

    def error(self, message: str) -> NoReturn:
        """Complain, and exit."""
        self.exit(ExitCode.USAGE, f"{self.prog}: {message} (see {self.prog} --help)\n")


def make_parser() -> argparse.ArgumentParser:
    """The parser of the whole command line."""
    parser = _Parser(
        prog="trio-agent-rt",
        description="Runs agents and shows live what they do, here or over WebSocket.",
        epilog=_EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    for add in (
        add_demo,
        add_run,
        add_serve,
        add_submit,
        add_watch,
        add_tools,
        add_sessions,
        add_cancel,
        add_confirm,
    ):
        add(commands.add_parser)
    add_completion(commands.add_parser, commands.choices)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program; gives its exit code.

    Args:
        arguments: those of the command line, or None for this process's own.
    """
    if cast("TextIO | None", sys.stderr) is None:
        sys.stderr = _nowhere()
    if cast("TextIO | None", sys.stdout) is None:
        sys.stdout = _nowhere()
        return _complain(OutputLost(OSError(errno.EBADF, "there is no standard output")))
    try:
        with Interrupts() as interrupts, interrupts.last_act(kill_programs):
            given = sys.argv[1:] if arguments is None else arguments
            options = make_parser().parse_args(with_ids_joined(given))
            command = functools.partial(options.command, options, interrupts)
            return trio.run(interrupts.run, command)
    except Exception as exc:
        complaint = complaint_of(exc)
        if complaint is None:
            raise
        return _complain(complaint)


def _nowhere() -> TextIO:
    """What stands for a standard stream that was closed before the program began."""
    return os.fdopen(os.open(os.devnull, os.O_WRONLY), "w", encoding="utf-8")


def _complain(complaint: Complaint) -> int:
    if isinstance(complaint, OutputLost):
        # Python would flush what is left of it when it exits, and complain.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    text = clean(str(complaint))
    if text:
        with suppress(OSError):  # the terminal is gone
            print(f"trio-agent-rt: {text}", file=sys.stderr, flush=True)
    return complaint.code
