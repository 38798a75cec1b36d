"""What runs in the other process: it limits itself, then runs the code it is given.

Its source goes to a Python that has no access to this package, so it imports nothing of it.
It reads `{"code", "data", "limits", "mark"}` as JSON, and in the end writes the mark, and
what the code came to as JSON, to its stderr.
"""

from __future__ import annotations

import ast
import json
import linecache
import os
import resource
import sys
import traceback
from contextlib import suppress
from types import TracebackType
from typing import Any

__all__ = ["main"]

_MAX_CHARS = 20_000
"""Of what the last expression came to; stderr must have room for it."""
_NAME = "<code>"


def main() -> None:
    """Read what to run, run it, tell, and exit."""
    told: dict[str, Any] = json.load(sys.stdin)
    code: str = told["code"]
    _limit(told["limits"])
    linecache.cache[_NAME] = (len(code), None, code.splitlines(keepends=True), _NAME)
    namespace: dict[str, Any] = {"__name__": "__main__", "data": told["data"]}
    said: dict[str, Any] = {"value": None, "repr": None, "error": None}
    ended = _Ended()
    with ended:
        said.update(_shown(_run(code, namespace)))
    said["error"] = ended.error
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):  # closed by the code, or its reader has gone
            stream.flush()
    os.write(2, f"\n{told['mark']}{json.dumps(said)}".encode())
    os._exit(ended.status & 0xFF)


class _Ended:
    """Keeps whatever the code raises, and tells of it as Python does."""

    status = 0
    error: str | None = None

    def __enter__(self) -> None:
        pass

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool:
        if isinstance(exc, SystemExit):
            self.status = exc.code if isinstance(exc.code, int) else 0 if exc.code is None else 1
            if self.status and not isinstance(exc.code, int):
                sys.stderr.write(f"{exc.code}\n")
        elif exc is not None:
            self.status, self.error = 1, _in_short(exc)
            _print_traceback(exc)
        return True


def _limit(limits: dict[str, int]) -> None:
    for name, value in limits.items():
        what = getattr(resource, name, None)
        if what is None:
            continue
        _, hard = resource.getrlimit(what)
        most = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(what, (most, most))


def _run(code: str, namespace: dict[str, Any]) -> object:
    """Run it; what its last expression came to, if it ends with one."""
    tree = ast.parse(code, _NAME)
    last = tree.body[-1] if tree.body else None
    if not isinstance(last, ast.Expr):
        exec(compile(tree, _NAME, "exec"), namespace)
        return None
    tree.body.pop()
    exec(compile(tree, _NAME, "exec"), namespace)
    return eval(compile(ast.Expression(last.value), _NAME, "eval"), namespace)


def _shown(value: object) -> dict[str, Any]:
    if value is None:
        return {}
    text = repr(value)
    shown = text if len(text) <= _MAX_CHARS else f"{text[:_MAX_CHARS]}…"
    shown = shown.encode("utf-8", "replace").decode()
    try:
        written = json.dumps(value, allow_nan=False)
    except (TypeError, ValueError, RecursionError):
        return {"repr": shown}
    return {"repr": shown, "value": value if len(written) <= _MAX_CHARS else None}


def _in_short(exc: BaseException) -> str:
    return "".join(traceback.format_exception_only(exc)).strip()[-1000:]


def _print_traceback(exc: BaseException) -> None:
    """As Python does, from the code on and without the paths of this machine."""
    shown: BaseException | None = exc
    while shown is not None:
        shown.__traceback__ = _from_code_on(shown.__traceback__)
        shown = shown.__cause__ or shown.__context__
    library = os.path.dirname(os.__file__) + os.sep
    text = "".join(traceback.format_exception(exc))
    with suppress(OSError, ValueError):
        sys.stderr.write(text.replace(library, ""))


def _from_code_on(frames: TracebackType | None) -> TracebackType | None:
    found = frames
    while found is not None and found.tb_frame.f_code.co_filename != _NAME:
        found = found.tb_next
    return found


if __name__ == "__main__":
    main()
