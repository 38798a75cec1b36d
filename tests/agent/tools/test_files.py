"""The file tools read, list and write inside their folder, and cannot be led out of it."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Generator, Mapping
from pathlib import Path
from typing import Any

import pytest
import trio
import trio.testing

from trio_agent_rt.agent import ToolSet
from trio_agent_rt.agent.tools import file_tools, folder
from trio_agent_rt.errors import ToolError

from .recorded import RecordedCall, run

OUTSIDE = "outside the folder"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """The allowed folder, with a secret beside it."""
    (tmp_path / "secret.txt").write_text("secret")
    inside = tmp_path / "allowed"
    inside.mkdir()
    return inside


@pytest.fixture(params=[True, False], ids=["relative", "by path"])
def tools(root: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> ToolSet:
    """The file tools, as on systems that can open relative to a folder and on others."""
    monkeypatch.setattr(folder, "_RELATIVE", request.param)
    return ToolSet(file_tools(root, max_file_bytes=1000))


@contextlib.contextmanager
def as_nobody() -> Generator[None]:
    """Without root's right to read everything, where the tests run as root."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


async def read(tools: ToolSet, path: str) -> Mapping[str, Any]:
    return await run(tools["file_read"], path=path)


async def write(tools: ToolSet, path: str, text: str = "text") -> Mapping[str, Any]:
    return await run(tools["file_write"], path=path, text=text)


async def test_a_file_is_read_with_what_there_is_to_know_about_it(
    root: Path, tools: ToolSet
) -> None:
    (root / "data").mkdir()
    (root / "data" / "a.txt").write_bytes("één\ntwo".encode())
    assert await read(tools, "data/a.txt") == {
        "path": "data/a.txt",
        "encoding": "utf-8",
        "bytes": 9,
        "lines": 2,
        "text": "één\ntwo",
    }


async def test_an_absolute_path_inside_the_folder_is_as_good(root: Path, tools: ToolSet) -> None:
    (root / "a.txt").write_text("x")
    assert (await read(tools, str(root / "a.txt")))["path"] == "a.txt"


@pytest.mark.parametrize(
    ("data", "text", "encoding"),
    [
        (b"", "", "utf-8"),
        (b"\xef\xbb\xbfa", "a", "utf-8-sig"),
        ("销售额，合计".encode("gb18030"), "销售额，合计", "gb18030"),
        ("für Grüße".encode("latin-1"), "für Grüße", "latin-1"),
        ("café noir".encode("latin-1"), "café noir", "latin-1"),
        ("a\tb\n".encode("utf-16"), "a\tb\n", "utf-16"),
    ],
)
async def test_the_encoding_is_found(
    root: Path, tools: ToolSet, data: bytes, text: str, encoding: str
) -> None:
    (root / "a.txt").write_bytes(data)
    found = await read(tools, "a.txt")
    assert (found["text"], found["encoding"]) == (text, encoding)


@pytest.mark.parametrize("data", [b"\x89PNG\0\0", b"\xff\xfea", b"text\0"])
async def test_what_is_no_text_is_refused(root: Path, tools: ToolSet, data: bytes) -> None:
    (root / "a.bin").write_bytes(data)
    with pytest.raises(ToolError, match=r"'a\.bin' is not a text file"):
        await read(tools, "a.bin")


async def test_a_file_over_the_limit_is_refused_and_one_at_it_is_read(
    root: Path, tools: ToolSet
) -> None:
    (root / "a.txt").write_text("x" * 1000)
    (root / "b.txt").write_text("x" * 1001)
    assert (await read(tools, "a.txt"))["bytes"] == 1000
    with pytest.raises(ToolError, match="has 1,001 bytes; at most 1,000 are read"):
        await read(tools, "b.txt")


