"""What each command of a client does to its session. Synchronous: nothing waits."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from ..agent.confirmation import Decision
from ..errors import Busy, CommandRefused, UnknownStep, UnknownTask
from ..protocol import (
    Acknowledged,
    CancelTask,
    Command,
    ConfirmStep,
    Event,
    GetState,
    GetTools,
    Outcome,
    Ping,
    Pong,
    Receipt,
    SubmitTask,
    TaskCompleted,
    ToolsListed,
)
from .task import EndedTask, RunningTask

if TYPE_CHECKING:
    from .connection import Connection
    from .session import Session

__all__ = ["carry_out"]

MAX_WAITING_CANCELS = 64
"""How many cancels of one task may wait for its receipt."""


def carry_out(command: Command, session: Session, connection: Connection) -> None:
    """Do what `command` asks for, and queue its answers on `connection`.

    Raises:
        CommandRefused: when it cannot be done, or, for a cancel, not be waited for.
    """
    match command:
        case SubmitTask():
            _submit(command, session, connection)
        case CancelTask():
            _cancel(command, session, connection)
        case ConfirmStep():
            _confirm(command, session, connection)
        case GetTools():
            tools = ToolsListed(tools=session.server.tools.infos())
            _answer(command, connection, tools)
        case GetState():
            _answer(command, connection, *session.catch_up())
        case Ping():
            _answer(command, connection, Pong())
        case _:
            raise TypeError(f"no such command: {type(command).__name__}")


def _answer(command: Command, connection: Connection, *events: Event) -> None:
    for event in events:
        connection.reply(event)
    _acknowledge(command, connection, "ok")


def _acknowledge(
    command: Command,
    connection: Connection,
    outcome: Outcome,
    task_id: str | None = None,
    receipts: list[Receipt] | None = None,
) -> None:
    if command.request_id is not None:
        connection.reply(
            Acknowledged(
                request_id=command.request_id,
                outcome=outcome,
                task_id=task_id,
                receipt=receipts[0] if receipts else None,
                receipts=receipts if receipts and len(receipts) > 1 else None,
            )
        )


def _submit(command: SubmitTask, session: Session, connection: Connection) -> None:
    try:
        task, outcome = session.submit(command.task, command.context, command.task_id)
    except CommandRefused as exc:
        exc.request_id = command.request_id
        connection.refuse(exc)
        connection.reply(attrs.evolve(session.view.status, replay=True, position=None))
        return
    if isinstance(task, EndedTask):
        connection.reply(attrs.evolve(task.completed, replay=True, position=None))
    task_id = task.id if isinstance(task, RunningTask) else command.task_id
    _acknowledge(command, connection, outcome, task_id)


def _cancel(command: CancelTask, session: Session, connection: Connection) -> None:
    chosen = [each for each in session.tasks if command.task_id in (None, each.id)]
    if not chosen:
        _cancel_nothing(command, session, connection)
        return
    too_many = any(len(each.on_ended) >= MAX_WAITING_CANCELS for each in chosen)
    if command.request_id is not None and not too_many:
        _acknowledge_when_ended(command, chosen, connection)
    who = connection.principal.asker
    reason = f"{who}: {command.reason}" if command.reason else who
    for task in chosen:
        task.request_cancel(reason)
    if command.request_id is not None and too_many:
        raise Busy("too many wait for the end of this task; it is cancelled all the same")


def _cancel_nothing(command: CancelTask, session: Session, connection: Connection) -> None:
    ended = None if command.task_id is None else session.ended.get(command.task_id)
    if ended is not None:
        receipt = ended.completed.receipt
        receipts = None if receipt is None else [receipt]
        _acknowledge(command, connection, "already_ended", command.task_id, receipts)
    elif command.task_id is None or session.knows(command.task_id):
        _acknowledge(command, connection, "already_ended", command.task_id)
    elif command.request_id is not None:
        _acknowledge(command, connection, "unknown", command.task_id)
    else:
        raise UnknownTask("data.taskId: the session has no such task")


def _acknowledge_when_ended(
    command: CancelTask, tasks: list[RunningTask], connection: Connection
) -> None:
    """Send the receipts once the work of all of `tasks` has ended, and not before."""
    ended: list[TaskCompleted] = []

    def note(completed: TaskCompleted) -> None:
        ended.append(completed)
        if len(ended) == len(tasks):
            receipts = [each.receipt for each in ended if each.receipt is not None]
            outcome: Outcome = "cancelled" if receipts else "already_ended"
            task_id = tasks[0].id if len(tasks) == 1 else None
            _acknowledge(command, connection, outcome, task_id, receipts)

    for task in tasks:
        task.on_ended.append(note)


def _confirm(command: ConfirmStep, session: Session, connection: Connection) -> None:
    decision = Decision(approved=command.approved, reason=command.reason)
    outcome = session.confirm(command.step_id, decision, command.task_id)
    if outcome == "unknown" and command.request_id is None:
        if command.task_id is not None and not session.knows(command.task_id):
            raise UnknownTask("data.taskId: the session has no such task")
        raise UnknownStep("data.stepId: no step of that id has asked for a confirmation")
    _acknowledge(command, connection, outcome, command.task_id)
