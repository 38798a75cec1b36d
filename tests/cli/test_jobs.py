"""The terminal is given back however the program is stopped or ended, and taken again after."""

from __future__ import annotations

import functools
import os
import signal
from pathlib import Path

import pytest
import trio

from tests.programs import find_program
from trio_agent_rt.agent import TaskRun
from trio_agent_rt.realtime import RealtimeAgent
from trio_agent_rt.transports import serve_websocket

from .processes import Terminal, command, in_terminal, piped

SHOW_CURSOR, HIDE_CURSOR = "\x1b[?25h", "\x1b[?25l"
CTRL_BACKSLASH, CTRL_Z = "\x1c", "\x1a"
SHELL = ("bash", "--norc", "--noprofile", "-i")


def _is_given_back(terminal: Terminal) -> bool:
    shown_last = terminal.raw.rfind(SHOW_CURSOR) >= terminal.raw.rfind(HIDE_CURSOR)
    return shown_last and terminal.echoes()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
async def test_a_signal_to_end_cancels_and_gives_the_terminal_back(
    number: signal.Signals, tmp_path: Path
) -> None:
    async with in_terminal("run", "wait 60 seconds", cwd=tmp_path) as terminal:
        await terminal.shows("0 of 1 step")
        terminal.process.send_signal(number)
        await terminal.shows(f"{number.name}: cancelling the task")
        await terminal.shows("interrupted  ")
        assert await terminal.ends() == 4
    assert _is_given_back(terminal)


async def test_a_quit_gives_the_terminal_back_and_dies_of_it(tmp_path: Path) -> None:
    async with in_terminal("run", "wait 60 seconds", cwd=tmp_path) as terminal:
        await terminal.shows("0 of 1 step")
        assert not terminal.echoes()
        terminal.type(CTRL_BACKSLASH)
        assert await terminal.ends() == -signal.SIGQUIT
    assert "interrupted" not in terminal.text
    assert _is_given_back(terminal)


async def test_a_terminal_that_is_gone_ends_it_in_good_order(tmp_path: Path) -> None:
    left = tmp_path / "ended"
    program = (
        "import os, sys\n"
        "from trio_agent_rt.cli import main\n"
        "code = main(sys.argv[1:])\n"
        f"open({os.fspath(left)!r}, 'w').write(str(code))\n"
    )
    words = [command()[0], "-c", program]
    async with in_terminal("run", "wait 60 seconds", cwd=tmp_path, program=words) as terminal:
        await terminal.shows("0 of 1 step")
        terminal.hang_up()
        await terminal.process.wait()
    assert left.read_text() in {"3", "4"}  # what it heard of first: the signal, or lost output


async def test_ctrl_c_cancels_although_nobody_reads_any_more() -> None:
    async def quiet(task: str, run: TaskRun) -> None:
        async with run.step("Say nothing"):
            await trio.sleep_forever()

    async with RealtimeAgent(quiet) as realtime, trio.open_nursery() as nursery:
        address = await nursery.start(functools.partial(serve_websocket, realtime, port=0))
        async with piped("submit", address.url, "x", errors=True) as program:
            await program.shows("Say nothing (1 of 1)")
            assert program.process.stdout is not None
            await program.process.stdout.aclose()
            program.process.send_signal(signal.SIGINT)
            assert program.process.stderr is not None
            with trio.fail_after(30):
                told = b"".join([each async for each in program.process.stderr])
                assert await program.process.wait() == 3
        nursery.cancel_scope.cancel()
    assert told == b""


@pytest.fixture
def shell() -> tuple[str, ...]:
    find_program("bash", package="bash")
    return SHELL


async def test_ctrl_z_gives_the_terminal_back_and_fg_draws_it_anew(
    shell: tuple[str, ...], tmp_path: Path
) -> None:
    words = " ".join(f"'{each}'" for each in command("run", "wait 60 seconds"))
    env = {"PS1": "ready> ", "HOME": str(tmp_path)}
    async with in_terminal(program=shell, cwd=tmp_path, env=env) as terminal:
        await terminal.shows("ready> ")
        terminal.type(f"{words}\n")
        await terminal.shows("0 of 1 step")
        terminal.type(CTRL_Z)
        await terminal.shows("Stopped")
        await terminal.shows("ready> ")
        assert terminal.raw.rfind(SHOW_CURSOR) > terminal.raw.rfind(HIDE_CURSOR)
        terminal.type("echo $((6*7))\n")
        await terminal.shows("42")
        assert terminal.raw.rfind(SHOW_CURSOR) > terminal.raw.rfind(HIDE_CURSOR)
        await terminal.shows("ready> ")
        terminal.type("fg\n")
        await terminal.shows("0 of 1 step")
        assert not terminal.echoes()
        assert terminal.raw.rfind(HIDE_CURSOR) > terminal.raw.rfind(SHOW_CURSOR)
        terminal.type("\x03")
        await terminal.shows("interrupted  ")
        await terminal.shows("ready> ")
        terminal.type("exit\n")
        await terminal.ends()
    assert _is_given_back(terminal)


async def test_a_question_is_asked_again_after_ctrl_z(
    shell: tuple[str, ...], tmp_path: Path
) -> None:
    (tmp_path / "a.csv").write_text("a,b\n1,2\n")
    words = " ".join(f"'{each}'" for each in command("run", "analyse a.csv and save a report"))
    env = {"PS1": "ready> ", "HOME": str(tmp_path)}
    async with in_terminal(program=shell, cwd=tmp_path, env=env) as terminal:
        await terminal.shows("ready> ")
        terminal.type(f"{words}\n")
        await terminal.shows("Allow it?")
        terminal.type(CTRL_Z)
        await terminal.shows("Stopped")
        terminal.type("fg\n")
        await terminal.shows("Allow it?")
        terminal.type("y\n")
        await terminal.shows("Succeeded")
        await terminal.shows("ready> ")
        terminal.type("exit\n")
        await terminal.ends()
    assert (tmp_path / "a_report.md").exists()
    assert _is_given_back(terminal)


async def test_in_the_background_nothing_is_drawn(shell: tuple[str, ...], tmp_path: Path) -> None:
    words = " ".join(f"'{each}'" for each in command("run", "wait 0.5 seconds"))
    env = {"PS1": "ready> ", "HOME": str(tmp_path)}
    async with in_terminal(program=shell, cwd=tmp_path, env=env) as terminal:
        await terminal.shows("ready> ")
        terminal.type(f"{words} &\n")
        await terminal.shows("Succeeded")
        terminal.type("exit\n")
        await terminal.ends()
    assert HIDE_CURSOR not in terminal.raw
