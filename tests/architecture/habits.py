"""House rules that no linter knows: sizes, what may be caught, how tests wait."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections import Counter
from collections.abc import Iterator, Sequence

from .sources import Source

__all__ = [
    "REGISTRY_HOSTS",
    "crowded_folders",
    "global_habits",
    "long_files",
    "named_hosts",
    "silenced_checks",
    "sleeps_for_order",
    "swallowed_cancels",
]

MAX_LINES = 400
MAX_FILES = 9

_SILENCERS = re.compile(r"#.*?\b(noqa|type:\s*ignore|pyright:|mypy:|ruff:)", re.IGNORECASE)

REGISTRY_HOSTS = tuple(
    ".".join(parts)
    for parts in (
        ("pypi", "org"),
        ("pythonhosted", "org"),
        ("npmjs", "org"),
        ("proxy", "golang", "org"),
        ("crates", "io"),
    )
)
"""Joined here, so that this file does not name them either."""

_CLOCKS = {"autojump_clock", "mock_clock"}
_MUST_RAISE = {"BaseException", "Cancelled", "trio.Cancelled", "KeyboardInterrupt"}
_MAY_HOLD_ONE = {"BaseExceptionGroup"}


def long_files(sources: Sequence[Source]) -> Iterator[str]:
    """Files that are too long to be read at one sitting."""
    for source in sources:
        lines = source.text.count("\n")
        if lines > MAX_LINES:
            yield (
                f"{source.path}: has {lines} lines, {MAX_LINES} are allowed: "
                "find the part that has a name of its own and move it"
            )


def crowded_folders(sources: Sequence[Source]) -> Iterator[str]:
    """Folders with too many files to be understood at a glance."""
    counts = Counter(source.path.rpartition("/")[0] for source in sources)
    for folder, count in sorted(counts.items()):
        if count > MAX_FILES:
            yield (
                f"{folder}: has {count} Python files, {MAX_FILES} are allowed: "
                "make a subpackage of those that belong together"
            )


def swallowed_cancels(source: Source) -> Iterator[str]:
    """Handlers that may catch a cancellation and do not pass it on."""
    for node in ast.walk(source.tree):
        if isinstance(node, ast.ExceptHandler):
            caught = _caught(node)
            last = node.body[-1]
            reraises = isinstance(last, ast.Raise) and last.exc is None
            raises = any(isinstance(each, ast.Raise) for each in ast.walk(node))
            if (caught & _MUST_RAISE and not reraises) or (caught & _MAY_HOLD_ONE and not raises):
                yield (
                    f"{source.path}:{node.lineno}: catches {', '.join(sorted(caught))}, which may "
                    "be a cancellation: end the handler with a bare raise, or catch Exception"
                )
        elif isinstance(node, ast.Call) and _suppressed(node) & (_MUST_RAISE | _MAY_HOLD_ONE):
            yield (
                f"{source.path}:{node.lineno}: suppresses what may be a cancellation: "
                "name the exceptions that are meant"
            )


def global_habits(source: Source) -> Iterator[str]:
    """What a library in somebody else's process leaves alone: its end, its signals, threads.

    And names of modules that functions change: what two servers would share.
    """
    shared = _containers(source.tree)
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Global):
            names = ", ".join(node.names)
            yield f"{source.path}:{node.lineno}: global {names}: keep it in an object"
        elif isinstance(node, ast.Import | ast.ImportFrom):
            if "atexit" in ast.unparse(node):
                yield f"{source.path}:{node.lineno}: atexit: what is opened is closed by its owner"
        elif isinstance(node, ast.Call):
            name = ast.unparse(node.func)
            if name in _OF_THE_PROCESS:
                yield f"{source.path}:{node.lineno}: {name} is the application's to call"
            elif name.rpartition(".")[0] in shared and name.rpartition(".")[2] in _CHANGES:
                yield f"{source.path}:{node.lineno}: {name} changes what all servers share"
        elif isinstance(node, ast.Subscript) and not isinstance(node.ctx, ast.Load):
            name = ast.unparse(node.value)
            if name in shared:
                yield f"{source.path}:{node.lineno}: {name} is what all servers share"


_OF_THE_PROCESS = {
    "signal.signal",
    "signal.set_wakeup_fd",
    "threading.Thread",
    "threading.Timer",
    "Thread",
    "sys.setrecursionlimit",
    "logging.basicConfig",
}
_CHANGES = {"add", "append", "clear", "extend", "insert", "pop", "popitem", "setdefault", "update"}


def _containers(tree: ast.Module) -> set[str]:
    """Names of a module that hold a list, a dict, a set or what a call has made."""
    kinds = ast.List | ast.Dict | ast.Set | ast.ListComp | ast.DictComp | ast.SetComp | ast.Call
    found: set[str] = set()
    for node in tree.body:
        if isinstance(node, ast.Assign | ast.AnnAssign) and isinstance(node.value, kinds):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            found |= {each.id for each in targets if isinstance(each, ast.Name)}
    return found


def _caught(node: ast.ExceptHandler) -> set[str]:
    if node.type is None:
        return {"BaseException"}
    types = node.type.elts if isinstance(node.type, ast.Tuple) else [node.type]
    return {ast.unparse(each) for each in types}


def _suppressed(node: ast.Call) -> set[str]:
    if not ast.unparse(node.func).endswith("suppress"):
        return set()
    return {ast.unparse(each) for each in node.args}


def silenced_checks(source: Source) -> Iterator[str]:
    """Comments that switch a check off."""
    for token in tokenize.generate_tokens(io.StringIO(source.text).readline):
        if token.type == tokenize.COMMENT and (match := _SILENCERS.match(token.string)):
            yield (
                f"{source.path}:{token.start[0]}: switches a check off ({match[1]}): "
                "write it so that the check passes"
            )


def named_hosts(path: str, text: str) -> Iterator[str]:
    """Package registries that a file names; where packages come from is the user's affair."""
    for number, line in enumerate(text.splitlines(), 1):
        for host in REGISTRY_HOSTS:
            if host in line:
                yield f"{path}:{number}: names {host}: whoever installs has a registry of theirs"


def sleeps_for_order(source: Source) -> Iterator[str]:
    """Sleeps of tests that hope something will have happened by then.

    An agent or a tool that a test defines may sleep: that is its work. So may a test
    under a clock that jumps. `sleep(0)` and `sleep_forever` wait for nothing.
    """
    for node in ast.walk(source.tree):
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        arguments = {each.arg for each in (*node.args.args, *node.args.kwonlyargs)}
        if not node.name.startswith("test_") or arguments & _CLOCKS:
            continue
        for call in _own_calls(node):
            name = ast.unparse(call.func)
            if name in {"time.sleep", "trio.sleep", "sleep"} and not _is_zero(call):
                yield (
                    f"{source.path}:{call.lineno}: {node.name} sleeps to get an order: use "
                    "wait_all_tasks_blocked, a Sequencer, an Event, or the autojump clock"
                )


def _own_calls(node: ast.AST) -> Iterator[ast.Call]:
    """The calls of a function, without those of functions that it defines."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            continue
        if isinstance(child, ast.Call):
            yield child
        yield from _own_calls(child)


def _is_zero(call: ast.Call) -> bool:
    return bool(call.args) and ast.unparse(call.args[0]) == "0"
