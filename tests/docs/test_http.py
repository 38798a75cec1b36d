"""The page of HTTP and the code say the same; what it shows of curl works."""

from __future__ import annotations

import functools
import json
import re
import shlex
import subprocess
from pathlib import Path

import attrs
import pytest
import trio

from trio_agent_rt import RealtimeAgent, SSEPaths, create_agent, default_tools, serve_sse
from trio_agent_rt.llm import OfflineClient
from trio_agent_rt.protocol import HTTP_STATUSES

from ..programs import find_program
from .pages import REPOSITORY, blocks

PAGE = REPOSITORY / "docs" / "reference" / "http.md"
TEXT = PAGE.read_text(encoding="utf-8")
WITH_CURL = (PAGE, REPOSITORY / "README.md")
BASE = "http://127.0.0.1:8081"


def test_every_error_code_is_listed_with_its_status() -> None:
    rows = re.findall(r"^\| `(\w+)` \| (\d{3}) \|", TEXT, re.MULTILINE)
    assert {code: int(status) for code, status in rows} == dict(HTTP_STATUSES)


def test_every_path_is_listed() -> None:
    resources = TEXT.partition("## Resources")[2].partition("## The stream")[0]
    listed = re.findall(r"^\| `(?:GET|POST) (\S+)` \|", resources, re.MULTILINE)
    assert sorted(listed) == sorted(attrs.asdict(SSEPaths()).values())


@pytest.mark.parametrize("page", WITH_CURL, ids=lambda page: page.name)
async def test_what_is_shown_of_curl_works(page: Path) -> None:
    """Each command in turn, against one server; `…` stands for the client's id."""
    find_program("curl", package="curl")
    commands = [
        line.removeprefix("$ ")
        for block in blocks(page)
        if block.language == "console"
        for line in block.code.splitlines()
        if line.startswith("$ curl")
    ]
    assert any("/sse" in each for each in commands)
    assert any("/task" in each for each in commands)
    agent = create_agent(llm=OfflineClient(), tools=default_tools())
    with trio.fail_after(30):
        async with RealtimeAgent(agent) as realtime, trio.open_nursery() as nursery:
            address = await nursery.start(functools.partial(serve_sse, realtime, port=0))
            await _follow(commands, address.base_url)
            nursery.cancel_scope.cancel()


async def _follow(commands: list[str], base_url: str) -> None:
    stream, *others = [each.replace(BASE, base_url) for each in commands]
    following = await trio.lowlevel.open_process(
        [*shlex.split(stream), "-s"], stdout=subprocess.PIPE
    )
    try:
        assert following.stdout is not None
        seen = b""
        while b'"status"' not in seen:
            seen += await following.stdout.receive_some()
        found = re.search(rb'"clientId":"([^"]+)"', seen)
        assert found is not None
        for each in others:
            words = shlex.split(each.replace("…", found[1].decode()))
            done = await trio.run_process([*words, "-sS"], capture_stdout=True)
            assert json.loads(done.stdout)["success"] is True
    finally:
        following.kill()
        with trio.CancelScope(shield=True):
            await following.wait()
