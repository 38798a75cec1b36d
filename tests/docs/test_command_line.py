"""The page of the command line and the commands say the same."""

from __future__ import annotations

import re

import pytest

from trio_agent_rt.cli.endings import ExitCode
from trio_agent_rt.cli.program import make_parser

from .pages import REPOSITORY

PAGE = REPOSITORY / "docs" / "reference" / "command-line.md"
TEXT = PAGE.read_text(encoding="utf-8")


def test_every_exit_code_is_listed() -> None:
    assert [int(code) for code in re.findall(r"^\| (\d+) \|", TEXT, re.MULTILINE)] == [*ExitCode]


def test_every_command_is_listed() -> None:
    listed = re.findall(r"^\| `(\w+)", TEXT, re.MULTILINE)
    usage = make_parser().format_help()
    assert sorted(listed) == sorted(re.findall(r"^    (\w+)(?: |$)", usage, re.MULTILINE))


@pytest.mark.parametrize("command", re.findall(r"^\| `(\w+)", TEXT, re.MULTILINE))
def test_a_listed_command_has_a_help(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        make_parser().parse_args([command, "--help"])
    assert ended.value.code == 0
    assert f"trio-agent-rt {command}" in capsys.readouterr().out
