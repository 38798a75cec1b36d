"""`submit` and `watch`: the same view over the wire."""

from __future__ import annotations

import functools
import json
import signal
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager

import pytest
import trio

from trio_agent_rt.agent import TaskRun
from trio_agent_rt.clients import AgentClient, open_sse_client, open_websocket_client
from trio_agent_rt.errors import ConnectionRejected
from trio_agent_rt.protocol import ConfirmationRequested, TaskCompleted, decode_event
from trio_agent_rt.realtime import Principal, RealtimeAgent
from trio_agent_rt.transports import Request, serve_sse, serve_websocket

from .processes import a_moment, piped, run_program


async def agent(task: str, run: TaskRun) -> str:
    async with run.step("Write") as step:
        step.output("one\ntwo\n")
        if "ask" in task:
            await step.confirm("May it?")
        if "wait" in task:
            await trio.sleep_forever()
        if "slow" in task:
            try:
                await trio.sleep_forever()
            finally:
                async with run.cleanup():
                    await trio.sleep(60)
    return f"did {task}"


over_each = pytest.mark.parametrize("transport", [serve_websocket, serve_sse])


@asynccontextmanager
async def serving(
    transport: Callable[..., Awaitable[None]] = serve_websocket, token: str | None = None
) -> AsyncGenerator[tuple[RealtimeAgent, str]]:
    async def authenticate(request: Request) -> Principal:
        await trio.lowlevel.checkpoint()
        if token is not None and request.headers.get("Authorization") != f"Bearer {token}":
            raise ConnectionRejected(401, "a token is needed")
        return Principal("anybody")

    async with RealtimeAgent(agent, cleanup_timeout=3) as realtime, trio.open_nursery() as nursery:
        serve = functools.partial(transport, realtime, port=0, authenticate=authenticate)
        yield realtime, (await nursery.start(serve)).url
        nursery.cancel_scope.cancel()


@over_each
async def test_submit_shows_the_task_and_its_session(
    transport: Callable[..., Awaitable[None]],
) -> None:
    async with serving(transport) as (_, url):
        done = await run_program("submit", url, "this")
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith("session ")
    for text in ("▸ Write (1 of 1)", "│ one", "│ two", "did this", "✓ Succeeded in"):
        assert text in done.out


@over_each
async def test_submit_as_json_is_the_wire(transport: Callable[..., Awaitable[None]]) -> None:
    async with serving(transport) as (_, url):
        done = await run_program("submit", url, "this", "--json")
    events = [decode_event(line) for line in done.out.splitlines()]
    assert isinstance(events[-1], TaskCompleted)
    assert events[-1].output == "did this"


@over_each
@pytest.mark.parametrize(("options", "code"), [(["--yes"], 0), ([], 1)])
async def test_a_question_over_the_wire(
    transport: Callable[..., Awaitable[None]], options: list[str], code: int
) -> None:
    async with serving(transport) as (_, url):
        done = await run_program("submit", url, "ask", *options)
    assert done.code == code
    assert "? Write: May it?" in done.out
    assert ("or give --yes" in done.out) == (code == 1)


@over_each
async def test_a_token_comes_from_the_environment_and_is_not_shown(
    transport: Callable[..., Awaitable[None]],
) -> None:
    async with serving(transport, token="s3cret") as (_, url):
        refused = await run_program("submit", url, "this")
        env = {"TOKEN": "s3cret"}
        done = await run_program("submit", url, "this", "--token-env", "TOKEN", env=env)
    assert refused.code == 3
    assert "401 a token is needed" in refused.complaint
    assert done.code == 0
    assert "s3cret" not in done.out + done.err


