"""Which part of the package may import which: the picture of the architecture, as rules."""

from __future__ import annotations

import re
import sys
import tomllib
from collections.abc import Collection, Iterator, Mapping

from .sources import PACKAGE, REPOSITORY, Import, Source, imports

__all__ = [
    "LAYERS",
    "Requirements",
    "broken_layers",
    "declared_requirements",
    "imported_at_once",
    "missing_requirements",
    "needless_io",
]

LAYERS = (
    {"__main__"},
    {"cli"},
    {"panel", "testing"},
    {"transports", "clients", "llm", "mcp"},
    {"realtime"},
    {"agent", "backplanes"},
    {"ungrouping"},
    {"events"},
    {"protocol"},
    {"errors", "starting"},
)
"""From the top down; a part imports itself and what stands below it."""

STREAMS = "streams"
STREAMS_MAY_IMPORT = {"errors"}
STREAMS_ARE_FOR = {"transports", "clients", "llm", "cli", "panel", "testing"}

NEVER = {"clients": {"realtime", "agent", "backplanes"}}
"""Although these stand below: a client must be usable where no agent is."""

ANNOTATES_ONLY = {("errors", "protocol")}
"""What may point up under TYPE_CHECKING: exceptions carry a terminal message."""

WITHOUT_IO = {"errors", "protocol", "events"}
IO_MODULES = {
    "anyio",
    "asyncio",
    "http",
    "multiprocessing",
    "selectors",
    "socket",
    "ssl",
    "subprocess",
    "threading",
    "trio",
    "trio_websocket",
    "urllib.request",
}

Requirements = Mapping[str, Collection[str]]
"""Modules that may be imported: under "" always, under another name with that extra."""


def broken_layers(source: Source) -> Iterator[str]:
    """What is wrong with the imports that a file of the package makes within the package."""
    importer = _part(source.name)
    if importer == "":
        yield from _broken_root(source)
        return
    if importer not in _RANKS and importer != STREAMS:
        yield f"{source.path}: {importer!r} stands in no layer; add it to LAYERS in {__name__}"
        return
    for each in imports(source):
        if each.name.partition(".")[0] != PACKAGE:
            continue
        imported = _part(each.name)
        if imported == importer or (each.for_typing and (importer, imported) in ANNOTATES_ONLY):
            continue
        why_not = _why_not(importer, imported)
        if why_not:
            yield f"{source.path}:{each.line}: imports {each.name}, but {why_not}"


def _why_not(importer: str, imported: str) -> str | None:
    if imported == "" or imported.startswith("__"):
        return "the package's own __init__ stands above everything: import the part itself"
    if imported in NEVER.get(importer, ()):
        return f"{importer} must work without {imported}: move what they share to protocol"
    if STREAMS in {importer, imported}:
        if importer == STREAMS:
            return None if imported in STREAMS_MAY_IMPORT else "streams imports errors alone"
        return None if importer in STREAMS_ARE_FOR else "streams is for transports and clients"
    if imported not in _RANKS:
        return f"{imported!r} stands in no layer"
    if _RANKS[imported] >= _RANKS[importer]:
        return (
            f"{importer} may only import what stands below it: "
            "move what both need down, or hand it over as an argument"
        )
    return None


def _broken_root(source: Source) -> Iterator[str]:
    for each in imports(source):
        if each.name.startswith(PACKAGE) and _part(each.name) in {"cli", "panel", "testing"}:
            yield (
                f"{source.path}:{each.line}: imports {each.name}, but whoever imports the package "
                "should not pay for its commands, its panel and its test kit"
            )


def needless_io(source: Source) -> Iterator[str]:
    """Imports of an event loop or of I/O where the layer is plain values."""
    part = _part(source.name)
    if part not in WITHOUT_IO:
        return
    for each in imports(source):
        if _is_or_is_in(each.name, IO_MODULES):
            yield (
                f"{source.path}:{each.line}: imports {each.name}, but {part} is plain values and "
                "pure functions: take what it gives as an argument, and await one layer up"
            )


def declared_requirements() -> Requirements:
    """The modules of the requirements in pyproject.toml, by extra."""
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    by_extra = {"": project["dependencies"], **project["optional-dependencies"]}
    for tools in ("dev", "docs"):
        by_extra.pop(tools)
    return {
        extra: {re.split(r"[^\w-]", each, maxsplit=1)[0].replace("-", "_") for each in listed}
        for extra, listed in by_extra.items()
    }


def imported_at_once(sources: Collection[Source], requirements: Requirements) -> set[str]:
    """Names that some file imports as soon as it is itself imported.

    A file that imports an extra, and is itself imported by functions alone, is loaded when
    the extra is needed, and so is what it imports: that does not count.
    """
    extras = _extras(requirements)
    late: set[Source] = set()
    while True:
        found = {
            each.name
            for source in sources
            if source not in late
            for each in imports(source)
            if _runs_at_import(each)
        }
        more = {
            source
            for source in set(sources) - late
            if not _is_or_holds(source.name, found)
            and any(
                _runs_at_import(each) and each.name.partition(".")[0] in extras
                for each in imports(source)
            )
        }
        if not more:
            return found
        late |= more


def missing_requirements(
    source: Source, requirements: Requirements, at_once: Collection[str]
) -> Iterator[str]:
    """Imports of what is not declared, and of extras before they are needed.

    Args:
        at_once: as from `imported_at_once`. A module that is not among these is imported
            by a function, when it is needed, and may then import an extra itself.
    """
    extras = _extras(requirements)
    for each in imports(source):
        module = each.name.partition(".")[0]
        if module in {PACKAGE, *sys.stdlib_module_names, *requirements[""]}:
            continue
        if module not in extras:
            yield (
                f"{source.path}:{each.line}: imports {module}, which pyproject.toml does not "
                "require: add it to the dependencies or to an extra"
            )
        elif _runs_at_import(each) and _is_or_holds(source.name, at_once):
            yield (
                f"{source.path}:{each.line}: imports {module}, of the extra {extras[module]!r}, "
                "and is itself imported at once: do either in the function that first needs it"
            )


def _extras(requirements: Requirements) -> Mapping[str, str]:
    """The extra that each module belongs to which is not always there."""
    return {module: extra for extra, modules in requirements.items() if extra for module in modules}


def _runs_at_import(each: Import) -> bool:
    return each.at_module_level and not each.for_typing


def _part(module: str) -> str:
    """The part of the package that a dotted name belongs to; "" for the package itself."""
    return module.split(".")[1] if "." in module else ""


def _is_or_is_in(name: str, modules: Collection[str]) -> bool:
    return any(name == each or name.startswith(each + ".") for each in modules)


def _is_or_holds(module: str, names: Collection[str]) -> bool:
    return any(each == module or each.startswith(module + ".") for each in names)


_RANKS = {part: -rank for rank, parts in enumerate(LAYERS) for part in parts}
