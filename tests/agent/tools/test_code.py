"""Code runs in a process of its own, is held to its limits, and leaves nothing behind."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

import pytest
import trio

from trio_agent_rt.agent import ProcessResult
from trio_agent_rt.agent.tools import CodeLimits, code_execute_tool, default_tools
from trio_agent_rt.agent.tools.programs import code as code_module
from trio_agent_rt.agent.tools.programs.code import _result
from trio_agent_rt.errors import ToolError

from .recorded import RecordedCall, run

CODE = code_execute_tool()

NOBODY = 65534
BECOME_NOBODY = f"""
os.setgroups([])
os.setgid({NOBODY})
os.setuid({NOBODY})
"""


@pytest.fixture
def unprivileged(monkeypatch: pytest.MonkeyPatch) -> None:
    """Programs are run by somebody whom every limit binds, also where root runs the tests.

    They become that when Python has imported what it needs: it may be installed where root
    alone can read.
    """
    if os.geteuid() == 0:
        start = 'if __name__ == "__main__":'
        source = code_module._BOOTSTRAP
        assert source.count(start) == 1
        monkeypatch.setattr(code_module, "_BOOTSTRAP", source.replace(start, BECOME_NOBODY + start))


async def test_code_runs_and_its_last_expression_is_told() -> None:
    told = await run(CODE, code="print('hi')\nx = sum(data)\n{'sum': x}", data=[1, 2.5])
    assert told == {
        "exit_status": 0,
        "stdout": "hi\n",
        "stderr": "",
        "truncated": False,
        "value": {"sum": 3.5},
        "repr": "{'sum': 3.5}",
        "error": None,
    }


@pytest.mark.parametrize(
    ("code", "told"),
    [
        ("", {}),
        ("x = 1", {"value": None, "repr": None}),
        ("1j", {"value": None, "repr": "1j"}),
        ("float('nan')", {"value": None, "repr": "nan"}),
        ("import sys; sys.exit(3)", {"exit_status": 3, "error": None}),
        ("raise SystemExit('bye')", {"exit_status": 1, "stderr": "bye\n"}),
        ("import sys; sys.stderr.write('x'); 'é'", {"stderr": "x", "value": "é"}),
        ("import sys; sys.stdout.close(); 1", {"value": 1}),
        ("import os; os._exit(0)", {"error": "it left at once, with exit status 0"}),
        ("input()", {"error": "EOFError: EOF when reading a line"}),
        ("import trio", {"error": "ModuleNotFoundError: No module named 'trio'"}),
        ("__name__", {"value": "__main__"}),
        ("'x' * 50_000", {"value": None, "repr": f"'{'x' * 19_999}…"}),
    ],
)
async def test_whatever_it_does_is_told(code: str, told: dict[str, Any]) -> None:
    if not code:
        with pytest.raises(ToolError, match="`code`"):
            await run(CODE, code=code)
        return
    result = await run(CODE, code=code)
    assert {name: result[name] for name in told} == told


@pytest.mark.parametrize(
    ("code", "ending"),
    [
        ("def f():\n    return 1 / 0\nf()", "ZeroDivisionError: division by zero\n"),
        ("import json\njson.loads('{')", "(char 1)\n"),
        ("x = (", "SyntaxError: '(' was never closed\n"),
    ],
)
async def test_a_traceback_begins_in_the_code_and_names_no_path(code: str, ending: str) -> None:
    told = await run(CODE, code=code)
    assert told["exit_status"] == 1
    assert told["stderr"].endswith(ending)
    assert 'File "<code>", line' in told["stderr"]
    assert 'File "/' not in told["stderr"]
    assert "bootstrap" not in told["stderr"]
    assert 'File "<string>"' not in told["stderr"]
    assert told["stderr"].rstrip("\n").endswith(told["error"].rpartition("\n")[2])


async def test_it_sees_nothing_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_API_KEY", "secret")
    told = await run(CODE, code="import os, sys; [sorted(os.environ), sys.path, os.listdir('.')]")
    names, path, files = told["value"]
    assert set(names) <= {"HOME", "TMPDIR", "LANG", "LC_CTYPE"}
    assert not [each for each in path if "site-packages" in each]
    assert files == []


@pytest.mark.parametrize(
    ("code", "error"),
    [
        ("x = bytearray(2_000_000_000)", "MemoryError"),
        ("open('big', 'wb').write(b'x' * 2_000_000)", "File too large"),
        ("[open('/dev/null') for _ in range(100)]", "Too many open files"),
        ("while True: pass", "more than 1 s of computing"),
    ],
)
async def test_it_is_held_to_its_limits(code: str, error: str) -> None:
    limited = code_execute_tool(CodeLimits(cpu_time=1, file_bytes=1_000_000))
    assert error in (await run(limited, code=code))["error"]


@pytest.mark.usefixtures("unprivileged")
@pytest.mark.parametrize(
    ("code", "error"),
    [
        ("import resource as r; r.setrlimit(r.RLIMIT_CPU, (50, 50))", "not allowed to raise"),
        ("import os; os.fork()", "BlockingIOError"),
        ("import _thread; _thread.start_new_thread(print, ())", "can't start new thread"),
    ],
)
async def test_it_cannot_raise_its_limits_and_starts_nothing(code: str, error: str) -> None:
    told = await run(CODE, code=f"import os; assert os.getuid() != 0\n{code}")
    assert error in (told["error"] or "")


@pytest.mark.usefixtures("unprivileged")
async def test_it_may_start_processes_where_it_is_told_so() -> None:
    allowed = code_execute_tool(CodeLimits(processes=True))
    told = await run(allowed, code="import os\nif not os.fork(): os._exit(0)\nos.wait()[1]")
    assert (told["error"], told["value"]) == (None, 0)


async def test_what_it_writes_is_kept_up_to_a_limit() -> None:
    told = await run(CODE, code="print('x' * 1_000_000); 7")
    assert told["truncated"]
    assert len(told["stdout"]) == 200_000
    assert told["value"] == 7


async def test_the_clock_ends_it() -> None:
    with pytest.raises(ToolError, match=r"the code took longer than 0\.5 s"):
        await run(code_execute_tool(CodeLimits(timeout=0.5)), code="import time; time.sleep(60)")


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


async def test_its_folder_is_removed_whatever_is_in_it(temporary: Path) -> None:
    other = temporary / "other"
    other.mkdir(mode=0o755)
    code = f"""
