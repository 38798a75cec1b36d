"""Every public name is declared, exists and is documented; an `__init__` only re-exports."""

from __future__ import annotations

import importlib
import subprocess
import sys
import textwrap
import tomllib
from types import ModuleType

import pytest

from .layers import declared_requirements
from .public_names import misplaced_code, undeclared_names, undocumented_names
from .sources import PACKAGE, REPOSITORY, Source, expect_none, python_files

FILES = python_files(PACKAGE)
PUBLIC = [each for each in FILES if each.is_public]
INITS = [each for each in FILES if each.is_init]
public = pytest.mark.parametrize("source", PUBLIC, ids=lambda source: source.path)


def _imported(source: Source) -> ModuleType:
    try:
        return importlib.import_module(source.name)
    except Exception as exc:
        pytest.fail(f"{source.path}: cannot be imported: {exc!r}", pytrace=False)


@public
def test_a_public_module_declares_names_that_exist(source: Source) -> None:
    expect_none(undeclared_names(source, _imported(source)))


@public
def test_a_public_name_is_documented(source: Source) -> None:
    expect_none(undocumented_names(source, _imported(source)))


@pytest.mark.parametrize("source", INITS, ids=lambda source: source.path)
def test_an_init_only_re_exports(source: Source) -> None:
    allowed = {"__version__": "for people"} if source.name == PACKAGE else None
    expect_none(misplaced_code(source, allowed))


def test_the_version_is_that_of_the_distribution() -> None:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert importlib.import_module(PACKAGE).__version__ == project["version"]


def test_importing_the_package_loads_no_command_no_test_kit_and_no_extra() -> None:
    costly = {f"{PACKAGE}.{each}" for each in ("cli", "panel", "testing")}
    for extra, modules in declared_requirements().items():
        costly.update(modules if extra else ())
    code = f"import sys, {PACKAGE}; print(*sorted(set(sys.modules) & {costly!r}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


# --- and these rules can fail


def _made(text: str, path: str = f"{PACKAGE}/agent/made_up.py") -> tuple[Source, ModuleType]:
    source = Source(path, textwrap.dedent(text))
    module = ModuleType(source.name)
    exec(compile(source.text, path, "exec"), vars(module))
    return source, module


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("'''Doc.'''\nx = 1", "has no __all__"),
        ("__all__ = []", "has no docstring"),
        ("'''Doc.'''\n__all__ = ['x', 'x']\nx = 1", "names something twice"),
        ("'''Doc.'''\n__all__ = ['y']\nx = 1", "names 'y', which does not exist"),
        ("'''Doc.'''\n__all__ = ['_x']\n_x = 1", "its underscore calls private"),
    ],
)
def test_a_wrong_all_is_found(text: str, complaint: str) -> None:
    (found,) = undeclared_names(*_made(text))
    assert complaint in found


def test_an_init_that_re_exports_needs_an_all_but_an_empty_one_does_not() -> None:
    path = f"{PACKAGE}/agent/__init__.py"
    with_names = Source(path, "'''Doc.'''\nfrom .tool import Tool\n")
    without = Source(path, "'''Doc.'''\n")
    assert len(list(undeclared_names(with_names, ModuleType("x")))) == 1
    assert list(undeclared_names(without, ModuleType("x"))) == []


def test_each_kind_of_undocumented_name_is_found_and_private_ones_are_not() -> None:
    text = """
        import functools
        __all__ = ["CONSTANT", "TYPED", "Bad", "Good", "KNOWN", "function"]
        CONSTANT = 1
        TYPED: int = 2
        KNOWN = 3
        '''What it stands for.'''
        hidden = 4

        def function(): pass
        async def private(): pass

        class Good:
            '''Documented.'''
            def method(self):
                '''Documented here, and so for who overrides it.'''
            def _private(self): pass
            def __len__(self): return 0

        class Bad(Good):
            def method(self): pass
            async def lonely(self): pass
            @property
            def shown(self): return 1
            @functools.cached_property
            def kept(self): return 1
    """
    found = list(undocumented_names(*_made(text)))
    names = [each.partition(": ")[2].removesuffix(" has no docstring") for each in found]
    assert names == ["CONSTANT", "TYPED", "function", "Bad", "Bad.lonely", "Bad.shown", "Bad.kept"]


@pytest.mark.parametrize(
    "text",
    [
        "import trio",
        "from trio import sleep",
        "from trio_agent_rt.errors import Busy",
        "x = 1",
        "def f(): ...",
        "if True:\n    from .tool import Tool",
        "__version__ = '1'",
    ],
)
def test_an_init_that_does_more_is_found(text: str) -> None:
    (found,) = misplaced_code(Source(f"{PACKAGE}/agent/__init__.py", text))
    assert "re-exports and does nothing else" in found


def test_an_init_that_re_exports_is_fine() -> None:
    text = (
        "'''Doc.'''\nfrom __future__ import annotations\nfrom .tool import Tool\n__all__ = ['Tool']"
    )
    assert list(misplaced_code(Source(f"{PACKAGE}/agent/__init__.py", text))) == []
