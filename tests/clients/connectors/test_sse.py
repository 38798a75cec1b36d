"""A stream and the requests beside it: what goes over them, how they end."""

from __future__ import annotations

import gc
import logging
import ssl
from typing import Any

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from trio_agent_rt.clients import AgentClient, Reconnect, open_sse_client
from trio_agent_rt.errors import (
    ConnectionLost,
)
from trio_agent_rt.protocol import (
    CustomEvent,
    Event,
    Position,
    StepOutput,
    TaskCompleted,
    ToolsListed,
    encode_event,
    sse_event,
)

from ..fake_server import completed
from .http_server import Exchange, http_server, streaming
from .sockets import TOKEN

AT_ONCE = Reconnect(base=0, cap=0.01)


def output(text: str, offset: int = 2) -> StepOutput:
    return StepOutput(step_id="s", text=text, task_id="t", position=Position("e", offset))


def texts(events: list[Event]) -> list[str]:
    return [each.text for each in events if isinstance(each, StepOutput)]


async def until(client: AgentClient, kind: type[Event]) -> list[Event]:
    """The client's events up to the first of that kind."""
    found: list[Event] = []
    async for event in client.events():
        found.append(event)
        if isinstance(event, kind):
            break
    return found


async def test_the_request_says_who_asks_and_where_to_go_on() -> None:
    async with http_server({}) as server:
        client = open_sse_client(
            f"{server.url}?room=a%20b",
            session="s",
            last_position="e-7",
            token=TOKEN,
            headers={"X-Team": "bleu foncé "},
        )
        with trio.fail_after(5):
            async with client:
                pass
    (request,) = server.requests
    assert request.method == "GET"
    assert request.target == "/sse?room=a%20b&session=s"
    assert request.headers["accept"] == "text/event-stream"
    assert request.headers["authorization"] == f"Bearer {TOKEN}"
    assert request.headers["last-event-id"] == "e-7"
    assert request.headers["x-team"] == "bleu foncé"
    assert request.headers["accept-encoding"] == "identity"
    assert request.headers["host"] == server.url.split("/")[2]


async def test_commands_are_requests_and_their_answers_are_events() -> None:
    async def tools(exchange: Exchange) -> None:
        await exchange.acknowledge("ok", ToolsListed(tools=[]))

    async def task(exchange: Exchange) -> None:
        await exchange.acknowledge("accepted", task_id=exchange.json["taskId"])

    async def confirm(exchange: Exchange) -> None:
        await exchange.acknowledge("applied")

    plays = {"/tools": tools, "/task": task, "/confirm": confirm}
    with trio.fail_after(5):
        async with (
            http_server(plays) as server,
            open_sse_client(f"{server.url}?k=v", token=TOKEN) as client,
        ):
            assert list(await client.tools()) == []
            submitted = await client.submit("do it", context={"n": 1}, task_id="t")
            assert submitted.id == "t"
            assert await submitted.confirm("s") == "applied"
    _, asked, submit, confirmed = server.requests
    assert (asked.method, asked.target) == ("GET", "/tools?k=v&clientId=c")
    assert (submit.method, submit.target) == ("POST", "/task?k=v")
    assert submit.json == {"task": "do it", "context": {"n": 1}, "taskId": "t", "clientId": "c"}
    assert submit.headers["content-type"] == "application/json"
    assert confirmed.json["stepId"] == "s"
    assert confirmed.json["clientId"] == "c"
    assert {each.headers["authorization"] for each in server.requests} == {f"Bearer {TOKEN}"}


@pytest.mark.parametrize(
    ("options", "where"),
    [
        ({}, ["/agent/task", "/agent/confirm"]),
        ({"task_url": "/other/submit"}, ["/other/submit", "/other/confirm"]),
        ({"paths": {"task": "/a", "confirm": "/b/c"}}, ["/a", "/b/c"]),
        ({"task_url": "/x/task", "paths": {"confirm": "/y"}}, ["/x/task", "/y"]),
    ],
)
async def test_commands_go_beside_the_stream_or_where_they_are_told(
    options: dict[str, Any], where: list[str]
) -> None:
    async def ok(exchange: Exchange) -> None:
        await exchange.acknowledge("applied" if exchange.path == where[1] else "accepted")

    with trio.fail_after(5):
        async with http_server({"/agent/sse": streaming, where[0]: ok, where[1]: ok}) as server:
            base = server.url.removesuffix("/sse")
            if "task_url" in options:
                options = {**options, "task_url": f"{base}{options['task_url']}"}
            async with open_sse_client(f"{base}/agent/sse", **options) as client:
                task = await client.submit("x")
                assert await task.confirm("s") == "applied"
    assert [each.path for each in server.requests[1:]] == where


AWKWARD = "a\u2028b\u2029c\u0085d\x1ce\x1df\x1eg\x0bh\x0ci\ufeffj\u0000k\\r\\n早👋"


