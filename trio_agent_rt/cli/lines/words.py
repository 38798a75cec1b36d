"""Text from elsewhere made fit for a terminal, and numbers in words."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable

from attrs import frozen

from ...protocol import to_jsonable

__all__ = ["ASCII", "UNICODE", "Marks", "clean", "count", "marks_for", "one_line", "pretty", "span"]

_SEQUENCES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?)")
"""What a terminal would obey: colours, cursor movements, window titles (ECMA-48, 5.4, 8.3.89)."""

_LINE_ENDS = re.compile("\r\n|[\r\v\f\x85\u2028\u2029]")
_UNSEEN = re.compile(
    "[\x00-\x08\x0e-\x1f\x7f-\x9f"  # C0, DEL, C1
    "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"  # what turns the direction of writing
    "\ufeff\ufff9-\ufffb\U000e0000-\U000e007f]"  # byte order mark, annotations, tags
)
_SURROGATES = re.compile("[\ud800-\udfff]")


@frozen(kw_only=True)
class Marks:
    """The signs that stand before lines."""

    success: str
    failed: str
    skipped: str
    cancelled: str
    pending: str
    start: str
    question: str
    quoted: str
    retry: str
    more: str
    ellipsis: str
    rails: tuple[str, str, str]
    """What leads to a step inside another: where others follow, at the last, and past it."""
    bar: str
    """The done and the open part of a progress bar."""
    spinner: str
    """What a running step shows, one after the other."""
    note: str = ""
    text: str = ""
    verbatim: str = ""

    def of(self, name: str) -> str:
        """The sign for a kind of line; empty if it has none."""
        return str(getattr(self, name))


UNICODE = Marks(
    success="✓",
    failed="✗",
    skipped="–",
    cancelled="■",
    pending="·",
    start="▸",
    question="?",
    quoted="│",
    retry="↻",
    more="│",
    ellipsis="…",
    rails=("├─ ", "└─ ", "│  "),
    bar="━─",
    spinner="⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏",
)
"""For terminals and files that can show them."""

ASCII = Marks(
    success="+",
    failed="x",
    skipped="-",
    cancelled="#",
    pending=".",
    start=">",
    question="?",
    quoted="|",
    retry="~",
    more="|",
    ellipsis="...",
    rails=("|- ", "`- ", "|  "),
    bar="=-",
    spinner="|/-\\",
)
"""For those that cannot."""


def marks_for(encoding: str | None) -> Marks:
    """The marks that text in `encoding` can hold."""
    try:
        "".join(str(getattr(UNICODE, name)) for name in Marks.__annotations__).encode(
            encoding or "ascii"
        )
    except (UnicodeEncodeError, LookupError):
        return ASCII
    return UNICODE


def clean(text: str) -> str:
    """`text` with nothing in it that a terminal obeys: lines remain, tabs become spaces."""
    text = _LINE_ENDS.sub("\n", _SEQUENCES.sub("", text))
    text = _SURROGATES.sub("\ufffd", _UNSEEN.sub("", text))
    return text.replace("\t", "    ")


def one_line(text: str, limit: int = 500) -> str:
    """`text`, clean and in one line of at most `limit` characters."""
    # What is far beyond the limit need not be looked at.
    line = " ".join(clean(text[: 4 * limit]).split())
    return line if len(line) <= limit else line[: limit - 1] + "…"


def pretty(output: object) -> str:
    """What a task or a step gave, for people: text as it is, anything else as JSON."""
    if isinstance(output, str):
        return clean(output)
    return clean(json.dumps(to_jsonable(output), ensure_ascii=False, indent=2))


def span(seconds: float) -> str:
    """A length of time: `0.3 s`, `42 s`, `3 min 05 s`, `2 h 10 min`."""
    if seconds < 10:
        return f"{max(seconds, 0.0):.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if not minutes:
        return f"{rest} s"
    hours, minutes_left = divmod(minutes, 60)
    return f"{hours} h {minutes_left:02} min" if hours else f"{minutes} min {rest:02} s"


def count(items: int | Iterable[object], noun: str) -> str:
    """`1 step`, `4 steps`."""
    number = items if isinstance(items, int) else sum(1 for _ in items)
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
