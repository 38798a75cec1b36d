"""Who may do what in a session."""

from __future__ import annotations

import logging
import time
from typing import Any, get_args

import pytest

from trio_agent_rt.realtime import ANONYMOUS, Action, Principal, SessionInfo
from trio_agent_rt.realtime.access.authorize import is_allowed

ANN, BOB = Principal("ann"), Principal("bob")
EXPIRED = Principal("ann", expires_at=time.time() - 1)
ANNS = SessionInfo(id="s", owner=ANN)
ROOM = SessionInfo(id="lobby", owner=None)

every_action = pytest.mark.parametrize("action", get_args(Action))


@every_action
@pytest.mark.parametrize(
    ("principal", "session", "allowed"),
    [
        (ANN, ANNS, True),
        (BOB, ANNS, False),
        (ANONYMOUS, ANNS, False),
        (EXPIRED, ANNS, False),
        (ANN, ROOM, True),
        (ANONYMOUS, ROOM, True),
        (EXPIRED, ROOM, False),
    ],
)
def test_without_a_hook_an_owner_may_and_everybody_in_a_room(
    principal: Principal, session: SessionInfo, action: Action, allowed: bool
) -> None:
    assert is_allowed(None, principal, action, session) is allowed


@every_action
@pytest.mark.parametrize("answer", [True, False])
def test_a_hook_decides_about_everybody_else(action: Action, answer: bool) -> None:
    asked: list[tuple[Principal, Action, SessionInfo]] = []

    def authorize(principal: Principal, wanted: Action, session: SessionInfo) -> bool:
        asked.append((principal, wanted, session))
        return answer

    assert is_allowed(authorize, BOB, action, ANNS) is answer
    assert is_allowed(authorize, ANN, action, ROOM) is answer
    assert asked == [(BOB, action, ANNS), (ANN, action, ROOM)]
    # Neither its owner, whom nobody can lock out, nor who has expired is asked about.
    assert is_allowed(authorize, ANN, action, ANNS)
    assert not is_allowed(authorize, EXPIRED, action, ROOM)
    assert len(asked) == 2


@every_action
def test_a_hook_that_fails_allows_nothing_and_is_logged(
    action: Action, caplog: pytest.LogCaptureFixture
) -> None:
    def authorize(principal: Principal, wanted: Action, session: SessionInfo) -> bool:
        raise LookupError("the table is gone")

    secret = SessionInfo(id="session-id", owner=ANN)
    assert not is_allowed(authorize, BOB, action, secret)
    (record,) = caplog.records
    assert record.levelno == logging.ERROR
    assert record.exc_info is not None
    assert "session-id" not in caplog.text


@pytest.mark.parametrize("answer", [None, 1, "yes", object()])
def test_only_true_allows(answer: Any) -> None:
    def authorize(principal: Principal, action: Action, session: SessionInfo) -> Any:
        return answer

    assert not is_allowed(authorize, BOB, "attach", ANNS)


def test_a_hook_that_was_made_async_by_mistake_allows_nothing() -> None:
    async def authorize(principal: Principal, action: Action, session: SessionInfo) -> bool:
        return True

    made: list[Any] = []

    def kept(*args: Any) -> Any:
        made.append(authorize(*args))
        return made[-1]

    assert not is_allowed(kept, BOB, "attach", ANNS)
    made[0].close()