@pytest.mark.parametrize("size", [None, 1, 7])
@pytest.mark.parametrize("line_end", [b"\n", b"\r\n", b"\r"])
async def test_no_character_of_a_message_ends_a_line(line_end: bytes, size: int | None) -> None:
    text = encode_event(output(AWKWARD)).decode()
    for character in "\u2028\u2029\u0085\ufeff":
        # Nothing has to be escaped in JSON that is beyond ASCII.
        text = text.replace(f"\\u{ord(character):04x}", character)
    assert "\u2028" in text
    framed = b"id: e-2\ndata: " + text.encode() + b"\n\n"
    framed += sse_event(encode_event(completed("t")))
    framed += b": a lone \\r is known to end a line when something else follows it\n"

    async def stream(exchange: Exchange) -> None:
        await exchange.open_stream()
        data = framed.replace(b"\n", line_end)
        step = size or len(data)
        for start in range(0, len(data), step):
            await exchange.write(data[start : start + step])
        await exchange.wait_until_gone()

    with trio.fail_after(10):
        async with (
            http_server({"/sse": stream}) as server,
            open_sse_client(server.url) as client,
        ):
            told = await until(client, TaskCompleted)
    assert texts(told) == [AWKWARD]


async def test_comments_names_and_empty_events_are_no_messages() -> None:
    async def stream(exchange: Exchange) -> None:
        await exchange.open_stream()
        await exchange.write(b": beat\n\n: beat\n\nretry: 5\n\nevent: x\n\nid: e-1\ndata:\n\n\n\n")
        await exchange.write(b"event: step:output\n")
        await exchange.say(output("x"), CustomEvent(type="end", data=None))
        await exchange.wait_until_gone()

    with trio.fail_after(5):
        async with (
            http_server({"/sse": stream}) as server,
            open_sse_client(server.url) as client,
        ):
            told = await until(client, CustomEvent)
    assert texts(told) == ["x"]
    assert len(told) == 3


@pytest.mark.parametrize("complete", [True, False])
async def test_a_message_that_is_too_large_ends_it(complete: bool) -> None:
    async def stream(exchange: Exchange) -> None:
        await exchange.open_stream()
        event = sse_event(encode_event(CustomEvent(type="big", data="x" * 10_000)))
        await exchange.write(event if complete else event[:-1])
        while not complete:
            await exchange.write(b"x" * 10_000)
            written.append(10_000)
        await exchange.wait_until_gone()

    written: list[int] = []
    with trio.fail_after(5):
        async with (
            http_server({"/sse": stream}) as server,
            open_sse_client(server.url, max_message_bytes=10_000) as client,
        ):
            with pytest.raises(ConnectionLost, match="more than 10000 bytes") as caught:
                await client.task("t").wait()
            assert caught.value.code == 1009
            assert len(server.requests) == 1


async def test_many_messages_may_have_more_bytes_than_one() -> None:
    async def stream(exchange: Exchange) -> None:
        await exchange.open_stream()
        for offset in range(2, 100):
            await exchange.say(output("x" * 900, offset))
        await exchange.write(b": beat\n\n" * 1000)
        await exchange.say(CustomEvent(type="end", data=None))
        await exchange.wait_until_gone()

    with trio.fail_after(5):
        async with (
            http_server({"/sse": stream}) as server,
            open_sse_client(server.url, max_message_bytes=1200) as client,
        ):
            assert len(await until(client, CustomEvent)) == 100


@pytest.mark.parametrize("how", ["end", "cut", "torn"])
async def test_a_stream_that_ends_is_made_again_from_the_last_position(how: str) -> None:
    async def stream(exchange: Exchange) -> None:
        if "last-event-id" in exchange.headers:
            await exchange.open_stream(output("y", 3), resumed=True)
            await exchange.wait_until_gone()
            return
        await exchange.open_stream(output("x"))
        if how == "torn":
            await exchange.write(sse_event(encode_event(output("y", 3)))[:-1])
        if how == "end":
            await exchange.write(b"retry: 60000\n\n")
            await exchange.end()
        else:
            await exchange.cut()

    with trio.fail_after(5):
        async with (
            http_server({"/sse": stream}) as server,
            open_sse_client(server.url, reconnect=AT_ONCE) as client,
        ):
            events = client.events()
            told: list[Event] = []
            while len(texts(told)) < 2:
                told.append(await anext(events))
    assert texts(told) == ["x", "y"]
    first, second = server.requests
    assert "session" not in first.query
    assert second.query == {"session": "s"}
    assert second.headers["last-event-id"] == "e-2"


async def test_a_server_that_falls_silent_is_left_for_a_new_connection() -> None:
    async def stream(exchange: Exchange) -> None:
        resumed = "last-event-id" in exchange.headers
        await exchange.open_stream(resumed=resumed, heartbeat_interval=0.1)
        opened_at.append(trio.current_time())
        await exchange.wait_until_gone()

    opened_at: list[float] = []
    with trio.fail_after(5):
        async with http_server({"/sse": stream}) as server:
            async with open_sse_client(server.url, reconnect=AT_ONCE):
                while len(opened_at) < 2:
                    await wait_all_tasks_blocked(0.01)
    assert 0.15 < opened_at[1] - opened_at[0] < 1


