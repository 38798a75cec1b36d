"""What a script is given: JSON, columns with tabs between them, or a table for people."""

from __future__ import annotations

import argparse
import sys
from collections.abc import AsyncGenerator, Iterable, Sequence
from contextlib import asynccontextmanager

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ....clients import AgentClient
from ...endings import OutputLost
from ...lines import one_line
from ...opening import output
from ...options import AddParser, add_json_option, add_token_option
from ...view import JsonScreen, write_out
from ..connection import connect

__all__ = ["add_asking", "asking", "print_json", "print_rows", "print_text"]

_MAX_CELL = 1000


def add_asking(
    add_parser: AddParser, name: str, brief: str, description: str, url: str
) -> argparse.ArgumentParser:
    """Add a command that asks a server something to the program."""
    parser = add_parser(name, help=brief, description=description)
    parser.add_argument("url", help=f"the server, {url} for example")
    add_json_option(parser, "the answer, as it goes over HTTP, in one line of JSON")
    add_token_option(parser)
    return parser


@asynccontextmanager
async def asking(options: argparse.Namespace) -> AsyncGenerator[AgentClient]:
    """A client that asks; standard output is for the answer alone.

    Raises: see `connect`.
    """
    async with connect(options, JsonScreen(sys.stdout, sys.stderr)) as client:
        yield client


def print_json(answer: bytes) -> None:
    """Print an answer as it goes over HTTP."""
    write_out(output(utf8=True), f"{answer.decode()}\n")


def print_text(lines: Iterable[str]) -> None:
    """Print some lines."""
    write_out(output(utf8=False), "".join(f"{line}\n" for line in lines))


def print_rows(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print a table in a terminal; elsewhere a line for each row, with tabs, and no head."""
    cells = [[one_line(cell, _MAX_CELL) for cell in row] for row in rows]
    out = output(utf8=False)
    if not out.isatty():
        print_text("\t".join(row) for row in cells)
        return
    table = Table(*columns, box=SIMPLE_HEAD, pad_edge=False)
    for row in cells:
        table.add_row(*(Text(cell, overflow="fold") for cell in row))
    try:
        Console(file=out, highlight=False, markup=False, emoji=False).print(table)
    except OSError as exc:
        raise OutputLost(exc) from exc
