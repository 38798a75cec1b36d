"""What a client knows of its session: a fold over all that the server says. No I/O.

```
            connected, resumed                 a live event: next, duplicate or hole
 begin() ─────────────────────────▶ following ◀──────────────┐
    │                                   │ gap               │ status (replay)
    │ connected, not resumed            ▼                   │
    │        ┌───────────────────▶ catching up ─────────────┘
    │        │ (a session that was there before)
    └────────┴── a fresh session: its first status has a position, and then it is ready
```

Each live event is told once and in order. A duplicate is dropped; a hole that the server
did not announce is refused, so that the connection is made again from the last position.
After a gap the position starts anew with the next live event.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

from ... import errors
from ...events import follows
from ...protocol import (
    Acknowledged,
    CommandFailed,
    Connected,
    Event,
    GapOccurred,
    Pong,
    Position,
    StatusChanged,
    SubmitTask,
    TaskCompleted,
    ToolsListed,
)
from ..commands import Commands, Pending
from .inbox import Inbox
from .task import ClientTask, TaskCommands

__all__ = ["FollowedSession"]

_ENDED_TASKS = 32
"""How many tasks that have ended can still be asked for by id. Whoever holds a
`ClientTask` keeps it anyway."""


_RESULT_UNKNOWN = "the task ended while the connection was gone, and its result is no longer known"


class FollowedSession:
    """One session, followed over any number of connections.

    Args:
        session_id: the session to attach to, or None for a new one.
        position: where to go on, or None to be told the present state.
        max_events: how many events each inbox holds.
    """

    def __init__(
        self,
        *,
        session_id: str | None,
        position: Position | None,
        max_events: int,
        commands: Commands,
        task_commands: TaskCommands,
    ) -> None:
        self.session_id = session_id
        self.position = position
        """Of the last live event; what a reconnect asks to go on from."""
        self.ready: bool = False
        """Whether commands can be sent: this connection is up, and there is a way back."""
        self.progressed: bool = False
        """Whether this connection brought anything new."""
        self.tools: ToolsListed | None = None
        self.inbox: Inbox = Inbox(max_events, keep=False)
        self._last = position
        self._attached_before = False
        self._catching_up = False
        self._max_events = max_events
        self._commands = commands
        self._task_commands = task_commands
        self._tasks: dict[str, ClientTask] = {}
        self._ended: OrderedDict[str, ClientTask] = OrderedDict()

    def begin(self) -> None:
        """There is a new connection, and nothing was said on it yet."""
        self.ready = self.progressed = self._catching_up = False
        self._commands.start_over()

    def greet(self, connected: Connected) -> None:
        """Take in the first message of a connection.

        Raises:
            NotThisProtocol: when it is of another version.
            SessionLost: when it attaches to another session than it was asked to.
        """
        if connected.protocol_version != 1:
            raise errors.NotThisProtocol(
                f"the server speaks version {connected.protocol_version} of the protocol, "
                "this client speaks version 1"
            )
        if self.session_id not in (None, connected.session_id):
            raise errors.SessionLost("the server has attached the client to another session")
        fresh = self.session_id is None
        self.session_id = connected.session_id
        if connected.resumed:
            self.ready = True
        elif not fresh:
            self._catching_up = True
            if self._attached_before and self.position is None:
                # There was no position to go on from, so the server cannot know of a gap.
                self._leave_gap(GapOccurred(missed=None))
        self._attached_before = True

    def take(self, event: Event) -> bool:
        """Take in the next message; False if something is missing before it."""
        match event:
            case Acknowledged():
                self.progressed = True
                self._commands.acknowledge(event)
            case CommandFailed() if event.request_id is not None:
                self.progressed = True
                self._commands.refuse(event)
            case ToolsListed():
                self.tools = event
            case Pong() | Connected():
                pass
            case GapOccurred():
                self._leave_gap(event)
            case _:
                return self._tell(event)
        return True

    def _tell(self, event: Event) -> bool:
        if event.position is not None:
            match follows(self._last, event.position):
                case "duplicate":
                    return True
                case "gap":
                    return False
                case "next":
                    self._last = self.position = event.position
                    self.progressed = True
        elif isinstance(event, TaskCompleted) and not self._catching_up:
            # Told again, because a submit was sent again; it may be the first time here.
            task = self.find(event.task_id)
            if task is not None and task.over:
                return True
        self.inbox.put(event)
        self._tell_task(event)
        if isinstance(event, StatusChanged):
            self.ready = True
            if self._catching_up and event.position is None:
                self._catch_up_ended()
        return True

    def _tell_task(self, event: Event) -> None:
        if event.task_id is None or not (
            event.position is not None or self._catching_up or isinstance(event, TaskCompleted)
        ):
            return
        task = self.find(event.task_id) or self._follow(event.task_id, None)
        task.take(event)
        if task.over:
            self._retire(task)

    def _leave_gap(self, gap: GapOccurred) -> None:
        self._catching_up = True
        self._last = None
        self.inbox.put(gap)
        for task in self._tasks.values():
            task.told = False
            task.take(gap)

    def _catch_up_ended(self) -> None:
        self._catching_up = False
        for task in [each for each in self._tasks.values() if not each.told]:
            if task.submitted is not None:
                # It waits, or has ended: sent again, the server says which.
                task.in_doubt = True
                if not self._commands.awaits_answer(task.id):
                    self._commands.issue(task.submitted, self._submitted_again(task))
            elif task.started:
                self._lose(task)

    def _submitted_again(self, task: ClientTask) -> Callable[[Pending], None]:
        def answered(pending: Pending) -> None:
            if pending.answer is not None:
                self.settle_doubt(task, pending.answer)
            elif isinstance(pending.error, errors.ClientError):
                task.finish(pending.error)
                self._retire(task)
            else:
                self._lose(task, f"what became of the task cannot be asked: {pending.error}")

        return answered

    def settle_doubt(self, task: ClientTask, answer: Acknowledged) -> None:
        """Judge a task by the answer to its submit: was its end hidden by a gap?

        The server tells an ended task's `TaskCompleted` again before it acknowledges.
        """
        if task.in_doubt and answer.outcome == "already_accepted":
            self._lose(task)
        task.in_doubt = False

    def _lose(self, task: ClientTask, why: str = _RESULT_UNKNOWN) -> None:
        task.finish(errors.SessionLost(why))
        self._retire(task)

    def find(self, task_id: str | None) -> ClientTask | None:
        """The task of that id, if anything is known of it."""
        if task_id is None:
            return None
        return self._tasks.get(task_id) or self._ended.get(task_id)

    async def wait_told_end(self, task_id: str) -> None:
        """Wait for the end of a task that has ended, where an answer may say so first.

        Over SSE it may; over WebSocket the task's own messages have always come before.
        """
        task = self.find(task_id)
        # Of a task of which nothing was heard, and that is not this client's, nothing may come.
        if task is not None and (task.started or task.submitted is not None):
            await task.ended()

    def own(self, command: SubmitTask, task_id: str) -> ClientTask:
        """The task that a submit is about to start."""
        task = self.find(task_id) or self._follow(task_id, command)
        task.submitted = task.submitted or command
        task.submits += 1
        return task

    def watch(self, task_id: str) -> ClientTask:
        """The task of that id, whoever submitted it."""
        task = self.find(task_id) or self._follow(task_id, None)
        task.watched = True
        return task

    def disown(self, task: ClientTask) -> None:
        """The submit was refused, or nobody waits for its answer: follow it no further
        unless it has shown itself, or somebody else has it in hand."""
        task.submits -= 1
        if task.submits:
            return
        task.submitted = None
        if not (task.started or task.watched):
            self._tasks.pop(task.id, None)

    def _follow(self, task_id: str, command: SubmitTask | None) -> ClientTask:
        task = ClientTask(task_id, self._task_commands, self._max_events, command)
        self._tasks[task_id] = task
        return task

    def _retire(self, task: ClientTask) -> None:
        if self._tasks.pop(task.id, None) is not None:
            self._ended[task.id] = task
            if len(self._ended) > _ENDED_TASKS:
                self._ended.popitem(last=False)

    def finish(self, error: Exception | None) -> None:
        """Nothing more will be heard: end every iterator, with `error` if there is one."""
        self.inbox.finish(error)
        for task in list(self._tasks.values()):
            task.finish(error)
