"""The file tools under attack: odd names, odd files, full disks."""

from __future__ import annotations

import os
import stat
import sys
import unicodedata
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import trio

from trio_agent_rt.agent import ToolSet
from trio_agent_rt.agent.tools import file_tools
from trio_agent_rt.errors import ToolError

from .recorded import RecordedCall, run


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


# --- names


@pytest.mark.parametrize(
    "path",
    [
        "..",
        "../",
        "../secret",
        "../secret/a.txt",
        "sub/../../secret/a.txt",
        "sub/./../../secret/a.txt",
        "//etc/passwd",
        "/proc/self/environ",
        "/proc/self/root/etc/passwd",
        "/dev/zero",
        "/dev/../etc/passwd",
    ],
)
async def test_no_path_leads_outside(root: Path, tools: ToolSet, path: str) -> None:
    before = tree(root.parent)
    for attempt in (read(tools, path), write(tools, path)):
        with pytest.raises(ToolError, match="outside the folder"):
            await attempt
    with pytest.raises(ToolError, match="outside the folder"):
        await run(tools["file_list"], directory=path)
    assert tree(root.parent) == before


@pytest.mark.parametrize(
    "path",
    [
        "%2e%2e/secret/a.txt",
        "..%2fsecret%2fa.txt",
        "%252e%252e%252fsecret",
        "..%c0%afsecret",
        "\N{FULLWIDTH FULL STOP}\N{FULLWIDTH FULL STOP}/secret/a.txt",
        "\N{TWO DOT LEADER}/secret/a.txt",
        "..\N{FRACTION SLASH}secret",
        "..\N{FULLWIDTH SOLIDUS}secret",
        "..\\secret\\a.txt",
        "... /secret",
        "..;/secret",
        "~/secret",
        "$HOME",
        "file:///etc/passwd",
        "sub/a.txt\n",
        "SUB/A.TXT",
    ],
)
async def test_what_only_looks_like_a_path_is_a_name(root: Path, tools: ToolSet, path: str) -> None:
    with pytest.raises(ToolError, match="there is no file"):
        await read(tools, path)
    secret = tree(root.parent / "secret")
    await write(tools, path, "kept inside")
    assert (await read(tools, path))["text"] == "kept inside"
    assert tree(root.parent / "secret") == secret
    assert sorted(os.listdir(root.parent)) == ["allowed", "secret"]


@pytest.mark.parametrize("path", ["\0", "a\0b", "sub/a.txt\0.png", "\0../secret/a.txt"])
async def test_a_zero_byte_is_refused(root: Path, tools: ToolSet, path: str) -> None:
    for attempt in (read(tools, path), write(tools, path)):
        with pytest.raises(ToolError, match="not a usable file name"):
            await attempt
    with pytest.raises(ToolError, match="not a usable file name"):
        await run(tools["file_list"], directory=path)


async def test_two_spellings_of_a_letter_are_two_names_and_one_is_suggested(
    root: Path, tools: ToolSet
) -> None:
    composed = unicodedata.normalize("NFC", "résumé.txt")
    (root / composed).write_text("x")
    with pytest.raises(ToolError, match=f"did you mean {composed!r}"):
        await read(tools, unicodedata.normalize("NFD", composed))


@pytest.mark.parametrize("length", [255, 256, 4096, 100_000])
async def test_a_long_name_works_or_is_refused(root: Path, tools: ToolSet, length: int) -> None:
    name = "x" * length
    if length > 255:
        with pytest.raises(ToolError, match="too long"):
            await write(tools, name)
        with pytest.raises(ToolError, match=r"too long|no file"):
            await read(tools, name)
    else:
        await write(tools, name)
        assert (await read(tools, name))["text"] == "text"
    assert not list(root.glob(".*"))


async def test_a_chain_of_links_without_end_is_refused(root: Path, tools: ToolSet) -> None:
    for number in range(3000):
        (root / f"link{number}").symlink_to(f"link{number + 1}")
    for attempt in (read(tools, "link0"), write(tools, "link0")):
        with pytest.raises(ToolError, match="not a usable file name"):
            await attempt


