"""Each command as whoever may not give it: refused, and nothing learnt from how."""

from __future__ import annotations

import secrets
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import pytest
import trio
from attrs import frozen

from tests.conformance.doors import ATTACH, Door, Ids, OpenDoor, over_http, over_websocket
from trio_agent_rt import BearerTokens, Principal, RealtimeAgent, TaskRun
from trio_agent_rt.protocol import (
    CancelTask,
    Command,
    ConfirmationRequested,
    ConfirmStep,
    GetState,
    GetTools,
    Ping,
    SubmitTask,
)
from trio_agent_rt.realtime import RunningTask

ANN, BOB, LATE, NOBODY = (secrets.token_urlsafe() for _ in range(4))
TOKENS = BearerTokens({ANN: "ann", BOB: "bob", LATE: Principal("ann", expires_at=time.time() - 1)})

OF_ANN = ("anns step", "anns question", "anns-task")
"""What she is told, and nobody else may be."""

MADE_UP = Ids(secrets.token_urlsafe(24), secrets.token_urlsafe(24))

HTTP_ALONE = {"cancel": "unknown_task", "confirm": "unknown_task"}
"""Where a WebSocket is told the outcome `unknown`."""


def commands(task_id: str, step_id: str) -> dict[str, Command | None]:
    """Every command, about a task and a step of these ids."""
    return {
        "attach": ATTACH,
        "submit": SubmitTask(task="x", task_id=task_id, request_id="r"),
        "cancel": CancelTask(task_id=task_id, request_id="r"),
        "cancel all": CancelTask(request_id="r"),
        "confirm": ConfirmStep(step_id=step_id, task_id=task_id, approved=True, request_id="r"),
        "tools": GetTools(request_id="r"),
        "state": GetState(request_id="r"),
        "ping": Ping(request_id="r"),
    }


def table() -> list[object]:
    """Every command of every transport."""
    names = list(commands("t", "s"))
    return [
        *(pytest.param(over_websocket, name, id=f"websocket-{name}") for name in names),
        *(pytest.param(over_http, name, id=f"http-{name}") for name in names if name != "ping"),
    ]


each_command = pytest.mark.parametrize(("opened", "name"), table())


async def agent(task: str, run: TaskRun) -> None:
    """Waits in a confirmation for ever, if it is Ann's."""
    if task == "anns task text":
        async with run.step("anns step") as step:
            await step.confirm("anns question")


@frozen
class Ann:
    """Whom everybody else is not to touch, and her server."""

    realtime: RealtimeAgent
    door: Door
    ids: Ids
    task: RunningTask
    step_id: str

    async def sees(self) -> bytes:
        """What she herself is told, whoever else was there."""
        told = await self.door.ask(GetState(request_id="r"), of=self.ids, token=ANN)
        assert told.code == "ok"
        return told.without()


@asynccontextmanager
async def ann(opened: OpenDoor) -> AsyncGenerator[Ann]:
    """Ann, connected, with a task that asks her something; who must not notice anything."""
    async with RealtimeAgent(agent) as realtime, opened(realtime, TOKENS) as door:
        with trio.fail_after(20):
            async with door.stay(ANN) as ids:
                task = realtime.submit("anns task text", session=ids.session, task_id="anns-task")
                step_id = ""
                async for event in task:
                    if isinstance(event, ConfirmationRequested):
                        step_id = event.step_id
                        break
                me = Ann(realtime, door, ids, task, step_id)
                before = await me.sees()
                assert all(each.encode() in before for each in OF_ANN)
                yield me
                assert await me.sees() == before
                # And it is she who decides.
                confirm = commands("anns-task", step_id)["confirm"]
                assert (await door.ask(confirm, of=ids, token=ANN)).code == "applied"
                assert (await task.wait()).success


def test_the_table_has_every_command() -> None:
    named = {type(each) for each in commands("t", "s").values() if each is not None}
    assert named == set(Command.__subclasses__())


@each_command
@pytest.mark.parametrize("credentials", ["none", "bad", "expired", "reused ticket", "bad ticket"])
async def test_without_good_credentials_nothing_is_done_or_learnt(
    opened: OpenDoor, name: str, credentials: str
) -> None:
    async with ann(opened) as me:
        ticket = me.realtime.tickets.issue(Principal("ann"))
        assert me.realtime.tickets.redeem(ticket)
        given = {
            "none": {},
            "bad": {"token": NOBODY},
            "expired": {"token": LATE},
            "reused ticket": {"ticket": ticket},
            "bad ticket": {"ticket": "made-up"},
        }[credentials]
        command = commands("anns-task", me.step_id)[name]
        hers = await me.door.ask(command, of=me.ids, **given)
        nobodys = await me.door.ask(command, of=MADE_UP, **given)
        assert hers.code == "unauthorized"
        assert hers == nobodys
        for each in (
            "anns task text",
            *OF_ANN,
            me.ids.session,
            me.ids.client,
            ANN,
            NOBODY,
            LATE,
            ticket,
        ):
            assert each.encode() not in hers.said


@each_command
async def test_another_principals_session_is_like_none(opened: OpenDoor, name: str) -> None:
    async with ann(opened) as me:
        command = commands("anns-task", me.step_id)[name]
        hers = await me.door.ask(command, of=me.ids, token=BOB)
        nobodys = await me.door.ask(command, of=MADE_UP, token=BOB)
        # The tools are those of the agent, whosever the session is.
        of_no_session = opened is over_http and name == "tools"
        assert hers.code == ("ok" if of_no_session else "unknown_session")
        assert hers == nobodys
        for each in ("anns task text", *OF_ANN, me.ids.session, me.ids.client):
            assert each.encode() not in hers.said


@each_command
async def test_another_principals_task_is_like_none(opened: OpenDoor, name: str) -> None:
    expected = {
        "attach": "ok",
        # A task of his own: what a client calls its tasks is its own affair.
        "submit": "accepted",
        "cancel": "unknown",
        "cancel all": "already_ended",
        "confirm": "unknown",
        "tools": "ok",
        "state": "ok",
        "ping": "ok",
    }
    if opened is over_http:
        expected |= HTTP_ALONE
    async with ann(opened) as me:
        hers = await me.door.ask(commands("anns-task", me.step_id)[name], token=BOB)
        nobodys = await me.door.ask(commands("nobodys-t", "nobodys-s")[name], token=BOB)
        assert hers.code == expected[name]
        names = ("anns-task", me.step_id, "nobodys-t", "nobodys-s")
        assert hers.without(*names) == nobodys.without(*names)
        for each in ("anns task text", *OF_ANN[:2], me.ids.session, me.ids.client):
            assert each.encode() not in hers.said


@pytest.mark.parametrize("opened", [over_websocket, over_http], ids=["websocket", "http"])
async def test_a_ticket_lets_in_once_and_whomever_it_stands_for(opened: OpenDoor) -> None:
    async with ann(opened) as me:
        for who, code in (("ann", "ok"), ("bob", "unknown_session")):
            ticket = me.realtime.tickets.issue(Principal(who))
            for expected in (code, "unauthorized"):
                told = await me.door.ask(GetState(request_id="r"), of=me.ids, ticket=ticket)
                assert told.code == expected
                assert ticket.encode() not in told.said
