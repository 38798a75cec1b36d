"""Regular expressions that end: within a time, within memory, and with others at work.

`(a+)+$` and its like take longer than the universe has if they are let. `re` holds the
interpreter lock meanwhile and hears nobody; `regex` lets others run (`concurrent`) and
gives up in the middle of a match (`timeout`). That is counted in CPU time of the whole
process: on a machine that has much to do it comes later by the clock. A match cannot be
interrupted from outside, so a cancel waits for as long as that, at most.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

import regex
from msgspec import Meta

from ....errors import ToolError
from ..work import Work

__all__ = ["TIME_LIMIT", "Found", "Lines", "PatternText", "compile_pattern", "find_all"]

TIME_LIMIT = 1.0
"""Seconds of CPU time for one tool to match in: below the 5 s of `cleanup_timeout`."""

_MAX_CHARS = 2_000_000
"""Without groups. A repeated group costs about 170 bytes for each time that it matches."""

_MAX_SIZE = 100_000
"""Characters that a pattern may come to with its counted repetitions written out: that many
take some 0.1 s and 40 MB to compile."""

_TOKEN = regex.compile(
    r"\\[pPN]\{[^}]*\}|\\."  # \p{L}, \d
    r"|\[\^?\]?(?:\\.|[^\]\\])*\]"  # a class of characters
    r"|\{(?P<least>\d*)(?:,(?P<most>\d*))?\}"
    r"|.",
    regex.DOTALL,
)

_POLL_EVERY = 0xFF

Found = regex.Match[str]
"""One match."""

PatternText = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=1000,
        description="a regular expression as in Python, with (?P<name>…) for named groups; "
        "^ and $ match at each line",
    ),
]
"""An argument that is a regular expression."""


def compile_pattern(pattern: str, *, ignore_case: bool) -> regex.Pattern[str]:
    """The pattern, ready to be used.

    Raises:
        ToolError: when it is none; the text says where.
    """
    if _size(pattern) > _MAX_SIZE:
        raise ToolError("the pattern is too complex: its counted repetitions come to too much")
    flags = regex.MULTILINE | (regex.IGNORECASE if ignore_case else 0)
    try:
        return regex.compile(pattern, flags, cache_pattern=False)
    except regex.error as exc:
        raise ToolError(f"the pattern {pattern!r} cannot be read: {exc}") from None
    except (RecursionError, OverflowError, MemoryError):
        raise ToolError("the pattern is too complex") from None


def _size(pattern: str) -> int:
    """About how much compiling makes of it: what is repeated counts as often as it is.

    Compiling writes counted repetitions out, and nothing bounds it or interrupts it.
    """
    sums, last = [0], 0
    for token in _TOKEN.finditer(pattern):
        least, most = token["least"], token["most"]
        if least is not None:
            times = int(most or least or 1)
            sums[-1] += last * max(times - 1, 0)
            last *= max(times, 1)
            continue
        if token[0] == "(":
            sums.append(0)
            continue
        last = 1
        if token[0] == ")" and len(sums) > 1:
            last = max(sums.pop(), 1)
        sums[-1] += last
    return sum(sums)


def find_all(pattern: regex.Pattern[str], text: str, work: Work) -> Iterator[Found]:
    """Each match, from the left; to be gone through at once, for the time runs.

    Raises:
        ToolError: when the text is too long, or the time is over.
    """
    limit = _MAX_CHARS // (pattern.groups + 1)
    if len(text) > limit:
        raise ToolError(
            f"the text has {len(text):,} characters; a pattern with {pattern.groups} groups "
            f"takes at most {limit:,}"
        )
    work.poll()
    try:
        found = pattern.finditer(text, timeout=TIME_LIMIT, concurrent=True)
        for number, each in enumerate(found):
            if not number & _POLL_EVERY:
                work.poll(100 * each.end() / max(len(text), 1))
            yield each
    except TimeoutError:
        work.poll()
        raise ToolError(
            f"the pattern takes more than {TIME_LIMIT:g} s on this text: repetitions inside "
            "repetitions, as in (a+)+, are the usual reason"
        ) from None
    except MemoryError:
        raise ToolError("the pattern takes too much memory on this text") from None


class Lines:
    """The number of the line that a place in a text is on; asked from the left to the right."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._place = 0
        self._number = 1

    def number_at(self, place: int) -> int:
        """The number of its line, from 1."""
        self._number += self._text.count("\n", self._place, place)
        self._place = max(place, self._place)
        return self._number
