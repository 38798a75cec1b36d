"""`run`: a task in this process, without a network."""

from __future__ import annotations

import argparse
from collections.abc import AsyncIterator

from attrs import frozen

from ...agent import create_agent
from ...agent.tools import default_tools
from ...llm import create_llm
from ...protocol import ConfirmationRequested, Event, Outcome, Receipt
from ...realtime import RealtimeAgent, RunningTask
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
from ..view import Policy, follow_task

__all__ = ["add_run", "run"]

_BUFFER_SIZE = 10_000
"""Events that may wait for the screen: an agent may say much before it lets others run."""

_BY: dict[Policy, str] = {
    "ask": "the person at the terminal",
    "approve": "--yes",
    "reject": "the program",
    "leave": "the program",
}
"""Whose answer it is, for the record of the task."""


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
            task = _Answered(realtime.submit(options.task), _BY[stage.answers.policy])
            completed = await follow_task(task, stage=stage)
    return exit_code_of(completed)


@frozen
class _Answered:
    """A task of this process, whose record tells who has answered its questions."""

    _task: RunningTask
    _by: str

    def __aiter__(self) -> AsyncIterator[Event]:
        return aiter(self._task)

    async def cancel(self, reason: str) -> Receipt | None:
        """Cancel it, and return when it has ended."""
        return await self._task.cancel(reason)

    def confirm(self, step: ConfirmationRequested) -> Outcome:
        """Say yes."""
        return self._task.confirm(step, by=self._by)

    def reject(self, step: ConfirmationRequested, reason: str | None = None) -> Outcome:
        """Say no."""
        return self._task.reject(step, reason, by=self._by)
