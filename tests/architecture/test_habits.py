"""Sizes, cancellations that come through, checks that stay on, tests that do not guess."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping

import pytest

from .habits import (
    MAX_FILES,
    MAX_LINES,
    REGISTRY_HOSTS,
    crowded_folders,
    global_habits,
    long_files,
    named_hosts,
    silenced_checks,
    sleeps_for_order,
    swallowed_cancels,
)
from .sources import PACKAGE, REPOSITORY, Source, expect_none, python_files

IN_PACKAGE = python_files(PACKAGE)
EVERYWHERE = python_files(PACKAGE, "tests", "examples", "benchmarks")
IN_TESTS = python_files("tests")

MAY_SILENCE: Mapping[str, str] = {}
"""Files of the package that may switch a check off, with the reason."""


def test_no_file_is_too_long() -> None:
    expect_none(long_files(EVERYWHERE))


def test_no_folder_is_too_full() -> None:
    expect_none(crowded_folders(IN_PACKAGE))


def test_a_cancellation_is_never_swallowed() -> None:
    """Tests may: agents that misbehave are what some of them are about."""
    shown = python_files(PACKAGE, "examples")
    expect_none(found for source in shown for found in swallowed_cancels(source))


MAY_BE_GLOBAL: Mapping[str, str] = {
    f"{PACKAGE}/cli/": "it is the program",
    f"{PACKAGE}/starting.py": "it asks first whether the process is the program",
    f"{PACKAGE}/protocol/_schema.py": "what it derives from a class is the same for all",
}
"""Where the process may be touched, or something kept for all, with the reason."""


def test_the_process_is_left_alone() -> None:
    checked = [each for each in IN_PACKAGE if not each.path.startswith(tuple(MAY_BE_GLOBAL))]
    expect_none(found for source in checked for found in global_habits(source))


def test_no_check_is_switched_off_in_the_package() -> None:
    checked = [source for source in IN_PACKAGE if source.path not in MAY_SILENCE]
    expect_none(found for source in checked for found in silenced_checks(source))


def test_no_test_sleeps_to_get_an_order() -> None:
    expect_none(found for source in IN_TESTS for found in sleeps_for_order(source))


def test_no_registry_is_named() -> None:
    found: list[str] = []
    for path in _files_of_the_repository():
        try:
            text = (REPOSITORY / path).read_text(encoding="utf-8")
        except (UnicodeDecodeError, FileNotFoundError, IsADirectoryError):
            continue  # An image, or removed in the work tree.
        found.extend(named_hosts(path, text))
    expect_none(found)


def _files_of_the_repository() -> list[str]:
    """What is or would be committed; outside of a clone, everything that was unpacked."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
    )
    if listed.returncode == 0:
        return listed.stdout.splitlines()
    return [each.path for each in EVERYWHERE]


# --- and these rules can fail


def test_a_long_file_is_found() -> None:
    fits = Source("a/fits.py", "\n" * MAX_LINES)
    long = Source("a/long.py", "\n" * (MAX_LINES + 1))
    (found,) = long_files([fits, long])
    assert "a/long.py: has 401 lines" in found


def test_a_crowded_folder_is_found() -> None:
    fits = [Source(f"a/{n}.py", "") for n in range(MAX_FILES)]
    assert list(crowded_folders(fits)) == []
    (found,) = crowded_folders([*fits, Source("a/more.py", "")])
    assert "a: has 10 Python files" in found


@pytest.mark.parametrize(
    "handler",
    [
        "except: pass",
        "except BaseException: pass",
        "except BaseException as exc:\n    raise ValueError from exc",
        "except (ValueError, BaseException): log()",
        "except trio.Cancelled: return",
        "except KeyboardInterrupt: return",
        "except* (OSError, KeyboardInterrupt): pass",
        "except* BaseException: pass",
        "except BaseExceptionGroup as group: log(group)",
    ],
)
def test_a_swallowed_cancellation_is_found(handler: str) -> None:
    text = f"def f():\n  try: g()\n  {handler}".replace("\n    ", "\n      ")
    (found,) = swallowed_cancels(Source("a/b.py", text))
    assert "a/b.py:3" in found


