"""Entering, leaving, and what the body of `async with` may rely on."""

from __future__ import annotations

import logging

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from trio_agent_rt.clients import AgentClient, LinkClosed, Reconnect, open_websocket_client
from trio_agent_rt.errors import (
    ConnectFailed,
    ConnectionLost,
    ConnectionRejected,
    NotThisProtocol,
    SessionLost,
    UnknownMessageType,
)
from trio_agent_rt.protocol import (
    CommandFailed,
    CustomEvent,
    Event,
    GapOccurred,
    Position,
    StatusChanged,
    SubmitTask,
)

from .fake_server import FakeServer, catch_up, completed, progressed, status


async def test_entering_waits_for_a_position_to_come_back_to() -> None:
    server = FakeServer()
    client = AgentClient(server)
    entered = trio.Event()

    async def use() -> None:
        async with client:
            entered.set()
            await trio.sleep_forever()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(use)
        link = await server.accept()
        link.say(server.connected())
        await wait_all_tasks_blocked()
        assert not entered.is_set()
        assert not client.connected
        link.say(server.live(status()))
        await wait_all_tasks_blocked()
        assert entered.is_set()
        assert client.connected
        assert client.session_id == "session"
        assert client.position == Position("e", 1)
        nursery.cancel_scope.cancel()
    assert not client.connected


@pytest.mark.parametrize("error", [ConnectFailed("not there"), ConnectionRejected(401, "no")])
async def test_the_first_failure_is_raised_as_it_is_and_at_once(error: Exception) -> None:
    server = FakeServer()
    server.refusals.append(error)
    with pytest.raises(type(error), match=str(error)):
        async with AgentClient(server):
            raise AssertionError("entered")
    assert len(server.attachments) == 1


@pytest.mark.parametrize(
    ("closed", "expected", "text"),
    [
        (LinkClosed("no such session", 4502), SessionLost, "no longer knows the session"),
        (LinkClosed("too many connections", 1013), ConnectFailed, "1013 too many"),
        (LinkClosed("", 1006), ConnectFailed, r"closed the connection at once \(1006\)"),
        (UnknownMessageType("type: odd"), NotThisProtocol, "type: odd"),
    ],
)
async def test_a_server_that_ends_the_first_connection_is_told_of(
    closed: Exception, expected: type[Exception], text: str
) -> None:
    server = FakeServer()
    server.greetings.append([closed])
    with pytest.raises(expected, match=text):
        async with AgentClient(server, session="x"):
            raise AssertionError("entered")


@pytest.mark.parametrize(
    ("first", "text"),
    [
        (CustomEvent(type="hello", data=1), "its first message is not `connected`"),
        (FakeServer().connected(protocol_version=2), "version 2"),
    ],
)
async def test_something_else_that_answers_is_recognised(first: Event, text: str) -> None:
    server = FakeServer()
    server.greetings.append([first])
    with pytest.raises(NotThisProtocol, match=text):
        async with AgentClient(server):
            raise AssertionError("entered")


async def test_silence_ends_the_first_attempt(autojump_clock: MockClock) -> None:
    server = FakeServer()
    with pytest.raises(NotThisProtocol, match="has not sent `connected` within 3 s"):
        async with AgentClient(server, connect_timeout=3):
            raise AssertionError("entered")
    assert trio.current_time() == pytest.approx(3, abs=0.01)


async def test_a_missing_status_ends_the_first_attempt(
    autojump_clock: MockClock,
) -> None:
    server = FakeServer()
    server.greetings.append([server.connected()])
    with pytest.raises(ConnectFailed, match="has not told the session's state within 10 s"):
        async with AgentClient(server):
            raise AssertionError("entered")


async def test_leaving_closes_in_good_order_and_ends_iterators() -> None:
    server = FakeServer()
    seen: list[Event] = []

    async def watch(client: AgentClient) -> None:
        seen.extend([each async for each in client.events()])

    async with trio.open_nursery() as nursery:
        async with server.client() as (client, link):
            nursery.start_soon(watch, client)
            link.say(server.live(progressed("t", 1)))
            await wait_all_tasks_blocked()
            task = client.task("t")
        assert server.links[0].closed_in_good_order
    assert [type(each).__name__ for each in seen] == ["StatusChanged", "StepProgressed"]
    assert len([each async for each in task]) == 1
    with pytest.raises(ConnectionLost, match="the client was left"):
        await task.wait()
    with pytest.raises(ConnectionLost, match="the client was left"):
        await client.submit("x")


