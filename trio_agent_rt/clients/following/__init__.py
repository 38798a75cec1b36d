"""What a client knows of its session and of the tasks in it. No I/O."""

from .inbox import EventStream, Inbox
from .session import FollowedSession
from .task import ClientTask, TaskCommands

__all__ = ["ClientTask", "EventStream", "FollowedSession", "Inbox", "TaskCommands"]
