"""Running Python that a model has written, in a process of its own that has limits."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import signal
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from types import CoroutineType, TracebackType
from typing import Annotated, Any, cast

import trio
from attrs import field, frozen
from attrs.validators import ge, gt
from msgspec import Meta

from ....errors import ToolError
from ...cleanup import Cleanup
from ...stopping import Command, ProcessResult, run_process
from ...stopping.claims import record_of
from ...tool import Tool, ToolCall, tool
from ..stringify import write_json

__all__ = ["CodeLimits", "code_execute_tool"]

_BOOTSTRAP = Path(__file__).with_name("bootstrap.py").read_text("utf-8")
_MAX_DATA_CHARS = 5_000_000


@frozen(kw_only=True)
class CodeLimits:
    """What a program of `code_execute` may use. The system holds it to them, by rlimits.

    Args:
        timeout: seconds by the clock.
        cpu_time: whole seconds of computing, each of its processes for itself.
        memory_bytes: of address space, each of its processes for itself.
        file_bytes: the largest file that it may write; how many is not limited.
        processes: whether it may start processes and threads. Held only where it does
            not run as root.
        max_output_bytes: what is kept of its output, as in `Command`.
        confirm: whether a person is asked first.
    """

    timeout: float = field(default=30.0, validator=gt(0))
    cpu_time: int = field(default=10, validator=ge(1))
    memory_bytes: int = field(default=512 * 1024 * 1024, validator=ge(64 * 1024 * 1024))
    file_bytes: int = field(default=10_000_000, validator=ge(0))
    processes: bool = False
    max_output_bytes: int = field(default=200_000, validator=ge(150_000))
    confirm: bool = True

    def as_rlimits(self) -> dict[str, int]:
        """By the names of the module `resource`."""
        limits = {
            "RLIMIT_CPU": self.cpu_time,
            "RLIMIT_AS": self.memory_bytes,
            "RLIMIT_FSIZE": self.file_bytes,
            "RLIMIT_NOFILE": 64,
            "RLIMIT_CORE": 0,
        }
        return limits if self.processes else {**limits, "RLIMIT_NPROC": 0}


def code_execute_tool(limits: CodeLimits | None = None) -> Tool:
    """`code_execute`: Python in a process of its own.

    It is no sandbox. The program runs as the same user: it can read and write the files
    that this process can, look at other processes (on Linux at this one's environment, so
    at its keys), use the network, and leave a daemon behind that begins a session of its
    own. What it is not given: this process's environment, its packages (the standard
    library alone), and more than its limits. To run what nobody has read, run the whole
    server where it can do no harm.

    Args:
        limits: what a program may use, or None for the defaults of `CodeLimits`.
    """
    bounds = limits or CodeLimits()

    @tool(category="code", cancellation="subprocess", needs_confirmation=bounds.confirm)
    async def code_execute(
        call: ToolCall,
        code: Annotated[
            str,
            Meta(
                min_length=1,
                max_length=100_000,
                description="Python; only the standard library is there",
            ),
        ],
        data: Annotated[
            Any,
            Meta(
                description="what the code finds in the variable `data`",
                extra_json_schema={
                    "type": ["object", "array", "string", "number", "boolean", "null"]
                },
            ),
        ] = None,
    ) -> dict[str, Any]:
        """Run Python code in a process of its own, in an empty folder that is removed. Gives
        `stdout`, `stderr`, `truncated`, `exit_status`, `error` (what the code has raised, in
        short, or the limit it has met), and of the last expression `repr` and, if JSON knows
        it, `value`."""
        mark = secrets.token_hex(16)
        told = await _told(code, data, bounds, mark)
        async with _Folder(call) as folder:
            command = Command(
                [
                    sys.executable,
                    "-I",
                    "-S",
                    "-B",
                    "-X",
                    "utf8",
                    "-c",
                    _BOOTSTRAP,
                ],
                stdin=told,
                cwd=folder,
                env={"HOME": folder, "TMPDIR": folder, "LANG": "C.UTF-8"},
                stream=True,
                check=False,
                max_output_bytes=bounds.max_output_bytes,
            )
            with trio.move_on_after(bounds.timeout) as scope:
                return _result(await run_process(call, command), mark, bounds)
            assert scope.cancelled_caught
        raise ToolError(f"the code took longer than {bounds.timeout:g} s")

    return code_execute


async def _told(code: str, data: object, limits: CodeLimits, mark: str) -> str:
    try:
        code.encode()
    except UnicodeEncodeError:
        raise ToolError("the code holds half a surrogate pair, which is no character") from None

    def write() -> str:
        poll = trio.from_thread.check_cancelled
        written = write_json(data, poll=poll, max_chars=_MAX_DATA_CHARS)
        rest = json.dumps({"code": code, "limits": limits.as_rlimits(), "mark": mark})
        return f'{{"data":{written},{rest[1:]}'

    return await trio.to_thread.run_sync(write)


class _Folder:
    """A new folder, which is gone afterwards."""

    def __init__(self, call: ToolCall) -> None:
        self._record, self._step = record_of(call)
        self._path = ""

    async def __aenter__(self) -> str:
        self._path = await trio.to_thread.run_sync(tempfile.mkdtemp, None, "agent-code-")
        return self._path

    def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> CoroutineType[Any, Any, None]:
        return self._leave()

    async def _leave(self) -> None:
        async with Cleanup(self._record, self._step, None):
            await trio.to_thread.run_sync(_remove, self._path, abandon_on_cancel=True)


def _remove(folder: str) -> None:
    """Remove it, whatever rights the code has taken from itself."""
    for place, names, _ in os.walk(folder):
        for path in (os.path.join(place, name) for name in names):
            if not os.path.islink(path):
                with suppress(OSError):
                    os.chmod(path, 0o700)
    shutil.rmtree(folder, ignore_errors=True)


def _result(ended: ProcessResult, mark: str, limits: CodeLimits) -> dict[str, Any]:
    stderr, _, last = ended.stderr.rpartition(f"\n{mark}")
    said: dict[str, Any] = {"value": None, "repr": None, "error": None}
    try:
        told: object = json.loads(last)
        if isinstance(told, dict):  # the program itself may have forged it
            fields = cast("dict[str, Any]", told)
            said.update({each: fields[each] for each in said.keys() & fields.keys()})
    except ValueError:  # it never came so far
        stderr, said["error"] = ended.stderr, _why(ended.exit_status, limits)
    return {
        "exit_status": ended.exit_status,
        "stdout": ended.stdout,
        "stderr": stderr,
        "truncated": ended.truncated,
        **said,
    }


def _why(status: int, limits: CodeLimits) -> str:
    if status in {-signal.SIGXCPU, -signal.SIGKILL}:
        return f"it has used more than {limits.cpu_time} s of computing, or was killed"
    if status < 0:
        return f"it was ended by signal {-status}"
    return f"it left at once, with exit status {status}"
