"""A server that is somewhere else is used in the same way."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest
import trio
import trio.testing

from trio_agent_rt.errors import ToolError, ToolServerFailed
from trio_agent_rt.mcp import open_mcp_tools
from trio_agent_rt.mcp.http import LongestMessage
from trio_agent_rt.testing import assert_no_leaks

from .hostile import Message, event, hostile_http, response
from .serving import Call, appears, serving_http, the_tools

pytestmark = pytest.mark.hang_guard(60)


async def test_its_tools_are_called_and_a_cancel_is_told(tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    async with serving_http() as url:
        with trio.fail_after(20), assert_no_leaks():
            async with the_tools(url, headers={"Authorization": "Bearer x"}) as tools:
                assert await tools["add"].run(Call(), {"a": 1, "b": 2}) == {"sum": 3}
                call, begun = Call(), 0.0
                with trio.CancelScope() as scope:
                    async with trio.open_nursery() as nursery:
                        nursery.start_soon(tools["work"].run, call, {"path": str(mark)})
                        await call.heard.wait()
                        begun = trio.current_time()
                        scope.cancel()
                assert trio.current_time() - begun < 1
                await appears(mark)
                assert await tools["add"].run(Call(), {"a": 2, "b": 2}) == {"sum": 4}


async def test_one_that_is_not_there() -> None:
    with assert_no_leaks(), pytest.raises(ToolServerFailed, match=r"^http://127.0.0.1:1/mcp: "):
        async with open_mcp_tools("http://me:secret@127.0.0.1:1/mcp?key=secret"):
            raise AssertionError("it was opened")


async def test_one_that_is_no_mcp_server() -> None:
    async def answer(stream: trio.SocketStream) -> None:
        async with stream:
            await stream.receive_some()
            await stream.send_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi")

    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    port = listener.socket.getsockname()[1]
    async with trio.open_nursery() as nursery:
        nursery.start_soon(trio.serve_listeners, answer, [listener])
        with pytest.raises(ToolServerFailed, match=r"content type"):
            async with open_mcp_tools(f"http://127.0.0.1:{port}/mcp"):
                raise AssertionError("it was opened")
        nursery.cancel_scope.cancel()


# --- those that send without end

LIMIT = 100_000
TOO_LONG = f"it sent a message of more than {LIMIT} bytes, and was left"


class Endless:
    """An answer of pieces without end, and how much of it was sent when the client had enough."""

    def __init__(self, kind: str, piece: bytes, more: str = "") -> None:
        self._head = response(kind, more=more)
        self._piece = piece
        self.sent = 0
        self.over = trio.Event()

    async def __call__(self, stream: trio.SocketStream, asked: Message) -> None:
        try:
            await stream.send_all(self._head)
            while True:
                await stream.send_all(self._piece)
                self.sent += len(self._piece)
        finally:
            self.over.set()


@pytest.mark.parametrize(
    ("kind", "piece"),
    [
        ("application/json", b" " * 50_000),
        ("application/json; charset=punycode", b"x" * 100),
        ("text/event-stream", b"data: " + b"x" * 50_000),
        ("text/event-stream", b"data: x\n" * 10),
        ("text/event-stream; charset=zlib", b": x\r\n"),
    ],
)
async def test_one_whose_message_never_ends_is_left(kind: str, piece: bytes) -> None:
    answer = Endless(kind, piece)
    with trio.fail_after(50), assert_no_leaks():
        async with hostile_http(listing=answer) as url:
            with pytest.raises(ToolServerFailed, match=rf"^http://127.*/mcp: {TOO_LONG}$"):
                async with open_mcp_tools(url, max_message_bytes=LIMIT):
                    raise AssertionError("it was opened")
            await answer.over.wait()  # the connection is closed
    assert answer.sent < 30_000_000  # what sockets hold, and what the machine is late


async def test_one_that_sends_too_much_later_fails_its_calls_and_nothing_else() -> None:
    answer = Endless("text/event-stream", b"data: " + b"x" * 50_000)
    with trio.fail_after(50), assert_no_leaks():
        async with hostile_http(call=answer) as url:
            async with the_tools(url, max_message_bytes=LIMIT) as tools:
                for _ in range(2):
                    with pytest.raises(ToolError, match=TOO_LONG):
                        await tools["t"].run(Call(), {})
                await trio.lowlevel.checkpoint()  # the block is not cancelled
            await answer.over.wait()


async def test_one_that_says_how_much_will_come_is_left_before_it_comes() -> None:
    async def answer(stream: trio.SocketStream, asked: Message) -> None:
        await stream.send_all(
            b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 100001\r\n\r\n"
        )
        await trio.sleep_forever()

    with trio.fail_after(50):
        async with hostile_http(listing=answer) as url:
            with pytest.raises(ToolServerFailed, match=TOO_LONG):
                async with open_mcp_tools(url, max_message_bytes=LIMIT):
                    raise AssertionError("it was opened")


async def test_one_that_compresses_is_left_before_anything_unfolds() -> None:
    bomb = gzip.compress(b" " * 50_000_000)

    async def answer(stream: trio.SocketStream, asked: Message) -> None:
        await stream.send_all(response("application/json", bomb, "Content-Encoding: gzip\r\n"))

    with trio.fail_after(50):
        async with hostile_http(listing=answer) as url:
            with pytest.raises(ToolServerFailed, match="it compresses its messages"):
                async with open_mcp_tools(url):
                    raise AssertionError("it was opened")


# The SDK leaves its generators to the garbage collector when it has an answer.
@pytest.mark.filterwarnings("ignore:Exception ignored in.*async_generator")
@pytest.mark.filterwarnings("ignore:Async generator:ResourceWarning")
async def test_an_answer_longer_than_a_megabyte_comes_as_an_event_too() -> None:
    async def answer(stream: trio.SocketStream, asked: Message) -> None:
        content = [{"type": "text", "text": "x" * 2_000_000}]
        told = {"jsonrpc": "2.0", "id": asked["id"], "result": {"content": content}}
        await stream.send_all(response("text/event-stream") + event(told))
        await stream.aclose()

    with trio.fail_after(50):
        async with hostile_http(call=answer) as url:
            async with the_tools(url, max_result_chars=3_000_000) as tools:
                assert await tools["t"].run(Call(), {}) == "x" * 2_000_000


@pytest.mark.parametrize("method", ["ping", "sampling/createMessage"])
@pytest.mark.parametrize("reads", [True, False])
async def test_one_that_asks_without_end_starts_nothing_without_end(
    method: str, reads: bool
) -> None:
    asked_for = trio.Event()

    async def call(stream: trio.SocketStream, asked: Message) -> None:
        await stream.send_all(response("text/event-stream"))
        params = {"messages": [], "maxTokens": 5}
        for number in range(1, 501):
            ask = {"jsonrpc": "2.0", "id": number, "method": method, "params": params}
            await stream.send_all(event(ask))
        asked_for.set()
        await trio.sleep_forever()

    async def told(stream: trio.SocketStream, asked: Message) -> None:
        if not reads:
            await trio.sleep_forever()
        await stream.send_all(b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n")

    with trio.fail_after(50):
        async with hostile_http(call=call, told=told) as url, the_tools(url) as tools:
            before = trio.lowlevel.current_statistics().tasks_living
            async with trio.open_nursery() as nursery:
                nursery.start_soon(tools["t"].run, Call(), {})
                await asked_for.wait()
                await trio.testing.wait_all_tasks_blocked(0.2)
                assert (
                    trio.lowlevel.current_statistics().tasks_living < before + 20
                )  # not one for each
                nursery.cancel_scope.cancel()


@pytest.mark.parametrize("body", [b"", b": hi\n\n", b"data: {}\n"])
async def test_an_answer_that_breaks_off_fails_its_call_at_once(body: bytes) -> None:
    async def answer(stream: trio.SocketStream, asked: Message) -> None:
        await stream.send_all(response("text/event-stream") + body)
        await stream.aclose()

    with trio.fail_after(50):
        async with hostile_http(call=answer) as url, the_tools(url) as tools:
            begun = trio.current_time()
            for _ in range(2):
                with pytest.raises(ToolError, match=r"^t: "):
                    await tools["t"].run(Call(), {})
            assert trio.current_time() - begun < 4


def longest(*chunks: bytes, in_events: bool = True) -> list[int]:
    count = LongestMessage(in_events)
    return [count.after(each) for each in chunks]


def test_events_are_counted_one_by_one_whatever_ends_their_lines() -> None:
    assert longest(b"data: 1\n\ndata: 22\n\n") == [10]
    assert longest(b"data: 1\r\n\r\n" * 1000) == [11]
    assert longest(b"data: 1\r\r" * 1000) == [9]
    assert longest(*[b"data: 1\n", b"\n"] * 1000)[-1] == 9
    assert longest(*[b"data: 1\r", b"\n\r", b"\n"] * 1000)[-1] < 12
    assert longest(*[b"data: 1\r\n"] * 1000)[-1] == 9000
    assert longest(*[b"12\n\n"] * 10, in_events=False)[-1] == 40
