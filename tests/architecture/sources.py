"""The repository's Python files, parsed once, as the architecture tests look at them."""

from __future__ import annotations

import ast
import functools
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import pytest
from attrs import field, frozen

__all__ = [
    "PACKAGE",
    "REPOSITORY",
    "Import",
    "Source",
    "expect_none",
    "imports",
    "python_files",
    "read",
]

REPOSITORY = Path(__file__).parents[2]
PACKAGE = "trio_agent_rt"


@frozen
class Source:
    """One Python file: where it is, and what it says."""

    path: str
    """Relative to the repository, with slashes."""
    text: str = field(repr=False)

    @functools.cached_property
    def tree(self) -> ast.Module:
        """The parsed file."""
        return ast.parse(self.text, self.path)

    @property
    def name(self) -> str:
        """The dotted name that it is imported by."""
        parts = self.path.removesuffix(".py").split("/")
        return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)

    @property
    def is_init(self) -> bool:
        """Whether it is an `__init__.py`."""
        return self.path.endswith("/__init__.py")

    @property
    def is_public(self) -> bool:
        """Whether no part of its name is private."""
        return not any(part.startswith("_") for part in self.name.split("."))

    def __hash__(self) -> int:
        return hash(self.path)


@frozen
class Import:
    """One module, or one name of a module, that a file imports."""

    name: str
    """Absolute and dotted; of `from a import b` it is `a.b`."""
    line: int
    at_module_level: bool
    """Whether importing the file runs it."""
    for_typing: bool
    """Whether it stands under `if TYPE_CHECKING`."""


def read(path: Path) -> Source:
    """The file at `path`."""
    return Source(path.relative_to(REPOSITORY).as_posix(), path.read_text(encoding="utf-8"))


def python_files(*folders: str) -> Sequence[Source]:
    """Every Python file in these folders of the repository, in order."""
    paths = (path for folder in folders for path in (REPOSITORY / folder).rglob("*.py"))
    return [read(path) for path in sorted(paths) if "__pycache__" not in path.parts]


def imports(source: Source) -> Sequence[Import]:
    """Everything that a file imports, wherever in the file."""
    return list(_imports(source, source.tree, at_module_level=True, for_typing=False))


def _imports(
    source: Source, node: ast.AST, *, at_module_level: bool, for_typing: bool
) -> Iterator[Import]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import | ast.ImportFrom):
            for name in _imported_names(source, child):
                yield Import(name, child.lineno, at_module_level, for_typing)
        elif isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
            yield from _imports(source, child, at_module_level=at_module_level, for_typing=True)
        else:
            is_function = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
            yield from _imports(
                source,
                child,
                at_module_level=at_module_level and not is_function,
                for_typing=for_typing,
            )


def _imported_names(source: Source, node: ast.Import | ast.ImportFrom) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
        return
    start = node.module or ""
    if node.level:
        parts = source.name.split(".")
        above = node.level - 1 if source.is_init else node.level
        base = ".".join(parts[: len(parts) - above])
        start = f"{base}.{start}" if start else base
    yield from (f"{start}.{alias.name}" for alias in node.names)


def expect_none(complaints: Iterable[str]) -> None:
    """Fail with all that was found: each says where, what, and what to do instead."""
    found = list(complaints)
    if found:
        pytest.fail("\n".join(found), pytrace=False)
