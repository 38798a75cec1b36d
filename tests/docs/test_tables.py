"""The tables of the documentation are tables to who reads them rendered."""

from __future__ import annotations

from pathlib import Path

import pytest

from .pages import PAGES


def rows_outside_of_a_table(text: str) -> list[str]:
    """Rows that stand below no head: a blank line before them has ended their table."""
    found: list[str] = []
    lines = [*text.splitlines(), ""]
    for before, line, after in zip(["", *lines], lines, lines[1:], strict=False):
        begins = line.startswith("|") and not before.startswith("|")
        if begins and not after.startswith("|--"):
            found.append(line)
    return found


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_row_stands_in_a_table(page: Path) -> None:
    assert rows_outside_of_a_table(page.read_text(encoding="utf-8")) == []


def test_a_row_below_a_blank_line_is_found() -> None:
    assert rows_outside_of_a_table("| a |\n|---|\n| b |\n\n| c |") == ["| c |"]
