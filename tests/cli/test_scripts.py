"""`tools`, `sessions`, `cancel` and `confirm`: what a script asks a server."""

from __future__ import annotations

import functools
import json
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager

import pytest
import trio

from trio_agent_rt.agent import TaskRun, Tool
from trio_agent_rt.agent.tools import default_tools
from trio_agent_rt.cli.commands.scripts.unasked import why_unasked
from trio_agent_rt.events import SessionView
from trio_agent_rt.protocol import (
    ConfirmationRequested,
    Plan,
    PlanCreated,
    PlanStep,
    SessionSummary,
    StepStarted,
    ToolsListed,
    decode_http_answer,
    decode_http_sessions,
)
from trio_agent_rt.realtime import Principal, RealtimeAgent, RunningTask
from trio_agent_rt.transports import BearerTokens, serve_sse, serve_websocket

from .processes import Done, command, environment, in_terminal, run_program

TOKEN = "t" * 22
ENV = {"TOKEN": TOKEN}
ANN = Principal("ann")
over_each = pytest.mark.parametrize("transport", [serve_websocket, serve_sse])
Transport = Callable[..., Awaitable[None]]


async def agent(task: str, run: TaskRun) -> str:
    async with run.step("Write") as step:
        if "ask" in task:
            await step.confirm("May it?")
        await trio.sleep_forever()
    return "done"


@asynccontextmanager
async def serving(
    transport: Transport, *, anonymous: bool = False
) -> AsyncGenerator[tuple[RealtimeAgent, str]]:
    tools: Sequence[Tool] = default_tools()
    async with (
        RealtimeAgent(agent, tools=tools, busy="parallel") as realtime,
        trio.open_nursery() as nursery,
    ):
        authenticate = None if anonymous else BearerTokens({TOKEN: "ann", "u" * 22: "bob"})
        serve = functools.partial(transport, realtime, port=0, authenticate=authenticate)
        yield realtime, (await nursery.start(serve)).url
        nursery.cancel_scope.cancel()


async def _run(*arguments: str, env: dict[str, str] = ENV) -> Done:
    return await run_program(*arguments, "--token-env", "TOKEN", env=env)


def _session_of(realtime: RealtimeAgent, task: RunningTask) -> str:
    (session,) = (each.session_id for each in realtime.sessions_of(ANN) if task.id in each.tasks)
    return session


async def _asked(
    task: RunningTask, what: type[ConfirmationRequested | StepStarted] = ConfirmationRequested
) -> str:
    """The id of the step, once it asks or has begun."""
    async for event in task:
        if isinstance(event, what):
            return event.step_id
    raise AssertionError("nothing was asked")


@over_each
async def test_tools_are_columns_with_tabs_in_a_pipe(transport: Transport) -> None:
    async with serving(transport) as (_, url):
        done = await _run("tools", url)
    assert (done.code, done.err) == (0, "")
    rows = [line.split("\t") for line in done.out.splitlines()]
    assert all(len(row) == 4 for row in rows)
    assert ["wait", "time", "async"] in [row[:3] for row in rows]


@over_each
async def test_tools_as_json_are_the_answer_of_the_wire(transport: Transport) -> None:
    async with serving(transport) as (realtime, url):
        done = await _run("tools", url, "--json")
    (line,) = done.out.splitlines()
    assert json.loads(line)["success"] is True
    listed, _ = decode_http_answer(line.encode(), request_id="")
    assert isinstance(listed, ToolsListed)
    assert [each.name for each in listed.tools] == list(realtime.tools.names)


async def test_tools_are_a_table_for_people() -> None:
    async with serving(serve_websocket) as (_, url):
        async with in_terminal("tools", url, "--token-env", "TOKEN", env=ENV) as terminal:
            assert await terminal.ends() == 0
    assert "category" in terminal.text.splitlines()[1]
    assert "\t" not in terminal.text
    assert all(len(line) <= 80 for line in terminal.text.splitlines())


async def test_sessions_are_told_to_whom_they_belong() -> None:
    async with serving(serve_sse) as (realtime, url):
        mine = realtime.submit("this", principal=ANN)
        realtime.submit("that", principal=Principal("bob"))
        realtime.submit("nobody's")
        done = await _run("sessions", url)
        as_json = await _run("sessions", url, "--json")
        of_bob = await _run("sessions", url, env={"TOKEN": "u" * 22})
        refused = await _run("sessions", url, env={"TOKEN": "v" * 22})
        session = _session_of(realtime, mine)
    (row,) = done.out.splitlines()
    assert row.split("\t")[:4] == [session, "executing", "1", "0"]
    (line,) = as_json.out.splitlines()
    (told,) = decode_http_sessions(line.encode())
    assert isinstance(told, SessionSummary)
    assert (told.session_id, told.tasks) == (session, (mine.id,))
    assert session not in of_bob.out
    assert len(of_bob.out.splitlines()) == 1
    assert (refused.code, refused.out) == (3, "")
    assert "401" in refused.complaint


async def test_sessions_are_not_told_where_nobody_is_asked_who_they_are() -> None:
    async with serving(serve_sse, anonymous=True) as (realtime, url):
        realtime.submit("this")
        done = await run_program("sessions", url)
    assert (done.code, done.out) == (3, "")
    assert "403 sessions are listed only where a server asks who somebody is" in done.complaint


