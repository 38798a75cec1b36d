"""`watch`: everything that goes on in a session of a server."""

from __future__ import annotations

import argparse

import trio

from ..endings import ExitCode
from ..interrupts import Interrupts
from ..opening import open_stage
from ..options import AddParser, add_json_option, add_token_option, filled
from ..view import follow_session
from .connection import connect

__all__ = ["add_watch", "watch"]


def add_watch(add_parser: AddParser) -> None:
    """Add the command to the program."""
    parser = add_parser(
        "watch",
        help="watch a session of a server",
        description="Shows all tasks of a session, from their present state on. In a terminal you "
        "can answer their questions too. Ctrl-C leaves, and cancels nothing.",
    )
    parser.add_argument(
        "url", help="the server, ws://127.0.0.1:8080/ws or http://127.0.0.1:8081/sse for example"
    )
    parser.add_argument(
        "--session",
        metavar="ID",
        type=filled,
        help="the session to watch, as submit shows it; without it the server chooses one, "
        "usually a new one in which nothing happens",
    )
    add_json_option(parser)
    add_token_option(parser)
    parser.set_defaults(command=watch)


async def watch(options: argparse.Namespace, interrupts: Interrupts) -> ExitCode:
    """Watch until interrupted.

    Raises:
        Complaint: when an option makes no sense.
        ClientError, ConnectionRejected: when the session cannot be watched any further.
    """
    remark = "somebody has to answer this: submit and watch can, in a terminal"
    scope = trio.CancelScope()
    with (
        open_stage(options, interrupts, unasked="leave", remark=remark, label_tasks=True) as stage,
        interrupts.answered_by(lambda why: scope.cancel(reason=why)),
        scope,
    ):
        async with connect(options, stage.screen) as client:
            whose = "" if options.session else ", a new one: --session names another"
            stage.screen.note(f"watching session {client.session_id}{whose}; Ctrl-C leaves")
            await follow_session(client.events(), client.task, stage=stage)
    return ExitCode.DONE
