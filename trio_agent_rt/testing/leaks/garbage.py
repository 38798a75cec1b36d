"""Hears what the garbage collector complains of: what nobody has closed or awaited."""

from __future__ import annotations

import gc
import reprlib
import sys
import warnings
from collections.abc import Generator
from contextlib import contextmanager
from typing import TextIO

__all__ = ["unseen_heap", "watch_garbage"]

_UNAWAITED = "coroutine .* was never awaited"

_short = reprlib.Repr()
_short.maxother = 200


@contextmanager
def watch_garbage() -> Generator[list[str]]:
    """A list that grows by each complaint of the garbage collector while in the block.

    That is: a `ResourceWarning`, a coroutine that was never awaited, an exception that could
    not be raised, since it came out of a `__del__`. Other warnings go where they went before.
    Call `gc.collect()` to have what is garbage complained of.
    """
    complaints: list[str] = []

    def unraisable(it: sys.UnraisableHookArgs) -> None:
        # As text: to hold the object itself would bring it back to life.
        complaints.append(f"{_short.repr(it.exc_value)} in {_short.repr(it.object)}")

    hook = sys.unraisablehook
    with warnings.catch_warnings():
        warnings.simplefilter("always", ResourceWarning)
        warnings.filterwarnings("always", _UNAWAITED, RuntimeWarning)
        show = warnings.showwarning

        def hear(
            message: Warning | str,
            category: type[Warning],
            filename: str,
            lineno: int,
            file: TextIO | None = None,
            line: str | None = None,
        ) -> None:
            unawaited = issubclass(category, RuntimeWarning) and "never awaited" in str(message)
            if unawaited or issubclass(category, ResourceWarning):
                complaints.append(f"{category.__name__}: {message}")
            else:
                show(message, category, filename, lineno, file, line)

        warnings.showwarning = hear
        sys.unraisablehook = unraisable
        try:
            yield complaints
        finally:
            sys.unraisablehook = hook


@contextmanager
def unseen_heap() -> Generator[None]:
    """Has the garbage collector look only at what was made in the block, which takes less time.

    What was garbage before is collected at the start.
    """
    gc.collect()
    frozen = gc.get_freeze_count() > 0  # by somebody else, whose affair it is
    if not frozen:
        gc.freeze()
    try:
        yield
    finally:
        if not frozen:
            gc.unfreeze()
