"""One folder that the file tools may use, and nothing outside of it.

A path is first resolved with all its symbolic links and must then lie inside. It is
opened afterwards folder by folder, each relative to the one before and following no
link, so that somebody who swaps a folder for a link in between gains nothing. Where the
system cannot open relative to a folder (Windows), only the first check protects.
"""

from __future__ import annotations

import difflib
import errno
import os
import stat
from collections.abc import Generator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from attrs import field, frozen

from ...errors import ToolError

__all__ = ["Folder", "Place", "explain_os_error"]

_RELATIVE = os.open in os.supports_dir_fd and hasattr(os, "O_NOFOLLOW")
_NOFOLLOW = int(getattr(os, "O_NOFOLLOW", 0))
_NONBLOCK = int(getattr(os, "O_NONBLOCK", 0))
_DIRECTORY = int(getattr(os, "O_DIRECTORY", 0))
_BINARY = int(getattr(os, "O_BINARY", 0))

_MAX_PARTS = 64
"""Each folder on the way costs a file descriptor while the file is open."""


def _real_folder(root: Path | str) -> Path:
    real = Path(os.path.realpath(root))
    if not real.is_dir():
        raise ValueError(f"root must be a folder that exists; {str(root)!r} is not")
    return real


@frozen
class Place:
    """An opened folder inside the allowed one."""

    fd: int | None
    """Its descriptor, or None where paths are used instead."""
    path: str

    def at(self, name: str) -> str:
        """What to call the entry `name` in a function that is given `dir_fd=self.fd`."""
        return name if self.fd is not None else os.path.join(self.path, name)

    def kind(self, name: str) -> int | None:
        """The mode of the entry `name`, links not followed, or None if there is none."""
        try:
            return os.stat(self.at(name), dir_fd=self.fd, follow_symlinks=False).st_mode
        except FileNotFoundError:
            return None

    def open(self, name: str, flags: int, mode: int = 0o666) -> int:
        """A descriptor of the entry `name`; never follows a link and never blocks."""
        flags |= _NOFOLLOW | _NONBLOCK | _BINARY
        return os.open(self.at(name), flags, mode, dir_fd=self.fd)


@frozen
class Folder:
    """The allowed folder.

    Raises:
        ValueError: when the root is not a folder that exists.
    """

    root: Path = field(converter=_real_folder)

    def resolve(self, path: str) -> Sequence[str]:
        """The parts of `path` below the root, every link resolved; none for the root.

        Raises:
            ToolError: when it lies outside, or is no path at all.
        """
        if "\0" in path:
            raise ToolError(f"{_shown(path)} is not a usable file name", retryable=False)
        try:
            real = Path(os.path.realpath(self.root / path))
        except (ValueError, OSError, RecursionError):  # realpath recurses for each link
            raise ToolError(f"{_shown(path)} is not a usable file name", retryable=False) from None
        if not real.is_relative_to(self.root):
            raise ToolError(
                f"{_shown(path)} is outside the folder that this agent may use", retryable=False
            )
        parts = real.relative_to(self.root).parts
        if len(parts) > _MAX_PARTS:
            raise ToolError(
                f"{_shown(path)} is more than {_MAX_PARTS} folders deep", retryable=False
            )
        return parts

    @contextmanager
    def enter(self, parts: Sequence[str], *, create: bool = False) -> Generator[Place]:
        """The folder at `parts`, open while the `with` lasts.

        Args:
            create: make the folders that are missing; they are removed again when the
                body raises.
        """
        made: list[tuple[Place, str]] = []
        left_well = False
        with ExitStack() as opened:
            place = self._open_root(opened)
            try:
                for part in parts:
                    if create:
                        with suppress(FileExistsError):
                            os.mkdir(place.at(part), dir_fd=place.fd)
                            made.append((place, part))
                    place = _open_folder(os.path.join(place.path, part), place, opened)
                yield place
                left_well = True
            finally:
                if not left_well:
                    for parent, name in reversed(made):
                        with suppress(OSError):  # somebody put something into it meanwhile
                            os.rmdir(parent.at(name), dir_fd=parent.fd)

    def _open_root(self, opened: ExitStack) -> Place:
        try:
            return _open_folder(str(self.root), None, opened)
        except (FileNotFoundError, NotADirectoryError):
            raise ToolError("the folder that this agent may use is gone", retryable=False) from None

    def similar(self, parts: Sequence[str]) -> str | None:
        """The file beside a missing one whose name is most like it, if any is."""
        if not parts:
            return None
        try:
            with self.enter(parts[:-1]) as place:
                names = os.listdir(place.path if place.fd is None else place.fd)
        except OSError:
            return None
        close = difflib.get_close_matches(parts[-1], names[:1000], n=1)
        return "/".join([*parts[:-1], close[0]]) if close else None


def _open_folder(path: str, parent: Place | None, opened: ExitStack) -> Place:
    if not _RELATIVE:
        if not stat.S_ISDIR(os.stat(path).st_mode):
            raise NotADirectoryError(errno.ENOTDIR, "not a folder")
        return Place(None, path)
    flags = os.O_RDONLY | _DIRECTORY
    if parent is None:
        fd = os.open(path, flags | _NOFOLLOW)  # it was none when the agent was made
    else:
        fd = os.open(os.path.basename(path), flags | _NOFOLLOW, dir_fd=parent.fd)
    opened.callback(os.close, fd)
    return Place(fd, path)


def explain_os_error(path: str, exc: OSError) -> ToolError:
    """The sentence for a person whose file could not be used."""
    match exc.errno:
        case errno.ENOENT:
            text = f"there is no file {_shown(path)}"
        case errno.EISDIR:
            text = f"{_shown(path)} is a folder, not a file"
        case errno.ENOTDIR:
            text = f"there is no folder on the way to {_shown(path)}"
        case errno.EACCES | errno.EPERM | errno.EROFS:
            text = f"the permissions of {_shown(path)} do not allow that"
        case errno.ENOSPC | errno.EDQUOT | errno.EFBIG:
            text = f"there is no space left to write {_shown(path)}"
        case errno.ENAMETOOLONG:
            text = f"the name {_shown(path)} is too long"
        case errno.ELOOP:
            text = f"{_shown(path)} is a link that leads nowhere"
        case _:
            text = f"{_shown(path)}: {exc.strerror or 'it cannot be used'}"
    return ToolError(text)


def _shown(path: str) -> str:
    return repr(path if len(path) <= 200 else path[:200] + "…")
