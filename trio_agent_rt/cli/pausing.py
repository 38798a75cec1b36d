"""Ctrl-Z: the terminal is given back before the process stops, and taken again when it goes on."""

from __future__ import annotations

import os
import signal
from collections.abc import Generator
from contextlib import contextmanager, suppress
from types import FrameType

import trio

from .endings import OutputLost
from .view import Screen

__all__ = ["pausing"]


@contextmanager
def pausing(screen: Screen) -> Generator[None]:
    """Have a screen told when the process is stopped from its terminal, and when it goes on.

    It stops between two steps of Trio tasks, where no frame is half drawn.
    """
    token = trio.lowlevel.current_trio_token()

    def handle(number: int, frame: FrameType | None) -> None:
        with suppress(trio.RunFinishedError):
            token.run_sync_soon(stop, idempotent=True)

    def stop() -> None:
        with suppress(OutputLost):  # whoever writes next hears of it
            screen.pause()
        signal.signal(signal.SIGTSTP, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGTSTP)  # and here it stands, until SIGCONT
        signal.signal(signal.SIGTSTP, handle)
        with suppress(OutputLost):
            screen.resume()

    before = signal.getsignal(signal.SIGTSTP)
    if before is not signal.SIG_DFL:  # a shell without job control has it ignored
        yield
        return
    signal.signal(signal.SIGTSTP, handle)
    try:
        yield
    finally:
        signal.signal(signal.SIGTSTP, before)
