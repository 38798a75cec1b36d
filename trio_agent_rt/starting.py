"""Ctrl-C while the program is still being loaded: it ends as documented, without a traceback.

Whatever of a package is imported, its `__init__` is first, and loading all that it names takes
some tenths of a second. So this stands at its top. In a process that is not this program's own
nothing is touched.
"""

from __future__ import annotations

import os
import signal
import sys
from types import FrameType

__all__ = ["INTERRUPTED", "PROGRAM", "is_the_program"]

PROGRAM = "trio-agent-rt"
"""What its script is called."""

INTERRUPTED = 130
"""The exit code (128 + SIGINT)."""


def is_the_program(argv0: str, original: list[str]) -> bool:
    """Whether a process was started to run it, by its script or by `python -m`.

    Args:
        argv0: `sys.argv[0]`; while `-m` looks for its module it is just that.
        original: `sys.orig_argv`.
    """
    if argv0 != "-m":
        return os.path.basename(argv0) == PROGRAM
    try:
        return original[original.index("-m") + 1] == __package__
    except (ValueError, IndexError):
        return False


def _leave(number: int, frame: FrameType | None) -> None:
    os._exit(INTERRUPTED)


# Somebody may have had signals ignored: `nohup`, or a shell for what it starts with `&`.
_AS_PYTHON_HAS_THEM = {signal.SIGINT: signal.default_int_handler, signal.SIGTERM: signal.SIG_DFL}

if is_the_program(sys.argv[0] if sys.argv else "", sys.orig_argv):
    for _number, _default in _AS_PYTHON_HAS_THEM.items():
        if signal.getsignal(_number) is _default:
            signal.signal(_number, _leave)
