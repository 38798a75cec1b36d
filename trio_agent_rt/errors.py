"""Every exception this library raises on purpose, in one tree.

```
AgentRTError
├── ProtocolError            a message that breaks the wire contract (has a code)
│   ├── BadJSON                not JSON
│   ├── BadMessage             JSON, but a field is missing or of the wrong kind
│   ├── UnknownMessageType     a well-formed message of a type nobody knows
│   └── MessageTooLarge        more bytes than the limit allows
├── CommandRefused           a well-formed command that cannot be carried out
│   ├── Busy                   a task runs and the policy is to reject, or the queue is full
│   ├── UnknownTask
│   ├── UnknownStep
│   ├── UnknownSession         no such session, or it is somebody else's
│   │   └── SessionEnded         there was one, of whoever asks
│   ├── Forbidden              may be seen, but not done, by whoever asks
│   ├── TooManyConnections     the server holds as many as it may
│   ├── RateLimited
│   └── ShuttingDown
├── TaskError                what makes a task or one of its steps fail
│   ├── PlanError              the plan cannot be run as it stands
│   ├── ToolError              a tool says what went wrong
│   ├── StepTimeout            a step ran longer than it may
│   ├── ConfirmationRejected   a person said no
│   ├── ConfirmationExpired    nobody answered in time
│   └── LLMError               a language model gave no usable answer
│       └── LLMRefused           it, or its provider's filter, would not answer
├── TaskFailed               raised to who waits for a result: the task failed
├── TaskCancelled            raised to who waits for a result: the task was cancelled
├── ToolServerFailed         a server of tools cannot be used, or not any more
├── ConnectionRejected       a handshake was refused (has an HTTP status)
├── Exposed                  other machines could connect, and nobody is asked who they are
└── ClientError              what a client meets
    ├── ConnectFailed          the server is not there or does not answer
    ├── CommandTimedOut        the server did not answer a command in time
    ├── NotThisProtocol        something answers, but speaks something else
    ├── ConnectionLost         the connection ended for good
    └── SessionLost            the server no longer knows the session
```

An error says whose fault it is: `ProtocolError` and `CommandRefused` are the
peer's, `TaskError` is the agent's, `ClientError` is the world's. None of them
carries a stack trace or a secret in its text.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .protocol.messages import Receipt, TaskCompleted

__all__ = [
    "AgentRTError",
    "BadJSON",
    "BadMessage",
    "Busy",
    "ClientError",
    "CommandRefused",
    "CommandTimedOut",
    "ConfirmationExpired",
    "ConfirmationRejected",
    "ConnectFailed",
    "ConnectionLost",
    "ConnectionRejected",
    "Exposed",
    "Forbidden",
    "LLMError",
    "LLMRefused",
    "MessageTooLarge",
    "NotThisProtocol",
    "PlanError",
    "ProtocolError",
    "RateLimited",
    "SessionEnded",
    "SessionLost",
    "ShuttingDown",
    "StepTimeout",
    "TaskCancelled",
    "TaskError",
    "TaskFailed",
    "TooManyConnections",
    "ToolError",
    "ToolServerFailed",
    "UnknownMessageType",
    "UnknownSession",
    "UnknownStep",
    "UnknownTask",
]


class AgentRTError(Exception):
    """The base of every exception of this library."""


class _CodedError(AgentRTError):
    """An error with the code that the wire carries for it."""

    code: ClassVar[str] = "internal"

    def __init__(self, message: str, *, request_id: str | None = None) -> None:
        super().__init__(message)
        self.request_id = request_id
        """The `requestId` of the message that caused it, when it had a readable one."""


class ProtocolError(_CodedError):
    """A message that breaks the wire contract; `code` names how."""

    message_type: str | None = None
    """The `type` of the message, when it had a readable one."""


class BadJSON(ProtocolError):
    """The text is not JSON."""

    code = "bad_json"


class BadMessage(ProtocolError):
    """JSON, but a field is missing or of the wrong kind; the text names the field."""

    code = "bad_message"


class UnknownMessageType(ProtocolError):
    """A well-formed message of a type that is not in the contract."""

    code = "unknown_type"


class MessageTooLarge(ProtocolError):
    """A message has more bytes than the limit allows."""

    code = "too_large"


class CommandRefused(_CodedError):
    """A well-formed command that cannot be carried out now; `code` says why."""


class Busy(CommandRefused):
    """A task runs and the busy policy is to reject, or the queue is full."""

    code = "busy"


class UnknownTask(CommandRefused):
    """The session has no task of that id."""

    code = "unknown_task"


class UnknownStep(CommandRefused):
    """No running task of the session has asked for a confirmation of that step."""

    code = "unknown_step"


class UnknownSession(CommandRefused):
    """There is no such session, or it belongs to somebody else: a peer cannot tell which."""

    code = "unknown_session"


class SessionEnded(UnknownSession):
    """The session has ended for good; told to nobody but whom it belonged to."""


class Forbidden(CommandRefused):
    """Whoever asks may be shown the session, but not do this to it."""

    code = "forbidden"


class TooManyConnections(CommandRefused):
    """The server, or one principal, holds as many connections as it may."""

    code = "rate_limited"


class RateLimited(CommandRefused):
    """More commands than the limit allows."""

    code = "rate_limited"


class ShuttingDown(CommandRefused):
    """The server is on its way out and takes no new work."""

    code = "shutting_down"


class TaskError(AgentRTError):
    """What makes a task or a step fail; its text is shown to the people who watch."""


class PlanError(TaskError):
    """A plan that cannot be run as it stands; the text says what to change."""


class ToolError(TaskError):
    """A tool could not do its work; the text says why, for people and for models.

    Args:
        retryable: whether the same call may go well in a moment. A tool says no when it
            knows better: what it was asked for is not allowed, or there is no such thing.
            A step is then not tried again, whatever its plan says.
    """

    def __init__(self, *args: object, retryable: bool = True) -> None:
        super().__init__(*args)
        self.retryable = retryable


class StepTimeout(TaskError):
    """A step ran longer than its time-out allows."""


class ConfirmationRejected(TaskError):
    """A person rejected the confirmation that a step asked for."""

    def __init__(self, reason: str | None = None) -> None:
        super().__init__(f"rejected: {reason or 'no reason given'}")
        self.reason = reason
        """What the person said, or None."""


class ConfirmationExpired(TaskError):
    """Nobody answered the confirmation within its time."""

    def __init__(self, timeout: float) -> None:
        super().__init__(f"expired: nobody answered within {timeout:g} s")
        self.timeout = timeout
        """How long it was open, in seconds."""


class LLMError(TaskError):
    """A language model refused, failed, or gave no usable answer."""


class LLMRefused(LLMError):
    """A model would not answer, or its provider's content filter withheld the answer."""


