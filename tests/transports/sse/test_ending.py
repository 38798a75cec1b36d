"""How a stream ends: in order, with `retry:` and the last chunk, and never late."""

from __future__ import annotations

import functools
import math
import socket
import time
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import pytest
import trio
import trio.testing

from tests.transports.sse.peers import (
    Address,
    Block,
    Stream,
    error_of,
    get,
    http,
    open_stream,
    post,
    serving,
    started,
)
from trio_agent_rt.agent import TaskRun
from trio_agent_rt.protocol import CloseCode
from trio_agent_rt.realtime import Connection, Limits, Principal, RealtimeAgent
from trio_agent_rt.transports import Request, SSEAddress, serve_sse, visitors

pytestmark = pytest.mark.usefixtures("either_way")

PATIENT = Limits(handshake_timeout=60, write_timeout=60, close_timeout=60)

# What the server itself may take, beside the tasks: a second, and some for the machine.
BOUND = 1.5


async def waiting(task: str, run: TaskRun) -> None:
    """Waits in a step until it is cancelled."""
    async with run.step("Wait"):
        await trio.sleep_forever()


async def begin(address: Address, stream: Stream) -> tuple[str, str]:
    """Have a task run that waits; gives the ids of the client and of the session."""
    client, session = await started(stream)
    await post(address, "/task", {"task": "wait", "clientId": client})
    await stream.event("step:start")
    return client, session


def ended_in_order(blocks: list[Block]) -> None:
    """The last thing said is when to come again; `rest` has seen the last chunk."""
    assert blocks
    assert 500 <= int(blocks[-1].field("retry") or 0) <= 1500


def types(blocks: list[Block]) -> list[str]:
    return [each.message["type"] for each in blocks if each.field("data")]


async def test_who_is_overtaken_is_told_to_come_again_and_resumes() -> None:
    async with serving(linger=5, of_agent={"buffer_size": 5, "direct_writes": False}) as (
        realtime,
        address,
    ):
        with trio.fail_after(5):
            async with open_stream(address) as stream:
                _, session = await started(stream)
                position = (await stream.event("status")).message["id"]
                # More in one go than may be held back.
                for number in range(200):
                    realtime.broadcast("news", number, session=session)
                ended_in_order(await stream.rest())
                assert await stream.transport.receive_some() == b""
            for number in range(3):
                realtime.broadcast("more", number, session=session)
            async with open_stream(address, "/sse", [f"Last-Event-ID: {position}"]) as stream:
                assert (await started(stream))[1] == session
                assert (await stream.event()).message["type"] == "gap"
                realtime.broadcast("last", session=session)
                await stream.event("last")


async def test_a_shutdown_tells_how_the_tasks_ended_and_when_to_come_again() -> None:
    async with RealtimeAgent(waiting) as realtime:
        with trio.fail_after(5):
            async with trio.open_nursery() as nursery:
                serve = functools.partial(serve_sse, realtime, port=0)
                address: SSEAddress = await nursery.start(serve)
                async with open_stream(address) as stream:
                    await begin(address, stream)
                    await realtime.shut_down()
                    blocks = await stream.rest()
                    assert types(blocks)[0] == "error"
                    assert types(blocks)[-1] == "task:complete"
                    errors = [each.message for each in blocks if types([each]) == ["error"]]
                    assert [each["data"]["code"] for each in errors] == ["shutting_down"]
                    ended_in_order(blocks)
                    assert await stream.transport.receive_some() == b""
            # It has returned, and nobody listens any more.
            with pytest.raises(OSError, match="connect"):
                await trio.open_tcp_stream(address.host, address.port)


async def test_cancelled_alone_it_ends_its_streams_in_order_and_the_tasks_go_on() -> None:
    async with RealtimeAgent(waiting) as realtime:
        async with AsyncExitStack() as stack:
            async with trio.open_nursery() as nursery:
                address: SSEAddress = await nursery.start(
                    functools.partial(serve_sse, realtime, port=0)
                )
                stream = await stack.enter_async_context(open_stream(address))
                _, session = await begin(address, stream)
                nursery.cancel_scope.cancel()
            with trio.fail_after(BOUND):
                blocks = await stream.rest()
        assert types(blocks) == []
        ended_in_order(blocks)
        assert realtime.phase == "serving"
        assert len(realtime._registry.find(session).tasks) == 1


async def test_cancelled_together_with_its_agent_it_tells_how_the_tasks_ended() -> None:
    told: list[Block] = []
    outer = trio.CancelScope()

    async def watch(address: SSEAddress) -> None:
        async with open_stream(address) as stream:
            await begin(address, stream)
            outer.cancel()
            with trio.fail_after(BOUND):
                told.extend(await stream.rest())

    async with trio.open_nursery() as watching:
        with outer:
            async with RealtimeAgent(waiting) as realtime, trio.open_nursery() as nursery:
                address = await nursery.start(functools.partial(serve_sse, realtime, port=0))
                watching.start_soon(watch, address)
                await trio.sleep_forever()
    assert types(told)[-1] == "task:complete"
    ended_in_order(told)


