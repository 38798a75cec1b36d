"""Commands as HTTP requests: what they do, and what is said to those that cannot be done."""

from __future__ import annotations

import json
import logging
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trio

from tests.realtime.viewing import asking, stepping
from tests.transports.http.peers import open_peer
from tests.transports.sse.peers import (
    BROKEN_TOOL,
    Address,
    Stream,
    error_of,
    get,
    http,
    open_stream,
    post,
    serving,
    started,
)
from trio_agent_rt.agent import TaskRun, ToolCall, tool
from trio_agent_rt.realtime import Limits, Principal
from trio_agent_rt.transports import Request


@tool()
async def shout(call: ToolCall, *, text: str) -> str:
    """Say it louder."""
    await trio.lowlevel.checkpoint()
    return text.upper()


class SlowToEnd:
    """An agent whose work, once cancelled, ends when it may."""

    def __init__(self) -> None:
        self.cleaning = trio.Event()
        self.may_end = trio.Event()

    async def __call__(self, task: str, run: TaskRun) -> None:
        try:
            await trio.sleep_forever()
        finally:
            with trio.move_on_after(3, shield=True):
                self.cleaning.set()
                await self.may_end.wait()


@asynccontextmanager
async def watching(
    agent: Any = asking, **options: Any
) -> AsyncGenerator[tuple[Address, Stream, str]]:
    """A server, a stream of it, and the id of its client."""
    options.setdefault("linger", 5)
    async with serving(agent=agent, **options) as (_, address), open_stream(address) as stream:
        client, _ = await started(stream)
        yield address, stream, client


async def test_a_task_is_submitted_and_shown_in_the_stream() -> None:
    async with watching(stepping) as (address, stream, client):
        body = {"task": "数一数", "context": {"a": 1}, "clientId": client}
        answer = await post(address, "/task", body)
        assert answer.status == 200
        assert set(answer.json) == {"success", "taskId", "outcome"}
        assert (answer.json["success"], answer.json["outcome"]) == (True, "accepted")
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["vary"] == "Origin"
        completed = (await stream.event("task:complete")).message
        assert completed["taskId"] == answer.json["taskId"]
        assert completed["data"]["output"] == "数一数"


async def test_a_task_that_is_sent_again_is_not_started_again() -> None:
    async with watching(stepping) as (address, stream, client):
        body = {"task": "x", "clientId": client, "taskId": "mine"}
        for outcome in ("accepted", "already_accepted"):
            answer = (await post(address, "/task", body)).json
            assert (answer["taskId"], answer["outcome"]) == ("mine", outcome)
        await stream.event("task:complete")
        answer = (await post(address, "/task", body)).json
        assert answer["outcome"] == "already_accepted"
        # What a WebSocket would be sent before its ack: how the task ended.
        (told,) = answer["messages"]
        assert (told["type"], told["replay"]) == ("task:complete", True)
        assert "id" not in told


async def test_a_cancel_is_answered_with_the_receipt_when_the_work_has_ended() -> None:
    agent = SlowToEnd()
    async with watching(agent) as (address, stream, client):
        await post(address, "/task", {"task": "x", "clientId": client, "taskId": "t"})
        answers: list[Any] = []

        async def cancel() -> None:
            body = {"clientId": client, "taskId": "t", "reason": "够了"}
            answers.append((await post(address, "/cancel", body)).json)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(cancel)
            await agent.cleaning.wait()
            # Other requests are answered meanwhile, this one is not.
            assert (await get(address, f"/state?clientId={client}")).json["success"]
            assert not answers
            agent.may_end.set()
        (answer,) = answers
        assert (answer["success"], answer["outcome"], answer["taskId"]) == (True, "cancelled", "t")
        assert answer["receipt"]["reason"] == "a client asked: 够了"
        completed = (await stream.event("task:complete")).message["data"]
        assert completed["receipt"] == answer["receipt"]
        again = (await post(address, "/cancel", {"clientId": client, "taskId": "t"})).json
        assert (again["outcome"], again["receipt"]) == ("already_ended", answer["receipt"])


