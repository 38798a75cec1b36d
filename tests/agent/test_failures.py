"""What came out of an agent's code, told from a cancel, and in words."""

from __future__ import annotations

import pytest
import trio

from trio_agent_rt.agent.failures import came_of_cancel, describe_error, is_cancelled, is_definite
from trio_agent_rt.errors import LLMError, ToolError


class Unspeakable(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no words")


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (ToolError("the file is gone"), "the file is gone"),
        (ToolError(), "ToolError"),
        (ValueError("odd"), "ValueError: odd"),
        (ValueError(), "ValueError"),
        (KeyError("k"), "KeyError: 'k'"),
        (Unspeakable(), "Unspeakable"),
        (ExceptionGroup("g", [ExceptionGroup("h", [OSError("disk")])]), "OSError: disk"),
        (ToolError("x" * 5000), "x" * 2000 + "…"),
        (ToolError("x" * 2000), "x" * 2000),
    ],
)
def test_an_error_in_words(error: Exception, text: str) -> None:
    assert describe_error(error) == text


@pytest.mark.parametrize("raised", [BaseException("boo"), SystemExit(), MemoryError()])
def test_one_that_raises_whatever_instead_of_words_has_none(raised: BaseException) -> None:
    class Hostile(Exception):
        def __str__(self) -> str:
            raise raised

    assert describe_error(Hostile()) == "Hostile"


def test_a_ctrl_c_in_the_middle_of_its_words_goes_on() -> None:
    class Slow(Exception):
        def __str__(self) -> str:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        describe_error(Slow())


def test_exceptions_that_are_each_others_cause_are_looked_at_once() -> None:
    first, second = ValueError("first"), ValueError("second")
    first.__context__, second.__context__ = second, first
    assert not came_of_cancel(ExceptionGroup("g", [first, second]))


async def test_of_a_group_what_is_no_cancel_speaks() -> None:
    with trio.CancelScope() as scope:
        scope.cancel()
        try:
            await trio.lowlevel.checkpoint()
        except trio.Cancelled as exc:
            only = BaseExceptionGroup("only", [exc, BaseExceptionGroup("in", [exc])])
            mixed = BaseExceptionGroup("mixed", [only, OSError("disk")])
            assert is_cancelled(only)
            assert not is_cancelled(mixed)
            assert describe_error(mixed) == "OSError: disk"
            raise


def test_an_error_that_says_so_is_definite_in_a_group_too() -> None:
    refused = ToolError("it may not be asked", retryable=False)
    assert is_definite(refused)
    assert is_definite(ExceptionGroup("", [ValueError("x"), ExceptionGroup("", [refused])]))
    for other in (ToolError("busy"), ValueError("x"), LLMError("no"), KeyError()):
        assert not is_definite(other)
