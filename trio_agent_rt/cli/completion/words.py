"""The words of the command line, as a shell has to know them."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from typing import Any, Literal, TypeAlias

from attrs import frozen

__all__ = ["Named", "Option", "RecordingParser", "named"]

Value: TypeAlias = Literal["none", "any", "choice", "file", "directory"]
"""What may follow an option: nothing, something that no shell can know, one of some words, …"""

_OF_METAVAR: Mapping[str, Value] = {"FILE": "file", "CSV": "file", "DIR": "directory"}
_MAX_HELP = 70


class RecordingParser(argparse.ArgumentParser):
    """A parser that can tell what was added to it."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        self.actions: list[argparse.Action] = []
        """In the order of their adding."""
        super().__init__(*arguments, **options)

    def _add_action(self, action: Any) -> Any:
        added = super()._add_action(action)
        self.actions.append(added)
        return added


@frozen
class Option:
    """One option of a command."""

    names: Sequence[str]
    help: str
    value: Value
    choices: Sequence[str] = ()


@frozen
class Named:
    """One command."""

    name: str
    help: str
    options: Sequence[Option]
    words: Sequence[str]
    """What may stand in it that is no option."""


def named(commands: Mapping[str, argparse.ArgumentParser]) -> list[Named]:
    """What a shell has to know of some commands."""
    return [_named(name, parser) for name, parser in commands.items()]


def _named(name: str, parser: argparse.ArgumentParser) -> Named:
    actions = parser.actions if isinstance(parser, RecordingParser) else []
    words = [
        str(word) for each in actions if not each.option_strings for word in each.choices or ()
    ]
    options = [_option(each) for each in actions if each.option_strings]
    return Named(name, _short(parser.description), options, words)


def _option(action: argparse.Action) -> Option:
    choices = [str(each) for each in action.choices or ()]
    value: Value = "any"
    if action.nargs == 0:
        value = "none"
    elif choices:
        value = "choice"
    elif isinstance(action.metavar, str):
        value = _OF_METAVAR.get(action.metavar, "any")
    return Option(action.option_strings, _short(action.help), value, choices)


def _short(text: str | None) -> str:
    """The beginning of a help text, in words that no shell takes for anything else."""
    text = (text or "").partition(";")[0].partition(". ")[0].partition(": ")[0]
    text = text.replace("'", "’")
    plain = "".join(each if each.isalnum() or each in " -,./’" else " " for each in text)
    line = " ".join(plain.split()).rstrip(".,")
    return line if len(line) <= _MAX_HELP else line[:_MAX_HELP].rpartition(" ")[0]
