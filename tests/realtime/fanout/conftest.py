"""What the tests of the fan-out share."""

from __future__ import annotations

import pytest

from trio_agent_rt.realtime.fanout import cohort, flusher


@pytest.fixture
def one_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Others have their turn after each viewer."""
    monkeypatch.setattr(cohort, "_MAX_MEMBERS", 1)
    monkeypatch.setattr(flusher, "_WRITES_AT_ONCE", 1)
