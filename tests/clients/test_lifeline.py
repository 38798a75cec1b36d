"""Cut connections: when they are made again, how fast, and when not."""

from __future__ import annotations

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from trio_agent_rt.clients import AgentClient, Reconnect
from trio_agent_rt.errors import (
    BadMessage,
    ClientError,
    ConnectFailed,
    ConnectionLost,
    ConnectionRejected,
    NotThisProtocol,
    SessionLost,
)
from trio_agent_rt.protocol import Event, GapOccurred, GetTools

from .fake_server import FakeServer, progressed, status

RESUMED = FakeServer().connected(resumed=True)


async def test_a_cut_connection_is_made_again_from_the_last_position() -> None:
    server = FakeServer()
    async with server.client(reconnect=Reconnect(base=0)) as (client, link):
        events = client.events()
        first, second, third, fourth = (server.live(progressed("t", n)) for n in range(4))
        link.say(first, second)
        link.cut()
        again = await server.accept()
        assert server.attachments[1].session_id == "session"
        assert server.attachments[1].last_position == second.position
        again.say(RESUMED, third, fourth)
        found = [await anext(events) for _ in range(5)]
        assert found[1:] == [first, second, third, fourth]


@pytest.mark.parametrize("code", [None, 1001, 1006, 1011, 1012, 1013, 4000, 4001, 4002, 4499])
async def test_these_codes_invite_the_client_back(code: int | None) -> None:
    server = FakeServer()
    async with server.client(reconnect=Reconnect(base=0)) as (client, link):
        link.cut(code)
        (await server.accept()).say(RESUMED)
        await wait_all_tasks_blocked()
        assert client.connected


@pytest.mark.parametrize(
    ("code", "error"),
    [
        (1000, ConnectionLost),
        (1008, ConnectionLost),
        (1009, ConnectionLost),
        (4500, ConnectionLost),
        (4501, ConnectionLost),
        (4999, ConnectionLost),
        (4502, SessionLost),
    ],
)
async def test_these_codes_end_it(code: int, error: type[ClientError]) -> None:
    server = FakeServer()
    async with server.client() as (client, link):
        task, events = client.task("t"), client.events()
        await anext(events)
        link.cut(code, "the reason")
        with pytest.raises(error, match="the reason") as caught:
            await task.wait()
        if isinstance(caught.value, ConnectionLost):
            assert caught.value.code == code
            assert str(code) in str(caught.value)
        for use in (
            anext(events),
            client.submit("x"),
            client.tools(),
            task.cancel(),
            client.cancel(),
        ):
            with pytest.raises(error, match="the reason"):
                await use
        assert not client.connected
    assert len(server.attachments) == 1


async def test_delays_grow_with_full_jitter_until_it_succeeds(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Reconnect, "delays", lambda self: iter([0.5, 1, 2, 4, 8, 8, 8]))
    server = FakeServer()
    async with server.client() as (client, link):
        server.refusals.extend(ConnectFailed("not yet") for _ in range(3))
        link.cut()
        again = await server.accept()
        again.say(RESUMED)
        await wait_all_tasks_blocked()
        assert client.connected
        assert server.attempted_at[1:] == pytest.approx([0.5, 1.5, 3.5, 7.5])


async def test_a_connection_that_brought_something_new_resets_the_delay(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Reconnect, "delays", lambda self: iter([1, 10, 100, 1000]))
    server = FakeServer()
    async with server.client():
        for number in range(3):
            server.links[-1].say(server.live(progressed("t", number)))
            server.links[-1].cut()
            (await server.accept()).say(RESUMED)
        assert server.attempted_at[1:] == pytest.approx([1, 2, 3])


async def test_an_answer_is_something_new_as_well(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Reconnect, "delays", lambda self: iter([1, 10, 100, 1000]))
    server = FakeServer()
    async with server.client() as (client, _), trio.open_nursery() as nursery:
        for _ in range(3):
            link = server.links[-1]
            nursery.start_soon(client.tools)
            link.acknowledge(await link.hear(GetTools), "ok")
            link.cut()
            (await server.accept()).say(RESUMED)
        assert server.attempted_at[1:] == pytest.approx([1, 2, 3])


async def test_a_server_that_cuts_at_once_again_and_again_is_not_hammered(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Reconnect, "delays", lambda self: iter([1, 10, 100, 1000]))
    server = FakeServer()
    async with server.client():
        for _ in range(3):
            server.links[-1].cut()
            (await server.accept()).say(RESUMED)
        assert server.attempted_at[1:] == pytest.approx([1, 11, 111])


async def test_a_connection_that_held_resets_the_delay_even_if_nothing_happened(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Reconnect, "delays", lambda self: iter([1, 10, 100, 1000]))
    server = FakeServer()
    async with server.client():
        for _ in range(3):
            await trio.sleep(6)
            server.links[-1].cut()
            (await server.accept()).say(RESUMED)
        assert server.attempted_at[1:] == pytest.approx([7, 14, 21])


