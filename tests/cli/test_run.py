"""`run` without a terminal: a line for each event, JSON, and what is done about questions."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from pathlib import Path

import pytest
import trio

from trio_agent_rt.protocol import TaskCompleted, decode_event

from .processes import REPOSITORY, command, environment, piped, run_program

SAVE = "analyse sales.csv and save a report"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    shutil.copy(REPOSITORY / "trio_agent_rt" / "cli" / "demo" / "sales.csv", tmp_path)
    return tmp_path


async def test_a_pipe_gets_lines_without_control_codes(root: Path) -> None:
    done = await run_program("run", "analyse sales.csv", cwd=root, env={"FORCE_COLOR": "1"})
    assert done.code == 0
    assert "\x1b" not in done.out
    assert "▸ Read sales.csv (1 of 3)" in done.out
    assert "204 rows" in done.out
    assert done.out.splitlines()[-1].startswith("✓ Succeeded in")


async def test_a_question_that_nobody_can_answer_is_rejected_and_says_how(root: Path) -> None:
    done = await run_program("run", SAVE, cwd=root)
    assert done.code == 1
    assert "run it in a terminal, or give --yes" in done.out.splitlines()[-1]
    assert "rejected by the program" in done.out
    assert os.listdir(root) == ["sales.csv"]


async def test_yes_approves(root: Path) -> None:
    done = await run_program("run", SAVE, "--yes", cwd=root)
    assert done.code == 0
    assert "approved by --yes" in done.out
    assert (root / "sales_report.md").exists()


async def test_json_is_one_message_per_line_and_nothing_else(root: Path) -> None:
    latin = {"PYTHONUTF8": "0", "PYTHONIOENCODING": "latin-1"}
    done = await run_program("run", "分析 sales.csv", "--json", cwd=root, env=latin)
    assert done.code == 0
    events = [decode_event(line) for line in done.out.splitlines()]
    assert isinstance(events[-1], TaskCompleted)
    assert all(event.position for event in events)


async def test_a_task_in_a_locale_without_utf_8_is_understood(root: Path) -> None:
    c = {"PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "LC_ALL": "C"}
    done = await run_program("run", "分析 sales.csv", cwd=root, env=c)
    assert done.code == 0


async def test_a_failed_task_is_1(root: Path) -> None:
    done = await run_program("run", "read no-such-file.txt", cwd=root)
    assert done.code == 1
    assert "there is no file 'no-such-file.txt'" in done.out.splitlines()[-1]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_one_signal_cancels_and_shows_the_receipt(root: Path, number: int) -> None:
    async with piped("run", "wait 60 seconds", cwd=root) as running:
        await running.shows("Wait 60 s: ")
        running.process.send_signal(number)
        assert await running.ends() == 4
    assert f"reason       {'SIGTERM' if number == signal.SIGTERM else 'Ctrl-C'}" in running.text
    assert "interrupted  Wait 60 s" in running.text
    assert running.text.splitlines()[-1].startswith("■ Cancelled after")


async def test_a_pipe_whose_reader_has_left_ends_it_quietly(root: Path) -> None:
    shell = " ".join(f"'{each}'" for each in command("run", "wait 60 seconds"))
    with trio.fail_after(30):
        done = await trio.run_process(
            ["sh", "-c", f"{shell} | head -n 1"],
            cwd=root,
            env=environment(),
            capture_stdout=True,
            capture_stderr=True,
        )
    assert done.stdout.count(b"\n") == 1
    assert done.stderr == b""


def test_a_full_disk_is_a_sentence(root: Path) -> None:
    with open("/dev/full", "wb") as full:
        done = subprocess.run(
            command("run", "what is 6*7"),
            cwd=root,
            env=environment(),
            check=False,
            stdout=full,
            stderr=subprocess.PIPE,
            timeout=30,
        )
    assert done.returncode == 3
    assert done.stderr == b"trio-agent-rt: cannot write the output: No space left on device\n"
