"""A tool and its arguments as a person who is to decide about them reads them.

Nothing in an argument can look like another argument, and nothing hides what follows it:
values are JSON, names that are no plain words are too, what does not print is escaped,
and of what is long the beginning and the end are shown.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

from .language import as_text

__all__ = ["MAX_CODE_CHARS", "shown_call"]

MAX_CODE_CHARS = 20_000
"""Of a program that is to be run: it is what people must read."""

_READ_CHARS = 32_768
"""At either end of what is long; what stands between is not shown, and need not be read for
secrets. More than any secret that could reach into what is shown."""

_MAX_NAME_CHARS = 64
_MAX_VALUE_CHARS = 200
_MAX_LINE_CHARS = 240
"""What is longer has a line for each argument."""

_PLAIN_NAME = re.compile(r"[\w\-]+(?: [\w\-]+)*")


def shown_call(
    what: str, arguments: Mapping[str, Any], redact: Callable[[str], str], *, code: bool = False
) -> str:
    """What is to be done, with its arguments.

    Args:
        redact: masks secrets; it is given whole values, since a secret must be whole to
            be known.
        code: whether texts of several lines are programs, which are shown whole.
    """
    head = _printable(" ".join(_cut(redact(what), _MAX_VALUE_CHARS).split()))
    shown: list[str] = []
    programs: list[str] = []
    for key, value in arguments.items():
        name = _name(redact(str(key)))
        if code and isinstance(value, str) and ("\n" in value or len(value) > _MAX_VALUE_CHARS):
            programs.append(
                f"{name} ({len(value)} characters):\n{_program(_redacted(value, redact))}"
            )
        else:
            shown.append(f"{name}: {_value(value, redact)}")
    line = f"{head} — {'; '.join(shown)}" if shown else head
    if len(line) > _MAX_LINE_CHARS and len(shown) > 1:
        line = "\n".join([f"{head} —", *shown])
    return "\n".join([line, *programs])


def _name(name: str) -> str:
    short = _cut(name, _MAX_NAME_CHARS)
    return (
        short if _PLAIN_NAME.fullmatch(short) else _printable(json.dumps(short, ensure_ascii=False))
    )


def _value(value: object, redact: Callable[[str], str]) -> str:
    given = as_text(value)
    size, text = len(given), _redacted(given, redact)
    quoted = json.dumps(text, ensure_ascii=False) if isinstance(value, str) else text
    most = _MAX_VALUE_CHARS
    whole = len(quoted) <= most
    start = _printable(quoted[:most])
    if whole and len(start) <= most:
        return start
    end = start if whole else _printable(quoted[-most:])
    return f"{start[: most // 2]} … {end[-most // 2 :]} ({size} characters)"


def _redacted(text: str, redact: Callable[[str], str]) -> str:
    if len(text) <= 2 * _READ_CHARS:
        return redact(text)
    return f"{redact(text[:_READ_CHARS])} … {redact(text[-_READ_CHARS:])}"


def _program(text: str) -> str:
    """Lines with a mark before each, so that none can pass for a line of the question."""
    lines = _cut(text, MAX_CODE_CHARS).split("\n")
    return "\n".join(f"| {_printable(each.expandtabs(4))}" for each in lines)


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most // 2]} … {text[-most // 2 :]}"


def _printable(text: str) -> str:
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() else json.dumps(each)[1:-1] for each in text)