@pytest.mark.parametrize(
    "handler",
    [
        "except Exception: pass",
        "except BaseException:\n    log()\n    raise",
        "except trio.Cancelled as exc:\n    log(exc.reason)\n    raise",
        "except BaseExceptionGroup as group:\n    only = one_of(group)\n    if not only: raise",
        "except* OSError: pass",
    ],
)
def test_a_handler_that_passes_cancellations_on_is_not(handler: str) -> None:
    text = f"def f():\n  try: g()\n  {handler}".replace("\n    ", "\n      ")
    assert list(swallowed_cancels(Source("a/b.py", text))) == []


@pytest.mark.parametrize(
    "code",
    [
        "import atexit",
        "from atexit import register",
        "def f():\n  global x",
        "signal.signal(signal.SIGINT, f)",
        "threading.Thread(target=f).start()",
        "seen = set()\ndef f(): seen.add(1)",
        "seen: dict[str, int] = {}\ndef f(): seen['a'] = 1",
        "seen = {}\ndef f(): del seen['a']",
    ],
)
def test_what_touches_the_process_is_found(code: str) -> None:
    (found,) = global_habits(Source("a/b.py", code))
    assert "a/b.py:" in found


def test_what_an_object_keeps_is_no_such_thing() -> None:
    code = "NAMES = {'a': 1}\ndef f(self):\n  self.seen.add(NAMES['a'])\n  seen = []\n"
    assert list(global_habits(Source("a/b.py", code))) == []


def test_a_suppressed_cancellation_is_found() -> None:
    text = "with contextlib.suppress(ValueError, trio.Cancelled): f()\nwith suppress(OSError): f()"
    (found,) = swallowed_cancels(Source("a/b.py", text))
    assert "a/b.py:1" in found


@pytest.mark.parametrize(
    "comment",
    [
        "# noqa",
        "# NOQA: E501",
        "# type: ignore",
        "# type:ignore[x]",
        "# pyright: basic",
    ],
)
def test_a_silenced_check_is_found(comment: str) -> None:
    (found,) = silenced_checks(Source("a/b.py", f"x = 1\ny = f(x)  {comment}\n"))
    assert "a/b.py:2: switches a check off" in found


def test_speaking_of_a_silenced_check_is_not_silencing_one() -> None:
    assert list(silenced_checks(Source("a/b.py", "x = '# noqa'  # a comment of its own\n"))) == []


@pytest.mark.parametrize(
    "body",
    [
        "await trio.sleep(0.1)",
        "while not done():\n        await trio.sleep(0.01)",
        "time.sleep(1)",
        "async with realtime:\n        await sleep(delay)",
    ],
)
def test_a_test_that_sleeps_for_order_is_found(body: str) -> None:
    (found,) = sleeps_for_order(Source("tests/a.py", f"async def test_it():\n    {body}\n"))
    assert "test_it sleeps to get an order" in found


@pytest.mark.parametrize(
    "text",
    [
        "async def test_it(autojump_clock):\n    await trio.sleep(5)",
        "async def test_it():\n    await trio.sleep(0)\n    await trio.sleep_forever()",
        "async def test_it():\n    async def agent(task, run):\n        await trio.sleep(5)",
        "async def slow_tool(call):\n    await trio.sleep(5)",
    ],
)
def test_work_that_sleeps_is_not(text: str) -> None:
    assert list(sleeps_for_order(Source("tests/a.py", text))) == []


@pytest.mark.parametrize("host", REGISTRY_HOSTS)
def test_a_registry_host_is_found(host: str) -> None:
    (found,) = named_hosts("Makefile", f"first line\npip install -i https://{host}/simple x\n")
    assert "Makefile:2" in found
