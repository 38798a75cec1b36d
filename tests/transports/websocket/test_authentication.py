"""Who may come in over WebSocket, and what is said to whom."""

from __future__ import annotations

import logging
import secrets
import time
import urllib.parse
from typing import Any

import pytest
import trio
from trio_websocket import open_websocket_url

from tests.transports.websocket.peers import (
    TEXT,
    frame,
    open_peer,
    serving,
    upgrade,
)
from trio_agent_rt.errors import ConnectionRejected
from trio_agent_rt.realtime import Principal
from trio_agent_rt.transports import BearerTokens, Cors, Request

ANNS, BOBS = secrets.token_urlsafe() + "/+==", secrets.token_urlsafe()
TOKENS = BearerTokens({ANNS: "ann", BOBS: "bob"}, realm="here")
PROPOSED = f"bearer.{urllib.parse.quote(ANNS, safe='')}"


async def tokens_or_cookie(request: Request) -> Principal:
    """`BearerTokens`, beside a cookie, as an application could have it."""
    if request.bearer_token is None and request.cookies.get("login") == "carls":
        await trio.lowlevel.checkpoint()
        return Principal("carl")
    return await TOKENS(request)


@pytest.mark.parametrize(
    ("headers", "ticket", "who"),
    [
        ([f"Authorization: Bearer {ANNS}"], None, "ann"),
        ([f"Sec-WebSocket-Protocol: trio-agent-rt, {PROPOSED}"], None, "ann"),
        ([], "dora", "dora"),
        (["Cookie: login=carls"], None, "carl"),
        # What comes first decides.
        ([f"Authorization: Bearer {BOBS}", f"Sec-WebSocket-Protocol: {PROPOSED}"], "dora", "bob"),
        ([f"Sec-WebSocket-Protocol: {PROPOSED}", "Cookie: login=carls"], "dora", "ann"),
        (["Cookie: login=carls"], "dora", "dora"),
    ],
)
async def test_each_way_leads_in_and_the_first_decides(
    headers: list[str], ticket: str | None, who: str
) -> None:
    seen: list[str] = []

    def choose(request: Request, principal: Principal) -> None:
        seen.append(principal.id)

    options: dict[str, Any] = {"authenticate": tokens_or_cookie, "choose_session": choose}
    async with serving(**options) as (realtime, address), open_peer(address) as peer:
        query = f"?ticket={realtime.tickets.issue(Principal(ticket))}" if ticket else ""
        with trio.fail_after(5):
            await peer.shake_hands(upgrade(f"/ws{query}", headers))
            connected = (await peer.frames(until=TEXT))[0].message
    assert connected["type"] == "connected"
    assert seen == [who]


@pytest.mark.parametrize(
    ("headers", "query", "challenge"),
    [
        ([], "", 'Bearer realm="here"'),
        (["Authorization: Basic YTpi"], "", 'Bearer realm="here"'),
        (["Cookie: login=eves"], "", 'Bearer realm="here"'),
        (["Authorization: Bearer x"], "", 'Bearer realm="here", error="invalid_token"'),
        (
            ["Sec-WebSocket-Protocol: trio-agent-rt, bearer.x"],
            "",
            'Bearer realm="here", error="invalid_token"',
        ),
        ([], "?ticket=made-up", "Bearer"),
        # A way that is no good is not made up for by another one.
        (["Authorization: Bearer x", "Cookie: login=carls"], "", 'error="invalid_token"'),
        (["Cookie: login=carls"], "?ticket=made-up", "Bearer"),
    ],
)
async def test_whoever_cannot_tell_who_they_are_gets_401_and_a_challenge(
    headers: list[str], query: str, challenge: str
) -> None:
    options: dict[str, Any] = {"authenticate": tokens_or_cookie}
    async with serving(**options) as (_, address), open_peer(address) as peer:
        with trio.fail_after(5):
            await peer.send(upgrade(f"/ws{query}", headers))
            answer = (await peer.until_end()).decode()
    assert answer.startswith("HTTP/1.1 401 ")
    assert challenge in answer
    assert "made-up" not in answer


