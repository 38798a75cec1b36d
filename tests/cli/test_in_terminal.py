"""In a terminal: what runs is drawn, questions are asked, and the terminal is given back."""

from __future__ import annotations

import functools
import re
import shutil
from pathlib import Path

import pytest
import trio

from trio_agent_rt.agent import TaskRun
from trio_agent_rt.realtime import RealtimeAgent
from trio_agent_rt.transports import serve_websocket

from .processes import REPOSITORY, Terminal, a_moment, in_terminal

SAVE = "analyse sales.csv and save a report"
SHOW_CURSOR, HIDE_CURSOR = "\x1b[?25h", "\x1b[?25l"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    shutil.copy(REPOSITORY / "trio_agent_rt" / "cli" / "demo" / "sales.csv", tmp_path)
    return tmp_path


def _is_given_back(terminal: Terminal) -> bool:
    shown_last = terminal.raw.rfind(SHOW_CURSOR) >= terminal.raw.rfind(HIDE_CURSOR)
    return shown_last and terminal.echoes()


async def test_a_running_step_is_drawn_and_then_kept(root: Path) -> None:
    async with in_terminal("run", "wait 1 second", cwd=root) as terminal:
        await terminal.shows("0 of 1 step")
        assert not terminal.echoes()
        assert await terminal.ends() == 0
    assert re.search("[⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏] Wait 1 s  ━", terminal.text)
    assert re.search(r"✓ Wait 1 s \(1\.\d s\)\n", terminal.text)
    assert _is_given_back(terminal)


@pytest.mark.parametrize(("typed", "code"), [("y\n", 0), ("what\nn\n", 1), ("\x04", 1)])
async def test_a_person_is_asked(root: Path, typed: str, code: int) -> None:
    async with in_terminal("run", SAVE, cwd=root) as terminal:
        await terminal.shows("Allow it? [y/n, within 5 min 00 s] ")
        assert terminal.echoes()
        assert terminal.raw.rfind(SHOW_CURSOR) > terminal.raw.rfind(HIDE_CURSOR)
        for line in typed.splitlines(keepends=True):
            terminal.type(line)
            if line == "what\n":
                await terminal.shows("Please type y for yes or n for no: ")
        assert await terminal.ends() == code
    assert (root / "sales_report.md").exists() == (code == 0)
    said = "approved" if code == 0 else "rejected"
    assert f"{said} by the person at the terminal" in terminal.text
    assert _is_given_back(terminal)


async def test_a_yes_typed_before_the_question_stood_there_does_not_count(root: Path) -> None:
    async with in_terminal("run", f"wait 1 second then {SAVE}", cwd=root) as terminal:
        await terminal.shows("0 of 5 steps")
        terminal.type("y\ny\n")
        await terminal.shows("Allow it?")
        await a_moment()
        assert not (root / "sales_report.md").exists()
        terminal.type("n\n")
        assert await terminal.ends() == 1
    assert not (root / "sales_report.md").exists()


@pytest.mark.parametrize("at", ["0 of 1 step", "Allow it?"])
async def test_ctrl_c_cancels_and_gives_the_terminal_back(root: Path, at: str) -> None:
    task = SAVE if "Allow" in at else "wait 60 seconds"
    async with in_terminal("run", task, cwd=root) as terminal:
        await terminal.shows(at)
        terminal.type("\x03")
        await terminal.shows("interrupted  ")
        assert await terminal.ends() == 4
    assert _is_given_back(terminal)


async def _stubborn(task: str, run: TaskRun) -> None:
    async with run.step("Hold on") as step:
        try:
            if "ask" in task:
                await step.confirm("Really?")
            await trio.sleep_forever()
        finally:
            async with run.cleanup():
                await trio.sleep(60)


@pytest.mark.parametrize("task", ["hold on", "ask"])
async def test_a_second_ctrl_c_leaves_at_once_and_gives_the_terminal_back(task: str) -> None:
    async with (
        RealtimeAgent(_stubborn, cleanup_timeout=3) as realtime,
        trio.open_nursery() as nursery,
    ):
        address = await nursery.start(functools.partial(serve_websocket, realtime, port=0))
        async with in_terminal("submit", address.url, task) as terminal:
            await terminal.shows("Allow it?" if task == "ask" else "0 of 1 step")
            terminal.type("\x03")
            await terminal.shows("once more to leave at once")
            await a_moment()
            terminal.type("\x03")
            assert await terminal.ends() == 130
        nursery.cancel_scope.cancel()
    assert "Receipt" not in terminal.text
    assert terminal.text.endswith("Ctrl-C again: ended at once\n")
    assert _is_given_back(terminal)


async def test_a_terminal_that_can_only_write_lines_gets_lines(root: Path) -> None:
    async with in_terminal("run", SAVE, cwd=root, env={"TERM": "dumb"}) as terminal:
        await terminal.shows("Allow it?")
        terminal.type("y\n")
        assert await terminal.ends() == 0
    assert "\x1b" not in terminal.raw
    assert "▸ Read sales.csv (1 of 4)" in terminal.text


async def test_without_colours_there_are_none(root: Path) -> None:
    async with in_terminal("run", "wait 0.3 s", cwd=root, env={"NO_COLOR": "1"}) as terminal:
        assert await terminal.ends() == 0
    assert re.findall(r"\x1b\[[0-9;]*3[0-9][0-9;]*m", terminal.raw) == []


@pytest.mark.parametrize("size", [(24, 20), (4, 80), (1, 5)])
async def test_a_tiny_terminal_is_enough(root: Path, size: tuple[int, int]) -> None:
    async with in_terminal("run", "wait 0.5 seconds", cwd=root, size=size) as terminal:
        assert await terminal.ends() == 0
    assert "Succeeded" in terminal.text.replace("\n", "")
    assert _is_given_back(terminal)


async def test_text_of_an_agent_is_text(root: Path) -> None:
    (root / "[red]\x1b[2J名字.txt").write_text("x")
    async with in_terminal("run", "list files", cwd=root) as terminal:
        assert await terminal.ends() == 0
    assert "[red]" in terminal.text
    assert "名字" in terminal.text
    assert "\x1b[2J" not in terminal.raw
