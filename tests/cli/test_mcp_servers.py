"""`--mcp`: whose tools have which names, and who is asked before they run."""

from __future__ import annotations

import argparse
import re
import shlex
import signal
from pathlib import Path

import pytest
import trio

from tests.mcp.hostile import TOOL, declaring
from trio_agent_rt.cli.commands.mcp_servers import add_mcp_options, tools_of_servers
from trio_agent_rt.cli.endings import Complaint

from .processes import run_program, start_server

READ = {**TOOL, "name": "file_read", "annotations": {"readOnlyHint": True}}
SERVER = shlex.join(declaring(READ))


async def test_a_server_with_a_name_has_it_before_its_tools() -> None:
    servers = [f"a={SERVER}", SERVER, f"b-2={SERVER}"]
    async with tools_of_servers(servers, taken=["file_write"]) as tools:
        assert [each.name for each in tools] == ["a_file_read", "file_read", "b-2_file_read"]


async def test_servers_that_do_not_want_to_end_do_so_side_by_side_within_what_is_told(
    tmp_path: Path,
) -> None:
    script = f"trap '' TERM; {SERVER}; while :; do sleep 1; done"
    options = [f"--mcp={name}={shlex.join(['sh', '-c', script])}" for name in "abcd"]
    async with start_server(*options, cwd=tmp_path) as (process, _):
        process.send_signal(signal.SIGINT)
        with trio.fail_after(30):
            assert await process.wait() == 0
    log = (tmp_path / "err").read_text()
    assert "stopping; this takes at most 4.5 s" in log
    told = re.search(r"INFO stopped, (\S+) s after Ctrl-C \(at most 4.5 s\)\n$", log)
    assert told, log
    assert float(told[1]) > 1.0  # they had to be killed


async def test_a_tool_that_is_there_already_stops_the_start_with_advice(tmp_path: Path) -> None:
    done = await run_program("serve", "--mcp", SERVER, cwd=tmp_path)
    assert done.code == 2
    assert done.complaint.strip().endswith(
        "--mcp: there is a tool 'file_read' already, and a server has one of that name; "
        "give the server a name, which its tools then begin with: --mcp NAME=SERVER"
    )


async def test_two_servers_of_one_name_are_told_apart_by_another() -> None:
    with pytest.raises(Complaint, match=r"'x_file_read' already.*give it another name than x$"):
        async with tools_of_servers([f"x={SERVER}"] * 2):
            raise AssertionError("they were opened")


async def test_no_server_declares_itself_harmless_unless_it_is_trusted() -> None:
    parser = argparse.ArgumentParser()
    add_mcp_options(parser)
    for options, asks in (([], True), (["--trust-mcp-hints"], False)):
        trust = parser.parse_args(options).trust_mcp_hints
        async with tools_of_servers([SERVER], trust_hints=trust) as (tool,):
            assert tool.needs_confirmation is asks


@pytest.mark.parametrize("server", ["http://127.0.0.1:1/x?a=b", "./my-server --opt=1"])
async def test_what_only_has_an_equals_sign_in_it_has_no_name(server: str) -> None:
    with pytest.raises(Complaint, match=r"^--mcp: (http://127.0.0.1:1/x|my-server): "):
        async with tools_of_servers([server]):
            raise AssertionError("it was opened")