@over_each
async def test_cancel_waits_for_the_end_and_prints_the_receipt(transport: Transport) -> None:
    async with serving(transport) as (realtime, url):
        task = realtime.submit("this", principal=ANN)
        other = realtime.submit("that", principal=ANN)
        session = _session_of(realtime, task)
        done = await _run("cancel", url, "--session", session, "--reason", "wrong file")
        assert task.completed is not None
        again = await _run("cancel", url, "--session", session)
        assert other.completed is None
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith(f"cancelled: {task.id}\n")
    assert "reason       ann asked: wrong file" in done.out
    assert "interrupted  Write" in done.out
    assert "cleanup      clean" in done.out
    assert (again.code, again.out) == (1, "there was nothing to cancel\n")


@over_each
async def test_cancel_of_one_task_as_json(transport: Transport) -> None:
    async with serving(transport) as (realtime, url):
        task = realtime.submit("this", principal=ANN)
        session = _session_of(realtime, task)
        beside = realtime.submit("that", session=session)
        done = await _run("cancel", url, "--session", session, "--task", task.id, "--json")
        unknown = await _run("cancel", url, "--session", session, "--task", "x")
        assert beside.completed is None
        rest = await _run("cancel", url, "--session", session, "--json")
    (line,) = done.out.splitlines()
    answer = json.loads(line)
    assert (answer["outcome"], answer["taskId"]) == ("cancelled", task.id)
    assert answer["receipt"]["cleanup"] == "clean"
    assert unknown.code == 3
    assert json.loads(rest.out)["receipt"]["taskId"] == beside.id


@over_each
@pytest.mark.parametrize(("option", "said"), [("--yes", "approved"), ("--no", "rejected")])
async def test_confirm_answers_a_question(transport: Transport, option: str, said: str) -> None:
    async with serving(transport) as (realtime, url):
        task = realtime.submit("ask", principal=ANN)
        with trio.fail_after(10):
            step = await _asked(task)
        place = ["--session", _session_of(realtime, task), "--step", step]
        other = await _run("confirm", url, *place, "--confirmation", "another_one", option)
        done = await _run("confirm", url, *place, option)
        late = await _run("confirm", url, *place, option, "--json")
    assert other.code == 1
    assert other.out == f"step '{step}' asks another question than 'another_one': '{task.id}.1'\n"
    assert (done.code, done.out, done.err) == (0, f"{said}\n", "")
    assert late.code == 1
    assert json.loads(late.out)["outcome"] == "already_decided"


@over_each
async def test_confirm_says_why_it_met_no_question(transport: Transport) -> None:
    async with serving(transport) as (realtime, url):
        task = realtime.submit("work", principal=ANN)
        with trio.fail_after(10):
            writes = await _asked(task, StepStarted)
        session = _session_of(realtime, task)
        place = ["--session", session, "--yes"]
        nothing = await _run("confirm", url, *place, "--step", writes)
        beside = realtime.submit("ask", session=session)
        with trio.fail_after(10):
            step = await _asked(beside)
        no_task = await _run("confirm", url, *place, "--step", step, "--task", "no\x1b")
        no_step = await _run("confirm", url, *place, "--step", "none")
        not_there = await _run("confirm", url, *place, "--step", "none", "--task", task.id)
        as_json = await _run("confirm", url, *place, "--step", "none", "--json")
        with trio.fail_after(10):
            await task.cancel()
            await beside.cancel()
        over = await _run("confirm", url, *place, "--step", "none")
    asks = f"what is asked now is asked by '{step}'\n"
    assert nothing.out == f"step '{writes}' runs, and has not asked; nothing is asked now\n"
    assert no_task.out == f"no task 'no' runs in that session; {asks}"
    assert no_step.out == f"no task that runs has a step 'none'; {asks}"
    assert not_there.out == f"task '{task.id}' has no step 'none'; {asks}"
    assert json.loads(as_json.out)["outcome"] == "unknown"
    assert over.out == "the task has ended, and had no step 'none'\n"
    answers = (nothing, no_task, no_step, not_there, as_json, over)
    assert [(each.code, each.err) for each in answers] == [(1, "")] * 6


@pytest.mark.parametrize(("step_id", "how"), [("a", "has ended (skipped)"), ("b", "has not begun")])
def test_a_step_that_does_not_run_asks_nothing(step_id: str, how: str) -> None:
    steps = (PlanStep(id="a", name="A", status="skipped"), PlanStep(id="b", name="B"))
    session = SessionView()
    session.apply(PlanCreated(plan=Plan(id="p", steps=steps), task_id="t"))
    assert why_unasked(session, step_id) == f"step '{step_id}' {how}; nothing is asked now"


@pytest.mark.parametrize(
    ("transport", "what"),
    [(serve_websocket, ["cancel"]), (serve_sse, ["confirm", "--step", "x", "--yes"])],
)
async def test_the_session_of_somebody_else_is_unknown(
    transport: Transport, what: list[str]
) -> None:
    async with serving(transport) as (realtime, url):
        task = realtime.submit("ask", principal=ANN)
        session = _session_of(realtime, task)
        name, *options = what
        done = await _run(name, url, "--session", session, *options, env={"TOKEN": "u" * 22})
        assert task.completed is None
    assert (done.code, done.out) == (3, "")
    assert "session" in done.complaint


async def test_a_reader_who_leaves_ends_it_quietly() -> None:
    async with serving(serve_websocket) as (_, url):
        words = command("tools", url, "--token-env", "TOKEN")
        shell = " ".join(f"'{each}'" for each in words)
        with trio.fail_after(30):
            done = await trio.run_process(
                ["sh", "-c", f"{shell} | head -n 1"],
                env=environment(ENV),
                capture_stdout=True,
                capture_stderr=True,
            )
    assert done.stdout.count(b"\n") == 1
    assert done.stderr == b""
