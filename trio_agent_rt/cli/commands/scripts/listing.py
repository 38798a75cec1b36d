"""`tools` and `sessions`: what there is on a server."""

from __future__ import annotations

import argparse

from ....clients import list_sessions
from ....protocol import (
    Acknowledged,
    ToolsListed,
    encode_http_answer,
    encode_http_sessions,
)
from ...endings import Complaint, ExitCode
from ...interrupts import Interrupts
from ...options import AddParser, token_of
from .printing import add_asking, asking, print_json, print_rows

__all__ = ["add_sessions", "add_tools", "sessions", "tools"]


def add_tools(add_parser: AddParser) -> None:
    """Add the command to the program."""
    parser = add_asking(
        add_parser,
        "tools",
        "list the tools of a server",
        "Lists the tools of a server's agent: name, category, how it stops, description. In a "
        "pipe there are tabs between them.",
        "ws://127.0.0.1:8080/ws or http://127.0.0.1:8081/sse",
    )
    parser.set_defaults(command=tools)


async def tools(options: argparse.Namespace, interrupts: Interrupts) -> ExitCode:
    """Print the tools.

    Raises:
        Complaint: when an option makes no sense.
        ClientError, ConnectionRejected: when the server does not say.
    """
    async with asking(options) as client:
        listed = ToolsListed(tools=await client.tools())
    if options.json:
        print_json(encode_http_answer(Acknowledged(request_id="", outcome="ok"), [listed]))
    else:
        print_rows(
            ("tool", "category", "stops", "description"),
            (
                (each.name, each.category, each.cancellation, each.description)
                for each in listed.tools
            ),
        )
    return ExitCode.DONE


def add_sessions(add_parser: AddParser) -> None:
    """Add the command to the program."""
    parser = add_asking(
        add_parser,
        "sessions",
        "list your sessions on a server",
        "Lists the sessions that belong to you and have not ended: id, state, number of tasks, "
        "number of viewers, status. In a pipe there are tabs between them. It goes over HTTP, and "
        "only to a server that asks who you are: elsewhere an id is all that protects a session.",
        "http://127.0.0.1:8081/sse",
    )
    parser.set_defaults(command=sessions)


async def sessions(options: argparse.Namespace, interrupts: Interrupts) -> ExitCode:
    """Print the sessions.

    Raises:
        Complaint: when an option makes no sense.
        ClientError, ConnectionRejected: when the server does not say.
    """
    if options.url.partition(":")[0].lower() in {"ws", "wss"}:
        raise Complaint(
            "sessions are listed over HTTP: name the other URL that serve prints, "
            "http://127.0.0.1:8081/sse for example"
        )
    try:
        found = await list_sessions(options.url, token=token_of(options))
    except ValueError as exc:
        raise Complaint(str(exc)) from None
    if options.json:
        print_json(encode_http_sessions(found))
    else:
        print_rows(
            ("session", "state", "tasks", "viewers", "status"),
            (
                (
                    each.session_id,
                    each.state,
                    str(len(each.tasks)),
                    str(each.connections),
                    each.message,
                )
                for each in found
            ),
        )
    return ExitCode.DONE
