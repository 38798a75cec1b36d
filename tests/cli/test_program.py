"""What is wrong is told in one sentence, with an exit code that means it."""

from __future__ import annotations

import shlex
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from trio_agent_rt.cli import main
from trio_agent_rt.cli.endings import Complaint, ExitCode, complaint_of
from trio_agent_rt.errors import ConnectFailed, ConnectionRejected, LLMError

from .processes import run_program


@pytest.fixture
def no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)


def _told(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    """The exit code and the one line on standard error."""
    with pytest.raises(SystemExit) as ended:
        sys.exit(main(arguments))
    code = ended.value.code
    assert isinstance(code, int)
    captured = capsys.readouterr()
    assert captured.out == ""
    (line,) = captured.err.splitlines()
    return code, line


@pytest.mark.usefixtures("no_key")
@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        ([], 2, "the following arguments are required: COMMAND"),
        (["fly"], 2, "invalid choice: 'fly'"),
        (["run"], 2, "the following arguments are required: task"),
        (["run", " "], 2, "the task is empty"),
        (["run", "x", "--llm", "parrot"], 2, "known are: offline, openai"),
        (["run", "x", "--llm", "openai"], 3, "set OPENAI_API_KEY"),
        (["run", "x", "--root", "/no/such"], 2, "root must be a folder that exists"),
        (["serve", "--port", "0", "--root", "/dev/null"], 2, "root must be a folder that exists"),
        (["serve", "--port", "0", "--llm", "openai:"], 2, "known are: offline, openai"),
        (["serve", "--port", "65536"], 2, "a port is a number from 0 to 65535"),
        (["serve", "--port", "-1"], 2, "a port is a number from 0 to 65535"),
        (["serve", "--port", "0", "--path", "ws"], 2, "path must begin with /"),
        (["serve", "--port", "0", "--origin", "x"], 2, "is not an origin"),
        (["serve", "--port", "0", "--host", "0.0.0.0"], 2, "--allow-anonymous"),
        (["serve", "--port", "0", "--host", "0.0.0.0"], 2, "--token-env"),
        (
            ["serve", "--port", "0", "--allow-anonymous", "--host", "192.0.2.1"],
            3,
            "not an address of this machine",
        ),
        (["serve", "--enable-code", "--allow-anonymous"], 2, "name a token in --token-env instead"),
        (["serve", "--token-env", "NO_SUCH"], 2, "has no variable NO_SUCH"),
        (["serve", "--port", "0", "--linger", "nan"], 2, "or the word none"),
        (["serve", "--drain-timeout", "inf"], 2, "seconds are a number"),
        (["serve", "--max-connections", "0"], 2, "1 or more"),
        (["serve", "--keyfile", "x"], 2, "--keyfile needs --certfile"),
        (["serve", "--certfile", "/no/such"], 2, "--certfile: there is no file"),
        (["serve", "--certfile", __file__], 2, "no certificate with its key"),
        (["submit", "ftp://127.0.0.1/ws", "x"], 2, "begins with ws:// or wss://"),
        (["submit", "https:127.0.0.1", "x"], 2, "begins with http:// or https://"),
        (["submit", "nonsense", "x"], 2, "begins with ws:// or wss://"),
        (["submit", "ws://127.0.0.1:1/ws", "x"], 3, "nothing listens at 127.0.0.1:1"),
        (["watch", "ws://127.0.0.1:1/ws"], 3, "nothing listens at 127.0.0.1:1"),
        (["submit", "http://127.0.0.1:1/sse", "x"], 3, "nothing listens at 127.0.0.1:1"),
        (["watch", "HTTP://127.0.0.1:1/sse"], 3, "nothing listens at 127.0.0.1:1"),
        (["watch", "ws://h/", "--token-env", "NO_SUCH"], 2, "has no variable NO_SUCH"),
        (["tools", "ftp://h/"], 2, "begins with ws:// or wss://"),
        (["tools", "http://127.0.0.1:1/sse"], 3, "nothing listens at 127.0.0.1:1"),
        (["sessions", "http://127.0.0.1:1/sse"], 3, "nothing listens at 127.0.0.1:1"),
        (["sessions", "ws://127.0.0.1:1/ws"], 2, "listed over HTTP"),
        (["sessions", "nonsense"], 2, "begins with http:// or https://"),
        (["cancel", "ws://127.0.0.1:1/ws"], 2, "required: --session"),
        # An id may begin with a dash, and is no option then.
        (["cancel", "ws://127.0.0.1:1/ws", "--session", "-x1"], 3, "nothing listens at"),
        (["cancel", "ws://127.0.0.1:1/ws", "--session", "--json"], 2, "expected one argument"),
        (["confirm", "ws://h/", "--session", "x", "--yes"], 2, "required: --step"),
        (["confirm", "ws://h/", "--session", "x", "--step", "y"], 2, "--yes --no is required"),
        # As a script says it whose variable is not set.
        (["run", "x", "--root", ""], 2, "--root: its value is empty"),
        (["serve", "--port", "0", "--host", ""], 2, "--host: its value is empty"),
        (["serve", "--port", "0", "--token-env", ""], 2, "--token-env: its value is empty"),
        (["submit", "ws://127.0.0.1:1/ws", ""], 2, "the task is empty"),
        (["submit", "ws://127.0.0.1:1/ws", "x", "--session", ""], 2, "--session: its value is"),
        (["submit", "", "x"], 2, "begins with ws:// or wss://"),
        (["watch", "ws://127.0.0.1:1/ws", "--session", " "], 2, "--session: its value is empty"),
        (["cancel", "ws://h/", "--session="], 2, "--session: its value is empty"),
        (["cancel", "ws://h/", "--session", "x", "--task", ""], 2, "--task: its value is empty"),
        (["confirm", "ws://h/", "--session", "x", "--step", ""], 2, "--step: its value is empty"),
        (["confirm", "ws://h/", "--confirmation", ""], 2, "--confirmation: its value is empty"),
        (["demo", "--file", ""], 2, "--file: its value is empty"),
        (["completion", "tcsh"], 2, "invalid choice: 'tcsh'"),
        (["demo", "--file", "/no/such.csv"], 2, "cannot read '/no/such.csv'"),
    ],
)
def test_wrong_usage_and_missing_things_get_a_sentence(
    arguments: list[str], code: int, sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    ended, line = _told(capsys, *arguments)
    assert ended == code
    assert sentence in line
    assert line.startswith("trio-agent-rt")


def test_a_token_that_is_too_short_gets_a_sentence_without_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("OURS", "hush")
    code, line = _told(capsys, "serve", "--port", "0", "--token-env", "OURS")
    assert code == 2
    assert "--token-env OURS" in line
    assert "secrets.token_urlsafe()" in line
    assert "hush" not in line


@pytest.fixture
def taken_port() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


def test_a_port_in_use_gets_a_sentence(taken_port: int, capsys: pytest.CaptureFixture[str]) -> None:
    code, line = _told(capsys, "serve", "--port", str(taken_port))
    assert code == 3
    assert f"127.0.0.1:{taken_port} is in use" in line


def test_help_states_the_exit_codes(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--help"])
    assert ended.value.code == 0
    text = capsys.readouterr().out
    stated = [line.split()[0] for line in text.partition("exit codes:")[2].splitlines()[1:7]]
    assert stated == [str(int(code)) for code in ExitCode]


def test_a_complaint_cannot_move_the_cursor(capsys: pytest.CaptureFixture[str]) -> None:
    _, line = _told(capsys, "run", "x", "--llm", "\x1b[2Jparrot")
    assert "\x1b" not in line


@pytest.mark.parametrize(
    ("exc", "code"),
    [
        (ConnectFailed("gone"), 3),
        (ConnectionRejected(401, "no"), 3),
        (LLMError("no key"), 3),
        (Complaint("x"), 2),
        (ExceptionGroup("", [ValueError("a defect"), ExceptionGroup("", [ConnectFailed("x")])]), 3),
    ],
)
def test_what_can_be_told_is_found_in_groups_too(exc: Exception, code: int) -> None:
    complaint = complaint_of(exc)
    assert complaint is not None
    assert complaint.code == code


def test_a_defect_keeps_its_traceback() -> None:
    assert complaint_of(ExceptionGroup("", [ValueError("a defect")])) is None


async def test_the_package_is_a_program(tmp_path: Path) -> None:
    done = await run_program("run", "what is 6*7", cwd=tmp_path)
    assert (done.code, done.err) == (0, "")
    assert "42" in done.out


def test_a_closed_standard_output_is_a_sentence_and_no_traceback() -> None:
    program = f"exec {shlex.quote(sys.executable)} -m trio_agent_rt run 'what is 2+2' >&-"
    done = subprocess.run(["/bin/sh", "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 3
    assert done.stderr == "trio-agent-rt: cannot write the output: there is no standard output\n"
