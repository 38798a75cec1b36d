"""How a command ends: the exit codes, and what is told in a sentence instead of a traceback."""

from __future__ import annotations

from enum import IntEnum

from ..errors import AgentRTError, ClientError, ConnectionRejected, LLMError
from ..protocol import TaskCompleted

__all__ = ["Complaint", "ExitCode", "OutputLost", "complaint_of", "exit_code_of"]


class ExitCode(IntEnum):
    """What a command ends with; stated in `--help` and in the documentation."""

    DONE = 0
    """It did what it was asked to; for `serve`: it was stopped, in good order."""
    TASK_FAILED = 1
    """The task failed; or there was nothing to cancel, or no such question, any more."""
    USAGE = 2
    """Something about how it was called is wrong: an option, a URL, a file, a folder."""
    UNAVAILABLE = 3
    """Something that it needs is not there: the server, the port, the model's key."""
    TASK_CANCELLED = 4
    """The task was cancelled."""
    INTERRUPTED = 130
    """It was interrupted for a second time, or when there was no task yet (128 + SIGINT)."""


class Complaint(Exception):
    """What a user is told in one sentence, and the exit code."""

    def __init__(self, text: str, code: ExitCode = ExitCode.USAGE) -> None:
        super().__init__(text)
        self.code = code


class OutputLost(Complaint):
    """Standard output takes nothing more. Nothing is said of a pipe whose reader has left."""

    def __init__(self, cause: OSError) -> None:
        gone = isinstance(cause, BrokenPipeError)
        text = "" if gone else f"cannot write the output: {cause.strerror}"
        super().__init__(text, ExitCode.UNAVAILABLE)


def exit_code_of(completed: TaskCompleted) -> ExitCode:
    """The exit code for the end of a task."""
    match completed.outcome:
        case "succeeded":
            return ExitCode.DONE
        case "failed":
            return ExitCode.TASK_FAILED
        case "cancelled":
            return ExitCode.TASK_CANCELLED


def complaint_of(exc: BaseException) -> Complaint | None:
    """What to tell of an exception that ends a command; None if it is a defect.

    Of a group, the first member speaks that can be told.
    """
    match exc:
        case BaseExceptionGroup():
            told = (complaint_of(each) for each in exc.exceptions)
            return next((each for each in told if each is not None), None)
        case Complaint():
            return exc
        case ConnectionRejected():
            return Complaint(f"the server refused: {exc}", ExitCode.UNAVAILABLE)
        case ClientError() | LLMError() | AgentRTError():
            return Complaint(str(exc), ExitCode.UNAVAILABLE)
        case _:
            return None
