"""The table that the demo works on, copied into a folder of its own."""

from __future__ import annotations

import importlib.resources
import os
import re
import stat
from pathlib import Path

from ...agent.tools import MAX_FILE_BYTES
from ...agent.tools.text import decode_text
from ...errors import ToolError
from ..endings import Complaint

__all__ = ["put_table"]

_SUFFIXES = {".csv", ".tsv", ".txt"}
_MAX_STEM = 60
"""Characters; the longest file name that is common has 255 bytes, which is 85 Chinese ones."""

_ODD = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff\"'“”‘’„«»「」『』`/\\\\{}]")
"""What would end the quoted name in a sentence, read as a reference, or cannot be shown."""


def put_table(file: str | None, folder: Path) -> str:
    """Copy a table into `folder`; gives the name that it has there.

    Args:
        file: its path, or None for the one that ships with the package.

    Raises:
        Complaint: when it cannot be read, or is no text.
    """
    if file is None:
        shipped = importlib.resources.files(__package__ or "") / "sales.csv"
        (folder / "sales.csv").write_bytes(shipped.read_bytes())
        return "sales.csv"
    data = _read(file)
    name = _name(file)
    (folder / name).write_bytes(data)
    return name


def _read(file: str) -> bytes:
    path = Path(file)
    try:
        info = path.stat()
        if stat.S_ISDIR(info.st_mode):
            raise Complaint(f"{file!r} is a folder, not a CSV file")
        if not stat.S_ISREG(info.st_mode):
            raise Complaint(f"{file!r} is not a plain file")
        if info.st_size > MAX_FILE_BYTES:
            raise Complaint(
                f"{file!r} has {info.st_size:,} bytes; at most {MAX_FILE_BYTES:,} are read"
            )
        data = path.read_bytes()
    except OSError as exc:
        raise Complaint(f"cannot read {file!r}: {exc.strerror or exc}") from None
    except ValueError:
        raise Complaint(f"{file!r} is not a usable file name") from None
    if not data.strip():
        raise Complaint(f"{file!r} is empty")
    try:
        text, _ = decode_text(data)
    except ToolError as exc:
        raise Complaint(f"{file!r} {exc}") from None
    if "\0" in text:
        raise Complaint(f"{file!r} is no text: it holds zero bytes")
    return data


def _name(file: str) -> str:
    stem, suffix = os.path.splitext(os.path.basename(file))
    if suffix.lower() not in _SUFFIXES:
        stem, suffix = stem + suffix, ".csv"
    stem = _ODD.sub("_", stem).strip(". ")[:_MAX_STEM].strip(". ")
    return f"{stem or 'table'}{suffix}"
