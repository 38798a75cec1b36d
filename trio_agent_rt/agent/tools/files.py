"""Reading, listing and writing files inside one folder."""

from __future__ import annotations

import fnmatch
import heapq
import os
import secrets
import stat
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

from msgspec import Meta

from ...errors import ToolError
from ..tool import Tool, ToolCall, tool
from .folder import Folder, Place, explain_os_error
from .text import decode_text
from .work import Work, in_thread

__all__ = ["MAX_FILE_BYTES", "file_tools"]

MAX_FILE_BYTES = 10_000_000
"""The largest file that is read or written unless told otherwise."""

_CHUNK = 256 * 1024
_MAX_PATTERN = 255
"""The longest name there is on common file systems."""

_MAX_ENTRIES = 1000

FilePath = Annotated[str, Meta(description="path, relative to the allowed folder")]


def file_tools(root: Path | str, *, max_file_bytes: int = MAX_FILE_BYTES) -> list[Tool]:
    """`file_read`, `file_list` and `file_write` for the files below `root`.

    Raises:
        ValueError: when `root` is not a folder that exists.
    """
    folder = Folder(root)

    @tool(category="files", cancellation="thread")
    async def file_read(call: ToolCall, path: FilePath) -> dict[str, Any]:
        """Read a text file. Gives `path`, `encoding`, `bytes`, `lines` and `text`."""
        return await in_thread(call, lambda work: _read(folder, path, max_file_bytes, work))

    @tool(category="files", cancellation="thread")
    async def file_list(
        call: ToolCall,
        directory: FilePath = ".",
        pattern: Annotated[
            str,
            Meta(
                max_length=_MAX_PATTERN,
                description="names to list, with * and ?; hidden ones only if it starts with .",
            ),
        ] = "*",
    ) -> dict[str, Any]:
        """List one folder. Gives `directory`, `count`, `truncated` and `entries`, each with
        `name`, `kind` (file, folder, link or other), `bytes` and `modified`; and `report`,
        the same as text."""
        return await in_thread(call, lambda work: _list(folder, directory, pattern, work))

    @tool(category="files", cancellation="thread", needs_confirmation=True)
    async def file_write(call: ToolCall, path: FilePath, text: str) -> dict[str, Any]:
        """Write a text file as UTF-8, wholly or not at all; an existing one is replaced.
        Folders that are missing are made. Gives `path`, `bytes` and `replaced`."""
        return await in_thread(call, lambda work: _write(folder, path, text, max_file_bytes, work))

    return [file_read, file_list, file_write]


def _read(folder: Folder, path: str, limit: int, work: Work) -> dict[str, Any]:
    parts = folder.resolve(path)
    try:
        if not parts:
            raise ToolError(f"{path!r} is a folder, not a file; file_list lists it")
        with folder.enter(parts[:-1]) as place:
            _require_plain_file(place.kind(parts[-1]), path)
            data = _read_bytes(place, parts[-1], path, limit, work)
    except FileNotFoundError as exc:
        similar = folder.similar(parts)
        hint = f"; did you mean {similar!r}?" if similar else ""
        raise ToolError(f"{explain_os_error(path, exc)}{hint}") from None
    except OSError as exc:
        raise explain_os_error(path, exc) from None
    try:
        text, encoding = decode_text(data)
    except ToolError as exc:
        raise ToolError(f"{path!r} {exc}") from None
    lines = text.count("\n") + (not text.endswith("\n") and text != "")
    return {
        "path": "/".join(parts),
        "encoding": encoding,
        "bytes": len(data),
        "lines": lines,
        "text": text,
    }


def _read_bytes(place: Place, name: str, path: str, limit: int, work: Work) -> bytes:
    data = bytearray()
    fd = place.open(name, os.O_RDONLY)
    try:
        info = os.fstat(fd)
        _require_plain_file(info.st_mode, path)
        size = max(info.st_size, 1)
        while info.st_size <= limit:
            chunk = os.read(fd, _CHUNK)
            data += chunk
            if not chunk:
                return bytes(data)
            if len(data) > limit:
                break
            work.poll(100 * len(data) / size)
    finally:
        os.close(fd)
    raise ToolError(
        f"{path!r} has {max(info.st_size, len(data)):,} bytes; at most {limit:,} are read"
    )


def _require_plain_file(mode: int | None, path: str) -> None:
    if mode is None:
        raise FileNotFoundError(2, "no such file")
    if stat.S_ISDIR(mode):
        raise ToolError(f"{path!r} is a folder, not a file")
    if not stat.S_ISREG(mode):
        raise ToolError(f"{path!r} is not a plain file (a pipe, a socket or a device)")


