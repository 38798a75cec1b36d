"""Tests with a real server run over each transport."""

from __future__ import annotations

import pytest

from .serving import OVER_SSE, OVER_WEBSOCKET, Over


@pytest.fixture(params=[OVER_WEBSOCKET, OVER_SSE], ids=lambda over: over.name)
def over(request: pytest.FixtureRequest) -> Over:
    return request.param
