"""Each conformance test runs over every transport."""

from __future__ import annotations

import pytest

from tests.conformance.http_peer import over_sse
from tests.conformance.peers import Serving, over_websocket


@pytest.fixture(params=[over_websocket, over_sse], ids=["websocket", "sse"])
def serving(request: pytest.FixtureRequest) -> Serving:
    return request.param
