"""Tab completes the commands, their options and what may follow these, in real shells."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.programs import find_program

from .processes import in_terminal, run_program

SHELLS = {
    "bash": (("bash", "--norc", "--noprofile", "-i"), "source ./completions"),
    "zsh": (("zsh", "-f", "-i"), "autoload -Uz compinit && compinit -u -D; source ./completions"),
    "fish": (("fish", "--no-config", "-i"), "source ./completions"),
}


@pytest.fixture(params=SHELLS)
def shell(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    find_program(name, package=name)
    return name


async def test_a_shell_completes_what_is_typed(shell: str, tmp_path: Path) -> None:
    (tmp_path / "the folder").mkdir()
    done = await run_program("completion", shell)
    assert (done.code, done.err) == (0, "")
    (tmp_path / "completions").write_text(done.out)
    program, load = SHELLS[shell]
    env = {"HOME": str(tmp_path), "PS1": "$ ", "XDG_DATA_HOME": str(tmp_path), "LC_ALL": "C.UTF-8"}
    async with in_terminal(program=program, cwd=tmp_path, env=env, size=(40, 200)) as terminal:
        # What is typed is shown too: the answer is not what was asked.
        terminal.type(
            f"{load}; echo $((6*7))is; \n" if shell != "fish" else f"{load}; math '6*7'\n"
        )
        await terminal.shows("42")
        for typed, completed in (
            ("trio-agent-rt compl\t", "etion"),
            ("trio-agent-rt serve --max-co\t", "nnections"),
            ("trio-agent-rt serve --busy rep\t", "lace"),
            ("trio-agent-rt completion fi\t", "sh"),
            ("trio-agent-rt run --root the\t", "folder"),
        ):
            terminal.type(typed)
            await terminal.shows(completed)
            terminal.type("\x15")  # forget the line
        terminal.type("exit\n")


async def test_a_script_names_every_command_and_every_long_option() -> None:
    done = await run_program("completion", "bash")
    for word in ("demo", "sessions", "confirm", "completion", "--confirmation", "--certfile"):
        assert word in done.out
