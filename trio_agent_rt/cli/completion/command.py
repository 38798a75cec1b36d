"""`completion`: a script that teaches a shell the commands and their options."""

from __future__ import annotations

import argparse
import functools
import sys
from collections.abc import Callable, Mapping, Sequence

import trio

from ..endings import ExitCode
from ..interrupts import Interrupts
from ..options import AddParser
from ..view import write_out
from .bash import for_bash
from .fish import for_fish
from .words import Named, named
from .zsh import for_zsh

__all__ = ["add_completion", "completion"]

PROGRAM = "trio-agent-rt"

_SHELLS: Mapping[str, Callable[[str, Sequence[Named]], str]] = {
    "bash": for_bash,
    "zsh": for_zsh,
    "fish": for_fish,
}


def add_completion(add_parser: AddParser, commands: Mapping[str, argparse.ArgumentParser]) -> None:
    """Add the command to the program.

    Args:
        commands: all that there are, this one included once it was added.
    """
    parser = add_parser(
        "completion",
        help="print a script for the completion of a shell",
        description="Prints a script that teaches a shell to complete the commands and their "
        f'options: eval "$({PROGRAM} completion bash)" in ~/.bashrc, the same with zsh in '
        f"~/.zshrc after compinit, or {PROGRAM} completion fish | source in "
        "~/.config/fish/config.fish.",
    )
    parser.add_argument("shell", choices=tuple(_SHELLS), help="which one")
    parser.set_defaults(command=functools.partial(completion, commands=commands))


async def completion(
    options: argparse.Namespace,
    interrupts: Interrupts,
    *,
    commands: Mapping[str, argparse.ArgumentParser],
) -> ExitCode:
    """Print the script."""
    await trio.lowlevel.checkpoint()
    write_out(sys.stdout, _SHELLS[options.shell](PROGRAM, named(commands)))
    return ExitCode.DONE
