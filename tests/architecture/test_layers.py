"""Imports point down, and the ground layers do no I/O."""

from __future__ import annotations

import pytest

from .layers import (
    broken_layers,
    declared_requirements,
    imported_at_once,
    missing_requirements,
    needless_io,
)
from .sources import PACKAGE, Source, expect_none, imports, python_files

FILES = python_files(PACKAGE)
AT_ONCE = imported_at_once(FILES, declared_requirements())
by_path = pytest.mark.parametrize("source", FILES, ids=lambda source: source.path)


@by_path
def test_imports_point_down(source: Source) -> None:
    expect_none(broken_layers(source))


@by_path
def test_the_ground_layers_do_no_io(source: Source) -> None:
    expect_none(needless_io(source))


@by_path
def test_what_is_imported_is_required_and_extras_wait_until_they_are_used(source: Source) -> None:
    expect_none(missing_requirements(source, declared_requirements(), AT_ONCE))


# --- and these rules can fail


@pytest.mark.parametrize(
    ("path", "text", "complaint"),
    [
        (
            "agent/plan.py",
            "from ..realtime import RealtimeAgent",
            "may only import what stands below",
        ),
        ("agent/plan.py", "from .. import realtime", "may only import what stands below"),
        ("agent/tools/wait.py", "from ...llm import OfflineClient", "what stands below"),
        ("transports/http.py", "from ..clients import open_client", "what stands below"),
        ("protocol/codec.py", "import trio_agent_rt.events.log", "what stands below"),
        ("protocol/__init__.py", "from ..events import EventLog", "what stands below"),
        ("errors.py", "from .protocol import Receipt", "what stands below"),
        ("events/log.py", "def f():\n    from ..agent import Tool", "what stands below"),
        (
            "events/log.py",
            "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from ..agent import Tool",
            "events/log.py:3",
        ),
        ("events/log.py", "from ..ungrouping import leaves", "may only import what stands below"),
        ("clients/client.py", "from ..agent import Tool", "clients must work without agent"),
        ("clients/client.py", "from ..realtime import Session", "clients must work without"),
        ("streams.py", "from .protocol import Position", "streams imports errors alone"),
        (
            "realtime/session.py",
            "from ..streams import BoundedStream",
            "for transports and clients",
        ),
        (
            "realtime/session.py",
            "from .. import RealtimeAgent",
            "'RealtimeAgent' stands in no layer",
        ),
        ("realtime/session.py", "import trio_agent_rt", "stands above everything"),
        ("surprise/module.py", "", "'surprise' stands in no layer"),
        ("__init__.py", "from .testing import memory_transport", "should not pay"),
    ],
)
def test_an_import_that_points_up_is_found(path: str, text: str, complaint: str) -> None:
    (found,) = broken_layers(Source(f"{PACKAGE}/{path}", text))
    assert complaint in found


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("cli/serve.py", "from ..transports import serve_websocket\nfrom . import view"),
        ("clients/client.py", "from ..protocol import Event\nfrom ..streams import BoundedStream"),
        ("agent/tools/wait.py", "from ..tool import tool\nfrom ...errors import ToolError"),
        ("agent/stopping/processes.py", "from ...ungrouping import Ungrouping"),
        (
            "errors.py",
            "import typing\nif typing.TYPE_CHECKING:\n    from .protocol.messages import Receipt",
        ),
        ("__init__.py", "from .realtime import RealtimeAgent"),
        ("__main__.py", "from .cli import main"),
    ],
)
def test_an_import_that_points_down_is_not(path: str, text: str) -> None:
    assert list(broken_layers(Source(f"{PACKAGE}/{path}", text))) == []


@pytest.mark.parametrize(
    "text",
    ["import trio", "from trio import sleep", "import socket", "def f():\n    import asyncio"],
)
def test_io_in_a_ground_layer_is_found(text: str) -> None:
    assert len(list(needless_io(Source(f"{PACKAGE}/events/log.py", text)))) == 1
    assert list(needless_io(Source(f"{PACKAGE}/realtime/session.py", text))) == []


def test_an_undeclared_import_is_found() -> None:
    source = Source(f"{PACKAGE}/llm/other.py", "import json\nimport trio\nimport requests.api")
    (found,) = missing_requirements(source, {"": {"trio"}}, ())
    assert "other.py:3: imports requests, which pyproject.toml does not require" in found


@pytest.mark.parametrize(
    ("text", "importer", "found"),
    [
        ("import openai", "from .x import Chat", 1),
        ("import openai", "from . import x", 1),
        ("import openai", "import trio_agent_rt.llm.x", 1),
        ("import openai", "def f():\n    from .x import Chat", 0),
        ("import openai", "if TYPE_CHECKING:\n    from .x import Chat", 0),
        ("def f():\n    import openai", "from .x import Chat", 0),
        ("if TYPE_CHECKING:\n    import openai", "from .x import Chat", 0),
    ],
)
def test_an_extra_that_is_imported_too_early_is_found(text: str, importer: str, found: int) -> None:
    source = Source(f"{PACKAGE}/llm/x.py", text)
    requirements = {"": {"trio"}, "openai": {"openai"}}
    at_once = imported_at_once([source, Source(f"{PACKAGE}/llm/y.py", importer)], requirements)
    complaints = list(missing_requirements(source, requirements, at_once))
    assert len(complaints) == found
    assert all("in the function that first needs it" in each for each in complaints)


def test_what_is_loaded_with_an_extra_may_import_it_too() -> None:
    requirements = {"": {"trio"}, "openai": {"openai"}}
    part = Source(f"{PACKAGE}/llm/part.py", "import openai")
    whole = Source(f"{PACKAGE}/llm/whole.py", "import openai\nfrom . import part")
    opening = Source(f"{PACKAGE}/llm/__init__.py", "def open(): from . import whole")
    late = imported_at_once([part, whole, opening], requirements)
    assert not list(missing_requirements(part, requirements, late))
    hasty = Source(f"{PACKAGE}/llm/__init__.py", "from . import whole")
    at_once = imported_at_once([part, whole, hasty], requirements)
    assert len(list(missing_requirements(part, requirements, at_once))) == 1


def test_the_requirements_are_read_by_extra() -> None:
    declared = declared_requirements()
    assert {"trio", "trio_websocket", "msgspec"} <= set(declared[""])
    assert "openai" in declared["openai"]
    assert "dev" not in declared


def test_relative_imports_are_resolved() -> None:
    text = "from . import a\nfrom .b import c\nfrom ..d import e\nimport f.g as h"
    module = Source(f"{PACKAGE}/agent/plan.py", text)
    init = Source(f"{PACKAGE}/agent/__init__.py", text)
    assert [each.name for each in imports(module)] == [
        f"{PACKAGE}.agent.a",
        f"{PACKAGE}.agent.b.c",
        f"{PACKAGE}.d.e",
        "f.g",
    ]
    assert [each.name for each in imports(init)] == [each.name for each in imports(module)]
