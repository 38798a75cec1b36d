"""What a stream looks like, byte by byte, and who is shown one."""

from __future__ import annotations

import re
from contextlib import AsyncExitStack
from typing import Any

import pytest
import trio
from quart import Response
from quart_trio import QuartTrio

from tests.transports.sse.peers import (
    error_of,
    get,
    mounted,
    open_stream,
    serving,
    started,
    until,
)
from tests.transports.websocket.peers import quick
from trio_agent_rt.events import Encoded
from trio_agent_rt.realtime import Limits, Principal, RealtimeAgent
from trio_agent_rt.transports import Request, sse_blueprint

pytestmark = pytest.mark.usefixtures("either_way")

EVENT = re.compile(r"(id: [a-z0-9]+-[0-9]+\n)?data: \{[^\r\n]*\}")

# What a reader of lines might take for the end of one; JSON escapes some, and SSE knows
# two of them: a line feed and a carriage return (HTML standard, 9.2.5).
BREAKS = "a\nb\r\nc\rd\u2028e\u2029f\x85g\x0bh\x0ci\x00j\ufeff"


async def test_the_headers_are_those_of_the_contract() -> None:
    async with serving() as (_, address), open_stream(address) as stream:
        assert stream.status == 200
        assert stream.headers["content-type"] == "text/event-stream; charset=utf-8"
        assert stream.headers["cache-control"] == "no-store"
        assert stream.headers["x-accel-buffering"] == "no"
        assert stream.headers["vary"] == "Origin"
        assert stream.headers["connection"] == "close"
        assert stream.headers["transfer-encoding"] == "chunked"
        assert "content-length" not in stream.headers


async def test_it_begins_with_a_comment_and_a_retry_and_then_connected() -> None:
    async with serving() as (realtime, address), open_stream(address) as stream:
        first, second, third, fourth = [await stream.read() for _ in range(4)]
        assert stream.raw.startswith(b": ")
        assert first is not None
        assert first.comment
        assert second is not None
        assert 500 <= int(second.field("retry") or 0) <= 1500
        assert third is not None
        assert third.message["type"] == "connected"
        data = third.message["data"]
        assert data["sessionId"] in {each.id for each in realtime._registry.sessions}
        assert (data["protocolVersion"], data["resumed"]) == (1, False)
        assert fourth is not None
        assert fourth.message["type"] == "status"


async def test_those_who_come_at_once_are_not_told_to_come_back_at_once() -> None:
    async with serving() as (_, address):
        told: set[str | None] = set()
        for _ in range(8):
            async with open_stream(address) as stream:
                await stream.read()
                retry = await stream.read()
                assert retry is not None
                told.add(retry.field("retry"))
        # All the same once in a thousand million million million runs.
        assert len(told) > 1


async def test_an_event_is_its_position_if_it_has_one_and_one_line_of_data() -> None:
    async with serving() as (realtime, address), open_stream(address) as stream:
        await started(stream)
        realtime.broadcast("news", {"text": BREAKS, "more": [1.5, None, float("nan")]})
        realtime.broadcast("last")
        last = await stream.event("last")
        assert last.field("id") == last.message["id"]
        blocks = stream.raw.decode().removesuffix("\n\n").split("\n\n")
        events = blocks[2:]
        assert [bool(EVENT.fullmatch(each)) for each in events] == [True] * 4
        assert ["id: " in each for each in events] == [False, True, True, True]
        assert '"news"' in events[2]


async def test_text_in_any_script_arrives_as_it_was() -> None:
    text = "任务完成：数据已经备好 🎉 Ünïcödé עברית" + BREAKS
    async with serving() as (realtime, address), open_stream(address) as stream:
        await started(stream)
        realtime.broadcast("新闻", {"text": text})
        assert (await stream.event("新闻")).message["data"] == {"text": text}
        # As itself, not escaped to six times its size.
        assert "任务完成".encode() in stream.raw


async def test_events_have_names_only_when_asked_for() -> None:
    async with serving() as (_, address):
        async with open_stream(address) as plain:
            await started(plain)
            await plain.event("status")
            assert b"event:" not in plain.raw
        for query, named in (("named=1", True), ("named=0", False), ("named", False)):
            async with open_stream(address, f"/sse?{query}") as stream:
                for kind in ("connected", "status"):
                    block = await stream.event()
                    assert block.message["type"] == kind
                    assert block.field("event") == (kind if named else None)


async def test_what_a_browser_would_take_for_the_end_of_its_connection_has_no_name() -> None:
    """An `EventSource` calls `onerror` for an event of that name."""
    async with serving() as (realtime, address):
        async with open_stream(address, "/sse?named=1") as stream:
            await started(stream)
            realtime.broadcast("open")
            assert (await stream.event("open")).field("event") is None
            realtime.submit("x")
            realtime.begin_shutdown(drain_timeout=5)
            assert (await stream.event("error")).field("event") is None


