"""A session's events as values: the bounded log, replay, throttling, the present state.

No I/O and no Trio; time is an argument.
"""

from .log import Encoded, EventLog, encode
from .redaction import Redaction, Redactor
from .replay import Joined, Step, follows, join
from .throttle import Throttle
from .view import SessionView, TaskView

__all__ = [
    "Encoded",
    "EventLog",
    "Joined",
    "Redaction",
    "Redactor",
    "SessionView",
    "Step",
    "TaskView",
    "Throttle",
    "encode",
    "follows",
    "join",
]