async def test_a_file_that_grows_while_it_is_read_is_refused_in_time(
    root: Path, tools: ToolSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    (root / "a.log").write_text("x")
    chunks = iter([b"x" * 400] * 100)
    monkeypatch.setattr(
        "trio_agent_rt.agent.tools.files.os.read", lambda fd, size: next(chunks, b"")
    )
    with pytest.raises(ToolError, match="at most 1,000 are read"):
        await read(tools, "a.log")
    assert len(list(chunks)) == 97


async def test_a_missing_file_is_named_with_one_that_is_like_it(root: Path, tools: ToolSet) -> None:
    (root / "sales.csv").write_text("x")
    with pytest.raises(ToolError, match=r"no file 'sale\.csv'; did you mean 'sales\.csv'\?"):
        await read(tools, "sale.csv")
    with pytest.raises(ToolError, match=r"no file 'no/such\.csv'$"):
        await read(tools, "no/such.csv")


@pytest.mark.parametrize("path", [".", "", "sub", "sub/"])
async def test_a_folder_is_not_read(root: Path, tools: ToolSet, path: str) -> None:
    (root / "sub").mkdir()
    with pytest.raises(ToolError, match="is a folder, not a file"):
        await read(tools, path)


async def test_pipes_sockets_and_devices_are_refused_at_once(root: Path, tools: ToolSet) -> None:
    os.mkfifo(root / "pipe")
    with socket.socket(socket.AF_UNIX) as listening, trio.fail_after(5):
        listening.bind(str(root / "socket"))
        for name in ("pipe", "socket"):
            with pytest.raises(ToolError, match="not a plain file"):
                await read(tools, name)
            with pytest.raises(ToolError, match="not a plain file"):
                await write(tools, name)
        assert (root / "pipe").is_fifo()


async def test_a_file_without_permission_is_refused(root: Path, tools: ToolSet) -> None:
    (root / "a.txt").write_text("x")
    (root / "a.txt").chmod(0)
    for folder_above in (root, *root.parents[:3]):
        if folder_above.stat().st_uid == os.geteuid():
            folder_above.chmod(0o755)
    with as_nobody(), pytest.raises(ToolError, match="permissions"):
        await read(tools, "a.txt")


@pytest.mark.parametrize(
    "path",
    [
        "../secret.txt",
        "./../secret.txt",
        "sub/../../secret.txt",
        "no/such/../../../secret.txt",
        "/etc/passwd",
        "//etc/passwd",
        "/proc/self/environ",
        "link.txt",
        "folder-link/secret.txt",
        "chain",
        "sub/../folder-link/secret.txt",
    ],
)
async def test_nothing_outside_is_read_or_written(root: Path, tools: ToolSet, path: str) -> None:
    (root / "sub").mkdir()
    (root / "link.txt").symlink_to(root.parent / "secret.txt")
    (root / "folder-link").symlink_to("..")
    (root / "chain").symlink_to("link.txt")
    before = sorted(root.parent.rglob("*"))
    with pytest.raises(ToolError, match=OUTSIDE):
        await read(tools, path)
    with pytest.raises(ToolError, match=OUTSIDE):
        await write(tools, path)
    assert (root.parent / "secret.txt").read_text() == "secret"
    assert sorted(root.parent.rglob("*")) == before


@pytest.mark.parametrize("path", ["%2e%2e%2fsecret.txt", "..%2fsecret.txt", "~/x", "file:///x"])
async def test_an_encoded_path_is_a_name_like_any_other(tools: ToolSet, path: str) -> None:
    with pytest.raises(ToolError, match="there is no file"):
        await read(tools, path)


@pytest.mark.parametrize("path", ["a\0b", "\ud800", "../secret.txt\0.csv"])
async def test_a_text_that_is_no_path_is_refused(tools: ToolSet, path: str) -> None:
    with pytest.raises(ToolError, match=r"not a usable file name|there is no file"):
        await read(tools, path)
    with pytest.raises(ToolError):
        await write(tools, path)


@pytest.mark.parametrize("path", ["x" * 300, "x/" * 5000, "loop"])
async def test_an_impossible_path_is_refused(root: Path, tools: ToolSet, path: str) -> None:
    (root / "loop").symlink_to("loop")
    with pytest.raises(ToolError):
        await read(tools, path)
    with pytest.raises(ToolError):
        await write(tools, path)
    assert [each.name for each in root.iterdir()] == ["loop"]


async def test_a_link_that_stays_inside_is_followed_and_kept(root: Path, tools: ToolSet) -> None:
    (root / "a.txt").write_text("old")
    (root / "link.txt").symlink_to("a.txt")
    assert (await read(tools, "link.txt"))["text"] == "old"
    await write(tools, "link.txt", "new")
    assert (root / "link.txt").is_symlink()
    assert (root / "a.txt").read_text() == "new"


def test_a_folder_swapped_for_a_link_after_the_check_leads_nowhere(root: Path) -> None:
    (root / "sub").mkdir()
    inside = folder.Folder(root)
    parts = inside.resolve("sub/secret.txt")
    (root / "sub").rmdir()
    (root / "sub").symlink_to("..")
    with pytest.raises(OSError, match="sub"), inside.enter(parts[:-1]):
        pass
    place = folder.Place(os.open(root, os.O_RDONLY), str(root))
    (root / "link.txt").symlink_to("../secret.txt")
    try:
        with pytest.raises(OSError, match=r"link\.txt"):
            place.open("link.txt", os.O_RDONLY)
    finally:
        os.close(place.fd or -1)


def test_a_root_that_is_no_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="root must be a folder that exists"):
        file_tools(tmp_path / "none")


async def test_a_folder_is_listed_by_name_without_hidden_files(root: Path, tools: ToolSet) -> None:
    (root / "b.csv").write_text("12")
    (root / "a.txt").write_text("1")
    (root / ".hidden").write_text("1")
    (root / "sub").mkdir()
    (root / "out").symlink_to("/etc")
    listed = await run(tools["file_list"])
    assert [(each["name"], each["kind"], each["bytes"]) for each in listed["entries"]] == [
        ("a.txt", "file", 1),
        ("b.csv", "file", 2),
        ("out", "link", None),
        ("sub", "folder", None),
    ]
    assert (listed["directory"], listed["count"], listed["truncated"]) == (".", 4, False)
    assert listed["report"] == "a.txt\t1\nb.csv\t2\nout\t(link)\nsub/\n"
    matching = await run(tools["file_list"], pattern="*.csv")
    assert [each["name"] for each in matching["entries"]] == ["b.csv"]
    hidden = await run(tools["file_list"], pattern=".*")
    assert [each["name"] for each in hidden["entries"]] == [".hidden"]


