"""The terminal's keyboard: a line that a person types, waited for without blocking Trio."""

from __future__ import annotations

import os
import sys
import termios
from contextlib import suppress
from typing import Any

import trio

__all__ = ["Keyboard"]

_YES = {"y", "yes", "j", "ja", "是", "好", "允许"}
_MORE = {"v", "view", "看", "查看"}
_NO = {"n", "no", "nein", "否", "不", "拒绝"}


class Keyboard:
    """A terminal that somebody types at.

    Args:
        fd: its file descriptor.
    """

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._before: list[Any] | None = None

    @staticmethod
    def of_stdin() -> Keyboard | None:
        """That of standard input, or None if it is no terminal."""
        try:
            fd = sys.stdin.fileno()
        except (AttributeError, OSError, ValueError):  # closed, or replaced
            return None
        return Keyboard(fd) if os.isatty(fd) else None

    def hush(self) -> None:
        """Show nothing of what is typed from now on: it would tear what is drawn."""
        if self._before is None and self._in_foreground():
            with suppress(termios.error):
                self._before = termios.tcgetattr(self._fd)
                silent = termios.tcgetattr(self._fd)
                silent[3] &= ~termios.ECHO
                termios.tcsetattr(self._fd, termios.TCSADRAIN, silent)

    def restore(self) -> None:
        """Show again what is typed. May be called at any time, and from a signal handler."""
        before, self._before = self._before, None
        if before is not None and self._in_foreground():
            with suppress(termios.error):
                termios.tcsetattr(self._fd, termios.TCSANOW, before)

    async def read_line(self) -> str | None:
        """The next line; None at the end of input (Ctrl-D).

        Cancellation: safe; what was typed of the line is forgotten.
        """
        line = b""
        try:
            while not line.endswith(b"\n"):
                await trio.lowlevel.wait_readable(self._fd)
                piece = os.read(self._fd, 4096)
                if not piece:
                    return None
                line += piece
        finally:
            self.forget_typed()  # or it would be typed at whatever reads next
        return line.decode(errors="replace").strip()

    def forget_typed(self) -> None:
        """Forget what was typed and not read: nobody says yes before the question stands."""
        if self._in_foreground():
            with suppress(termios.error):
                termios.tcflush(self._fd, termios.TCIFLUSH)

    def _in_foreground(self) -> bool:
        """Whether it may be changed: a process in the background is stopped for trying."""
        try:
            return os.tcgetpgrp(self._fd) == os.getpgrp()
        except OSError:
            return False

    @staticmethod
    def meaning(line: str) -> bool | None:
        """What a typed answer means: yes, no, or None for neither."""
        word = line.strip().casefold()
        return True if word in _YES else False if word in _NO else None

    @staticmethod
    def wants_more(line: str) -> bool:
        """Whether a typed answer asks to see the rest."""
        return line.strip().casefold() in _MORE
