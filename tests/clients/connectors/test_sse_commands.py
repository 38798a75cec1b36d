"""Commands as HTTP requests: in which order, and what their answers come to."""

from __future__ import annotations

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from trio_agent_rt.clients import Reconnect, open_sse_client
from trio_agent_rt.errors import (
    Busy,
    CommandRefused,
    ConnectionLost,
    Forbidden,
    MessageTooLarge,
    RateLimited,
    ShuttingDown,
    UnknownSession,
)
from trio_agent_rt.protocol import Receipt, encode_http_failure

from ..fake_server import completed
from .http_server import Exchange, HTTPServer, Play, http_server

AT_ONCE = Reconnect(base=0, cap=0.01)


class Scripted:
    """Commands that are answered when the test says so."""

    def __init__(self) -> None:
        self.go_on: dict[str, trio.Event] = {}

    def gate(self, path: str) -> trio.Event:
        return self.go_on.setdefault(path, trio.Event())

    async def task(self, exchange: Exchange) -> None:
        await self.gate("/task").wait()
        await exchange.acknowledge("accepted", task_id=exchange.json["taskId"])

    async def cancel(self, exchange: Exchange) -> None:
        await self.gate("/cancel").wait()
        await exchange.acknowledge("already_ended")

    async def confirm(self, exchange: Exchange) -> None:
        await exchange.acknowledge("applied")

    @property
    def plays(self) -> dict[str, Play]:
        return {"/task": self.task, "/cancel": self.cancel, "/confirm": self.confirm}


async def arrived(server: HTTPServer, path: str, count: int = 1) -> None:
    while len(server.asked(path)) < count:
        await wait_all_tasks_blocked(0.005)


async def test_a_cancel_follows_the_submit_and_holds_up_nothing_itself() -> None:
    script = Scripted()
    with trio.fail_after(5):
        async with (
            http_server(script.plays) as server,
            open_sse_client(server.url) as client,
            trio.open_nursery() as nursery,
        ):
            nursery.start_soon(lambda: client.submit("x", task_id="t"))
            await arrived(server, "/task")
            nursery.start_soon(client.cancel)
            await wait_all_tasks_blocked(0.1)
            assert not server.asked("/cancel"), "the submit is not answered yet"
            script.gate("/task").set()
            await arrived(server, "/cancel")
            assert await client.task("t").confirm("s") == "applied"
            assert not script.gate("/cancel").is_set(), "the cancel still waits"
            script.gate("/cancel").set()
    assert [each.path for each in server.requests] == ["/sse", "/task", "/cancel", "/confirm"]


async def test_a_submit_does_not_overtake_a_cancel_of_everything_that_was_given_up() -> None:
    """Nobody waits for the cancel any more, and it must not hit the task that comes after."""

    async def cancel(exchange: Exchange) -> None:
        await trio.sleep(0.05)  # a long way
        order.append("cancel")
        await exchange.wait_until_gone()

    async def task(exchange: Exchange) -> None:
        order.append("task")
        await exchange.acknowledge("accepted", task_id=exchange.json["taskId"])

    order: list[str] = []
    with trio.fail_after(5):
        async with (
            http_server({"/cancel": cancel, "/task": task}) as server,
            open_sse_client(server.url) as client,
        ):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(client.cancel)
                await arrived(server, "/cancel")
                nursery.cancel_scope.cancel()
            await client.submit("x")
    assert order == ["cancel", "task"]