async def test_a_long_list_is_cut_and_says_so(root: Path, tools: ToolSet) -> None:
    for number in range(1003):
        (root / f"{number:04}").touch()
    listed = await run(tools["file_list"])
    assert (len(listed["entries"]), listed["count"], listed["truncated"]) == (1000, 1003, True)
    assert listed["entries"][-1]["name"] == "0999"
    assert listed["report"].endswith("… and 3 more\n")


@pytest.mark.parametrize(
    ("directory", "text"),
    [("..", OUTSIDE), ("/", OUTSIDE), ("no", "there is no folder 'no'"), ("a.txt", "not a folder")],
)
async def test_what_cannot_be_listed_is_named(
    root: Path, tools: ToolSet, directory: str, text: str
) -> None:
    (root / "a.txt").touch()
    with pytest.raises(ToolError, match=text):
        await run(tools["file_list"], directory=directory)


async def test_a_file_is_written_with_the_folders_it_needs(root: Path, tools: ToolSet) -> None:
    assert await write(tools, "new/sub/a.txt", "é") == {
        "path": "new/sub/a.txt",
        "bytes": 2,
        "replaced": False,
    }
    assert (root / "new/sub/a.txt").read_text(encoding="utf-8") == "é"


async def test_a_file_that_is_replaced_keeps_its_mode(root: Path, tools: ToolSet) -> None:
    (root / "a.txt").write_text("old and longer")
    (root / "a.txt").chmod(0o640)
    assert (await write(tools, "a.txt", "new"))["replaced"] is True
    assert (root / "a.txt").read_text() == "new"
    assert (root / "a.txt").stat().st_mode & 0o777 == 0o640
    assert [each.name for each in root.iterdir()] == ["a.txt"]


@pytest.mark.parametrize(
    ("path", "text", "complaint"),
    [
        (".", "x", "is a folder"),
        ("sub", "x", "is a folder"),
        ("new/", "x", "is a folder"),
        ("a.txt/b.txt", "x", "no folder on the way"),
        ("b.txt", "x" * 1001, "at most 1,000 are written"),
        ("b.txt", "\ud800", "half a surrogate pair"),
    ],
)
async def test_what_cannot_be_written_leaves_nothing_behind(
    root: Path, tools: ToolSet, path: str, text: str, complaint: str
) -> None:
    (root / "sub").mkdir()
    (root / "a.txt").touch()
    with pytest.raises(ToolError, match=complaint):
        await write(tools, path, text)
    assert sorted(each.name for each in root.rglob("*")) == ["a.txt", "sub"]


async def test_a_disk_that_is_full_leaves_the_old_file_and_nothing_else(
    root: Path, tools: ToolSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    (root / "a.txt").write_text("old")

    def full(fd: int, data: bytes) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(ToolError, match="no space left"):
        await write(tools, "a.txt", "new")
    with pytest.raises(ToolError, match="no space left"):
        await write(tools, "new/b.txt", "new")
    assert [each.name for each in root.rglob("*")] == ["a.txt"]
    assert (root / "a.txt").read_text() == "old"


async def test_a_cancelled_write_leaves_the_old_file_and_nothing_else(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (root / "a.txt").write_text("old")
    tool = ToolSet(file_tools(root))["file_write"]
    really_write = os.write
    scope = trio.CancelScope()
    wrote: list[int] = []

    def write_then_cancel(fd: int, data: memoryview) -> int:
        wrote.append(len(data))
        trio.from_thread.run_sync(scope.cancel)
        return really_write(fd, data)

    monkeypatch.setattr("trio_agent_rt.agent.tools.files.os.write", write_then_cancel)
    for path in ("a.txt", "new/b.txt"):
        scope = trio.CancelScope()
        wrote.clear()
        with scope:
            await tool.run(RecordedCall(), {"path": path, "text": "x" * 1_000_000})
        assert scope.cancelled_caught
        assert len(wrote) == 1, "it went on writing after the cancel"
    assert [each.name for each in root.rglob("*")] == ["a.txt"]
    assert (root / "a.txt").read_text() == "old"


async def test_writing_asks_first_and_the_others_do_not(tools: ToolSet) -> None:
    await trio.lowlevel.checkpoint()
    assert [each.name for each in tools if each.needs_confirmation] == ["file_write"]
    assert {each.cancellation for each in tools} == {"thread"}


async def test_no_descriptor_is_left_open(root: Path, tools: ToolSet) -> None:
    (root / "sub").mkdir()
    (root / "sub/a.txt").write_text("x")
    await read(tools, "sub/a.txt")  # threads and modules have been made after this
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(20):
        await read(tools, "sub/a.txt")
        await write(tools, "sub/b.txt")
        await run(tools["file_list"], directory="sub")
        with pytest.raises(ToolError):
            await read(tools, "sub/none.txt")
    assert len(os.listdir("/proc/self/fd")) <= before
