"""`web_search` asks the engine that it was given, and says so when it has none."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest
import trio

from trio_agent_rt.agent.tool import ToolSet
from trio_agent_rt.agent.tools import SearchResult, SearXNG, default_tools, web_search_tool
from trio_agent_rt.errors import ToolError

from ..recorded import RecordedCall, run
from .hostile import Server, http, serving

RECORDED = {
    "query": "trio nursery",
    "number_of_results": 0,
    "results": [
        {
            "url": "https://trio.readthedocs.io/en/stable/reference-core.html",
            "title": "Trio's core functionality",
            "content": "Nurseries and\n  spawning",
            "engine": "duckduckgo",
            "parsed_url": ["https", "trio.readthedocs.io", "/", "", "", ""],
            "engines": ["duckduckgo"],
            "positions": [1],
            "score": 1.0,
            "category": "general",
            "publishedDate": None,
        },
        {"url": "javascript:alert(1)", "title": "no page", "content": "x"},
        {"url": "https://example.com/", "title": "A", "content": None},
        {"url": "https://example.org/", "title": "B"},
    ],
    "answers": [],
    "suggestions": [],
    "unresponsive_engines": [["google", "timeout"]],
}


class Engine:
    """A search engine that finds as many as it is told to."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.asked: list[tuple[str, int]] = []

    async def search(self, query: str, limit: int) -> Sequence[SearchResult]:
        await trio.lowlevel.checkpoint()
        self.asked.append((query, limit))
        return [
            SearchResult(
                title=f"title\n{number}", url=f"https://example.com/{number}", snippet="s " * 999
            )
            for number in range(self.count)
        ]


async def test_what_the_engine_finds_is_given_as_values_and_as_text() -> None:
    engine = Engine(2)
    found = await run(web_search_tool(engine), query=" trio ", limit=3)
    assert engine.asked == [("trio", 3)]
    assert (found["query"], found["count"]) == (" trio ", 2)
    assert found["results"][1]["title"] == "title 1"
    assert found["results"][1]["url"] == "https://example.com/1"
    assert len(found["results"][1]["snippet"]) == 1000
    assert found["report"].startswith("1. title 0\n   https://example.com/0\n   s s s")


async def test_no_more_is_given_than_was_asked_for() -> None:
    assert (await run(web_search_tool(Engine(99)), query="x"))["count"] == 5
    assert (await run(web_search_tool(Engine(99)), query="x", limit=20))["count"] == 20


async def test_without_an_engine_it_says_how_to_give_it_one() -> None:
    tool = ToolSet(default_tools())["web_search"]
    with pytest.raises(ToolError, match=r"no search engine to ask: .*default_tools\(search="):
        await run(tool, query="x")
    assert not tool.retryable


async def test_the_engine_of_the_default_tools_is_the_one_that_is_given() -> None:
    tool = ToolSet(default_tools(search=Engine(1)))["web_search"]
    assert (await run(tool, query="x"))["count"] == 1
    assert tool.retryable


@pytest.mark.parametrize(
    "arguments", [{"query": ""}, {"query": "x" * 401}, {"query": "x", "limit": 21}, {"query": "  "}]
)
async def test_a_query_that_means_nothing_is_refused(arguments: dict[str, Any]) -> None:
    with pytest.raises(ToolError, match=r"query|limit"):
        await run(web_search_tool(Engine(1)), **arguments)


class Stuck:
    """An engine that does not answer."""

    def __init__(self) -> None:
        self.cancelled = False

    async def search(self, query: str, limit: int) -> Sequence[SearchResult]:
        try:
            await trio.sleep_forever()
        except trio.Cancelled:
            self.cancelled = True
            raise
        return []


async def test_an_engine_that_does_not_answer_is_given_up(autojump_clock: trio.abc.Clock) -> None:
    engine = Stuck()
    with pytest.raises(ToolError, match="has not answered within 30 s"):
        await run(web_search_tool(engine), query="x")
    assert engine.cancelled
    assert trio.current_time() >= 30


async def test_a_search_that_is_cancelled_ends_at_once(autojump_clock: trio.abc.Clock) -> None:
    engine = Stuck()
    with trio.move_on_after(1) as scope:
        await run(web_search_tool(engine), query="x")
    assert scope.cancelled_caught
    assert engine.cancelled
    assert trio.current_time() == pytest.approx(1)


async def test_progress_is_told() -> None:
    call = RecordedCall()
    await web_search_tool(Engine(2)).run(call, {"query": "x"})
    assert list(zip(call.told, call.messages, strict=True)) == [
        (0, "Searching"),
        (100, "2 results"),
    ]


# --- SearXNG


@pytest.mark.parametrize("path", ["", "/", "/sub/", "/sub"])
async def test_searxng_is_asked_in_json(path: str) -> None:
    async with serving(http(json.dumps(RECORDED), "application/json")) as server:
        engine = SearXNG(server.url(path), language="en")
        found = await run(web_search_tool(engine), query="trio & nursery", limit=2)
    target = f"{path.rstrip('/')}/search?q=trio+%26+nursery&format=json&language=en"
    assert server.lines[0] == f"GET {target} HTTP/1.1"
    assert found["results"] == [
        {
            "title": "Trio's core functionality",
            "url": "https://trio.readthedocs.io/en/stable/reference-core.html",
            "snippet": "Nurseries and spawning",
        },
        {"title": "A", "url": "https://example.com/", "snippet": ""},
    ]


@pytest.mark.parametrize(
    ("answer", "complaint"),
    [
        (http("<html>", status="403 Forbidden"), r"\(403\): its settings\.yml must list json"),
        (http("x", status="429 Too Many"), "asked too often"),
        (http("x", status="500 Oh"), "answers the search with status 500"),
        (http("<html>"), "is not SearXNG's JSON interface"),
        (http('{"results": 1}'), "is not SearXNG's JSON interface"),
        (http("[" * 100_000), "is not SearXNG's JSON interface"),
        (http(b"\xff\xfe"), "is not SearXNG's JSON interface"),
        (b"", "closed the connection without an answer"),
    ],
)
async def test_an_instance_that_does_not_answer_well_is_a_sentence(
    answer: bytes, complaint: str
) -> None:
    async with serving(answer) as server:
        with pytest.raises(ToolError, match=complaint):
            await SearXNG(server.url()).search("x", 5)


async def test_a_search_that_is_cancelled_closes_its_connection() -> None:
    async def stall(server: Server, head: bytes, stream: trio.SocketStream) -> None:
        await stream.receive_some()

    async with serving(stall) as server, trio.open_nursery() as nursery:
        nursery.start_soon(SearXNG(server.url()).search, "x", 5)
        await server.reached.wait()
        nursery.cancel_scope.cancel()
    with trio.fail_after(5):
        await server.left.wait()


@pytest.mark.parametrize("url", ["", "search.example.com", "ftp://x/", "http://a:b@x/"])
def test_a_base_url_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match=r"http|password"):
        SearXNG(url)
