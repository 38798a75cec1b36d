"""`cancel` and `confirm`: what a person does at a view, from a script."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from ....clients import AgentClient
from ....protocol import Acknowledged, Receipt, encode_http_answer
from ...endings import ExitCode
from ...interrupts import Interrupts
from ...lines import marks_for, receipt_lines
from ...options import AddParser, filled
from ...view import REMARKS
from ...view.screen import marked
from .printing import add_asking, asking, print_json, print_text
from .unasked import present_state, why_unasked

__all__ = ["add_cancel", "add_confirm", "cancel", "confirm"]

_URLS = "ws://127.0.0.1:8080/ws or http://127.0.0.1:8081/sse"


def add_cancel(add_parser: AddParser) -> None:
    """Add the command to the program."""
    parser = add_asking(
        add_parser,
        "cancel",
        "cancel tasks on a server",
        "Cancels a task of a session, or all of them; waits until their work has ended, and "
        "prints the receipts. Ctrl-C ends the waiting alone.",
        _URLS,
    )
    _add_session(parser)
    parser.add_argument(
        "--task", metavar="ID", type=filled, help="default: every task that has not ended"
    )
    parser.add_argument("--reason", metavar="TEXT", help="why, for the receipt")
    parser.set_defaults(command=cancel)


async def cancel(options: argparse.Namespace, interrupts: Interrupts) -> ExitCode:
    """Cancel, and print the receipts.

    Raises:
        Complaint: when an option makes no sense.
        ClientError, ConnectionRejected, CommandRefused: when it cannot be done.
    """
    async with asking(options) as client:
        receipts = await _receipts(client, options.task, options.reason)
    if options.json:
        print_json(encode_http_answer(_answer_of(receipts)))
    elif receipts:
        print_text(_told(receipts))
    else:
        print_text(["there was nothing to cancel"])
    return ExitCode.DONE if receipts else ExitCode.TASK_FAILED


async def _receipts(
    client: AgentClient, task_id: str | None, reason: str | None
) -> Sequence[Receipt]:
    if task_id is None:
        return await client.cancel(reason)
    receipt = await client.task(task_id).cancel(reason)
    return [] if receipt is None else [receipt]


def _answer_of(receipts: Sequence[Receipt]) -> Acknowledged:
    if len(receipts) == 1:
        (receipt,) = receipts
        return Acknowledged(
            request_id="", outcome="cancelled", receipt=receipt, task_id=receipt.task_id
        )
    if receipts:
        return Acknowledged(request_id="", outcome="cancelled", receipts=receipts)
    return Acknowledged(request_id="", outcome="already_ended")


def _told(receipts: Sequence[Receipt]) -> list[str]:
    marks, lines = marks_for("ascii"), list[str]()
    for each in receipts:
        lines += [f"cancelled: {each.task_id}", *(marked(n, marks) for n in receipt_lines(each))]
    return lines


def add_confirm(add_parser: AddParser) -> None:
    """Add the command to the program."""
    parser = add_asking(
        add_parser,
        "confirm",
        "answer a question of a task on a server",
        "Allows or refuses what a step has asked for. The first answer counts, whoever gave it.",
        _URLS,
    )
    _add_session(parser)
    parser.add_argument(
        "--step", metavar="ID", type=filled, required=True, help="the step that asks"
    )
    parser.add_argument(
        "--confirmation",
        metavar="ID",
        type=filled,
        help="the question's own id, as waiting:confirmation tells it: no other one of that step "
        "is answered then",
    )
    parser.add_argument("--task", metavar="ID", type=filled, help="the task, if several run")
    answer = parser.add_mutually_exclusive_group(required=True)
    answer.add_argument("--yes", action="store_true", help="allow it")
    answer.add_argument("--no", action="store_true", help="refuse it")
    parser.add_argument("--reason", metavar="TEXT", help="why")
    parser.set_defaults(command=confirm)


async def confirm(options: argparse.Namespace, interrupts: Interrupts) -> ExitCode:
    """Give the answer, and print what came of it.

    Raises:
        Complaint: when an option makes no sense.
        ClientError, ConnectionRejected, CommandRefused: when it cannot be given.
    """
    async with asking(options) as client:
        outcome = await client.answer(
            options.step,
            approved=options.yes,
            reason=options.reason,
            task_id=options.task,
            confirmation_id=options.confirmation,
        )
        remark = REMARKS.get(outcome, outcome)
        if outcome == "unknown" and not options.json:
            remark = why_unasked(
                await present_state(client),
                options.step,
                task_id=options.task,
                confirmation_id=options.confirmation,
            )
    if options.json:
        print_json(encode_http_answer(Acknowledged(request_id="", outcome=outcome)))
    else:
        said = "approved" if options.yes else "rejected"
        print_text([said if outcome == "applied" else remark])
    return ExitCode.DONE if outcome == "applied" else ExitCode.TASK_FAILED


def _add_session(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--session",
        metavar="ID",
        type=filled,
        required=True,
        help="the session, as submit shows it",
    )
