"""A question as it is read: all of it, in pages if it is long."""

from __future__ import annotations

from .words import clean

__all__ = ["Reading"]

FIRST_PAGE = (200, 24_000)
"""Lines and characters that are shown at once: a program of the size that the agents here put
into a question (20,000 characters) is whole, as a rule."""

NEXT_PAGE = (1000, 100_000)
"""Of each further one, which a person has asked for."""

_MAX_LINE = 2000
"""A line of more characters is told as several."""


class Reading:
    """How far a person has been shown a text.

    Args:
        text: as it came; it is made fit for a terminal.
    """

    def __init__(self, text: str) -> None:
        self._lines = [
            line[start : start + _MAX_LINE]
            for line in clean(text).strip("\n").split("\n")
            for start in range(0, max(len(line), 1), _MAX_LINE)
        ]
        self._shown = 0

    @property
    def hidden(self) -> int:
        """How many lines have not been shown."""
        return len(self._lines) - self._shown

    def brief(self, lines: int) -> list[str]:
        """The first lines, for who does not decide about it; they do not count as shown."""
        return self._lines[:lines]

    def page(self) -> list[str]:
        """The next lines, which count as shown then."""
        max_lines, max_chars = NEXT_PAGE if self._shown else FIRST_PAGE
        page: list[str] = []
        for line in self._lines[self._shown : self._shown + max_lines]:
            max_chars -= len(line)
            if page and max_chars < 0:
                break
            page.append(line)
        self._shown += len(page)
        return page