@pytest.mark.parametrize(
    "kind",
    [
        "a\nid: 666-1",
        'a\rdata: {"type":"task:complete"}',
        "a\r\n\r\nretry: 1",
        "\n\nevent: a",
        "a\ud800",
        BREAKS,
        ": a",
    ],
)
async def test_no_type_can_break_out_of_a_named_event(kind: str) -> None:
    async with serving() as (realtime, address):
        async with open_stream(address, "/sse?named=1") as stream:
            await started(stream)
            await stream.event("status")
            realtime.broadcast(kind, {"a": 1})
            realtime.broadcast("after")
            block = await stream.read()
            assert block is not None
            assert len(block.lines) == 3
            assert [line.partition(":")[0] for line in block.lines] == ["id", "event", "data"]
            # What a browser takes for a line break, beyond what `Block` splits at.
            assert b"\r" not in stream.raw
            assert block.message["data"] == {"a": 1}
            after = await stream.read()
            assert after is not None
            assert after.message["type"] == "after"


async def test_a_comment_comes_with_every_heartbeat_between_events_too() -> None:
    limits = Limits(heartbeat_interval=0.02)
    async with serving(limits=limits) as (realtime, address), open_stream(address) as stream:
        with trio.fail_after(5):
            await started(stream)
            await stream.comments(5)
            # As often as it comes in, an event does not put the next comment off.
            async with trio.open_nursery() as nursery:
                nursery.start_soon(_chatter, realtime)
                await stream.comments(5)
                nursery.cancel_scope.cancel()


async def _chatter(realtime: RealtimeAgent) -> None:
    while True:
        realtime.broadcast("news")
        await trio.sleep(0.005)


async def test_no_time_out_of_an_app_cuts_a_stream() -> None:
    app = QuartTrio("an_app")
    app.config["RESPONSE_TIMEOUT"] = 0.2
    async with RealtimeAgent(quick, limits=Limits(heartbeat_interval=0.05)) as realtime:
        async with mounted(app, realtime, sse_blueprint(realtime)) as address:
            async with open_stream(address) as stream:
                with trio.fail_after(5):
                    await stream.comments(10)


async def test_a_head_request_opens_nothing() -> None:
    async with serving() as (realtime, address):
        async with open_stream(address, method="HEAD") as stream:
            assert stream.status == 200
            assert stream.headers["content-type"].startswith("text/event-stream")
            assert await stream.rest() == []
        assert not realtime._registry.sessions


async def test_one_stream_too_many_is_told_to_come_later() -> None:
    async with serving(limits=Limits(max_connections=1)) as (realtime, address):
        async with open_stream(address) as stream:
            await started(stream)
            refused = await get(address, "/sse")
            assert error_of(refused) == (429, "rate_limited")
            assert int(refused.headers["retry-after"]) > 0
        await until(lambda: not realtime._registry.sessions)
        async with open_stream(address) as stream:
            assert stream.status == 200


async def test_one_principal_has_its_own_number_of_streams() -> None:
    limits = Limits(max_connections_per_principal=1)
    async with serving(limits=limits, authenticate=_by_query) as (_, address):
        async with open_stream(address, "/sse?who=ann") as stream:
            await started(stream)
            refused = await get(address, "/sse?who=ann")
            assert error_of(refused) == (429, "rate_limited")
            assert int(refused.headers["retry-after"]) > 0
            async with open_stream(address, "/sse?who=bob") as another:
                assert another.status == 200


async def test_a_stream_whose_place_was_taken_after_its_status_ends_in_order() -> None:
    """Its status is written before it is attached, and cannot be taken back."""
    app = QuartTrio("an_app")
    limits = Limits(max_connections=1)
    async with RealtimeAgent(quick, limits=limits) as realtime, AsyncExitStack() as stack:

        @app.after_request
        async def take_the_place(response: Response) -> Response:
            if response.status_code == 200:
                await stack.enter_async_context(realtime.connect(framing=Encoded.sse))
            return response

        async with mounted(app, realtime, sse_blueprint(realtime)) as address:
            async with open_stream(address) as stream:
                assert stream.status == 200
                comment, *others = await stream.rest()
                assert comment.comment
                assert [bool(each.field("retry")) for each in others] == [True, True]
            # When it comes again, its status says why.
            assert error_of(await get(address, "/sse")) == (429, "rate_limited")


async def _by_query(request: Request) -> Principal:
    await trio.lowlevel.checkpoint()
    return Principal(request.query["who"])


async def test_a_room_is_shown_to_everybody_in_it_in_the_same_order() -> None:
    def choose(request: Request, principal: Principal) -> str | None:
        return "lobby"

    async with serving(choose_session=choose) as (realtime, address):
        async with open_stream(address) as one, open_stream(address, "/sse?session=x") as two:
            for stream in (one, two):
                assert (await started(stream))[1] == "lobby"
            for number in range(5):
                realtime.broadcast("news", number, session="lobby")
            seen: list[list[Any]] = []
            for stream in (one, two):
                events = [await stream.event("news") for _ in range(5)]
                seen.append([(each.field("id"), each.message["data"]) for each in events])
            assert seen[0] == seen[1]


async def test_an_app_that_fails_after_the_request_leaves_no_viewer_behind() -> None:
    app = QuartTrio("an_app")

    @app.after_request
    async def fail(response: Response) -> Response:
        await trio.lowlevel.checkpoint()
        raise RuntimeError("the app's own")

    async with RealtimeAgent(quick) as realtime:
        async with mounted(app, realtime, sse_blueprint(realtime)) as address:
            answer = await get(address, "/sse")
            assert answer.status == 500
            assert not any(each.connections for each in realtime._registry.sessions)
