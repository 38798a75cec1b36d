"""Both ways to a stream: past the application, and through it."""

from __future__ import annotations

import os
from typing import Any

import pytest

from tests.conftest import DIRECT_WRITES
from trio_agent_rt.transports import Request
from trio_agent_rt.transports.sse import shortcut, stream
from trio_agent_rt.transports.sse.shortcut import StreamShortcut


@pytest.fixture(params=["past the app", "the app"])
def either_way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Has a test run twice: with the short cut, and without one."""
    if request.param == "the app":
        monkeypatch.setattr("trio_agent_rt.transports.sse.app.is_bare", lambda app: False)


@pytest.fixture
def taken(monkeypatch: pytest.MonkeyPatch) -> list[Request]:
    """The requests that the short cut has answered. Whoever is to come again, does so at once."""
    if os.environ.get(DIRECT_WRITES) == "off":
        pytest.skip("there is no short cut")
    found: list[Request] = []
    answer = StreamShortcut.answer

    def noted(self: StreamShortcut, asked: Request, *args: Any, **options: Any) -> Any:
        found.append(asked)
        return answer(self, asked, *args, **options)

    monkeypatch.setattr(StreamShortcut, "answer", noted)
    for each in (shortcut, stream):
        monkeypatch.setattr(each, "RETRY", (1000, 1000))
    return found