class Mine(Exception):
    pass


async def test_an_exception_of_the_body_comes_out_as_it_is() -> None:
    server = FakeServer()
    mine = Mine()
    with pytest.raises(Mine) as caught:
        async with server.client():
            raise mine
    assert caught.value is mine
    assert server.links[0].closed_in_good_order


async def test_a_cancel_from_outside_passes_and_still_closes_in_good_order() -> None:
    server = FakeServer()
    with trio.CancelScope() as scope:
        async with server.client():
            scope.cancel()
            await trio.sleep_forever()
    assert scope.cancelled_caught
    assert server.links[0].closed_in_good_order


async def test_a_cancel_while_entering_leaves_nothing_behind() -> None:
    server = FakeServer()
    with trio.CancelScope() as scope:
        async with trio.open_nursery() as nursery:

            async def enter() -> None:
                async with AgentClient(server):
                    raise AssertionError("entered")

            nursery.start_soon(enter)
            await server.accept()
            scope.cancel()
    assert server.links[0].gone.is_set()


async def test_leaving_does_not_wait_for_a_delay(autojump_clock: MockClock) -> None:
    server = FakeServer()
    async with server.client(reconnect=Reconnect(base=1000, cap=1000)) as (client, link):
        server.always_refuse = ConnectFailed("gone")
        link.cut()
        await wait_all_tasks_blocked()
        assert not client.connected
        left_at = trio.current_time()
    assert trio.current_time() == left_at


async def test_leaving_is_bounded_when_the_connector_hangs(
    autojump_clock: MockClock,
) -> None:
    class Hanging(FakeServer):
        async def converse(self, attachment, serve) -> None:  # type: ignore[no-untyped-def]
            await super().converse(attachment, serve)
            await trio.sleep_forever()

    async with Hanging().client():
        left_at = trio.current_time()
    assert trio.current_time() - left_at == pytest.approx(2.0)


async def test_events_start_with_the_catch_up_of_an_existing_session() -> None:
    server = FakeServer()
    told = catch_up(progressed("t", 10))
    server.greetings.append([server.connected(), *told])
    async with AgentClient(server, session="session") as client:
        assert server.attachments[0].session_id == "session"
        link = await server.accept()
        events = client.events()
        assert [await anext(events) for _ in told] == told
        assert client.position is None
        live = server.live(progressed("t", 20))
        link.say(live)
        assert await anext(events) == live
        assert client.position == live.position
        assert [await anext(each) for each in [client.task("t").__aiter__()]] == [told[0]]


async def test_a_session_can_be_gone_on_with_from_a_position() -> None:
    server = FakeServer()
    server.greetings.append([server.connected(resumed=True)])
    async with AgentClient(server, session="session", last_position="e-4") as client:
        assert server.attachments[0].last_position == Position("e", 4)
        server.skip(4)
        (await server.accept()).say(server.live(completed("t")))
        assert await client.task("t").result() == "output of t"


async def test_answers_are_no_events_but_complaints_are() -> None:
    server = FakeServer()
    async with server.client() as (client, link):
        complaint = CommandFailed(message="bad", code="bad_json")
        link.say(
            CommandFailed(message="of a forgotten command", code="busy", request_id="99"),
            server.connected(),
            complaint,
        )
        events = client.events()
        assert isinstance(await anext(events), StatusChanged)
        assert await anext(events) == complaint


async def test_a_defect_of_a_connector_does_not_end_the_body(
    caplog: pytest.LogCaptureFixture,
) -> None:
    server = FakeServer()
    with caplog.at_level(logging.CRITICAL):
        async with server.client() as (client, link):
            link.say(ZeroDivisionError("a defect"))
            with pytest.raises(ConnectionLost, match="the client has failed"):
                await client.submit("x")