class TaskFailed(AgentRTError):
    """Raised to whoever awaits the result of a task that failed."""

    def __init__(self, completed: TaskCompleted) -> None:
        super().__init__(completed.error or "the task failed")
        self.completed = completed
        """The task's terminal message."""


class TaskCancelled(AgentRTError):
    """Raised to whoever awaits the result of a task that was cancelled."""

    def __init__(self, completed: TaskCompleted) -> None:
        super().__init__(completed.error or "the task was cancelled")
        self.completed = completed
        """The task's terminal message."""

    @property
    def receipt(self) -> Receipt | None:
        """What the cancellation did."""
        return self.completed.receipt


class ToolServerFailed(AgentRTError):
    """A server of tools is not there, does not answer as it should, or has ended."""


class ConnectionRejected(AgentRTError):
    """A handshake was refused.

    Raised by an `authenticate` hook to refuse a connection with an HTTP status, and
    by a client whose connection was refused.

    Args:
        status: the HTTP status, 400–599.
        message: what the peer is told. Never put a secret into it.
        headers: more response headers, `WWW-Authenticate` for example.
    """

    def __init__(
        self, status: int, message: str = "", headers: Mapping[str, str] | None = None
    ) -> None:
        if not 400 <= status <= 599:
            raise ValueError(f"status must be between 400 and 599, not {status}")
        super().__init__(f"{status} {message}".rstrip())
        self.status = status
        self.message = message
        self.headers: dict[str, str] = dict(headers or {})


class Exposed(AgentRTError, ValueError):
    """Other machines could connect, and nobody would be asked who they are.

    Args:
        host: where the server was to listen; None for every interface.
    """

    def __init__(self, host: str | None) -> None:
        where = "every interface" if host is None else host
        super().__init__(
            f"other machines can connect to {where}, and nobody would be asked who they are: "
            "pass authenticate=BearerTokens({token: name}) or a hook of your own, listen at "
            "127.0.0.1, or pass allow_anonymous=True if whoever can connect may use the agent"
        )
        self.host = host


class ClientError(AgentRTError):
    """What goes wrong between a client and its server."""


class ConnectFailed(ClientError):
    """The server is not there, or did not answer in time."""


class CommandTimedOut(ClientError):
    """The server did not answer a command in time; whether it was carried out is unknown."""


class NotThisProtocol(ClientError):
    """Something answers at that address, but it does not speak this protocol."""


class ConnectionLost(ClientError):
    """The connection ended and will not be tried again; `code` is the close code, if any."""

    def __init__(self, message: str, code: int | None = None) -> None:
        super().__init__(message)
        self.code = code


class SessionLost(ClientError):
    """The server no longer knows the session; what ran in it cannot be followed further."""