async def test_attempts_are_counted(autojump_clock: MockClock) -> None:
    server = FakeServer()
    async with server.client(reconnect=Reconnect(max_attempts=3)) as (client, link):
        server.always_refuse = ConnectFailed("nothing listens")
        link.cut()
        with pytest.raises(ConnectionLost, match=r"out of attempts \(at last: nothing listens"):
            await client.task("t").wait()
        assert len(server.attachments) == 1 + 3


async def test_it_gives_up_after_a_time(autojump_clock: MockClock) -> None:
    server = FakeServer()
    async with server.client(reconnect=Reconnect(give_up_after=60)) as (client, link):
        await trio.sleep(1000)
        server.always_refuse = ConnectFailed("nothing listens")
        link.cut()
        with pytest.raises(ConnectionLost, match="it was gone for 60 s"):
            await client.task("t").wait()
        assert 1020 <= trio.current_time() <= 1060


async def test_reconnecting_can_be_off() -> None:
    server = FakeServer()
    async with server.client(reconnect=Reconnect(enabled=False)) as (client, link):
        link.cut(1006)
        with pytest.raises(ConnectionLost, match="reconnecting is off") as caught:
            await client.task("t").wait()
        assert caught.value.code == 1006


@pytest.mark.parametrize("status_code", [401, 403, 404])
async def test_a_refusal_ends_it(status_code: int, autojump_clock: MockClock) -> None:
    server = FakeServer()
    async with server.client() as (client, link):
        server.refusals.append(ConnectionRejected(status_code, "not you"))
        link.cut()
        with pytest.raises(ConnectionLost, match=f"{status_code} not you"):
            await client.task("t").wait()


@pytest.mark.parametrize(
    "failure",
    [
        ConnectionRejected(429, "slowly"),
        ConnectionRejected(503, "restarting"),
        NotThisProtocol("a proxy's error page"),
        ConnectFailed("not there"),
    ],
)
async def test_what_passes_is_tried_again(failure: Exception, autojump_clock: MockClock) -> None:
    server = FakeServer()
    async with server.client() as (client, link):
        server.refusals.append(failure)
        link.cut()
        (await server.accept()).say(RESUMED)
        await wait_all_tasks_blocked()
        assert client.connected


async def test_a_server_that_falls_silent_is_left_and_found_again(
    autojump_clock: MockClock,
) -> None:
    server = FakeServer()
    async with server.client() as (client, link):
        link.fall_silent()
        (await server.accept()).say(RESUMED)
        assert link.closed_in_good_order is False
        await wait_all_tasks_blocked()
        assert client.connected


async def test_a_reconnect_that_hangs_is_given_up(autojump_clock: MockClock) -> None:
    server = FakeServer()
    async with server.client(connect_timeout=5, reconnect=Reconnect(base=0)) as (_, link):
        link.cut()
        hanging = await server.accept()
        (await server.accept()).say(RESUMED)
        assert hanging.gone.is_set()
        assert trio.current_time() == pytest.approx(5, abs=0.1)


async def test_a_broken_message_ends_it_since_it_would_come_again() -> None:
    server = FakeServer()
    async with server.client() as (client, link):
        link.say(BadMessage("data.plan: missing"))
        with pytest.raises(NotThisProtocol, match=r"data\.plan: missing"):
            await client.task("t").wait()


async def test_another_session_than_asked_for_is_not_taken_for_ours() -> None:
    server = FakeServer()
    async with server.client(reconnect=Reconnect(base=0)) as (client, link):
        link.cut()
        (await server.accept()).say(server.connected(session_id="another"), status())
        with pytest.raises(SessionLost, match="another session"):
            await client.task("t").wait()


async def test_commands_wait_while_there_is_no_connection() -> None:
    server = FakeServer()
    async with server.client(reconnect=Reconnect(base=0)) as (client, link):
        link.cut()
        again = await server.accept()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(client.tools)
            await wait_all_tasks_blocked()
            assert not client.connected
            assert not again.heard_more
            again.say(RESUMED)
            await wait_all_tasks_blocked()
            assert again.heard_more
            nursery.cancel_scope.cancel()


async def test_without_a_position_a_reconnect_admits_that_something_may_be_lost() -> None:
    server = FakeServer()
    told: list[Event] = [server.connected(), status()]
    server.greetings.extend([told, told])
    async with AgentClient(server, session="session", reconnect=Reconnect(base=0)) as client:
        events = client.events()
        assert await anext(events) == status()
        (await server.accept()).cut()
        assert await anext(events) == GapOccurred(missed=None)
        assert await anext(events) == status()