@pytest.mark.parametrize("everything", [False, True])
async def test_a_cancel_returns_when_the_stream_has_told_the_end_too(everything: bool) -> None:
    """The two come over two connections, in any order."""
    receipt = Receipt(
        task_id="t",
        reason="enough",
        requested_at=1,
        ended_at=2,
        duration=1,
        interrupted=[],
        completed=[],
        cleanup="clean",
    )

    async def stream(exchange: Exchange) -> None:
        await exchange.open_stream()
        await told.wait()
        await exchange.say(completed("t", "cancelled", receipt=receipt))
        await exchange.wait_until_gone()

    async def task(exchange: Exchange) -> None:
        await exchange.acknowledge("accepted", task_id="t")

    async def cancel(exchange: Exchange) -> None:
        await exchange.acknowledge("cancelled", receipt=receipt, task_id="t")

    plays: dict[str, Play] = {"/sse": stream, "/task": task, "/cancel": cancel}
    told = trio.Event()
    with trio.fail_after(5):
        async with (
            http_server(plays) as server,
            open_sse_client(server.url) as client,
            trio.open_nursery() as nursery,
        ):
            submitted = await client.submit("x", task_id="t")

            async def cancel_it() -> None:
                if everything:
                    assert list(await client.cancel()) == [receipt]
                else:
                    assert await submitted.cancel() == receipt
                assert submitted.completed is not None, "it returned too early"
                returned.set()

            returned = trio.Event()
            nursery.start_soon(cancel_it)
            await wait_all_tasks_blocked(0.05)
            assert not returned.is_set()
            told.set()
            await returned.wait()


JSON = {"Content-Type": "application/json"}
HTML = {"Content-Type": "text/html"}


@pytest.mark.parametrize(
    ("status", "code", "raised"),
    [
        (409, "busy", Busy),
        (403, "forbidden", Forbidden),
        (429, "rate_limited", RateLimited),
        (503, "shutting_down", ShuttingDown),
        (413, "too_large", MessageTooLarge),
        (500, "internal", CommandRefused),
        (401, "unauthorized", CommandRefused),
        (418, "something_new", CommandRefused),
    ],
)
async def test_a_refusal_is_raised_as_over_websocket(
    status: int, code: str, raised: type[Exception]
) -> None:
    async def task(exchange: Exchange) -> None:
        await exchange.answer(status, encode_http_failure("not now", code), JSON)

    with trio.fail_after(5):
        async with http_server({"/task": task}) as server, open_sse_client(server.url) as client:
            with pytest.raises(raised, match="not now"):
                await client.submit("x")
            assert client.connected
    assert len(server.requests) == 2


@pytest.mark.parametrize(
    ("status", "headers", "body", "raised", "text"),
    [
        (404, HTML, b"<h1>", CommandRefused, "404 Not Found .is /task the right path"),
        (405, {}, b"", CommandRefused, "405 Method Not Allowed"),
        (403, HTML, b"<h1>", Forbidden, "403 Forbidden"),
        (413, HTML, b"<h1>", MessageTooLarge, "413 "),
        (429, {}, b"slow down", RateLimited, "429 slow down"),
        (302, {"Location": "/login"}, b"", CommandRefused, "302 Found and points to /login"),
        (200, HTML, b"<h1>", CommandRefused, "200 OK and text/html"),
        (200, JSON, b'{"ok": 1}', CommandRefused, "200 OK and application/json"),
        (200, JSON, b'{"success": true}', CommandRefused, "200 OK"),
    ],
)
async def test_an_answer_of_something_else_is_a_refusal_that_says_so(
    status: int, headers: dict[str, str], body: bytes, raised: type[Exception], text: str
) -> None:
    async def task(exchange: Exchange) -> None:
        await exchange.answer(status, body, headers)

    with trio.fail_after(5):
        async with http_server({"/task": task}) as server, open_sse_client(server.url) as client:
            with pytest.raises(raised, match=text):
                await client.submit("x")
            assert client.connected
    assert len(server.requests) == 2


async def _cut(exchange: Exchange) -> None:
    await exchange.cut()


async def _cut_in_the_answer(exchange: Exchange) -> None:
    await exchange.start(200, {"Content-Length": "100", **JSON})
    await exchange.write(b'{"success": tr')
    await exchange.cut()


def _answer(status: int, body: bytes, headers: dict[str, str]) -> Play:
    async def answer(exchange: Exchange) -> None:
        await exchange.answer(status, body, headers)

    return answer


UNSURE: dict[str, Play] = {
    "cut": _cut,
    "cut in the answer": _cut_in_the_answer,
    "not HTTP": lambda exchange: exchange.stream.send_all(b"SSH-2.0\r\n\r\n"),
    "502": _answer(502, b"<h1>Bad Gateway", HTML),
    "504": _answer(504, b"", {}),
    "408": _answer(408, b"", {}),
    "stream unknown": _answer(404, encode_http_failure("no", "unknown_session"), JSON),
}


