"""What a server is given as says what kind of one it is."""

from __future__ import annotations

import sys
from typing import Any

import pytest
import trio

from trio_agent_rt.mcp import opening
from trio_agent_rt.mcp.target import Address, Program, target_of

NOTHING: dict[str, Any] = {"env": None, "cwd": None, "headers": None}


def test_a_text_is_a_command_line_and_a_list_an_argv() -> None:
    program = Program(["run it", "now"], {}, None)
    assert target_of("'run it' now", **NOTHING) == program
    assert target_of(["run it", "now"], **NOTHING) == program
    assert target_of("https-server", **NOTHING) == Program(["https-server"], {}, None)


def test_an_address_tells_no_secret() -> None:
    url = "HTTPS://me:secret@Example.com:8443/mcp?key=secret"
    address = target_of(url, **{**NOTHING, "headers": {"Authorization": "secret"}})
    assert isinstance(address, Address)
    assert address.url == url
    assert "secret" not in f"{address.name} {address!r}"


@pytest.mark.parametrize(
    ("server", "option"),
    [
        ("", {}),
        ([], {}),
        ("http://", {}),
        ("https://example.com", {"env": {}}),
        ("https://example.com", {"cwd": "."}),
        ("serve", {"headers": {}}),
        (trio.CancelScope, {}),
    ],
)
def test_what_makes_no_sense_is_refused(server: Any, option: dict[str, Any]) -> None:
    with pytest.raises((ValueError, TypeError)):
        target_of(server, **{**NOTHING, **option})


async def test_without_the_sdk_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "trio_agent_rt.mcp.connection", raising=False)
    monkeypatch.setitem(sys.modules, "mcp", None)
    with pytest.raises(opening.ToolServerFailed, match=r"pip install 'trio_agent_rt\[mcp\]'"):
        async with opening.open_mcp_tools("server"):
            raise AssertionError("it was opened")
