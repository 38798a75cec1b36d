"""The demo shows everything, on any table, and leaves nothing behind."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from trio_agent_rt.cli.demo.table import put_table
from trio_agent_rt.cli.endings import Complaint

from .processes import Done, in_terminal, run_program

KEY = "k-3141592653"
TABLE = "城市,温度\nGraz,21.5\nLinz,\n上海,30\n"


@pytest.fixture
def temporary(tmp_path: Path) -> Path:
    """Where the program makes its temporary folders."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    return folder


async def _demo(temporary: Path, *arguments: str) -> Done:
    return await run_program("demo", *arguments, env={"TMPDIR": str(temporary)})


async def test_it_shows_all_that_there_is_to_see(temporary: Path) -> None:
    began = time.monotonic()
    done = await _demo(temporary)
    assert (done.code, done.err) == (0, "")
    assert time.monotonic() - began < 20
    for text in (
        "A server listens at ws://127.0.0.1:",
        "plan of 4 steps: Read sales.csv",
        "Read sales.csv: 100 %",
        "? Save sales_report.md",
        "approved: nobody is at a keyboard, so the demo says yes itself",
        "✓ Save sales_report.md",
        "204 rows × 11 columns",
        "| revenue |",
        "wait 10 seconds. It is cancelled after 2 s",
        "interrupted  Wait 10 s",
        "■ Cancelled after 2.",
        "serve",
    ):
        at = done.out.find(text)
        assert at >= 0, f"{text!r} is missing, or not in its place"
    assert os.listdir(temporary) == []


@pytest.mark.parametrize(
    "name", ["a file of mine.csv", "上海 数据.csv", 'it\'s "odd";\n$HOME.data']
)
async def test_a_table_of_the_users_is_analysed(temporary: Path, name: str) -> None:
    file = temporary.parent / name
    file.write_text(TABLE)
    done = await _demo(temporary, "--file", str(file))
    assert done.code == 0
    assert "3 rows × 2 columns" in done.out
    assert "温度" in done.out
    assert file.read_text() == TABLE
    assert os.listdir(temporary) == []


@pytest.mark.parametrize("name", ["table.csv", f"{KEY}.csv"])
async def test_a_secret_of_the_environment_is_not_shown(temporary: Path, name: str) -> None:
    file = temporary.parent / name
    file.write_text(f"city,key\nGraz,{KEY}\nLinz,{KEY}\n")
    env = {"TMPDIR": str(temporary), "SHOP_TOKEN": KEY}
    done = await run_program("demo", "--file", str(file), env=env)
    assert "[SHOP_TOKEN]" in done.out
    assert KEY not in done.out + done.err
    in_the_report = "  | key | 2 | 0 | 1 | [SHOP_TOKEN] (2) |"
    assert (in_the_report in done.out.splitlines()) == (name == "table.csv")
    assert os.listdir(temporary) == []


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "is empty"),
        (b" \n", "is empty"),
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\1\0", "is not a text file"),
    ],
)
async def test_what_is_no_table_is_a_sentence(
    temporary: Path, content: bytes, sentence: str
) -> None:
    file = temporary.parent / "table.csv"
    file.write_bytes(content)
    done = await _demo(temporary, "--file", str(file))
    assert (done.code, done.out) == (2, "")
    assert sentence in done.complaint
    assert os.listdir(temporary) == []


async def test_at_a_keyboard_a_person_is_asked_and_may_say_no(temporary: Path) -> None:
    async with in_terminal("demo", env={"TMPDIR": str(temporary)}) as terminal:
        await terminal.shows("Allow it?")
        terminal.type("n\n")
        await terminal.shows("You said no, so nothing was written.")
        await terminal.shows("Receipt:")
        assert await terminal.ends() == 0


async def test_ctrl_c_ends_it_and_leaves_nothing_behind(temporary: Path) -> None:
    async with in_terminal("demo", env={"TMPDIR": str(temporary)}) as terminal:
        await terminal.shows("Allow it?")
        assert os.listdir(temporary)
        terminal.type("\x03")
        await terminal.shows("Receipt:")
        assert await terminal.ends() == 4
    assert "Second task" not in terminal.text
    assert os.listdir(temporary) == []


# --- the copy of the table


@pytest.mark.parametrize(
    ("name", "copy"),
    [
        ("sales.csv", "sales.csv"),
        ("SALES.CSV", "SALES.CSV"),
        ("data", "data.csv"),
        ("data.v2.xyz", "data.v2.xyz.csv"),
        (".csv", "csv.csv"),
        ('a"b“c”d.csv', "a_b_c_d.csv"),
        ("a\nb\x1b.csv", "a_b_.csv"),
        ("很" * 80 + ".csv", "很" * 60 + ".csv"),
        ("...txt", "txt.csv"),
        (" .csv", "table.csv"),
    ],
)
def test_a_copy_has_a_name_that_can_be_quoted(tmp_path: Path, name: str, copy: str) -> None:
    source, folder = tmp_path / "source", tmp_path / "folder"
    source.mkdir()
    folder.mkdir()
    try:
        (source / name).write_text(TABLE)
    except OSError:
        pytest.skip("the file system does not take that name")
    assert put_table(str(source / name), folder) == copy
    assert os.listdir(folder) == [copy]


@pytest.mark.parametrize("file", ["", "/", "/dev/null", "/dev/zero", "/no/such\0", "x" * 5000])
def test_what_cannot_be_read_is_a_complaint(tmp_path: Path, file: str) -> None:
    with pytest.raises(Complaint):
        put_table(file, tmp_path)


def test_what_is_too_big_is_a_complaint(tmp_path: Path) -> None:
    with (tmp_path / "big.csv").open("wb") as big:
        big.truncate(10_000_001)
    with pytest.raises(Complaint, match="10,000,001 bytes"):
        put_table(str(tmp_path / "big.csv"), tmp_path)