async def test_a_cancel_without_a_task_ends_all_of_the_session() -> None:
    async with watching(stepping) as (address, stream, client):
        for _ in range(2):
            await post(address, "/task", {"task": "hang", "clientId": client})
            await stream.event("step:start")
        answer = (await post(address, "/cancel", {"clientId": client})).json
        assert answer["outcome"] == "cancelled"
        assert len(answer["receipts"]) == 2
        nothing = (await post(address, "/cancel", {"clientId": client})).json
        assert nothing == {"success": True, "outcome": "already_ended"}


async def test_a_cancel_goes_on_when_its_peer_leaves_in_the_middle() -> None:
    agent = SlowToEnd()
    async with watching(agent) as (address, stream, client):
        await post(address, "/task", {"task": "x", "clientId": client})
        body = json.dumps({"clientId": client}).encode()
        async with open_peer(address) as peer:
            await peer.send(http("/cancel", method="POST", body=body))
            await agent.cleaning.wait()
        agent.may_end.set()
        completed = (await stream.event("task:complete")).message["data"]
        assert completed["outcome"] == "cancelled"


async def test_a_question_is_answered_once() -> None:
    async with watching() as (address, stream, client):
        await post(address, "/task", {"task": "x", "clientId": client})
        step = (await stream.event("waiting:confirmation")).message["data"]["stepId"]
        body = {"clientId": client, "stepId": step, "approved": True, "reason": "好"}
        first, second = [(await post(address, "/confirm", body)).json for _ in range(2)]
        assert first == {"success": True, "outcome": "applied"}
        assert second == {"success": True, "outcome": "already_decided"}
        assert (await stream.event("task:complete")).message["data"]["output"] == "好"


async def test_the_tools_are_listed_for_whoever_asks() -> None:
    async with serving(of_agent={"tools": [shout]}) as (_, address):
        answer = await get(address, "/tools")
        (tool,) = answer.json["tools"]
        assert (tool["name"], tool["description"]) == ("shout", "Say it louder.")
        assert tool["parameters"]["properties"]["text"]["type"] == "string"


async def test_the_state_is_what_a_catch_up_would_tell() -> None:
    async with watching() as (address, stream, client):
        await post(address, "/task", {"task": "x", "clientId": client})
        question = (await stream.event("waiting:confirmation")).message
        answer = (await get(address, f"/state?clientId={client}")).json
        types = [each["type"] for each in answer["messages"]]
        assert types == ["plan:created", "step:start", "waiting:confirmation", "status"]
        assert all(each["replay"] and "id" not in each for each in answer["messages"])
        assert answer["messages"][2]["data"] == question["data"]


async def test_a_ticket_lets_an_event_source_in_once_as_whoever_asked_for_it() -> None:
    async def authenticate(request: Request) -> Principal:
        await trio.lowlevel.checkpoint()
        return Principal(request.headers["x-user"])

    async with serving(authenticate=authenticate, linger=5) as (realtime, address):
        answer = (await post(address, "/ticket", headers=["X-User: ann"])).json
        assert set(answer) == {"success", "ticket", "expiresIn"}
        assert answer["expiresIn"] == realtime.tickets.lifetime
        async with open_stream(address, f"/sse?ticket={answer['ticket']}") as stream:
            client, _ = await started(stream)
            own = await get(address, f"/state?clientId={client}", ["X-User: ann"])
            assert own.status == 200
        again = await get(address, f"/sse?ticket={answer['ticket']}")
        assert error_of(again) == (401, "unauthorized")


@pytest.mark.parametrize(
    "kind",
    [
        None,
        "application/json",
        "text/plain;charset=UTF-8",
        "application/x-www-form-urlencoded",
        "x",
    ],
)
async def test_any_content_type_and_any_further_fields_do(kind: str | None) -> None:
    """Curl -d sends the third; what is JSON is seen from the body alone."""
    async with watching(stepping) as (address, _, client):
        body = {"task": "x", "clientId": client, "futureField": [1], "type": "task:cancel"}
        headers = [] if kind is None else [f"Content-Type: {kind}"]
        assert (await post(address, "/task", body, headers)).json["outcome"] == "accepted"


