"""`submit`: a task for a server, followed to its end."""

from __future__ import annotations

import argparse
import json
import shlex
import sys

from ...clients import AgentClient, ClientTask
from ..endings import ExitCode, exit_code_of
from ..interrupts import Interrupts
from ..opening import invocation, open_stage
from ..options import AddParser, add_json_option, add_token_option, add_yes_option, filled, words
from ..view import Stage, follow_task, write_out
from .connection import connect

__all__ = ["add_submit", "submit"]


def add_submit(add_parser: AddParser) -> None:
    """Add the command to the program."""
    parser = add_parser(
        "submit",
        help="submit a task to a server and follow it",
        description="Submits a task to a server and shows what it does. Ctrl-C cancels it there "
        "and shows the receipt; a second Ctrl-C leaves at once.",
    )
    parser.add_argument(
        "url", help="the server, ws://127.0.0.1:8080/ws or http://127.0.0.1:8081/sse for example"
    )
    parser.add_argument("task", type=words, help='what to do, "wait 10 seconds" for example')
    parser.add_argument(
        "--session",
        metavar="ID",
        type=filled,
        help="the session to submit it to; default: a new one",
    )
    add_yes_option(parser)
    add_json_option(parser)
    add_token_option(parser)
    parser.add_argument(
        "--detach",
        action="store_true",
        help="do not follow it: print its session and leave. The server cancels it when nobody "
        "comes back for as long as it lingers (30 s, unless it was told otherwise)",
    )
    parser.set_defaults(command=submit)


async def submit(options: argparse.Namespace, interrupts: Interrupts) -> ExitCode:
    """Submit the task, and follow it to its end.

    Raises:
        Complaint: when an option makes no sense.
        ClientError, ConnectionRejected, CommandRefused: when the server is not there, or
            does not take it.
    """
    with open_stage(options, interrupts) as stage:
        async with connect(options, stage.screen) as client:
            task = await client.submit(options.task)
            if options.detach:
                _tell_where(options, stage, client, task)
                return ExitCode.DONE
            if not options.json:
                stage.screen.note(f"session {client.session_id}")
            return exit_code_of(await follow_task(task, stage=stage))


def _tell_where(
    options: argparse.Namespace, stage: Stage, client: AgentClient, task: ClientTask
) -> None:
    session = client.session_id
    if options.json:
        write_out(sys.stdout, json.dumps({"taskId": task.id, "sessionId": session}) + "\n")
        return
    stage.screen.note("submitted; follow it with", kind="text")
    url = shlex.quote(options.url)
    stage.screen.note(f"  {invocation()} watch {url} --session={session}", kind="verbatim")
    stage.screen.note(
        "The server cancels it unless somebody watches before its linger time is over (30 s, "
        "unless it was told otherwise)."
    )
