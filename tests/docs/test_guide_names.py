"""The names that the page for users of the TypeScript guide leads to exist."""

from __future__ import annotations

import re

import trio_agent_rt
from trio_agent_rt import AgentClient, ClientTask, RealtimeAgent
from trio_agent_rt.protocol import codec

from .pages import REPOSITORY

PAGE = REPOSITORY / "docs" / "howto" / "coming-from-the-typescript-guide.md"
NAMES, _, REST = PAGE.read_text(encoding="utf-8").partition("Events have a class each")
OURS = [
    code
    for row in re.findall(r"^\| `?[^|]+\| (.+) \|$", NAMES, re.MULTILINE)
    for code in re.findall(r"`([^`]+)`", row)
]
OWNERS = {"realtime": RealtimeAgent, "client": AgentClient, "task": ClientTask}


def test_what_is_called_exists() -> None:
    called = {call for code in OURS for call in re.findall(r"(?<![\w.])(\w+)\(", code)}
    assert {"create_agent", "RealtimeAgent", "open_websocket_client", "serve"} <= called
    assert {each for each in called if not hasattr(trio_agent_rt, each)} == set()


def test_what_is_called_of_something_exists() -> None:
    called = {pair for code in OURS for pair in re.findall(r"(?<!\w)(\w+)\.(\w+)\(", code)}
    assert {("task", "cancel"), ("client", "submit"), ("realtime", "connect")} <= called
    missing = {(owner, name) for owner, name in called if not hasattr(OWNERS[owner], name)}
    assert missing == set()


def test_each_event_of_the_wire_leads_to_its_class() -> None:
    rows = re.findall(r"^\| (`.+`) \| (`.+`) \|$", REST.partition("\n## ")[0], re.MULTILINE)
    assert rows
    for names, classes in rows:
        wire, ours = (re.findall(r"`([\w:]+)`", each) for each in (names, classes))
        assert [codec.EVENTS[each].__name__ for each in wire] == ours
