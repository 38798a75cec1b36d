"""`run`: a task in this process, without a network."""

from __future__ import annotations

import argparse

from ...agent import create_agent
from ...agent.tools import default_tools
from ...llm import create_llm
from ...realtime import RealtimeAgent
from ..endings import Complaint, ExitCode, exit_code_of
from ..interrupts import Interrupts
from ..opening import open_stage
from ..options import (
    AddParser,
    add_code_option,
    add_json_option,
    add_llm_option,
    add_redaction_option,
    add_root_option,
    add_yes_option,
    planning_timeout,
    redaction_of,
    words,
)
from ..view import follow_task

__all__ = ["add_run", "run"]

_BUFFER_SIZE = 10_000
"""Events that may wait for the screen: an agent may say much before it lets others run."""


def add_run(add_parser: AddParser) -> None:
    """Add the command to the program."""
    parser = add_parser(
        "run",
        help="run a task here, without a server",
        description="Runs a task in this process and shows what it does. Ctrl-C cancels it and "
        "shows the receipt; a second Ctrl-C leaves at once.",
    )
    parser.add_argument("task", type=words, help='what to do, "analyse sales.csv" for example')
    add_root_option(parser)
    add_llm_option(parser)
    add_code_option(parser)
    add_redaction_option(parser, "you and models")
    add_yes_option(parser)
    add_json_option(parser)
    parser.set_defaults(command=run)


async def run(options: argparse.Namespace, interrupts: Interrupts) -> ExitCode:
    """Run the task to its end.

    Raises:
        Complaint: when an option makes no sense.
        LLMError: when the model cannot be used.
    """
    try:
        tools = default_tools(root=options.root, code=options.enable_code)
        llm = create_llm(options.llm)
    except ValueError as exc:
        raise Complaint(str(exc)) from None
    with open_stage(options, interrupts) as stage:
        async with (
            llm,
            RealtimeAgent(
                create_agent(llm=llm, tools=tools, planning_timeout=planning_timeout(llm)),
                linger=None,
                buffer_size=_BUFFER_SIZE,
                redaction=redaction_of(options),
            ) as realtime,
        ):
            task = realtime.submit(options.task)
            completed = await follow_task(task, stage=stage)
    return exit_code_of(completed)
