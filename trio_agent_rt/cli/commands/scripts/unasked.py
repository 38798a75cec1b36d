"""Why an answer met no question: what was named, held against where the session stands."""

from __future__ import annotations

import trio

from ....clients import AgentClient
from ....events import SessionView, TaskView
from ....protocol import Connected
from ...lines import one_line

__all__ = ["present_state", "why_unasked"]

_QUIET = 0.3
"""Seconds without an event after which the present state has been told."""

_MAX_ID = 100


async def present_state(client: AgentClient) -> SessionView:
    """Where the session stood when the client came to it."""
    view = SessionView()
    events = client.events()
    with trio.move_on_after(_QUIET) as told:
        async for event in events:
            # What is new may go on for ever, and what was told ends before it.
            if not getattr(event, "replay", False) and not isinstance(event, Connected):
                break
            view.apply(event)
            told.deadline = trio.current_time() + _QUIET
    return view


def why_unasked(
    session: SessionView,
    step_id: str,
    *,
    task_id: str | None = None,
    confirmation_id: str | None = None,
) -> str:
    """The sentence, as far as a session tells."""
    step, asks = _quoted(step_id), _open_questions(session)
    tasks = [each for each in session.tasks.values() if task_id in (None, each.task_id)]
    ended = session.ended
    if not tasks:
        if ended is not None and task_id in (None, ended.task_id):
            which = "the task" if task_id is None else f"task {_quoted(task_id)}"
            unknown = "" if step_id in ended.steps else f", and had no step {step}"
            return f"{which} has ended{unknown}"
        if task_id is None:
            return "no task runs in that session"
        return f"no task {_quoted(task_id)} runs in that session; {asks}"
    for task in tasks:
        question = task.confirmation
        if question is not None and question.step_id == step_id and confirmation_id is not None:
            its = question.confirmation_id
            asks = "" if its is None else f": {_quoted(its)}"
            return f"step {step} asks another question than {_quoted(confirmation_id)}{asks}"
        how = _how_it_stands(task, step_id)
        if how is not None:
            return f"step {step} {how}; {asks}"
    where = "no task that runs" if task_id is None else f"task {_quoted(task_id)}"
    verb = "has a" if task_id is None else "has no"
    return f"{where} {verb} step {step}; {asks}"


def _how_it_stands(task: TaskView, step_id: str) -> str | None:
    """Why a step of a task does not ask, or None if the task has no such step."""
    if step_id in task.running:
        return "runs, and has not asked"
    step = task.steps.get(step_id)
    if step is None:
        return None
    return "has not begun" if step.status == "pending" else f"has ended ({step.status})"


def _open_questions(session: SessionView) -> str:
    asking = [task.confirmation for task in session.tasks.values() if task.confirmation]
    steps = ", ".join(_quoted(each.step_id) for each in asking)
    return f"what is asked now is asked by {steps}" if steps else "nothing is asked now"


def _quoted(name: str) -> str:
    return repr(one_line(name, _MAX_ID))
