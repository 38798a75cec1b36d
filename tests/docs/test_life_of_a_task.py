"""The page's table of what happens at each point of a task's life is the one that is tested."""

from __future__ import annotations

import re

from tests.realtime.life import test_life
from tests.realtime.life.table import CELLS, COLUMNS, OUTCOMES, TABLE

from .pages import REPOSITORY

PAGE = REPOSITORY / "docs" / "explanation" / "cancellation.md"
SECTION = PAGE.read_text(encoding="utf-8").partition("\n## At every point of its life\n")[2]
SECTION = SECTION.partition("\n## ")[0]


def _table(first_head: str) -> list[list[str]]:
    """The rows of a table of the section, its head first."""
    begin = SECTION.index(f"| {first_head} |")
    lines = SECTION[begin:].partition("\n\n")[0].splitlines()
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return [rows[0], *rows[2:]]


def test_every_cell_says_what_is_tested_and_links_it() -> None:
    (_, *heads), *rows = _table("where it is")
    assert [each.strip("`") for each in heads] == list(COLUMNS)
    shown = {
        row: dict(zip(COLUMNS, [_linked(each) for each in cells], strict=True))
        for row, *cells in rows
    }
    assert shown == TABLE
    assert list(shown) == list(TABLE)


def _linked(cell: str) -> str:
    found = re.fullmatch(r"\[(.+)\]\[test\]", cell)
    assert found, f"no link to the test: {cell}"
    return found[1]


def test_the_link_leads_to_the_test_and_the_command_to_one_cell() -> None:
    target = re.search(r"^\[test\]: (\S+)$", SECTION, re.MULTILINE)
    assert target is not None
    assert (PAGE.parent / target[1]).resolve().samefile(test_life.__file__)
    command = re.search(r'pytest "(\S+?)::(\w+)\[(.+)\]"', SECTION)
    assert command is not None
    assert (REPOSITORY / command[1]).samefile(test_life.__file__)
    assert hasattr(test_life, command[2])
    row, _, column = command[3].rpartition("-")
    assert (row, column) in CELLS


def test_every_word_and_every_column_is_explained() -> None:
    for head, explained in (("word", OUTCOMES), ("column", COLUMNS)):
        shown = {name.strip("`"): said for name, said in _table(head)[1:]}
        assert shown == explained