async def test_a_ticket_that_is_used_too_old_or_made_up_is_refused_alike() -> None:
    async with serving(authenticate=TOKENS) as (realtime, address):
        used = realtime.tickets.issue(Principal("ann"))
        late = realtime.tickets.issue(Principal("ann", expires_at=time.time() - 1))
        answers: set[bytes] = set()
        with trio.fail_after(5):
            async with open_peer(address) as peer:
                await peer.shake_hands(upgrade(f"/ws?ticket={used}"))
            for ticket in (used, late, "made-up"):
                async with open_peer(address) as peer:
                    await peer.send(upgrade(f"/ws?ticket={ticket}"))
                    answers.add(await peer.until_end())
    (answer,) = answers
    assert answer.startswith(b"HTTP/1.1 401 ")


async def test_two_that_come_with_one_ticket_at_once_do_not_both_get_in() -> None:
    async with serving(authenticate=TOKENS) as (realtime, address):
        request = upgrade(f"/ws?ticket={realtime.tickets.issue(Principal('ann'))}")
        async with open_peer(address) as one, open_peer(address) as two:
            with trio.fail_after(5):
                for peer in (one, two):
                    await peer.send(request)
                begun = [await peer.stream.receive_some() for peer in (one, two)]
    assert {bytes(each[9:12]) for each in begun} == {b"101", b"401"}


async def test_who_has_expired_does_not_get_in() -> None:
    late = Principal("ann", expires_at=time.time() - 1)
    options: dict[str, Any] = {"authenticate": BearerTokens({ANNS: late})}
    async with serving(**options) as (_, address), open_peer(address) as peer:
        with trio.fail_after(5):
            await peer.send(upgrade(headers=[f"Authorization: Bearer {ANNS}"]))
            assert (await peer.answer())[0] == 401


async def test_who_expires_while_connected_is_closed_with_4500() -> None:
    soon = Principal("ann", expires_at=time.time() + 0.5)
    options: dict[str, Any] = {"authenticate": BearerTokens({ANNS: soon, BOBS: "bob"})}
    async with serving(**options) as (_, address), open_peer(address) as bob:
        with trio.fail_after(5):
            await bob.shake_hands(upgrade(headers=[f"Authorization: Bearer {BOBS}"]))
            async with open_peer(address) as ann:
                await ann.shake_hands(upgrade(headers=[f"Authorization: Bearer {ANNS}"]))
                closed = await ann.closing()
            assert closed.code == 4500
            assert b"expired" in closed.payload
            assert time.time() >= (soon.expires_at or 0)
            # And nobody else.
            await bob.send(frame(TEXT, b'{"type":"ping"}'))
            while (await bob.frames(until=TEXT))[-1].message["type"] != "pong":
                pass


@pytest.mark.parametrize(
    ("proposed", "echoed"),
    [
        (["trio-agent-rt", PROPOSED], "trio-agent-rt"),
        ([PROPOSED, "other", "trio-agent-rt"], "trio-agent-rt"),
        ([PROPOSED], None),
        (None, None),
    ],
)
async def test_the_token_is_never_echoed(proposed: list[str] | None, echoed: str | None) -> None:
    headers = [] if proposed else [("Authorization", f"Bearer {ANNS}".encode())]
    async with serving(authenticate=TOKENS) as (_, address):
        with trio.fail_after(5):
            async with open_websocket_url(
                address.url,
                subprotocols=proposed,
                extra_headers=[(name.encode(), value) for name, value in headers],
            ) as websocket:
                assert websocket.subprotocol == echoed
                assert "connected" in str(await websocket.get_message())


@pytest.mark.parametrize(
    ("cors", "origin", "who"),
    [
        (None, "http://127.0.0.1:{port}", "carl"),
        (Cors(["https://example.com"], credentials=True), "https://example.com", "carl"),
        (Cors(["https://example.com"]), "https://example.com", 401),
        (Cors("*"), "https://example.com", 401),
        (Cors("*"), "null", 401),
        (None, "https://example.com", 403),
        (Cors(["https://example.com"], credentials=True), "https://evil.test", 403),
        (None, "http://rebound.test:{port}", 403),
        (None, None, "carl"),
        (Cors(allow_missing=False), None, 403),
    ],
)
async def test_no_page_acts_with_the_cookie_of_whoever_looks_at_it_unless_allowed(
    cors: Cors | None, origin: str | None, who: str | int
) -> None:
    options: dict[str, Any] = {"authenticate": tokens_or_cookie, "cors": cors}
    async with serving(**options) as (_, address), open_peer(address) as peer:
        headers = ["Cookie: login=carls"]
        host = f"127.0.0.1:{address.port}"
        if origin is not None:
            origin = origin.format(port=address.port)
            headers.append(f"Origin: {origin}")
            if "rebound" in origin:
                host = origin.removeprefix("http://")
        with trio.fail_after(5):
            request = upgrade(headers=headers, host=host)
            if isinstance(who, int):
                await peer.send(request)
                assert (await peer.answer())[0] == who
            else:
                await peer.shake_hands(request)