@pytest.mark.parametrize(
    ("body", "code", "names"),
    [
        (b"", "bad_json", "not valid JSON"),
        (b"task=x", "bad_json", "not valid JSON"),
        (b'{"task":"x"', "bad_json", "not valid JSON"),
        (b'{"task":"\xff\xfe"}', "bad_json", "UTF-8"),
        (b"[" * 10_000, "bad_json", "too deeply"),
        (b'{"a":' * 3_000, "bad_json", "too deeply"),
        (b'{"task":"x","context":{"a":NaN}}', "bad_json", "not valid JSON"),
        (b'{"task":"\\ud800"}', "bad_json", "not valid JSON"),
        (b"[]", "bad_message", "expected an object"),
        (b"null", "bad_message", "expected an object"),
        (b'"task"', "bad_message", "expected an object"),
        (b"7", "bad_message", "expected an object"),
        (b"{}", "bad_message", "task: expected a string, got nothing"),
        (b'{"task":7}', "bad_message", "task: expected a string, got a number"),
        (b'{"task":"  "}', "bad_message", "task: "),
        (b'{"task":"x","context":[]}', "bad_message", "context: expected an object"),
        (b'{"task":"x"}', "bad_message", "clientId: missing"),
        (b'{"task":"x","clientId":null}', "bad_message", "clientId: missing"),
        (b'{"task":"x","clientId":7}', "bad_message", "clientId: expected a string"),
        (b'{"task":"x","clientId":"' + b"a" * 129 + b'"}', "bad_message", "128 characters"),
    ],
)
async def test_what_is_wrong_with_a_body_is_named(
    body: bytes, code: str, names: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with serving() as (_, address):
        answer = await post(address, "/task", body)
        assert error_of(answer) == (400, code)
        assert names in answer.json["error"]["message"]
        assert "data." not in answer.json["error"]["message"]
    assert not [each for each in caplog.records if each.levelno >= logging.WARNING]


@pytest.mark.parametrize("path", ["/task", "/cancel", "/confirm"])
async def test_a_client_that_is_unknown_has_no_session(path: str) -> None:
    body = {"clientId": "never-was", "task": "x", "stepId": "s", "approved": True}
    async with serving() as (realtime, address):
        assert error_of(await post(address, path, body)) == (404, "unknown_session")
        answer = await get(address, "/state?clientId=never-was")
        assert error_of(answer) == (404, "unknown_session")
        assert error_of(await get(address, "/state")) == (400, "bad_message")
        assert not realtime._registry.sessions


async def test_a_command_reaches_no_other_session_than_its_clients() -> None:
    async with watching(stepping) as (address, stream, client):
        await post(address, "/task", {"task": "hang", "clientId": client, "taskId": "t"})
        async with open_stream(address) as another:
            other, _ = await started(another)
            answer = await post(address, "/cancel", {"clientId": other, "taskId": "t"})
            assert error_of(answer) == (404, "unknown_task")
            nothing = await post(address, "/cancel", {"clientId": other})
            assert nothing.json["outcome"] == "already_ended"
        state = (await get(address, f"/state?clientId={client}")).json["messages"]
        assert state[-1]["data"]["state"] == "executing"
        await stream.event("step:start")


SMALL = Limits(max_message_bytes=1000, body_timeout=0.2)


async def test_a_body_that_is_too_large_is_refused() -> None:
    """Where the next request would begin is not known: the connection is closed."""
    chunked = http("/task", method="POST", headers=["Transfer-Encoding: chunked"])
    chunk = b"1f4\r\n" + b"a" * 500 + b"\r\n"
    async with watching(limits=SMALL) as (address, _, client):
        for sent in (
            http("/task", method="POST", body=b"a" * 1001),
            http("/task", method="POST", body=b"a" * 1_000_000),
            http("/task", method="POST", headers=["Content-Length: 1001"]),
            chunked + chunk * 3 + b"0\r\n\r\n",
            chunked + chunk * 3,
        ):
            async with open_peer(address) as peer:
                await peer.send(sent)
                answer = await peer.answered()
                assert error_of(answer) == (413, "too_large")
                assert answer.headers["connection"] == "close"
        exact = json.dumps({"task": "x", "clientId": client}).encode().ljust(1000)
        assert (await post(address, "/task", exact)).status == 200


async def test_a_body_that_takes_too_long_is_refused() -> None:
    async with serving(limits=SMALL) as (_, address), open_peer(address) as peer:
        with trio.fail_after(5):
            await peer.send(http("/task", method="POST", headers=["Content-Length: 10"]) + b"{")
            assert error_of(await peer.answered()) == (408, "bad_message")
            await peer.closed()


async def test_a_connection_is_kept_for_as_long_as_the_limits_say() -> None:
    async with serving(limits=Limits(keep_alive_timeout=0.2)) as (_, address):
        async with open_peer(address) as peer:
            for _ in range(2):
                await peer.send(http("/tools"))
                assert (await peer.answered()).status == 200
            with trio.fail_after(5):
                await peer.closed()


async def test_what_is_no_resource_is_told_so_in_json() -> None:
    async with serving(prefix="/agent") as (_, address):
        nothing = await get(address, "/nothing")
        assert error_of(nothing) == (404, "not_found")
        assert "/agent" in nothing.json["error"]["message"]
        assert error_of(await get(address, "/task"))[0] == 404
        for path, method, allowed in (
            ("/agent/task", "GET", "POST"),
            ("/agent/task", "PUT", "POST"),
            ("/agent/sse", "POST", "GET"),
            ("/agent/tools", "DELETE", "GET"),
        ):
            sent = http(path, method=method, headers=["Content-Length: 0"])
            async with open_peer(address) as peer:
                await peer.send(sent)
                answer = await peer.answered(method)
            assert error_of(answer)[0] == 405
            assert allowed in answer.headers["allow"].split(", ")


async def test_what_is_our_fault_is_told_with_a_reference_and_no_details(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with watching(of_agent={"tools": [BROKEN_TOOL]}) as (address, _, client):
        answer = await get(address, "/tools")
        assert error_of(answer) == (500, "internal")
        assert b"secret" not in answer.body
        reference = answer.json["error"]["message"].rpartition(" ")[2]
        assert reference in caplog.text
        assert "secret" in caplog.text
        # The others are served as before.
        assert (await get(address, f"/state?clientId={client}")).status == 200


async def test_the_health_says_in_each_phase_whether_new_work_is_taken() -> None:
    agent = SlowToEnd()
    async with serving(agent=agent) as (realtime, address), open_peer(address) as peer:
        realtime.submit("x")
        with trio.fail_after(10):
            for phase in ("serving", "draining", "cancelling"):
                assert realtime.phase == phase
                await peer.send(http("/health"))
                answer = await peer.answered()
                if phase == "serving":
                    assert answer.json == {"success": True, "ready": True}
                else:
                    assert error_of(answer) == (503, "shutting_down")
                    assert int(answer.headers["retry-after"]) > 0
                await peer.send(http("/health/live"))
                assert (await peer.answered()).json == {"success": True, "live": True}
                if phase == "serving":
                    realtime.begin_shutdown(drain_timeout=5)
                elif phase == "draining":
                    realtime.begin_shutdown(drain_timeout=0)
                    await agent.cleaning.wait()
            agent.may_end.set()
            # Then it listens no more, which says the same.
            await peer.closed()


async def test_health_asks_nobody_who_they_are() -> None:
    async def authenticate(request: Request) -> Principal:
        raise AssertionError("not to be asked")

    async with serving(authenticate=authenticate) as (_, address):
        for path in ("/health", "/health/live"):
            assert (await get(address, path)).json["success"] is True