async def test_a_slash_at_the_end_makes_a_folder_of_it(root: Path, tools: ToolSet) -> None:
    with pytest.raises(ToolError, match="is a folder"):
        await read(tools, "sub/")
    with pytest.raises(ToolError, match="is a folder"):
        await write(tools, "new/")
    assert (await run(tools["file_list"], directory="sub//"))["directory"] == "sub"


async def test_a_name_cannot_look_like_two_lines_of_a_list(root: Path, tools: ToolSet) -> None:
    (root / "a\nb.txt\t9").touch()
    (root / "c\x1b[2J").touch()
    (root / os.fsdecode(b"\xff")).touch()
    report = (await run(tools["file_list"]))["report"]
    assert report == "a\\nb.txt\\t9\t0\nc\\x1b[2J\t0\nsub/\n?\t0\n"


@pytest.mark.parametrize("pattern", ["[", "[]", "[!", "[z-a]", "[[a&&b||c--d~~e]", "*" * 255, "\\"])
async def test_no_pattern_breaks_the_list(root: Path, tools: ToolSet, pattern: str) -> None:
    await run(tools["file_list"], pattern=pattern)


async def test_a_pattern_is_bounded(root: Path, tools: ToolSet) -> None:
    (root / ("a" * 250)).touch()
    with trio.fail_after(10):
        assert (await run(tools["file_list"], pattern="*a" * 100 + "b"))["count"] == 0
        with pytest.raises(ToolError, match=r"file_list: .*`pattern`"):
            await run(tools["file_list"], pattern="*" * 256)


# --- kinds of files


async def test_a_hard_link_to_a_file_outside_is_replaced_and_not_written_through(
    root: Path, tools: ToolSet
) -> None:
    secret = root.parent / "secret" / "a.txt"
    os.link(secret, root / "hard.txt")
    await write(tools, "hard.txt", "mine")
    assert (root / "hard.txt").read_text() == "mine"
    assert secret.read_text() == "secret"


async def test_pipes_sockets_and_devices_are_never_opened(root: Path, tools: ToolSet) -> None:
    os.mkfifo(root / "pipe")
    names = ["pipe"]
    with suppress(PermissionError):
        os.mknod(root / "zero", stat.S_IFCHR | 0o666, os.makedev(1, 5))
        names.append("zero")
    with trio.fail_after(10):
        for name in names:
            for attempt in (read(tools, name), write(tools, name)):
                with pytest.raises(ToolError, match="not a plain file"):
                    await attempt
        kinds = {e["name"]: e["kind"] for e in (await run(tools["file_list"]))["entries"]}
    assert [kinds[name] for name in names] == ["other"] * len(names)


