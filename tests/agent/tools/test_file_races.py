"""Somebody swaps folders and files for links while the file tools run, and gains nothing."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from trio_agent_rt.agent import ToolSet
from trio_agent_rt.agent.tools import file_tools
from trio_agent_rt.errors import ToolError

from .recorded import run

RACES_FOR = 1.5
"""Seconds; some thousand rounds of each race."""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """The allowed folder, with a secret beside it."""
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret" / "a.txt").write_text("secret")
    inside = tmp_path / "allowed"
    (inside / "sub").mkdir(parents=True)
    (inside / "sub" / "a.txt").write_text("harmless")
    return inside


@pytest.fixture
def tools(root: Path) -> ToolSet:
    return ToolSet(file_tools(root, max_file_bytes=100_000))


async def read(tools: ToolSet, path: str) -> dict[str, Any]:
    return await run(tools["file_read"], path=path)


async def write(tools: ToolSet, path: str, text: str = "text") -> dict[str, Any]:
    return await run(tools["file_write"], path=path, text=text)


def tree(folder: Path) -> list[tuple[str, bytes]]:
    """All that is in a folder."""
    return sorted(
        (str(each.relative_to(folder)), each.read_bytes() if each.is_file() else b"")
        for each in folder.rglob("*")
    )


EXCHANGE = """
import ctypes, os, sys
AT_FDCWD, RENAME_EXCHANGE = -100, 2
rename = ctypes.CDLL(None).renameat2
one, other = map(os.fsencode, sys.argv[1:])
print(rename(AT_FDCWD, one, AT_FDCWD, other, RENAME_EXCHANGE), flush=True)
while True:
    rename(AT_FDCWD, one, AT_FDCWD, other, RENAME_EXCHANGE)
"""
"""Two names change places in one step, so that neither is missing meanwhile."""


@contextmanager
def swapping(place: Path, link_to: str) -> Generator[None]:
    """A process that has `place` be itself and a link elsewhere by turns.

    A thread would have to wait for the interpreter lock, and would be too late nearly always.
    """
    link = place.with_name("the link")
    link.symlink_to(link_to)
    process = subprocess.Popen(
        [sys.executable, "-c", EXCHANGE, str(place), str(link)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    with process:
        try:
            assert process.stdout is not None
            if process.stdout.readline() != b"0\n":
                pytest.skip("this system cannot exchange two names")
            yield
        finally:
            process.kill()


async def test_nothing_outside_is_read_while_a_folder_is_swapped_for_a_link(
    root: Path, tools: ToolSet
) -> None:
    seen = {"harmless": 0, "refused": 0}
    with swapping(root / "sub", "../secret"):
        ends = time.monotonic() + RACES_FOR
        while time.monotonic() < ends:
            try:
                seen[(await read(tools, "sub/a.txt"))["text"]] += 1
            except ToolError:
                seen["refused"] += 1
            with suppress(ToolError):
                listed = await run(tools["file_list"], directory="sub")
                assert [each["bytes"] for each in listed["entries"]] in ([8], [])
    assert min(seen.values()) > 0, f"there was no race: {seen}"


async def test_nothing_outside_is_written_while_a_folder_is_swapped_for_a_link(
    root: Path, tools: ToolSet
) -> None:
    before = tree(root.parent / "secret")
    written = 0
    with swapping(root / "sub", "../secret"):
        ends = time.monotonic() + RACES_FOR
        while time.monotonic() < ends:
            with suppress(ToolError):
                await write(tools, "sub/a.txt", "overwritten")
                written += 1
            with suppress(ToolError):
                await write(tools, "sub/new/b.txt")
    assert written > 0
    assert tree(root.parent / "secret") == before


async def test_nothing_outside_is_read_while_a_file_is_swapped_for_a_link(
    root: Path, tools: ToolSet
) -> None:
    seen = {"harmless": 0, "refused": 0}
    with swapping(root / "sub" / "a.txt", "../../secret/a.txt"):
        ends = time.monotonic() + RACES_FOR
        while time.monotonic() < ends:
            try:
                seen[(await read(tools, "sub/a.txt"))["text"]] += 1
            except ToolError:
                seen["refused"] += 1
    assert min(seen.values()) > 0, f"there was no race: {seen}"
