"""Whose sessions are listed, and to whom: an id is a key wherever nobody is asked for another."""

from __future__ import annotations

import secrets

import pytest

from tests.transports.websocket.peers import quick
from trio_agent_rt import ANONYMOUS, BearerTokens, Principal, RealtimeAgent
from trio_agent_rt.protocol import decode_http_sessions

from .peers import error_of, get, open_stream, serving, until

ANNS, BOBS, GUESTS = (secrets.token_urlsafe() for _ in range(3))
HOOK = BearerTokens({ANNS: "ann", BOBS: "bob", GUESTS: ANONYMOUS})


def _with(token: str) -> list[str]:
    return [f"Authorization: Bearer {token}"]


async def test_each_sees_their_own_sessions_and_no_others() -> None:
    async with serving(authenticate=HOOK) as (realtime, address):
        async with (
            open_stream(address, headers=_with(ANNS)),
            open_stream(address, headers=_with(BOBS)),
        ):
            await until(lambda: len(realtime.session_ids) == 2)
            answer = await get(address, "/sessions", _with(ANNS))
            theirs = realtime.sessions_of(Principal("ann"))
    assert answer.status == 200
    assert answer.headers["cache-control"] == "no-store"
    (told,) = decode_http_sessions(answer.body)
    assert [told] == theirs
    assert (told.state, told.tasks, told.connections) == ("idle", (), 1)


@pytest.mark.parametrize("token", ["", GUESTS], ids=["no token", "a guest"])
async def test_nobody_is_told_the_sessions_of_the_anonymous(token: str) -> None:
    """Also not where a hook lets guests in: their ids are all that protects their sessions."""
    hook = HOOK if token else None
    async with serving(authenticate=hook) as (realtime, address):
        headers = _with(token) if token else []
        async with open_stream(address, headers=headers):
            await until(lambda: realtime.session_ids)
            answer = await get(address, "/sessions", headers)
            (session_id,) = realtime.session_ids
    assert error_of(answer) == (403, "forbidden")
    assert session_id.encode() not in answer.body


async def test_who_says_nothing_about_themselves_is_told_nothing() -> None:
    async with serving(authenticate=HOOK) as (_, address):
        for headers in ([], _with("x" * 30)):
            assert error_of(await get(address, "/sessions", headers)) == (401, "unauthorized")


async def test_what_nobody_owns_and_what_has_ended_is_in_no_list() -> None:
    ann = Principal("ann")
    async with RealtimeAgent(quick, linger=0) as realtime:
        task = realtime.submit("nobody's")
        await task.wait()
        mine = realtime.submit("mine", principal=ann)
        (told,) = realtime.sessions_of(ann)
        assert list(told.tasks) == [mine.id]
        await mine.wait()
        assert realtime.sessions_of(ann) == []
        assert realtime.sessions_of(Principal("bob")) == []
