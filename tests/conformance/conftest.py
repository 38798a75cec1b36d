"""Each conformance test runs over every transport."""

from __future__ import annotations

import pytest

from tests.conformance.peers import Serving, over_websocket


@pytest.fixture(params=[over_websocket], ids=["websocket"])
def serving(request: pytest.FixtureRequest) -> Serving:
    return request.param
