"""Coming back: where a stream goes on, what was missed, and when to stop asking."""

from __future__ import annotations

import pytest
import trio

from tests.transports.sse.peers import (
    Address,
    Answer,
    Block,
    error_of,
    get,
    open_stream,
    post,
    serving,
    started,
    until,
)
from trio_agent_rt.realtime import Principal, RealtimeAgent
from trio_agent_rt.transports import Request

pytestmark = pytest.mark.usefixtures("either_way")


async def seen(address: Address, realtime: RealtimeAgent, count: int = 4) -> tuple[str, list[str]]:
    """A session whose stream was seen and lost, and the positions of what was in it."""
    async with open_stream(address) as stream:
        _, session = await started(stream)
        for number in range(count - 1):
            realtime.broadcast("news", number, session=session)
        positions = [(await stream.event()).message["id"] for _ in range(count)]
    return session, positions


def kind(block: Block) -> tuple[str, bool]:
    return block.message["type"], block.message.get("replay", False)


async def test_what_followed_the_last_position_comes_first_each_once() -> None:
    async with serving(linger=5) as (realtime, address):
        session, positions = await seen(address, realtime)
        position = positions[1]
        async with open_stream(
            address, f"/sse?session={session}", [f"Last-Event-ID: {position}"]
        ) as stream:
            connected = (await stream.event()).message["data"]
            assert (connected["resumed"], connected["sessionId"]) == (True, session)
            realtime.broadcast("news", "live", session=session)
            events = [await stream.event() for _ in range(3)]
            assert [each.field("id") for each in events[:2]] == positions[2:]
            assert [each.message["data"] for each in events] == [1, 2, "live"]


async def test_a_position_in_the_query_does_and_the_header_wins() -> None:
    async with serving(linger=5) as (realtime, address):
        session, positions = await seen(address, realtime)
        for query, header, first in (
            (positions[2], None, positions[3]),
            (positions[2], positions[0], positions[1]),
            ("lost-1", positions[2], positions[3]),
        ):
            path = f"/sse?session={session}&lastEventId={query}"
            headers = [] if header is None else [f"Last-Event-ID: {header}"]
            async with open_stream(address, path, headers) as stream:
                assert (await stream.event()).message["data"]["resumed"] is True
                assert (await stream.event()).field("id") == first


async def test_an_event_source_that_knows_no_session_finds_it_by_its_position() -> None:
    """Its URL is that of its first request; nothing but the header has changed."""
    async with serving(linger=5) as (realtime, address):
        session, positions = await seen(address, realtime)
        async with open_stream(address, "/sse", [f"Last-Event-ID: {positions[-2]}"]) as stream:
            connected = (await stream.event()).message["data"]
            assert (connected["resumed"], connected["sessionId"]) == (True, session)
            assert (await stream.event()).field("id") == positions[-1]


async def test_a_position_that_is_lost_is_a_gap_and_then_the_present_state() -> None:
    async with serving(linger=5, of_agent={"buffer_size": 2}) as (realtime, address):
        session, positions = await seen(address, realtime, 6)
        epoch = positions[0].rpartition("-")[0]
        for position, missed in (
            (positions[0], 3),
            (f"{epoch}-99999", None),
            ("another-3", None),
            ("nonsense", None),
        ):
            path = f"/sse?session={session}"
            async with open_stream(address, path, [f"Last-Event-ID: {position}"]) as stream:
                connected, gap, status = [await stream.event() for _ in range(3)]
                assert connected.message["data"]["resumed"] is False
                assert kind(gap)[0] == "gap"
                assert gap.message["data"]["missed"] == missed
                assert kind(status) == ("status", True)
                assert [each.field("id") for each in (connected, gap, status)] == [None] * 3
                realtime.broadcast("news", "live", session=session)
                assert (await stream.event()).field("id")


async def test_without_a_position_it_is_told_the_present_state_alone() -> None:
    async with serving(linger=5) as (realtime, address):
        session, _ = await seen(address, realtime)
        async with open_stream(address, f"/sse?session={session}") as stream:
            assert (await stream.event()).message["data"]["resumed"] is False
            assert kind(await stream.event()) == ("status", True)


async def test_a_reconnect_to_a_session_that_has_ended_for_good_is_told_to_stop() -> None:
    async with serving(linger=0) as (realtime, address):
        session, positions = await seen(address, realtime)
        await until(lambda: not realtime._registry.sessions)
        for path in ("/sse", f"/sse?session={session}"):
            answer = await get(address, path, [f"Last-Event-ID: {positions[0]}"])
            assert (answer.status, answer.body) == (204, b"")
            assert "content-type" not in answer.headers
            assert "content-length" not in answer.headers
        # Who never saw it has nothing to stop.
        assert error_of(await get(address, f"/sse?session={session}")) == (404, "unknown_session")
        assert not realtime._registry.sessions


async def by_query(request: Request) -> Principal:
    await trio.lowlevel.checkpoint()
    return Principal(request.query["who"])


async def test_an_unknown_session_and_somebody_elses_cannot_be_told_apart() -> None:
    """Whether it lives or has ended, with a position or without, by stream or by command."""
    async with serving(linger=5, authenticate=by_query) as (realtime, address):
        async with open_stream(address, "/sse?who=ann") as left:
            _, ended = await started(left)
            position = (await left.event()).message["id"]
            realtime._registry.find(ended).end()
        async with open_stream(address, "/sse?who=ann") as lives:
            client, session = await started(lives)
            here = (await lives.event()).message["id"]
            answers: list[Answer] = []
            for name, last in (
                (session, None),
                (session, here),
                (ended, None),
                (ended, position),
                ("never-was", None),
                ("never-was", here),
            ):
                headers = [] if last is None else [f"Last-Event-ID: {last}"]
                answers.append(await get(address, f"/sse?who=bob&session={name}", headers))
            assert error_of(answers[0]) == (404, "unknown_session")
            assert {each.body for each in answers} == {answers[0].body}
            assert len({tuple(_lasting(each.headers)) for each in answers}) == 1
            commands = [
                await post(address, "/cancel?who=bob", {"clientId": name})
                for name in (client, "never-was")
            ]
            assert error_of(commands[0]) == (404, "unknown_session")
            assert commands[0].body == commands[1].body


async def test_a_position_of_somebody_elses_session_opens_a_new_one_like_any_other() -> None:
    async with serving(linger=5, authenticate=by_query) as (_, address):
        async with open_stream(address, "/sse?who=ann") as lives:
            _, session = await started(lives)
            here = (await lives.event()).message["id"]
            told: list[list[tuple[str, bool]]] = []
            for position in (here, f"{'0' * 32}-1"):
                headers = [f"Last-Event-ID: {position}"]
                async with open_stream(address, "/sse?who=bob", headers) as stream:
                    assert stream.status == 200
                    events = [await stream.event() for _ in range(3)]
                    assert events[0].message["data"]["sessionId"] != session
                    assert events[1].message["data"] == {"missed": None}
                    told.append([kind(each) for each in events])
            assert told[0] == told[1]


def _lasting(headers: dict[str, str]) -> list[tuple[str, str]]:
    return sorted(pair for pair in headers.items() if pair[0] != "date")
