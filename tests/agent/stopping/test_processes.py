"""A program ends with its step, and everything that it has started ends with it."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import trio

from trio_agent_rt.agent import Command, ProcessResult, run_process
from trio_agent_rt.errors import ToolError

from .programs import HEARS_NOTHING, Heard, living, python, sh

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc"),
    pytest.mark.hang_guard(30),
]


async def ran(argv: Any, **options: Any) -> ProcessResult:
    return await run_process(Heard(), Command(argv, **options))


async def cancelled_when(
    heard: Heard,
    text: str,
    command: Command,
    before: Callable[[], None] = lambda: None,
    after: Callable[[], Awaitable[None]] | None = None,
) -> None:
    """Run a program and cancel it when it has said `text`.

    Args:
        before: is called right before the cancel.
        after: is awaited after it, while the program is ended.
    """
    with trio.fail_after(10), trio.CancelScope() as scope:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(run_process, heard, command)
            await heard.until(text)
            before()
            scope.cancel()
            if after is not None:
                with trio.move_on_after(10, shield=True):
                    await after()


# --- what it gives


async def test_it_gives_the_status_and_both_outputs() -> None:
    result = await ran(sh("cat; echo grüße >&2; exit 3"), stdin="ein\nzwei", check=False)
    assert result == ProcessResult(
        exit_status=3, stdout="ein\nzwei", stderr="grüße\n", truncated=False
    )


async def test_a_plain_list_is_an_argv_and_nothing_is_read_from_here() -> None:
    result = await run_process(Heard(), ["cat"])
    assert result == ProcessResult(exit_status=0, stdout="", stderr="", truncated=False)


async def test_folder_and_environment_are_what_it_is_given(tmp_path: Path) -> None:
    result = await ran(["/bin/sh", "-c", "pwd; echo $A $HOME"], cwd=tmp_path, env={"A": "b"})
    assert result.stdout == f"{tmp_path}\nb\n"


async def test_its_output_is_shown_as_it_comes_and_characters_are_not_torn() -> None:
    heard = Heard()
    code = r"""
        import os, sys
        os.write(1, b"gr\xc3")
        sys.stdin.read(1)
        os.write(1, b"\xbc\xc3\x9fe \xff \xc3")
    """
    result = await run_process(heard, Command(python(code), stdin="x", stream=True))
    assert (
        heard.text == result.stdout == "grüße \N{REPLACEMENT CHARACTER} \N{REPLACEMENT CHARACTER}"
    )


async def test_what_shows_the_output_may_fail_and_the_program_still_ends() -> None:
    class Broken(Heard):
        def output(self, text: str) -> None:
            raise ValueError("nobody listens")

    with pytest.raises(ValueError, match="nobody listens"):
        await run_process(Broken(), Command(sh("head -c 1000000 /dev/zero"), stream=True))


@pytest.mark.parametrize(
    ("argv", "options", "text"),
    [
        (["no-such-program"], {}, "no-such-program: there is no such program here"),
        (["sh"], {"cwd": "/no/such"}, "sh: there is no folder '/no/such'"),
        (["sh"], {"cwd": "/etc/passwd"}, "sh: there is no folder '/etc/passwd'"),
        (["/etc"], {}, "/etc: it may not be run"),
        (["sh", "\0"], {}, "sh: it could not be started: embedded null byte"),
        (["sh", "x" * 10_000_000], {}, "sh: it could not be started: its arguments are too long"),
        (sh("exit 3"), {}, "sh ended with exit status 3"),
        (sh("echo no disk >&2; exit 3"), {}, "sh ended with exit status 3: no disk"),
        (sh("echo no disk; exit 3"), {}, "sh ended with exit status 3: no disk"),
        (sh("kill -ABRT $$"), {}, "sh was ended by SIGABRT"),
    ],
)
async def test_what_goes_wrong_is_told_in_words(argv: Any, options: Any, text: str) -> None:
    with pytest.raises(ToolError) as caught:
        await ran(argv, **options)
    assert str(caught.value) == text


async def test_where_nobody_is_told_how_a_program_ends_none_is_begun() -> None:
    before = signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    try:
        with pytest.raises(ToolError, match="SIGCHLD is ignored in this process"):
            await ran(sh("exit 3"))
    finally:
        signal.signal(signal.SIGCHLD, before)


def test_a_command_that_cannot_be_one_is_refused() -> None:
    with pytest.raises(TypeError, match="a list of texts"):
        Command("rm -rf /")
    with pytest.raises(ValueError, match="argv is empty"):
        Command([])
    with pytest.raises(ValueError, match="grace"):
        Command(["sh"], grace=-1)


# --- its pipes


@pytest.mark.parametrize("stream", [True, False])
async def test_more_than_pipes_and_bounds_hold_is_read_and_dropped(stream: bool) -> None:
    heard = Heard()
    script = "printf first; head -c 5000000 /dev/zero | tr '\\0' x; printf last"
    both = f"({script}) >&2; {script}"
    command = Command(sh(both), max_output_bytes=1000, stream=stream)
    result = await run_process(heard, command)
    assert result.truncated
    assert result.stdout == "first" + "x" * 995
    assert result.stderr == "x" * 996 + "last"
    assert heard.text == (result.stdout if stream else "")


async def test_one_that_reads_nothing_of_much_holds_up_nothing() -> None:
    result = await ran(sh("exec <&-; echo done"), stdin=b"x" * 5_000_000)
    assert result.stdout == "done\n"


async def test_one_that_closes_its_pipes_is_waited_for() -> None:
    heard = Heard()
    done = await run_process(
        heard, Command(sh("echo a; exec >&- 2>&-; sleep 0.2; exit 4"), check=False)
    )
    assert (done.exit_status, done.stdout) == (4, "a\n")


# --- what it leaves running when it exits by itself


@pytest.mark.parametrize(
    "background",
    [
        "sleep 60 &",
        "(sleep 60 &);",  # an orphan already
        f"({HEARS_NOTHING} sleep 60; sleep 60) &",
        "sleep 60 >/dev/null 2>&1 &",
    ],
)
async def test_what_it_leaves_in_the_background_is_ended(background: str) -> None:
    with trio.fail_after(10):
        result = await ran(sh(f"{background} echo $$"), grace=0.1)
    assert not living(int(result.stdout))


async def test_what_it_leaves_in_the_background_is_asked_first() -> None:
    hears = "trap 'echo bye; exit' TERM; echo up; while :; do sleep 0.01; done"
    result = await ran(sh(f"({hears}) & sleep 0.3"), grace=20)
    assert result.stdout == "up\nbye\n"


async def test_a_daemon_that_keeps_the_pipe_open_holds_up_nothing(tmp_path: Path) -> None:
    code = f"""
        import os, time
        if os.fork() == 0:
            os.setsid()
            open({str(tmp_path / "pid")!r}, "w").write(str(os.getpid()))
            print("up", flush=True)
            time.sleep(60)
        while not os.path.exists({str(tmp_path / "pid")!r}):
            time.sleep(0.01)
    """
    with trio.fail_after(10):
        result = await ran(python(code))
    daemon = int((tmp_path / "pid").read_text())
    assert living(daemon), "it has a session of its own, and is nobody's to end"
    os.kill(daemon, signal.SIGKILL)
    assert result.exit_status == 0


# --- cancelled


@pytest.mark.parametrize(
    "script",
    [
        "echo $$; sleep 60",
        "echo $$; exec sleep 60",
        "sleep 60 & sleep 60 & echo $$; wait",
        "(sleep 60 &); echo $$; exec sleep 60",
        "kill -STOP $$ & echo $$; sleep 60",
        f"{HEARS_NOTHING} echo $$; sleep 60; sleep 60",
        f"{HEARS_NOTHING} sleep 60 & (sleep 60 &); (sleep 60 | cat) & echo $$; wait; sleep 60",
        f"{HEARS_NOTHING} echo $$; exec >&- 2>&-; sleep 60; sleep 60",
        "(trap '' TERM; echo $$; sleep 60; sleep 60) & wait",  # the first one goes, a child not
        f"{HEARS_NOTHING} echo $$; while :; do sleep 0.01 & done",  # children without end
        "echo $$; yes; sleep 60",
        "trap 'head -c 1000000 /dev/zero; exit' TERM; echo $$; sleep 60 & wait",
    ],
)
async def test_nothing_is_left_of_one_that_is_cancelled(script: str) -> None:
    heard = Heard()
    command = Command(sh(script), stream=True, grace=0.2)

    def lives() -> None:
        assert living(heard.number)

    await cancelled_when(heard, "\n", command, lives)
    assert not living(heard.number)


async def test_jobs_in_groups_of_their_own_are_ended_as_well() -> None:
    heard = Heard()
    code = """
        import os, signal, time
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        print(os.getsid(0), flush=True)
        if os.fork() == 0:
            os.setpgid(0, 0)
            print("both", flush=True)
        time.sleep(60)
    """
    command = Command(python(code), stream=True, grace=0.1)

    def both_live() -> None:
        assert len(living(heard.number)) == 2

    await cancelled_when(heard, "both\n", command, both_live)
    assert not living(heard.number)


async def test_one_that_hears_is_given_the_grace_and_its_last_words_are_shown() -> None:
    heard = Heard()
    script = "trap 'sleep 0.3; echo bye; exit' TERM; echo $$; while :; do sleep 0.01; done"
    await cancelled_when(heard, "\n", Command(sh(script), stream=True, grace=20))
    assert heard.text.endswith("bye\n")


async def test_a_second_cancel_shortens_nothing_and_leaves_nothing() -> None:
    heard = Heard()
    script = (
        "trap 'echo asked; sleep 0.3; echo bye; exit' TERM; echo $$; while :; do sleep 0.01; done"
    )
    with trio.CancelScope() as outer:

        async def again() -> None:
            await heard.until("asked")
            outer.cancel()

        command = Command(sh(script), stream=True, grace=20)
        await cancelled_when(heard, "\n", command, after=again)
    assert heard.text.endswith("bye\n")
    assert not living(heard.number)


async def test_cancelled_before_it_was_started_it_is_not(tmp_path: Path) -> None:
    with trio.CancelScope() as scope:
        scope.cancel()
        await ran(["touch", str(tmp_path / "here")])
    assert scope.cancelled_caught
    assert not (tmp_path / "here").exists()


async def test_a_cancel_in_the_middle_of_its_start_is_heeded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    started: list[int] = []
    held = threading.Event()
    begun = trio.Event()
    real = held_popen(held, begun, trio.lowlevel.current_trio_token(), started)
    monkeypatch.setattr("subprocess.Popen", real)
    with trio.fail_after(10), trio.CancelScope() as scope:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(run_process, Heard(), sh("sleep 60"))
            await begun.wait()
            scope.cancel()
            held.set()
    (pid,) = started
    assert not living(pid)


def held_popen(
    held: threading.Event, begun: trio.Event, token: trio.lowlevel.TrioToken, started: list[int]
) -> Callable[..., Any]:
    """The real one, which waits before it gives what it has started."""
    from subprocess import Popen

    def popen(*args: Any, **options: Any) -> Any:
        process = Popen(*args, **options)
        started.append(process.pid)
        token.run_sync_soon(begun.set)
        held.wait(10)
        return process

    return popen


async def test_nothing_stays_open_here() -> None:
    def descriptors() -> set[str]:
        return set(os.listdir("/proc/self/fd"))

    await ran(sh("exit"))
    before = descriptors()
    heard = Heard()
    command = Command(sh("echo $$; sleep 60"), stdin="x" * 1_000_000, stream=True)
    await cancelled_when(heard, "\n", command)
    await ran(sh("sleep 60 & exec cat"), stdin="x", grace=0)
    with pytest.raises(ToolError):
        await ran(["no-such-program"], stdin="x")
    assert descriptors() == before
