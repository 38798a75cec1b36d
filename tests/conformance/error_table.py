"""The contract's error table: how to provoke each error over each transport.

| comes over WebSocket | |
|---|---|
| `error` | the message of that type; alone, the connection stays |
| 1000 and more | the close code |
| 400 and more | the status of the handshake, which is refused |
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import trio
from attrs import field, frozen

from tests.transports.sse.peers import BROKEN_TOOL, http
from trio_agent_rt import RealtimeAgent, TaskRun
from trio_agent_rt.errors import ConnectionRejected
from trio_agent_rt.realtime import Limits, Principal
from trio_agent_rt.transports import Cors, Request

__all__ = ["ROWS", "Asked", "Row", "agent"]

Given = Callable[[RealtimeAgent, str], None]
"""Brings about what is wrong, for a session of that id."""


@frozen
class Asked:
    """An HTTP request; whoever sends it has a stream, and puts its `clientId` in."""

    method: str
    path: str
    body: Any = None

    def request(self, client_id: str) -> bytes:
        """What is sent."""
        data = self.body
        if isinstance(data, dict):
            data = json.dumps({"clientId": client_id, **data}).encode()
        path = self.path.replace("{client}", client_id)
        return http(path, method=self.method, body=data or b"")


@frozen(kw_only=True)
class Row:
    """One way to meet one error."""

    code: str
    how: str
    given: Given = lambda realtime, session: None
    realtime: Mapping[str, Any] = field(factory=dict[str, Any])
    """What the agent is made with."""
    options: Mapping[str, Any] = field(factory=dict[str, Any])
    """What it is served with."""
    path: str = "/ws"
    sends: tuple[object, ...] = ()
    """What is sent over the WebSocket, texts or what becomes JSON; nothing for a second
    connection at `path` instead."""
    comes: tuple[str | int, ...]
    """What comes of it."""
    asked: Asked | None = None
    """What is asked over HTTP; None if there it cannot be."""
    status: int = 0
    retry_after: bool = False
    closes: bool = False
    """Whether the HTTP connection ends as well."""

    def __str__(self) -> str:
        return f"{self.code}: {self.how}"

    @property
    def refused(self) -> bool:
        """Whether nobody gets as far as to a session."""
        return isinstance(self.comes[0], int) and self.comes[0] < 1000


async def agent(task: str, run: TaskRun) -> None:
    """Waits, until it is cancelled."""
    async with run.step("Wait"):
        await trio.sleep_forever()


async def nobody(request: Request) -> Principal:
    await trio.lowlevel.checkpoint()
    raise ConnectionRejected(401)


async def nobody_here(request: Request) -> Principal:
    await trio.lowlevel.checkpoint()
    raise ConnectionRejected(403)


async def broken(request: Request) -> Principal:
    await trio.lowlevel.checkpoint()
    raise LookupError("a secret of ours")


async def ann(request: Request) -> Principal:
    await trio.lowlevel.checkpoint()
    return Principal("ann")


def runs_a_task(realtime: RealtimeAgent, session: str) -> None:
    realtime.submit("wait", session=session)


def drains(realtime: RealtimeAgent, session: str) -> None:
    realtime.submit("wait", session=session)
    realtime.begin_shutdown(drain_timeout=5)


def submit(task: object = "x", **fields: object) -> dict[str, Any]:
    return {"type": "task:submit", "data": {"task": task, **fields}}


CANCEL = {"type": "task:cancel", "data": {"taskId": "never-was"}}
CONFIRM = {"stepId": "never-was", "approved": True}
STATE = {"type": "get:state"}

ROWS = [
    Row(
        code="bad_json",
        how="half an object",
        sends=("{",),
        comes=("error",),
        asked=Asked("POST", "/task", b"{"),
        status=400,
    ),
    Row(
        code="bad_message",
        how="a number for a text",
        sends=(submit(7),),
        comes=("error",),
        asked=Asked("POST", "/task", {"task": 7}),
        status=400,
    ),
    # The path says what an HTTP request is.
    Row(code="unknown_type", how="a new word", sends=({"type": "task:sing"},), comes=("error",)),
    Row(
        code="bad_message",
        how="ten in a row",
        sends=(submit(7), *[{"type": "task:sing"}, "{"] * 4, submit(7)),
        comes=("error",) * 10 + (4501,),
    ),
    Row(
        code="too_large",
        how="a byte too much",
        realtime={"limits": Limits(max_message_bytes=1000)},
        sends=("x" * 1001,),
        comes=(1009,),
        asked=Asked("POST", "/task", b"x" * 1001),
        status=413,
        closes=True,
    ),
    Row(
        code="unauthorized",
        how="no credentials",
        options={"authenticate": nobody},
        comes=(401,),
        asked=Asked("GET", "/sse"),
        status=401,
    ),
    Row(
        code="unauthorized",
        how="no credentials for a command",
        options={"authenticate": nobody},
        comes=(401,),
        asked=Asked("POST", "/cancel", {}),
        status=401,
    ),
    Row(
        code="forbidden",
        how="the hook",
        options={"authenticate": nobody_here},
        comes=(403,),
        asked=Asked("GET", "/sse"),
        status=403,
    ),
    Row(
        code="forbidden",
        how="a page of another origin",
        options={"cors": Cors(["https://app.example"], allow_missing=False)},
        comes=(403,),
        asked=Asked("GET", "/sse"),
        status=403,
    ),
    Row(
        code="forbidden",
        how="may watch and no more",
        realtime={"authorize": lambda principal, action, session: action == "attach"},
        options={"choose_session": lambda request, principal: "lobby"},
        sends=(submit(),),
        comes=("error",),
        asked=Asked("POST", "/task", {"task": "x"}),
        status=403,
    ),
    Row(
        code="unknown_session",
        how="never was",
        path="/ws?session=never-was",
        comes=(4502,),
        asked=Asked("GET", "/sse?session=never-was"),
        status=404,
    ),
    Row(
        code="unknown_session",
        how="a client that never was",
        path="/ws?session=never-was",
        comes=(4502,),
        asked=Asked("POST", "/cancel", {"clientId": "never-was"}),
        status=404,
    ),
    Row(
        code="unknown_task",
        how="never was",
        sends=(CANCEL,),
        comes=("error",),
        asked=Asked("POST", "/cancel", CANCEL["data"]),
        status=404,
    ),
    Row(
        code="unknown_step",
        how="never was",
        sends=({"type": "step:confirm", "data": CONFIRM},),
        comes=("error",),
        asked=Asked("POST", "/confirm", CONFIRM),
        status=404,
    ),
    Row(
        code="busy",
        how="a task runs",
        given=runs_a_task,
        sends=(submit(),),
        comes=("error",),
        asked=Asked("POST", "/task", {"task": "x"}),
        status=409,
    ),
    Row(
        code="busy",
        how="the queue is full",
        realtime={"busy": "queue", "max_queued": 0},
        given=runs_a_task,
        sends=(submit(),),
        comes=("error",),
        asked=Asked("POST", "/task", {"task": "x"}),
        status=409,
    ),
    Row(
        code="rate_limited",
        how="too many commands",
        # Rare enough that no other one comes free within the test.
        realtime={"limits": Limits(max_commands_per_minute=0.01, command_burst=1)},
        sends=(STATE, STATE),
        comes=("error", 1008),
        asked=Asked("GET", "/state?clientId={client}"),
        status=429,
        retry_after=True,
    ),
    Row(
        code="rate_limited",
        how="too many connections",
        realtime={"limits": Limits(max_connections_per_principal=1)},
        options={"authenticate": ann},
        comes=(1013,),
        asked=Asked("GET", "/sse"),
        status=429,
        retry_after=True,
    ),
    Row(
        code="shutting_down",
        how="no new work",
        given=drains,
        sends=(submit(),),
        comes=("error", "error", 1001),
        asked=Asked("POST", "/task", {"task": "x"}),
        status=503,
        retry_after=True,
    ),
    Row(
        code="internal",
        how="a hook fails",
        options={"authenticate": broken},
        comes=(500,),
        asked=Asked("GET", "/sse"),
        status=500,
    ),
    Row(
        code="internal",
        how="a tool cannot be told of",
        realtime={"tools": [BROKEN_TOOL]},
        sends=({"type": "get:tools"},),
        comes=("error",),
        asked=Asked("GET", "/tools"),
        status=500,
    ),
]
