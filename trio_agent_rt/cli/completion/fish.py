"""Completion for fish."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from .words import Named, Option

__all__ = ["for_fish"]


def for_fish(program: str, commands: Sequence[Named]) -> str:
    """The script."""
    return "\n".join([*_lines(program, commands), ""])


def _lines(program: str, commands: Sequence[Named]) -> Iterator[str]:
    yield f"# Completion of {program} for fish: {program} completion fish | source"
    complete = f"complete -c {program}"
    yield f"{complete} -f"
    yield f"{complete} -s h -l help -d 'show the help'"
    for command in commands:
        yield f"{complete} -n __fish_use_subcommand -a {command.name} -d '{command.help}'"
        within = f"{complete} -n '__fish_seen_subcommand_from {command.name}'"
        if command.words:
            yield f"{within} -a '{' '.join(command.words)}'"
        for option in command.options:
            if "--help" not in option.names:
                yield f"{within} {_names(option)}{_value(option)} -d '{option.help}'"


def _names(option: Option) -> str:
    return " ".join(
        f"-l {name[2:]}" if name.startswith("--") else f"-s {name[1:]}" for name in option.names
    )


def _value(option: Option) -> str:
    match option.value:
        case "none":
            return ""
        case "choice":
            return f" -x -a '{' '.join(option.choices)}'"
        case "file":
            return " -r -F"
        case "directory":
            return " -x -a '(__fish_complete_directories)'"
        case "any":
            return " -x"