async def test_comments_are_enough_to_be_kept() -> None:
    async def stream(exchange: Exchange) -> None:
        await exchange.open_stream(heartbeat_interval=0.05)
        while True:
            await exchange.write(b":\n\n")
            await trio.sleep(0.05)

    async with http_server({"/sse": stream}) as server, open_sse_client(server.url) as client:
        with trio.move_on_after(0.5):
            await client.task("t").wait()
        assert client.connected
        assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"url": "ws://x/ws"}, "open_websocket_client"),
        ({"task_url": "x"}, "begins with http://"),
        ({"paths": {"submit": "/x"}}, "'submit' is none of task, cancel, confirm, tools, state"),
        ({"paths": {"task": "x"}}, "must begin with /"),
        ({"token": "two words"}, "visible ASCII"),
        ({"headers": {"a": "b\r\nc: d"}}, "cannot be sent"),
        ({"ssl_context": ssl.create_default_context()}, "is for https://"),
        ({"max_message_bytes": 0}, "max_message_bytes"),
    ],
)
def test_arguments_that_make_no_sense_are_refused_at_once(
    options: dict[str, Any], text: str
) -> None:
    with pytest.raises(ValueError, match=text):
        open_sse_client(**{"url": "http://x/sse", **options})


def test_the_client_is_made_without_a_running_loop_and_shows_no_secret() -> None:
    client = open_sse_client("http://localhost/sse?key=secret", token=TOKEN, session="hidden")
    assert isinstance(client, AgentClient)
    shown = repr(client) + repr(vars(client)["_connector"])
    assert TOKEN not in shown
    assert "secret" not in shown
    assert "http://localhost:80/sse" in shown


async def test_nothing_secret_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    async def stream(exchange: Exchange) -> None:
        await exchange.open_stream(client_id="client-id", session_id="session-id")
        await exchange.end()

    async def task(exchange: Exchange) -> None:
        await exchange.answer(500)

    caplog.set_level(logging.DEBUG)
    never = Reconnect(enabled=False)
    with trio.fail_after(5):
        async with http_server({"/sse": stream, "/task": task}) as server:
            client = open_sse_client(
                f"{server.url}?key=secret", token=TOKEN, session="session-id", reconnect=never
            )
            async with client:
                with pytest.raises(ConnectionLost):
                    await client.task("t").wait()
    assert server.requests
    assert caplog.records
    for secret in ("secret", TOKEN, "session-id", "client-id"):
        assert secret not in caplog.text


async def test_a_proxy_of_the_environment_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    with trio.fail_after(5):
        async with http_server({}) as server, open_sse_client(server.url) as client:
            assert client.connected


async def test_leaving_closes_every_connection_whatever_is_going_on() -> None:
    """Requests that wait, one that is being written and not read, an idle one."""

    async def tools(exchange: Exchange) -> None:
        await exchange.acknowledge("ok")

    async def waits(exchange: Exchange) -> None:
        await exchange.wait_until_gone()

    with trio.fail_after(10):
        async with http_server({"/tools": tools, "/cancel": waits, "/task": waits}) as server:
            async with open_sse_client(server.url) as client, trio.open_nursery() as nursery:
                await client.tools()
                for number in range(3):
                    nursery.start_soon(client.task(f"{number}").cancel)
                nursery.start_soon(client.submit, "x")
                while not server.asked("/task"):
                    await wait_all_tasks_blocked(0.005)
                assert server.connections == 5
                nursery.cancel_scope.cancel()
                started = trio.current_time()
            assert trio.current_time() - started < 1
            while server.connections:
                await wait_all_tasks_blocked(0.005)


@pytest.mark.parametrize("steps", range(0, 90, 3))
async def test_being_cancelled_at_any_point_leaves_nothing_behind(steps: int) -> None:
    """Neither a connection nor an async generator: the latter would be a warning."""

    async def stream(exchange: Exchange) -> None:
        await exchange.open_stream(*(output("x" * 50, offset) for offset in range(2, 50)))
        await exchange.wait_until_gone()

    async def tools(exchange: Exchange) -> None:
        await exchange.acknowledge("ok")

    async def use() -> None:
        async with open_sse_client(server.url) as client:
            while True:
                await client.tools()

    with trio.fail_after(5):
        async with (
            http_server({"/sse": stream, "/tools": tools}) as server,
            trio.open_nursery() as nursery,
        ):
            nursery.start_soon(use)
            for _ in range(steps):
                await trio.lowlevel.checkpoint()
            nursery.cancel_scope.cancel()
        gc.collect()
        await trio.lowlevel.checkpoint()