async def test_a_client_is_entered_once_and_used_inside() -> None:
    server = FakeServer()
    with pytest.raises(RuntimeError, match="has not been entered"):
        await AgentClient(server).tools()
    with pytest.raises(RuntimeError, match="has not been entered"):
        _ = AgentClient(server).session_id
    async with server.client() as (client, _):
        with pytest.raises(RuntimeError, match="once only"):
            await client.__aenter__()


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"url": "http://x/ws"}, "begins with ws://, not with http://"),
        ({"url": "https://x/ws"}, "begins with wss://, not with https://"),
        ({"url": "127.0.0.1:8080"}, "begins with ws:// or wss://"),
        ({"url": "ws:/x"}, "begins with ws:// or wss://"),
        ({"url": "ws:///ws"}, "names no host"),
        ({"url": "ws://x:99999/"}, "this is no URL"),
        ({"url": "ws://x:0/"}, "port 0"),
        ({"url": "ws://[::1/"}, "this is no URL"),
        ({"url": "ws://a..b/"}, "is not a host name"),
        ({"url": "ws://u:secret@x/"}, "use token= or headers="),
        ({"url": "ws://x/#a"}, "no #fragment"),
        ({"url": "ws://x/", "token": "a b"}, "the token must be"),
        ({"url": "ws://x/", "token": "secret\r\nX: y"}, "the token must be"),
        ({"url": "ws://x/", "headers": {"X": "secret\r\nY: z"}}, "'X' cannot be sent"),
        ({"url": "ws://x/", "headers": {"X Y": "z"}}, "'X Y' cannot be sent"),
        ({"url": "ws://x/", "last_position": "e-1"}, "give session="),
        ({"url": "ws://x/", "session": "s", "last_position": "e"}, "is not a position"),
        ({"url": "ws://x/", "connect_timeout": 0}, "connect_timeout must be more than 0"),
        ({"url": "ws://x/", "max_buffered_events": 0}, "max_buffered_events must be"),
    ],
)
def test_nonsense_is_refused_at_once_with_a_sentence(
    options: dict[str, object], complaint: str
) -> None:
    with pytest.raises(ValueError, match=complaint) as caught:
        open_websocket_client(**options)  # type: ignore[arg-type]
    assert "secret" not in str(caught.value)


def test_a_secret_is_in_no_repr() -> None:
    client = open_websocket_client(
        "ws://host/ws?key=secret", token="secret", headers={"X-Key": "secret"}
    )
    assert "secret" not in repr(client)
    assert "secret" not in repr(client._connector)
    assert "ws://host:80/ws" in repr(client)


async def test_reading_never_waits_for_the_application() -> None:
    server = FakeServer()
    async with server.client(max_buffered_events=5) as (client, link):
        for number in range(20):
            link.say(server.live(progressed("t", number)))
        await wait_all_tasks_blocked()
        assert client.position == Position("e", 21)
        events = client.events()
        assert await anext(events) == GapOccurred(missed=16)
        task = client.task("t").__aiter__()
        assert await anext(task) == GapOccurred(missed=15)


async def test_cancelled_at_any_moment_it_leaves_nothing_behind() -> None:
    async def cancel_after(passes: int, scope: trio.CancelScope) -> None:
        for _ in range(passes):
            await trio.lowlevel.checkpoint()
        scope.cancel()

    async def use(server: FakeServer) -> None:
        server.greetings.append([server.connected(), server.live(status())])
        async with AgentClient(server) as client, trio.open_nursery() as nursery:
            nursery.start_soon(client.submit, "x", name="submit")
            link = await server.accept()
            command = await link.hear(SubmitTask)
            link.acknowledge(command, "accepted")
            link.say(server.live(completed(command.task_id or "")))
            await client.task(command.task_id or "").result()

    finished = False
    passes = 0
    while not finished:
        server = FakeServer()
        with trio.CancelScope() as scope:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(cancel_after, passes, scope)
                await use(server)
                finished = not scope.cancel_called
                nursery.cancel_scope.cancel()
        assert all(link.gone.is_set() for link in server.links)
        passes += 1
    assert passes > 10