@pytest.mark.parametrize("options", [{"allow_anonymous": True}, {"authenticate": TOKENS}])
async def test_other_machines_may_connect_if_that_was_said_or_they_are_asked_who_they_are(
    options: dict[str, Any],
) -> None:
    async with serving(host="0.0.0.0", **options) as (_, address):
        assert address.hosts == ("0.0.0.0",)


async def test_no_secret_is_logged_or_told_whatever_becomes_of_it(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Every logger, the libraries' too, at its chattiest."""
    caplog.set_level(logging.DEBUG)
    wrong = secrets.token_urlsafe()
    told = b""

    async def authenticate(request: Request) -> Principal:
        if "fail" in request.query:
            await trio.lowlevel.checkpoint()
            raise RuntimeError(f"cannot decide about {request}")
        if "reject" in request.query:
            raise ConnectionRejected(403, "no")
        return await tokens_or_cookie(request)

    async with serving(authenticate=authenticate) as (realtime, address):
        tickets = [realtime.tickets.issue(Principal("ann")) for _ in range(2)]
        secret = {ANNS, PROPOSED, BOBS, wrong, "carls", *tickets}
        ways = [("", [f"Authorization: Bearer {token}"]) for token in (ANNS, wrong, f"{wrong} x")]
        ways += [
            ("", [f"Sec-WebSocket-Protocol: trio-agent-rt, {PROPOSED}"]),
            ("", [f"Sec-WebSocket-Protocol: bearer.{wrong}"]),
            ("", [f"Sec-WebSocket-Protocol: {wrong}\xff"]),
            ("", ["Cookie: login=carls"]),
            (f"ticket={tickets[0]}", []),
            (f"ticket={tickets[0]}", []),
            (f"ticket={tickets[1]}&session={wrong}", []),
            (f"ticket={wrong}&lastEventId={wrong}", []),
            (f"session={wrong}", [f"Authorization: Bearer {ANNS}"]),
        ]
        ways += [
            (f"{query}&{more}", headers)
            for query, headers in ways[:]
            for more in ("fail", "reject")
        ]
        with trio.fail_after(20):
            for query, headers in ways:
                for request in (
                    upgrade(f"/ws?{query}", headers),
                    upgrade(f"/elsewhere?{query}", headers),
                    upgrade(f"/ws?{query}", [*headers, "Origin: https://evil.test"]),
                    upgrade(f"/ws?{query}", [*headers, "Connection: close"]),
                    upgrade(f"/ws?{query}", headers).replace(b"HTTP/1.1", b"HTTP/9"),
                    upgrade(f"/ws?{query}", [*headers, "no header at all"]),
                    upgrade(f"/ws?{query}", headers)[:-4],
                ):
                    async with open_peer(address) as peer:
                        await peer.send(request)
                        assert isinstance(peer.stream, trio.SocketStream)
                        await peer.stream.send_eof()
                        told += await peer.until_end()
            assert await whole_life_with(address.url, ANNS)
    # The session that was asked for, which did not exist, is as secret as one that does.
    for each in secret:
        assert each not in caplog.text
        assert each.encode() not in told
    assert "refused: 401" in caplog.text
    assert "RuntimeError: cannot decide about Request(" in caplog.text


async def whole_life_with(url: str, token: str) -> bool:
    """Whether a connection with this token is served."""
    headers = [(b"Authorization", f"Bearer {token}".encode())]
    async with open_websocket_url(url, extra_headers=headers) as websocket:
        return "connected" in str(await websocket.get_message())
