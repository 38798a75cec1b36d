"""Opening a stage on what this process has: a terminal, a pipe, a file, a keyboard."""

from __future__ import annotations

import argparse
import logging
import os
import shlex
import shutil
import sys
from collections.abc import Generator
from contextlib import contextmanager, nullcontext
from typing import TextIO

from .interrupts import Interrupts
from .lines import clean
from .pausing import pausing
from .view import (
    Answers,
    JsonScreen,
    Keyboard,
    PlainScreen,
    Policy,
    Screen,
    Stage,
    TerminalScreen,
)

__all__ = ["CleanFormatter", "invocation", "open_stage", "output"]

_NO_TERMINAL = {"", "dumb", "unknown"}
"""Values of TERM that promise nothing but lines."""


@contextmanager
def open_stage(
    options: argparse.Namespace,
    interrupts: Interrupts,
    *,
    unasked: Policy = "reject",
    remark: str = "nobody could be asked: run it in a terminal, or give --yes to approve",
    label_tasks: bool = False,
) -> Generator[Stage]:
    """The stage for this process's terminal, pipe or file.

    Args:
        options: `json` and `yes` of them count, where a command has them.
        unasked: what is answered where nobody can be asked.
        remark: why.
    """
    keyboard = Keyboard.of_stdin()
    json = bool(getattr(options, "json", False))
    out = output(utf8=json)
    prompts = out if out.isatty() and not json else sys.stderr
    screen: Screen
    if json:
        screen = JsonScreen(out, prompts)
    elif out.isatty() and os.environ.get("TERM", "") not in _NO_TERMINAL:
        screen = TerminalScreen(out, keyboard=keyboard, label_tasks=label_tasks)
    else:
        screen = PlainScreen(out, prompts, label_tasks=label_tasks)
    if getattr(options, "yes", False):
        answers = Answers("approve", remark="--yes was given")
    elif keyboard is not None and prompts.isatty():
        answers = Answers("ask", keyboard)
    else:
        answers = Answers(unasked, remark=remark)
    pauses = pausing(screen) if prompts.isatty() else nullcontext()
    with _logs_on(screen), interrupts.last_act(screen.restore), pauses:
        yield Stage(screen, answers, interrupts)


def output(*, utf8: bool) -> TextIO:
    """Standard output, which never fails for what a character is."""
    out: TextIO = sys.stdout
    reconfigure = getattr(out, "reconfigure", None)
    if reconfigure is not None:
        reconfigure(encoding="utf-8" if utf8 else None, errors="backslashreplace")
    return out


@contextmanager
def _logs_on(screen: Screen) -> Generator[None]:
    """Show warnings of the library as remarks: written past the screen they would tear it."""
    handler = _ScreenHandler(screen)
    handler.setFormatter(CleanFormatter("%(levelname)s: %(message)s"))
    root = logging.getLogger()
    root.addHandler(handler)
    try:
        yield
    finally:
        root.removeHandler(handler)


class _ScreenHandler(logging.Handler):
    def __init__(self, screen: Screen) -> None:
        super().__init__(logging.WARNING)
        self._screen = screen

    def emit(self, record: logging.LogRecord) -> None:
        """Show a record."""
        self._screen.note(self.format(record))


class CleanFormatter(logging.Formatter):
    """A formatter whose messages hold no control characters and are one line each.

    What peers send gets into messages; it must not look like another message.
    """

    def format(self, record: logging.LogRecord) -> str:
        """The line of a record, and its traceback if it has one."""
        flat = logging.makeLogRecord(vars(record))
        flat.msg, flat.args = " ".join(clean(record.getMessage()).split("\n")), None
        return clean(super().format(flat))


def invocation() -> str:
    """How this program was called, to tell a user what to type next."""
    called = sys.argv[0]
    if os.path.basename(called) == "__main__.py":
        name = os.path.basename(sys.executable)
        python = name if _is_found_as(sys.executable, name) else sys.executable
        return f"{shlex.quote(python)} -m trio_agent_rt"
    name = os.path.basename(called)
    return name if _is_found_as(called, name) else shlex.quote(called)


def _is_found_as(path: str, name: str) -> bool:
    found = shutil.which(name)
    return found is not None and os.path.abspath(found) == os.path.abspath(path)
