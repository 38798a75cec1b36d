"""No secret of a request is logged or told, whatever becomes of it."""

from __future__ import annotations

import logging
import secrets

import pytest
import trio

from tests.transports.sse.peers import http, open_stream, serving, started
from tests.transports.websocket.peers import RawPeer
from trio_agent_rt.realtime import Principal
from trio_agent_rt.transports import BearerTokens, Request

ANNS, WRONG = secrets.token_urlsafe(), secrets.token_urlsafe()
TOKENS = BearerTokens({ANNS: "ann"})


async def authenticate(request: Request) -> Principal:
    """`BearerTokens`, beside a cookie, and a failure that shows what it was given."""
    if "fail" in request.query:
        raise RuntimeError(f"cannot decide about {request}")
    if request.cookies.get("login") == "carls-cookie":
        await trio.lowlevel.checkpoint()
        return Principal("carl")
    return await TOKENS(request)


async def test_no_secret_is_logged_or_told_whatever_becomes_of_it(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Every logger, the libraries' too, at its chattiest."""
    caplog.set_level(logging.DEBUG)
    told = b""
    async with serving(authenticate=authenticate) as (realtime, address):
        tickets = [realtime.tickets.issue(Principal("ann")) for _ in range(2)]
        ways = [
            ("", [f"Authorization: Bearer {ANNS}"]),
            ("", [f"Authorization: Bearer {WRONG}"]),
            ("", [f"Authorization: Bearer {WRONG}\xff"]),
            ("", ["Cookie: login=carls-cookie"]),
            (f"ticket={tickets[0]}", []),
            (f"ticket={tickets[0]}", []),
            (f"ticket={tickets[1]}&session={WRONG}", []),
            (f"ticket={WRONG}&lastEventId={WRONG}", []),
            (f"clientId={WRONG}", [f"Authorization: Bearer {ANNS}"]),
        ]
        ways += [(f"{query}&fail", headers) for query, headers in ways]
        with trio.fail_after(30):
            for query, headers in ways:
                for sent in (
                    http(f"/state?{query}", headers=headers),
                    http(f"/task?{query}", method="POST", headers=headers, body=b"{}"),
                    http(f"/task?{query}", method="POST", headers=headers, body=WRONG.encode()),
                    http(f"/elsewhere?{query}", headers=headers),
                    http(f"/state?{query}", method="DELETE", headers=headers),
                    http(f"/state?{query}", headers=[*headers, "Origin: https://evil.test"]),
                    http(f"/state?{query}", headers=[*headers, "no header at all"]),
                    http(f"/state?{query}", headers=[*headers, "Transfer-Encoding: odd"]),
                    http(f"/state?{query}", headers=headers)[:-2],
                ):
                    stream = await trio.open_tcp_stream(address.host, address.port)
                    async with stream:
                        await stream.send_all(sent)
                        await stream.send_eof()
                        told += await RawPeer(stream).until_end()
            async with open_stream(address, headers=[f"Authorization: Bearer {ANNS}"]) as live:
                await started(live)
    for each in (ANNS, WRONG, "carls-cookie", *tickets):
        assert each not in caplog.text
        assert each.encode() not in told
    assert b" 401 " in told
    assert "RuntimeError: cannot decide about Request(" in caplog.text
