"""Who is given a ticket, and who is not."""

from __future__ import annotations

import secrets
import time

import pytest

from trio_agent_rt import BearerTokens, Principal

from .peers import error_of, post, serving

ANNS, LATE = secrets.token_urlsafe(), secrets.token_urlsafe()
HOOK = BearerTokens({ANNS: "ann", LATE: Principal("late", expires_at=time.time() - 1)})


@pytest.mark.parametrize("how", ["none", "bad", "expired", "a ticket", "a used ticket"])
async def test_a_ticket_needs_credentials_that_are_no_ticket(how: str) -> None:
    async with serving(authenticate=HOOK) as (realtime, address):
        ticket = realtime.tickets.issue(Principal("ann"))
        if how == "a used ticket":
            assert realtime.tickets.redeem(ticket)
        token = {"bad": secrets.token_urlsafe(), "expired": LATE}.get(how)
        headers = [f"Authorization: Bearer {token}"] if token else []
        path = f"/ticket?ticket={ticket}" if "ticket" in how else "/ticket"
        answer = await post(address, path, headers=headers)
        assert error_of(answer) == (401, "unauthorized")
        assert answer.headers["www-authenticate"].startswith("Bearer")
        assert "ticket" not in answer.json
        with_token = await post(address, path, headers=[f"Authorization: Bearer {ANNS}"])
        assert with_token.status == 200