@pytest.mark.parametrize("how", UNSURE)
async def test_a_command_that_may_not_have_arrived_is_sent_again_on_a_new_connection(
    how: str,
) -> None:
    async def task(exchange: Exchange) -> None:
        if len(server.asked("/task")) == 1:
            await UNSURE[how](exchange)
        else:
            await exchange.acknowledge("already_accepted", task_id=exchange.json["taskId"])

    with trio.fail_after(5):
        async with (
            http_server({"/task": task}) as server,
            open_sse_client(server.url, reconnect=AT_ONCE) as client,
        ):
            submitted = await client.submit("x")
            assert client.connected
    first, again = server.asked("/task")
    assert first.json["taskId"] == again.json["taskId"] == submitted.id
    assert len(server.asked("/sse")) == 2


async def test_commands_that_do_not_reach_the_server_of_the_stream_are_refused_in_the_end() -> None:
    """A wrong path, or a server that is one of several and knows its own streams alone."""

    async def tools(exchange: Exchange) -> None:
        await exchange.acknowledge("ok")

    plays: dict[str, Play] = {"/task": UNSURE["stream unknown"], "/tools": tools}
    with trio.fail_after(5):
        async with (
            http_server(plays) as server,
            open_sse_client(server.url, reconnect=AT_ONCE) as client,
        ):
            for _ in range(2):
                with pytest.raises(UnknownSession, match="a resource of the server that http"):
                    await client.submit("x")
                await client.tools()
    assert len(server.asked("/task")) == 6


async def test_an_answer_that_is_too_large_is_not_taken() -> None:
    async def flood(exchange: Exchange) -> None:
        await exchange.start(200, JSON)
        while True:
            await exchange.write(b" " * 10_000)

    with trio.fail_after(5):
        async with (
            http_server({"/tools": flood}) as server,
            open_sse_client(server.url, max_message_bytes=50_000) as client,
        ):
            with pytest.raises(ConnectionLost, match="more than 50000 bytes") as caught:
                await client.tools()
            assert caught.value.code == 1009


async def test_an_answer_that_does_not_come_is_asked_for_again_elsewhere(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def tools(exchange: Exchange) -> None:
        if len(server.asked("/tools")) == 1:
            await exchange.wait_until_gone()
        await exchange.acknowledge("ok")

    monkeypatch.setattr("trio_agent_rt.clients.connectors.sse_link._ANSWER_TIMEOUT", 0.1)
    with trio.fail_after(5):
        async with (
            http_server({"/tools": tools}) as server,
            open_sse_client(server.url, reconnect=AT_ONCE) as client,
        ):
            assert list(await client.tools()) == []
    assert len(server.asked("/sse")) == 2


async def test_cancels_that_wait_hold_so_many_connections_and_no_more(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def cancel(exchange: Exchange) -> None:
        await exchange.wait_until_gone()

    async def tools(exchange: Exchange) -> None:
        await exchange.acknowledge("ok")

    monkeypatch.setattr("trio_agent_rt.clients.connectors.sse_link._HEAD_START", 0.01)
    with trio.fail_after(10):
        async with (
            http_server({"/cancel": cancel, "/tools": tools}) as server,
            open_sse_client(server.url) as client,
            trio.open_nursery() as nursery,
        ):
            for number in range(40):
                nursery.start_soon(client.task(f"{number}").cancel)
            await wait_all_tasks_blocked(0.05)
            await client.tools()
            assert len(server.asked("/cancel")) == 16
            nursery.cancel_scope.cancel()


async def test_commands_use_one_connection_as_long_as_it_is_fresh() -> None:
    async def tools(exchange: Exchange) -> None:
        streams.append(exchange.stream)
        await exchange.acknowledge("ok")

    streams: list[object] = []
    with trio.fail_after(5):
        async with http_server({"/tools": tools}) as server, open_sse_client(server.url) as client:
            for _ in range(5):
                await client.tools()
            await trio.aclose_forcefully(server.requests[-1].stream)  # it was idle
            await client.tools()
            assert client.connected
    assert len(set(streams)) == 2
    assert len(server.asked("/sse")) == 1