async def test_a_cancel_that_is_waited_for_is_answered_when_a_shutdown_ends_the_task() -> None:
    may_end = trio.Event()

    async def agent(task: str, run: TaskRun) -> None:
        try:
            await trio.sleep_forever()
        finally:
            async with run.cleanup(timeout=5):
                run.plan(["Clean"])
                await may_end.wait()

    answers: list[Any] = []
    async with RealtimeAgent(agent) as realtime, trio.open_nursery() as nursery:
        address: SSEAddress = await nursery.start(functools.partial(serve_sse, realtime, port=0))

        async def cancel(client: str) -> None:
            answers.append((await post(address, "/cancel", {"clientId": client})).json)

        with trio.fail_after(5):
            async with open_stream(address) as stream, trio.open_nursery() as asking:
                client, _ = await started(stream)
                await post(address, "/task", {"task": "x", "clientId": client})
                asking.start_soon(cancel, client)
                await stream.event("plan:created")
                realtime.begin_shutdown()
                # Everybody is kept until the work has ended.
                await trio.testing.wait_all_tasks_blocked(0.02)
                assert not answers
                may_end.set()
                blocks = await stream.rest()
                assert types(blocks)[-1] == "task:complete"
                ended_in_order(blocks)
    assert [each["outcome"] for each in answers] == ["cancelled"]


async def test_a_peer_that_leaves_is_noticed_at_once_and_its_task_ends() -> None:
    running, cancelled = trio.Event(), trio.Event()

    async def agent(task: str, run: TaskRun) -> None:
        running.set()
        try:
            await trio.sleep_forever()
        finally:
            cancelled.set()

    # Neither a heartbeat nor an event is written, at which it could be noticed.
    limits = Limits(heartbeat_interval=600)
    async with serving(agent=agent, linger=0, limits=limits) as (_, address):
        with trio.fail_after(5):
            async with open_stream(address) as stream:
                client, _ = await started(stream)
                await post(address, "/task", {"task": "x", "clientId": client})
                await running.wait()
            await cancelled.wait()


async def test_a_principal_that_expires_is_shown_no_more_and_not_let_in_again() -> None:
    async with AsyncExitStack() as stack:
        until = time.time() + 0.5

        async def authenticate(request: Request) -> Principal:
            await trio.lowlevel.checkpoint()
            return Principal("ann", expires_at=until)

        _, address = await stack.enter_async_context(serving(authenticate=authenticate, linger=5))
        with trio.fail_after(5):
            async with open_stream(address) as stream:
                await started(stream)
                position = (await stream.event("status")).message["id"]
                blocks = await stream.rest()
                assert time.time() >= until
                assert types(blocks) == []
                ended_in_order(blocks)
            answer = await get(address, "/sse", [f"Last-Event-ID: {position}"])
            assert error_of(answer) == (401, "unauthorized")
            assert answer.headers["www-authenticate"].startswith("Bearer")


@asynccontextmanager
async def stalled(address: Address, session: str) -> AsyncGenerator[trio.SocketStream]:
    """A viewer that reads nothing."""
    with trio.socket.socket() as each:
        # So small that a server that writes to it is soon stalled.
        each.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        await each.connect((address.host, address.port))
        stream = trio.SocketStream(each)
        await stream.send_all(http(f"/sse?session={session}"))
        yield stream


async def viewer(realtime: RealtimeAgent, session: str, but: str) -> Connection:
    """The viewer of the session that is not the client `but`, once there is one."""
    while True:
        for each in realtime._registry.find(session).connections:
            if each.client_id != but:
                return each
        await trio.lowlevel.checkpoint()


async def flood(realtime: RealtimeAgent, session: str, stream: Stream) -> None:
    """More than sockets hold, no faster than an honest viewer takes it."""
    for number in range(14):
        realtime.broadcast("news", {"number": number, "text": "x" * 500_000}, session=session)
        assert (await stream.event("news")).message["data"]["number"] == number


async def test_a_peer_that_reads_nothing_is_cut_at_its_deadline_and_delays_nobody() -> None:
    limits = Limits(write_timeout=0.5)
    async with serving(limits=limits, linger=5) as (realtime, address):
        with trio.fail_after(10):
            async with open_stream(address) as stream:
                client, session = await started(stream)
                async with stalled(address, session):
                    mute = await viewer(realtime, session, client)
                    began = trio.current_time()
                    await flood(realtime, session, stream)
                    await mute.wait_closing()
                    assert trio.current_time() - began >= 0.5
                    # Not because it was overtaken: its connection was cut.
                    assert mute.closing is not None
                    assert mute.closing[0] == CloseCode.NORMAL
                    realtime.broadcast("after", session=session)
                    await stream.event("after")


async def test_a_peer_that_reads_nothing_does_not_delay_who_reads_at_a_shutdown(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(visitors, "_CLOSING_TIMEOUT", 2)
    began = math.inf
    async with AsyncExitStack() as stack:
        async with RealtimeAgent(waiting, limits=PATIENT) as realtime:
            async with trio.open_nursery() as nursery:
                address = await nursery.start(functools.partial(serve_sse, realtime, port=0))
                with trio.fail_after(10):
                    stream = await stack.enter_async_context(open_stream(address))
                    client, session = await begin(address, stream)
                    await stack.enter_async_context(stalled(address, session))
                    mute = await viewer(realtime, session, client)
                    await flood(realtime, session, stream)
                    await trio.testing.wait_all_tasks_blocked(0.02)
                    assert mute._held_bytes > 0
                    began = trio.current_time()
                    await realtime.shut_down()
                    blocks = await stream.rest()
                    # Who reads is not kept waiting by who does not.
                    assert trio.current_time() - began < BOUND
                    assert types(blocks)[-1] == "task:complete"
        assert 2 <= trio.current_time() - began < 2 + BOUND
