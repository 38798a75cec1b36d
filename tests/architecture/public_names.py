"""What is public says so, exists, and is documented."""

from __future__ import annotations

import ast
import itertools
from collections.abc import Iterator, Mapping
from types import ModuleType

from .sources import Source

__all__ = ["misplaced_code", "undeclared_names", "undocumented_names"]

Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


def undeclared_names(source: Source, module: ModuleType) -> Iterator[str]:
    """What is wrong with a public module's `__all__`, and with the names in it."""
    names = getattr(module, "__all__", None)
    if names is None:
        if not source.is_init or any(isinstance(n, ast.ImportFrom) for n in source.tree.body):
            yield f"{source.path}: has no __all__: list what others may import, or []"
        return
    if not ast.get_docstring(source.tree):
        yield f"{source.path}: has no docstring: say in one line what it is for"
    if len(set(names)) != len(names):
        yield f"{source.path}: __all__ names something twice"
    for name in names:
        if not hasattr(module, name):
            yield f"{source.path}: __all__ names {name!r}, which does not exist"
        elif name.startswith("_") and name != "__version__":
            yield f"{source.path}: __all__ names {name!r}, which its underscore calls private"


def undocumented_names(source: Source, module: ModuleType) -> Iterator[str]:
    """Public classes, functions, methods, properties and constants without a docstring."""
    public = set(getattr(module, "__all__", ()))
    for name, node, documented in _top_level(source.tree):
        if name not in public:
            continue
        if not documented:
            yield f"{source.path}:{node.lineno}: {name} has no docstring"
        if isinstance(node, ast.ClassDef):
            for method in _public_methods(node):
                if not _has_docstring(getattr(module, name), method.name):
                    yield f"{source.path}:{method.lineno}: {name}.{method.name} has no docstring"


def _top_level(tree: ast.Module) -> Iterator[tuple[str, ast.stmt, bool]]:
    """Each name that a module defines, where, and whether it is documented."""
    for node, following in itertools.pairwise([*tree.body, None]):
        if isinstance(node, Definition):
            yield node.name, node, ast.get_docstring(node) is not None
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            for target in targets:
                if isinstance(target, ast.Name) and not target.id.startswith("__"):
                    yield target.id, node, _is_text(following)


def _is_text(node: ast.stmt | None) -> bool:
    """Whether it is a string by itself, which documents the line before it."""
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )


def _has_docstring(cls: type, name: str) -> bool:
    """Whether a method is documented, here or in the class that it overrides it of."""
    own = [each.__dict__[name] for each in cls.__mro__ if name in each.__dict__]
    return any(getattr(each, "__doc__", None) for each in own)


def _public_methods(node: ast.ClassDef) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    """Methods and properties; setters and overloads share the docstring of their first."""
    seen: dict[str, ast.FunctionDef | ast.AsyncFunctionDef] = {}
    for each in node.body:
        if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef) and each.name[0] != "_":
            seen.setdefault(each.name, each)
    yield from seen.values()


def misplaced_code(source: Source, allowed: Mapping[str, str] | None = None) -> Iterator[str]:
    """What a package's `__init__` does beside saying what is public.

    Args:
        allowed: assignments that it may hold, by name, with the reason.
    """
    for node in source.tree.body:
        if isinstance(node, ast.ImportFrom) and (node.level or node.module == "__future__"):
            continue
        if _is_text(node):
            continue
        if isinstance(node, ast.Assign) and len(node.targets) == 1:
            target = ast.unparse(node.targets[0])
            if target == "__all__" or target in (allowed or {}):
                continue
        yield (
            f"{source.path}:{node.lineno}: an __init__ re-exports and does nothing else: "
            f"move {ast.unparse(node).splitlines()[0]!r} to a module"
        )