async def test_a_server_of_another_kind_is_told_of() -> None:
    async def speak_http(stream: trio.SocketStream) -> None:
        async with stream:
            await stream.receive_some()
            await stream.send_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi")

    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
    port = listeners[0].socket.getsockname()[1]
    async with trio.open_nursery() as nursery:
        nursery.start_soon(trio.serve_listeners, speak_http, listeners)
        done = await run_program("submit", f"ws://127.0.0.1:{port}/ws", "this")
        nursery.cancel_scope.cancel()
    assert done.code == 3
    assert "Traceback" not in done.err
    assert done.complaint.startswith("trio-agent-rt: ")


@over_each
async def test_an_unknown_session_is_told_of(transport: Callable[..., Awaitable[None]]) -> None:
    async with serving(transport) as (_, url):
        for arguments in (["submit", url, "this"], ["watch", url]):
            done = await run_program(*arguments, "--session", "nobodys")
            assert done.code == 3
            assert "session" in done.complaint


@pytest.mark.parametrize("as_json", [True, False])
async def test_detach_leaves_the_task_running_and_says_where(as_json: bool) -> None:
    async with serving() as (_, url):
        options = ["--json"] if as_json else []
        done = await run_program("submit", url, "ask", "--detach", *options)
        assert done.code == 0
        if as_json:
            session = json.loads(done.out)["sessionId"]
        else:
            session = done.out.splitlines()[1].rpartition("--session=")[2]
        async with open_websocket_client(url, session=session) as client:
            asked = await _asked(client)
            task = client.task(asked.task_id or "")
            await task.confirm("Write")
            assert (await task.wait()).success


async def _asked(client: AgentClient) -> ConfirmationRequested:
    async for event in client.events():
        if isinstance(event, ConfirmationRequested):
            return event
    raise AssertionError("nothing was asked")


@over_each
async def test_watch_shows_a_session_answers_nothing_and_leaves_at_ctrl_c(
    transport: Callable[..., Awaitable[None]],
) -> None:
    open_client = open_sse_client if transport is serve_sse else open_websocket_client
    async with (
        serving(transport) as (_, url),
        open_client(url) as client,
        piped("watch", url, "--session", client.session_id) as watching,
    ):
        await watching.shows("watching session")
        first = await client.submit("ask")
        await watching.shows("somebody has to answer this")
        await first.confirm("Write")
        await watching.shows("Succeeded")
        second = await client.submit("wait")
        await watching.shows(f"[{second.id[:8]}] ▸ Write")

        watching.process.send_signal(signal.SIGINT)
        assert await watching.ends() == 0
        assert second.completed is None
    assert f"[{first.id[:8]}] ? Write: May it?" in watching.text


@over_each
async def test_ctrl_c_cancels_on_the_server(transport: Callable[..., Awaitable[None]]) -> None:
    async with serving(transport) as (_, url), piped("submit", url, "wait") as submitted:
        await submitted.shows("▸ Write")
        submitted.process.send_signal(signal.SIGINT)
        assert await submitted.ends() == 4
    assert "reason       anybody asked: Ctrl-C" in submitted.text


async def test_a_server_that_has_gone_away_is_told_of_and_can_be_left() -> None:
    async with AsyncExitStack() as stack:
        async with serving() as (_, url):
            submitted = await stack.enter_async_context(piped("submit", url, "wait"))
            await submitted.shows("▸ Write")
        await submitted.shows("the connection is gone; trying to get it back")
        submitted.process.send_signal(signal.SIGINT)
        await submitted.shows("once more to leave at once")
        await a_moment()
        submitted.process.send_signal(signal.SIGINT)
        assert await submitted.ends() == 130


@over_each
async def test_a_slow_cleanup_on_the_server_can_be_left(
    transport: Callable[..., Awaitable[None]],
) -> None:
    async with serving(transport) as (_, url), piped("submit", url, "slow") as submitted:
        await submitted.shows("▸ Write")
        submitted.process.send_signal(signal.SIGINT)
        await submitted.shows("Cancelling: anybody asked: Ctrl-C")
        await a_moment()
        submitted.process.send_signal(signal.SIGTERM)
        assert await submitted.ends() == 130
    assert "Receipt" not in submitted.text
