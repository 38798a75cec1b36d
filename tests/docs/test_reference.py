"""The reference has every public name once, and every message as the codec has it."""

from __future__ import annotations

import importlib
import json
import pkgutil
import re
from collections import Counter
from collections.abc import Mapping
from functools import cache
from types import FunctionType

import attrs
import pytest

import trio_agent_rt
from docs.tools import messages
from trio_agent_rt.protocol import decode_command, decode_event, encode_command, encode_event

from .pages import REPOSITORY

API = sorted((REPOSITORY / "docs" / "reference" / "api").glob("*.md"))
SHOWN = [
    name
    for page in API
    for name in re.findall(r"^::: (\S+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
]
NO_API = {"cli"}
"""What is public as a command."""
EVERY_MESSAGE = [*messages.COMMANDS, *messages.EVENTS]


@cache
def _public_paths() -> Mapping[str, str]:
    """Every public name by where it is imported from: the package, or else a subpackage."""
    found: dict[tuple[str, int], str] = {}
    for package in ["trio_agent_rt", *_subpackages()]:
        module = importlib.import_module(package)
        for name in module.__all__:
            found.setdefault((name, id(getattr(module, name))), f"{package}.{name}")
    return {_as_griffe_finds_it(path): name for (name, _), path in found.items()}


def _as_griffe_finds_it(path: str) -> str:
    """A function that has the name of its module is found in the module, or not at all."""
    package, _, name = path.rpartition(".")
    found = getattr(importlib.import_module(package), name)
    if isinstance(found, FunctionType) and found.__module__.endswith(f".{name}"):
        return f"{found.__module__}.{name}"
    return path


def _subpackages() -> list[str]:
    names = [
        each.name
        for each in pkgutil.iter_modules(trio_agent_rt.__path__)
        if (each.ispkg and each.name not in NO_API) or each.name == "errors"
    ]
    return [*(f"trio_agent_rt.{each}" for each in names), "trio_agent_rt.agent.tools"]


def test_every_public_name_is_shown_once_and_from_where_it_is_imported() -> None:
    shown = Counter(SHOWN)
    del shown["trio_agent_rt.errors"]  # the picture of the tree
    assert {each for each, times in shown.items() if times > 1} == set()
    assert set(_public_paths()) - set(shown) == set()
    assert set(shown) - set(_public_paths()) == set()


@pytest.mark.parametrize("name", EVERY_MESSAGE)
def test_a_message_is_shown_with_all_its_fields_and_an_example(name: str) -> None:
    section = messages.render().partition(f"### `{name}`\n")[2].partition("\n### ")[0]
    shown = re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE)
    example = re.search(r"^```json\n(.*?)^```$", section, re.MULTILINE | re.DOTALL)
    assert example is not None
    message = json.loads(example[1])
    assert message["type"] == name
    if name != "custom":
        assert set(message.get("data", {})) <= {*shown, "requestId"}
    if name in messages.COMMANDS:
        command = decode_command(example[1])
        assert isinstance(command, messages.COMMANDS[name])
        assert decode_command(encode_command(command)) == command
    else:
        event = decode_event(example[1])
        assert isinstance(event, messages.EVENTS[name])
        assert decode_event(encode_event(event)) == event


def test_a_field_that_a_message_gets_is_in_its_table(monkeypatch: pytest.MonkeyPatch) -> None:
    @attrs.frozen(kw_only=True)
    class Longer(messages.EVENTS["gap"]):
        """A gap, and more."""

        how_long: float | None = None

    monkeypatch.setitem(messages.EVENTS, "gap", Longer)  # pyright: ignore[reportArgumentType]
    assert "| `howLong` | number, or null | may be left out |" in messages.render()


def test_the_values_within_messages_have_a_table_each() -> None:
    text = messages.render()
    linked = set(re.findall(r"\[(\w+)\]\(#\w+\)", text))
    assert {"Plan", "PlanStep", "Receipt", "StepResult"} <= linked
    assert all(f"\n### {each}\n" in text for each in linked)
