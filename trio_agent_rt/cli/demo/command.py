"""`demo`: the whole way once, in one process, over a real WebSocket."""

from __future__ import annotations

import argparse
import contextlib
import functools
import shutil
import tempfile
from pathlib import Path

import trio

from ...agent import create_agent
from ...agent.tools import default_tools
from ...clients import AgentClient, ClientTask, open_websocket_client
from ...errors import AgentRTError
from ...events import Redaction
from ...llm import NamedLLM, create_llm
from ...panel import Panel
from ...protocol import TaskCompleted
from ...realtime import RealtimeAgent
from ...transports import SSEOptions, WebSocketOptions, serve
from ..endings import Complaint, ExitCode, exit_code_of
from ..interrupts import Interrupts
from ..lines import clean, count
from ..opening import invocation, open_stage
from ..options import AddParser, add_llm_option, filled, planning_timeout
from ..view import Stage, follow_task
from .table import put_table

__all__ = ["add_demo", "demo"]

_SECONDS_BEFORE_CANCEL = 2.0
_MAX_REPORT_LINES = 60


def add_demo(add_parser: AddParser) -> None:
    """Add the command to the program."""
    parser = add_parser(
        "demo",
        help="watch an agent at work",
        description="Starts a server and a client in this process. The agent analyses a table, "
        "asks before it saves a report, and is cancelled while it waits. Nothing is left behind.",
    )
    parser.add_argument(
        "--file",
        metavar="CSV",
        type=filled,
        help="a table of yours; default: one that ships with the program",
    )
    add_llm_option(parser)
    parser.set_defaults(command=demo)


async def demo(options: argparse.Namespace, interrupts: Interrupts) -> ExitCode:
    """Show it all; ends with the first thing that does not go as it should.

    Raises:
        Complaint: when the file cannot be used, or there is no such model.
        LLMError: when the model cannot be used.
    """
    try:
        llm = create_llm(options.llm)
    except ValueError as exc:
        raise Complaint(str(exc)) from None
    # Made, used and removed within moments: nothing here is worth a thread.
    folder = tempfile.mkdtemp(prefix="trio-agent-rt-demo-")
    remove = functools.partial(shutil.rmtree, folder, ignore_errors=True)
    try:
        with interrupts.last_act(remove):
            name = put_table(options.file, Path(folder))
            remark = "nobody is at a keyboard, so the demo says yes itself"
            with open_stage(options, interrupts, unasked="approve", remark=remark) as stage:
                async with llm:
                    return await _show(stage, Path(folder), name, llm)
    finally:
        remove()


async def _show(stage: Stage, folder: Path, name: str, llm: NamedLLM) -> ExitCode:
    agent = create_agent(
        llm=llm, tools=default_tools(root=folder), planning_timeout=planning_timeout(llm)
    )
    planner = "rules, not with a language model" if llm.name == "offline" else llm.name
    secrets = Redaction.of_environment()
    async with (
        RealtimeAgent(agent, redaction=secrets) as realtime,
        trio.open_nursery() as nursery,
    ):
        addresses = await nursery.start(
            functools.partial(
                serve,
                realtime,
                websocket=WebSocketOptions(port=0),
                sse=SSEOptions(port=0),
                pages=Panel(title="Agent panel: the demo"),
            )
        )
        url = addresses.websocket.url
        stage.screen.note(
            f"A server listens at {url}, in this process; what follows came to a client of it, "
            f"over a WebSocket. The agent plans with {planner}."
        )
        async with open_websocket_client(url) as client:
            page = f"{addresses.sse.base_url}/#session={client.session_id}"
            stage.screen.note(f"A browser can watch it too, and answer: open {page}")
            code = await _report(stage, client, folder, name, secrets)
            if code is ExitCode.DONE:
                code = await _cancel(stage, client)
        realtime.begin_shutdown()
    if code is ExitCode.DONE:
        stage.screen.note("\nThat was it. Next, a server with a page to play with:", kind="text")
        stage.screen.note(f"  {invocation()} serve", kind="verbatim")
    return code


async def _report(
    stage: Stage, client: AgentClient, folder: Path, name: str, secrets: Redaction
) -> ExitCode:
    quoted = f'"{name}"' if " " in name else name
    text = f"analyse {quoted} and save a report"
    stage.screen.note(f"\nFirst task: {secrets.text(text)}\n", kind="text")
    completed = await follow_task(await client.submit(text), stage=stage)
    if stage.answers.refused and completed.outcome == "failed":
        stage.screen.note("You said no, so nothing was written.", kind="text")
        return ExitCode.DONE
    if completed.outcome == "succeeded":
        _show_report(stage, folder, completed, secrets)
    return exit_code_of(completed)


def _show_report(stage: Stage, folder: Path, completed: TaskCompleted, secrets: Redaction) -> None:
    match completed.output:
        case {"path": str(path)}:
            try:
                report = (folder / path).read_text(encoding="utf-8", errors="replace")
            except OSError:  # its name held a secret, and what came over the wire is masked
                return
        case _:
            return
    lines = clean(secrets.text(report)).rstrip("\n").split("\n")
    stage.screen.note(f"\nThe report that it has written, {path}:\n", kind="text")
    for line in lines[:_MAX_REPORT_LINES]:
        stage.screen.note(f"  {line}", kind="verbatim")
    if len(lines) > _MAX_REPORT_LINES:
        stage.screen.note(f"  ({count(len(lines) - _MAX_REPORT_LINES, 'more line')})")


async def _cancel(stage: Stage, client: AgentClient) -> ExitCode:
    text = "wait 10 seconds"
    seconds = _SECONDS_BEFORE_CANCEL
    stage.screen.note(
        f"\nSecond task: {text}. It is cancelled after {seconds:g} s: the receipt tells what a "
        "cancel did, once the work has really ended.\n",
        kind="text",
    )
    task = await client.submit(text)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_cancel_later, task, seconds)
        completed = await follow_task(task, stage=stage)
        nursery.cancel_scope.cancel(reason="the task has ended")
    if completed.outcome == "cancelled" and stage.interrupts.received is None:
        return ExitCode.DONE
    return exit_code_of(completed)


async def _cancel_later(task: ClientTask, seconds: float) -> None:
    await trio.sleep(seconds)
    with contextlib.suppress(AgentRTError):  # the view tells of it too
        await task.cancel(f"the demo had seen enough after {seconds:g} s")