async def test_a_file_that_turns_into_a_pipe_does_not_block(
    root: Path, tools: ToolSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    really_open = os.open

    def turn(path: Any, flags: int, *args: Any, **options: Any) -> int:
        if path == "a.txt":
            (root / "sub" / "a.txt").unlink()
            os.mkfifo(root / "sub" / "a.txt")
        return really_open(path, flags, *args, **options)

    monkeypatch.setattr("trio_agent_rt.agent.tools.folder.os.open", turn)
    with trio.fail_after(10), pytest.raises(ToolError, match="not a plain file"):
        await read(tools, "sub/a.txt")


async def test_a_sparse_file_of_a_terabyte_is_refused_at_once(root: Path, tools: ToolSet) -> None:
    with (root / "big").open("wb") as file:
        try:
            file.truncate(1 << 40)
        except OSError:
            pytest.skip("this file system has no sparse files")
    with trio.fail_after(5), pytest.raises(ToolError, match="has 1,099,511,627,776 bytes"):
        await read(tools, "big")


async def test_a_file_of_the_kernel_without_a_size_is_bounded(tmp_path: Path) -> None:
    if not Path("/proc/self/smaps").exists():
        pytest.skip("there is no /proc")
    tools = ToolSet(file_tools("/proc", max_file_bytes=1000))
    with pytest.raises(ToolError, match="at most 1,000 are read"):
        await read(tools, f"{os.getpid()}/smaps")


async def test_a_replaced_file_is_never_readable_by_more_than_before(
    root: Path, tools: ToolSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    (root / "private.txt").write_text("old")
    (root / "private.txt").chmod(0o600)
    modes: list[int] = []
    really_write = os.write

    def note(fd: int, data: Any) -> int:
        modes.append(stat.S_IMODE(os.fstat(fd).st_mode))
        return really_write(fd, data)

    monkeypatch.setattr("trio_agent_rt.agent.tools.files.os.write", note)
    await write(tools, "private.txt", "new")
    assert [oct(each) for each in modes] == ["0o600"]
    assert stat.S_IMODE((root / "private.txt").stat().st_mode) == 0o600


async def test_a_program_that_is_replaced_does_not_keep_its_privileges(
    root: Path, tools: ToolSet
) -> None:
    (root / "tool").write_text("old")
    (root / "tool").chmod(0o6755)
    await write(tools, "tool", "#!/bin/sh\nid\n")
    assert stat.S_IMODE((root / "tool").stat().st_mode) == 0o755


# --- the root


async def test_a_root_that_is_a_link_stays_where_it_led(root: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("allowed")
    tools = ToolSet(file_tools(tmp_path / "link"))
    assert (await read(tools, "sub/a.txt"))["text"] == "harmless"
    assert (await read(tools, str(root / "sub/a.txt")))["text"] == "harmless"
    (tmp_path / "link").unlink()
    (tmp_path / "link").symlink_to("secret")
    assert (await read(tools, "sub/a.txt"))["text"] == "harmless"
    with pytest.raises(ToolError, match="there is no file"):
        await read(tools, "a.txt")


async def test_a_root_that_is_gone_is_a_sentence(root: Path, tools: ToolSet) -> None:
    root.rename(root.with_name("elsewhere"))
    for attempt in (read(tools, "sub/a.txt"), write(tools, "a.txt"), write(tools, "new/a.txt")):
        with pytest.raises(ToolError, match="the folder that this agent may use is gone"):
            await attempt
    with pytest.raises(ToolError, match="the folder that this agent may use is gone"):
        await run(tools["file_list"])
    assert not root.exists()


async def test_a_root_that_was_swapped_for_a_link_leads_nowhere(root: Path, tools: ToolSet) -> None:
    root.rename(root.with_name("elsewhere"))
    root.symlink_to("secret")
    for attempt in (read(tools, "a.txt"), write(tools, "a.txt")):
        with pytest.raises(ToolError):
            await attempt
    assert (root.parent / "secret" / "a.txt").read_text() == "secret"


# --- disks and permissions


async def test_a_write_over_the_limit_of_the_process_leaves_nothing(root: Path) -> None:
    program = """
import resource, sys, trio
from trio_agent_rt.agent.tools import file_tools
from trio_agent_rt.errors import ToolError
class Call:
    def progress(self, *_): pass
    def output(self, *_): pass
write = file_tools(sys.argv[1])[2]
resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))
try:
    trio.run(write.run, Call(), {"path": "sub/a.txt", "text": "x" * 1_000_000})
except ToolError as exc:
    print(exc)
"""
    done = await trio.run_process(
        [sys.executable, "-c", program, str(root)], capture_stdout=True, check=True
    )
    assert done.stdout == b"there is no space left to write 'sub/a.txt'\n"
    assert tree(root) == [("sub", b""), ("sub/a.txt", b"harmless")]


async def test_a_disk_that_is_really_full_leaves_nothing(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "none", str(disk)]
    mounted = await trio.run_process(mount, capture_stderr=True, check=False)
    if mounted.returncode != 0:
        pytest.skip("mounting a small disk needs root's rights")
    try:
        (disk / "a.txt").write_text("old")
        tools = ToolSet(file_tools(disk))
        for path in ("a.txt", "new/b.txt"):
            with pytest.raises(ToolError, match="no space left"):
                await write(tools, path, "x" * 1_000_000)
        assert tree(disk) == [("a.txt", b"old")]
    finally:
        with trio.CancelScope(shield=True):
            await trio.run_process(["umount", str(disk)])


async def test_a_cancelled_read_and_list_end_at_once(root: Path, tools: ToolSet) -> None:
    for name, arguments in (("file_read", {"path": "sub/a.txt"}), ("file_list", {})):
        with trio.CancelScope() as scope:
            scope.cancel()
            await tools[name].run(RecordedCall(), arguments)
        assert scope.cancelled_caught
