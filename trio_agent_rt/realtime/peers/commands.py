"""What each command of a client does to its session. Synchronous: nothing waits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import attrs

from ...agent.confirming import Decision
from ...errors import Busy, CommandRefused, Forbidden, RateLimited, UnknownStep, UnknownTask
from ...protocol import (
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
from ..task import EndedTask, RunningTask

if TYPE_CHECKING:
    from ..access import Action, Principal
    from ..session import Session

__all__ = ["Requester", "carry_out", "tell_what_holds"]

MAX_WAITING_CANCELS = 64
"""How many cancels of one task may wait for its receipt."""


_ACTIONS: dict[type[Command], Action] = {
    SubmitTask: "submit",
    CancelTask: "cancel",
    ConfirmStep: "confirm",
    GetState: "read",
}


class Requester(Protocol):
    """Whoever sends commands: a connection, or an HTTP request beside one."""

    @property
    def principal(self) -> Principal:
        """On whose behalf."""
        ...

    @property
    def gone(self) -> bool:
        """Whether nobody will take an answer any more."""
        ...

    def may_be_told(self, events: int) -> bool:
        """Whether so many events of the present state, told again, are within its limit."""
        ...

    def reply(self, event: Event) -> None:
        """Give it an answer. Never waits; may be called after `carry_out` has returned."""
        ...

    def refuse(self, exc: CommandRefused) -> None:
        """Tell it that its command was not carried out, and why."""
        ...


def carry_out(command: Command, session: Session, requester: Requester) -> None:
    """Do what `command` asks for, and give `requester` its answers.

    Raises:
        CommandRefused: when it may or can not be done, or, for a cancel, not be waited for.
            Not for a submit, of which more is to be told than that.
    """
    try:
        _carry_out(command, session, requester)
    except CommandRefused as exc:
        if not isinstance(command, SubmitTask):
            raise
        exc.request_id = command.request_id
        requester.refuse(exc)
        tell_what_holds(session, requester, request_id=command.request_id)


def tell_what_holds(session: Session, requester: Requester, *, request_id: str | None) -> None:
    """Tell the state of `session` to who has submitted a task to it that does not run.

    Without a `request_id` all of it: a panel that waits for no answer has cleared its
    screen, and with it a question that is open. Who sends so many of these that it is too
    much is told nothing more.
    """
    if request_id is not None:
        requester.reply(attrs.evolve(session.view.status, replay=True, position=None))
    elif requester.may_be_told(session.view.size):
        for event in session.catch_up():
            requester.reply(event)


def _carry_out(command: Command, session: Session, requester: Requester) -> None:
    action = _ACTIONS.get(type(command))
    if action is not None and not session.allows(requester.principal, action):
        raise Forbidden(f"this session does not let you {action}")
    match command:
        case SubmitTask():
            _submit(command, session, requester)
        case CancelTask():
            _cancel(command, session, requester)
        case ConfirmStep():
            _confirm(command, session, requester)
        case GetTools():
            tools = ToolsListed(tools=session.server.tools.infos())
            _answer(command, requester, tools)
        case GetState():
            if not requester.may_be_told(session.view.size):
                raise RateLimited("the state was asked for too often")
            _answer(command, requester, *session.catch_up())
        case Ping():
            _answer(command, requester, Pong())
        case _:
            raise TypeError(f"no such command: {type(command).__name__}")


def _answer(command: Command, requester: Requester, *events: Event) -> None:
    for event in events:
        requester.reply(event)
    _acknowledge(command, requester, "ok")


def _acknowledge(
    command: Command,
    requester: Requester,
    outcome: Outcome,
    task_id: str | None = None,
    receipts: list[Receipt] | None = None,
) -> None:
    if command.request_id is not None:
        requester.reply(
            Acknowledged(
                request_id=command.request_id,
                outcome=outcome,
                task_id=task_id,
                receipt=receipts[0] if receipts else None,
                receipts=receipts if receipts and len(receipts) > 1 else None,
            )
        )


def _submit(command: SubmitTask, session: Session, requester: Requester) -> None:
    task, outcome = session.submit(command.task, command.context, command.task_id)
    if isinstance(task, EndedTask):
        requester.reply(attrs.evolve(task.completed, replay=True, position=None))
    task_id = task.id if isinstance(task, RunningTask) else command.task_id
    if outcome == "queued" and command.request_id is None:
        tell_what_holds(session, requester, request_id=None)
    _acknowledge(command, requester, outcome, task_id)


def _cancel(command: CancelTask, session: Session, requester: Requester) -> None:
    chosen = [each for each in session.tasks if command.task_id in (None, each.id)]
    if not chosen:
        _cancel_nothing(command, session, requester)
        return
    for each in chosen:
        each.on_ended = [waiting for waiting in each.on_ended if not waiting.gone]
    too_many = any(len(each.on_ended) >= MAX_WAITING_CANCELS for each in chosen)
    if command.request_id is not None and not too_many:
        _acknowledge_when_ended(command, chosen, requester)
    who = requester.principal.asker
    reason = f"{who}: {command.reason}" if command.reason else who
    for task in chosen:
        task.request_cancel(reason)
    if command.request_id is not None and too_many:
        raise Busy("too many wait for the end of this task; it is cancelled all the same")


def _cancel_nothing(command: CancelTask, session: Session, requester: Requester) -> None:
    ended = None if command.task_id is None else session.ended.get(command.task_id)
    if ended is not None:
        receipt = ended.completed.receipt
        receipts = None if receipt is None else [receipt]
        _acknowledge(command, requester, "already_ended", command.task_id, receipts)
    elif command.task_id is None or session.knows(command.task_id):
        _acknowledge(command, requester, "already_ended", command.task_id)
    elif command.request_id is not None:
        _acknowledge(command, requester, "unknown", command.task_id)
    else:
        raise UnknownTask("data.taskId: the session has no such task")


def _acknowledge_when_ended(
    command: CancelTask, tasks: list[RunningTask], requester: Requester
) -> None:
    """Send the receipts once the work of all of `tasks` has ended, and not before."""
    waiting = _WaitingCancel(command, tasks, requester)
    for task in tasks:
        task.on_ended.append(waiting)


class _WaitingCancel:
    """A cancel that waits for the end of all of `tasks`, to tell of it."""

    def __init__(self, command: CancelTask, tasks: list[RunningTask], requester: Requester) -> None:
        self._command = command
        self._tasks = tasks
        self._requester = requester
        self._ended: list[TaskCompleted] = []

    @property
    def gone(self) -> bool:
        """Whether nobody waits for it any more."""
        return self._requester.gone

    def __call__(self, completed: TaskCompleted) -> None:
        """One of the tasks has ended."""
        self._ended.append(completed)
        if len(self._ended) < len(self._tasks):
            return
        receipts = [each.receipt for each in self._ended if each.receipt is not None]
        outcome: Outcome = "cancelled" if receipts else "already_ended"
        task_id = self._tasks[0].id if len(self._tasks) == 1 else None
        _acknowledge(self._command, self._requester, outcome, task_id, receipts)


def _confirm(command: ConfirmStep, session: Session, requester: Requester) -> None:
    decision = Decision(
        approved=command.approved, reason=command.reason, by=requester.principal.shown
    )
    outcome = session.confirm(command, decision)
    if outcome == "unknown" and command.request_id is None:
        if command.task_id is not None and not session.knows(command.task_id):
            raise UnknownTask("data.taskId: the session has no such task")
        raise UnknownStep("data.stepId: no step of that id has asked for a confirmation")
    _acknowledge(command, requester, outcome, command.task_id)
