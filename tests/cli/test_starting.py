"""Ctrl-C while the program is being loaded ends it quietly, and touches no other process."""

from __future__ import annotations

import signal
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from trio_agent_rt.cli.endings import ExitCode
from trio_agent_rt.starting import INTERRUPTED, PROGRAM, is_the_program

from .processes import command, in_terminal

HOOK = """
import os, signal, sys

def look(event, details):
    if event == "import" and details[0] == os.environ["INTERRUPT_AT"]:
        os.kill(os.getpid(), int(os.environ["INTERRUPT_BY"]))

sys.addaudithook(look)
"""
"""Interrupts the process that loads it when a module begins to be imported."""

SCRIPT = "import sys\nfrom trio_agent_rt.cli import main\nsys.exit(main())\n"


async def _interrupted(
    folder: Path, program: Sequence[str], at: str, by: int = signal.SIGINT
) -> tuple[int, str]:
    (folder / "sitecustomize.py").write_text(HOOK)
    path = f"{folder}:{Path(__file__).parents[2]}"
    env = {"PYTHONPATH": path, "INTERRUPT_AT": at, "INTERRUPT_BY": str(int(by))}
    async with in_terminal(program=program, env=env) as terminal:
        code = await terminal.ends()
    return code, terminal.text


@pytest.mark.parametrize("way", ["module", "script"])
@pytest.mark.parametrize(
    "at",
    [
        "trio_agent_rt.agent",
        "trio",
        "trio_agent_rt.transports",
        "trio_agent_rt.cli.program",
        "trio_agent_rt.cli.demo",
    ],
)
async def test_it_ends_without_a_word(way: str, at: str, tmp_path: Path) -> None:
    script = tmp_path / PROGRAM
    script.write_text(SCRIPT)
    program = command() if way == "module" else [sys.executable, str(script)]
    ended = await _interrupted(tmp_path, [*program, "run", "what is 6*7"], at)
    assert ended == (ExitCode.INTERRUPTED, "")


async def test_sigterm_counts_as_ctrl_c(tmp_path: Path) -> None:
    ended = await _interrupted(
        tmp_path, command("--help"), "trio_agent_rt.cli.program", signal.SIGTERM
    )
    assert ended == (ExitCode.INTERRUPTED, "")


async def test_a_program_of_somebody_else_keeps_its_traceback(tmp_path: Path) -> None:
    theirs = [sys.executable, "-c", "import trio_agent_rt", "-m", "trio_agent_rt"]
    code, text = await _interrupted(tmp_path, theirs, "trio_agent_rt.transports")
    assert code == -signal.SIGINT
    assert text.endswith("KeyboardInterrupt\n")


@pytest.mark.parametrize(
    ("argv0", "original", "ours"),
    [
        ("/usr/bin/trio-agent-rt", ["python", "/usr/bin/trio-agent-rt"], True),
        ("-m", ["python", "-X", "dev", "-m", "trio_agent_rt", "run"], True),
        ("-m", ["python", "-m", "theirs", "trio_agent_rt"], False),
        ("-m", ["python", "-m", "theirs", "-m", "trio_agent_rt"], False),
        ("-m", ["python", "-mtheirs"], False),
        ("-m", ["python", "-m"], False),
        ("theirs.py", ["python", "theirs.py", "-m", "trio_agent_rt"], False),
        ("-c", ["python", "-c", "import trio_agent_rt"], False),
        ("", ["python"], False),
    ],
)
def test_the_program_is_known_by_how_it_was_called(
    argv0: str, original: list[str], ours: bool
) -> None:
    assert is_the_program(argv0, original) is ours


def test_the_exit_code_is_that_of_an_interrupt() -> None:
    assert INTERRUPTED == ExitCode.INTERRUPTED