def _list(folder: Folder, directory: str, pattern: str, work: Work) -> dict[str, Any]:
    parts = folder.resolve(directory)
    found: list[os.DirEntry[str]] = []
    try:
        with (
            folder.enter(parts) as place,
            os.scandir(place.path if place.fd is None else place.fd) as entries,
        ):
            for number, entry in enumerate(entries):
                if number % 500 == 0:
                    work.poll()
                if entry.name.startswith(".") and not pattern.startswith("."):
                    continue
                if fnmatch.fnmatch(entry.name, pattern):
                    found.append(entry)
            shown = [
                _entry(each)
                for each in heapq.nsmallest(_MAX_ENTRIES, found, key=lambda each: each.name)
            ]
    except FileNotFoundError:
        raise ToolError(f"there is no folder {directory!r}") from None
    except NotADirectoryError:
        raise ToolError(f"{directory!r} is not a folder") from None
    except OSError as exc:
        raise explain_os_error(directory, exc) from None
    return {
        "directory": "/".join(parts) or ".",
        "count": len(found),
        "truncated": len(found) > len(shown),
        "report": _listing(shown, len(found)),
        "entries": shown,
    }


def _entry(entry: os.DirEntry[str]) -> dict[str, Any]:
    name = entry.name.encode("utf-8", "replace").decode()
    if entry.is_symlink():
        return {"name": name, "kind": "link", "bytes": None, "modified": None}
    try:
        info = entry.stat(follow_symlinks=False)
    except OSError:  # removed since
        return {"name": name, "kind": "other", "bytes": None, "modified": None}
    plain = stat.S_ISREG(info.st_mode)
    modified = datetime.fromtimestamp(info.st_mtime, UTC).isoformat(timespec="seconds")
    return {
        "name": name,
        "kind": "folder" if stat.S_ISDIR(info.st_mode) else "file" if plain else "other",
        "bytes": info.st_size if plain else None,
        "modified": modified,
    }


def _listing(entries: Sequence[dict[str, Any]], count: int) -> str:
    lines = [
        f"{name}/"
        if each["kind"] == "folder"
        else f"{name}\t{each['bytes']}"
        if each["kind"] == "file"
        else f"{name}\t({each['kind']})"
        for each in entries
        for name in (_printable(each["name"]),)
    ]
    if count > len(lines):
        lines.append(f"… and {count - len(lines)} more")
    return "\n".join(lines) + "\n" if lines else ""


def _printable(name: str) -> str:
    """A name that cannot look like two lines, or move a terminal's cursor."""
    return name if name.isprintable() else repr(name)[1:-1]


def _write(folder: Folder, path: str, text: str, limit: int, work: Work) -> dict[str, Any]:
    try:
        data = memoryview(text.encode())
    except UnicodeEncodeError:
        raise ToolError("the text holds half a surrogate pair, which is no character") from None
    if len(data) > limit:
        raise ToolError(f"the text has {len(data):,} bytes; at most {limit:,} are written")
    parts = folder.resolve(path)
    if not parts or path.endswith(("/", os.sep)):
        raise ToolError(f"{path!r} is a folder, not a file")
    name = parts[-1]
    try:
        with folder.enter(parts[:-1], create=True) as place:
            mode = place.kind(name)
            if mode is not None:
                _require_plain_file(mode, path)
            _replace(place, name, data, mode, work)
    except OSError as exc:
        raise explain_os_error(path, exc) from None
    return {"path": "/".join(parts), "bytes": len(data), "replaced": mode is not None}


def _replace(place: Place, name: str, data: memoryview, mode: int | None, work: Work) -> None:
    """Put `data` under `name` in one step; whatever goes wrong leaves nothing behind."""
    temporary = f".{secrets.token_hex(8)}.tmp"
    # Of the old mode at once, so that nobody reads meanwhile who could not before; but no
    # right to run as somebody else goes over to a text that somebody else has written.
    kept = None if mode is None else stat.S_IMODE(mode) & 0o777
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
    fd = place.open(temporary, flags, 0o666 if kept is None else kept)
    placed = False
    try:
        with open(fd, "wb", buffering=0) as file:
            for start in range(0, len(data), _CHUNK):
                work.poll(100 * start / len(data))
                _write_all(file.fileno(), data[start : start + _CHUNK])
            if kept is not None and hasattr(os, "fchmod"):
                os.fchmod(file.fileno(), kept)
            os.fsync(file.fileno())
        work.poll()
        os.replace(place.at(temporary), place.at(name), src_dir_fd=place.fd, dst_dir_fd=place.fd)
        placed = True
    finally:
        if not placed:
            with suppress(FileNotFoundError):
                os.unlink(place.at(temporary), dir_fd=place.fd)


def _write_all(fd: int, data: memoryview) -> None:
    while data:
        data = data[os.write(fd, data) :]
