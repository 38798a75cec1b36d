"""What is said when something is wrong, and what it does not claim."""

from __future__ import annotations

import pytest
import trio

from tests.transports.sse.peers import error_of, get, post, serving
from trio_agent_rt.errors import ConnectionRejected
from trio_agent_rt.realtime import Principal
from trio_agent_rt.transports import Request


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (401, "unauthorized"),
        (403, "forbidden"),
        (429, "rate_limited"),
        (400, "rejected"),
        (402, "rejected"),
        (404, "rejected"),
        (409, "rejected"),
        (413, "rejected"),
        (502, "rejected"),
        (503, "rejected"),
    ],
)
async def test_a_hooks_own_refusal_is_not_taken_for_one_of_ours(status: int, code: str) -> None:
    """Whoever is told `shutting_down` comes again, whoever is told `busy` waits for a task."""

    async def authenticate(request: Request) -> Principal:
        await trio.lowlevel.checkpoint()
        raise ConnectionRejected(status, "for a reason of mine", {"Retry-After": "7"})

    async with serving(authenticate=authenticate) as (_, address):
        for answer in (
            await get(address, "/sse"),
            await get(address, "/tools"),
            await post(address, "/task", {"task": "x", "clientId": "c"}),
        ):
            assert error_of(answer) == (status, code)
            assert answer.json["error"]["message"] == "for a reason of mine"
            assert answer.headers["retry-after"] == "7"


async def test_a_hook_that_fails_is_our_fault(caplog: pytest.LogCaptureFixture) -> None:
    async def authenticate(request: Request) -> Principal:
        await trio.lowlevel.checkpoint()
        raise LookupError("mine")

    async with serving(authenticate=authenticate) as (_, address):
        assert error_of(await get(address, "/tools")) == (500, "internal")
    assert "mine" in caplog.text