import os
os.makedirs("a/b")
open("a/b/c", "w").write("x")
os.symlink({str(other)!r}, "link")
os.chmod("a/b", 0)
os.getcwd()
"""
    told = await run(CODE, code=code)
    assert told["value"].startswith(str(temporary))
    assert list(temporary.iterdir()) == [other]
    assert other.stat().st_mode & 0o777 == 0o755


async def test_a_cancel_ends_the_program_and_removes_its_folder(temporary: Path) -> None:
    heard = trio.Event()

    class Call(RecordedCall):
        def output(self, text: str) -> None:
            super().output(text)
            heard.set()

    call = Call()
    code = "import os, time; print(os.getpid(), flush=True); time.sleep(60)"
    async with trio.open_nursery() as nursery:
        nursery.start_soon(CODE.run, call, {"code": code})
        await heard.wait()
        assert len(list(temporary.iterdir())) == 1
        nursery.cancel_scope.cancel()
    with pytest.raises(ProcessLookupError):
        os.kill(int(call.messages[0]), 0)
    assert list(temporary.iterdir()) == []


async def test_nobody_has_the_tool_who_has_not_asked_for_it() -> None:
    assert "code_execute" not in [each.name for each in default_tools()]
    (given,) = [each for each in default_tools(code=True) if each.name == "code_execute"]
    assert given.needs_confirmation
    trusted = default_tools(code=CodeLimits(confirm=False))
    (given,) = [each for each in trusted if each.name == "code_execute"]
    assert not given.needs_confirmation
    assert given.cancellation == "subprocess"


@pytest.mark.parametrize("last", ["[1]", '{"exit_status": 9, "stdout": "x", "value": 7}', "1"])
def test_of_a_forged_last_word_only_the_value_counts(last: str) -> None:
    ended = ProcessResult(exit_status=0, stdout="", stderr=f"\nmark{last}", truncated=False)
    told = _result(ended, "mark", CodeLimits())
    assert (told["exit_status"], told["stdout"]) == (0, "")
    assert told["value"] == (7 if "value" in last else None)
