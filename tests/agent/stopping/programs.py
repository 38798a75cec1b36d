"""Programs that do what a test says, and a look at what is left of them."""

from __future__ import annotations

import os
import sys
import textwrap
from collections.abc import Sequence
from pathlib import Path

import trio

__all__ = ["HEARS_NOTHING", "Heard", "living", "python", "sh"]

HEARS_NOTHING = "trap '' TERM INT HUP; "
"""For a shell that only SIGKILL ends; its children inherit that."""


def python(code: str) -> Sequence[str]:
    return [sys.executable, "-S", "-E", "-c", textwrap.dedent(code)]


def sh(script: str) -> Sequence[str]:
    return ["sh", "-c", script]


def living(session: int) -> list[str]:
    """What lives, or waits to be reaped by us, in a session or in the group of the same id.

    An orphan that was killed is init's to reap, whenever it gets to it.
    """
    found: list[str] = []
    # Not by `Path.glob`, which may raise when one ends while it looks.
    for entry in filter(str.isdigit, os.listdir("/proc")):
        try:
            text = Path("/proc", entry, "stat").read_text(encoding="utf-8", errors="replace")
        except OSError:
            continue
        name, _, rest = text.rpartition(")")
        state, parent, group, of_session = rest.split()[:4]
        if state == "Z" and int(parent) != os.getpid():
            continue
        if str(session) in (group, of_session):
            found.append(f"{name}) {rest[:30]}")
    return found


class Heard:
    """A `ToolCall` that keeps the output, and can wait for some of it."""

    def __init__(self) -> None:
        self.text = ""
        self._changed = trio.Event()

    def progress(self, percent: float, message: str = "") -> None: ...

    def output(self, text: str) -> None:
        self.text += text
        self._changed.set()
        self._changed = trio.Event()

    async def until(self, text: str) -> None:
        while text not in self.text:
            await self._changed.wait()

    @property
    def number(self) -> int:
        """The number in the first line."""
        return int(self.text.split()[0])
