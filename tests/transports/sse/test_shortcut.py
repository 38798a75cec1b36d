"""What is answered past the application is what the application would have answered."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trio
import trio.testing
from quart import Blueprint
from quart_trio import QuartTrio

from tests.transports.http.peers import open_peer
from tests.transports.sse.peers import asked, heard_by, http, mounted, serving
from tests.transports.websocket.peers import quick
from trio_agent_rt.errors import ConnectionRejected
from trio_agent_rt.realtime import Limits, Principal, RealtimeAgent
from trio_agent_rt.transports import Cors, Request, sse_blueprint


def comparable(heard: bytes) -> bytes:
    """Without what is another each time."""
    heard = re.sub(rb"date: [^\r]*", b"date: then", heard)
    heard = re.sub(rb"reference [0-9a-f]{8}", b"reference <number>", heard)
    heard = re.sub(rb"[0-9a-f]{32}-(\d+)", rb"<position>-\1", heard)
    heard = re.sub(rb'"(clientId|sessionId)":"[\w-]+"', rb'"\1":"<id>"', heard)
    return re.sub(rb"\d{13}", b"<time>", heard)


@asynccontextmanager
async def through_the_app(**options: Any) -> AsyncGenerator[Any]:
    """A server without a short cut."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("trio_agent_rt.transports.sse.app.is_bare", lambda app: False)
        async with serving(**options) as served:
            yield served


async def both(sent: bytes, options: dict[str, Any]) -> list[bytes]:
    """What each way answers the same request."""
    found: list[bytes] = []
    for serve in (serving, through_the_app):
        async with serve(**options) as (_, address), open_peer(address) as peer:
            found.append(comparable(await heard_by(peer, sent)))
    return found


class Rejecting:
    """A hook that lets nobody in."""

    def __init__(self, status: int, message: str = "", headers: dict[str, str] | None = None):
        self._rejected = ConnectionRejected(status, message, headers or {})

    async def __call__(self, request: Request) -> Principal:
        """Let nobody in."""
        await trio.lowlevel.checkpoint()
        raise self._rejected


async def fails(request: Request) -> Principal:
    """A hook with a mistake."""
    raise LookupError("a secret of ours")


async def has_expired(request: Request) -> Principal:
    """A hook that gives what is of no use any more."""
    return Principal("ann", expires_at=1.0)


async def never_decides(request: Request) -> Principal:
    """A hook that takes too long."""
    await trio.sleep_forever()
    raise AssertionError


async def knows_ann(request: Request) -> Principal:
    """A hook that lets everybody in."""
    await trio.lowlevel.checkpoint()
    return Principal("ann")


def no_room(request: Request, principal: Principal) -> str:
    """A hook with a mistake."""
    raise LookupError("a secret of ours")


OWN = "Origin: http://127.0.0.1"
OTHER = "Origin: https://example.com"
NO_SHORTCUT = "no short cut"

CASES: dict[str, tuple[Any, ...]] = {
    "plain": (asked(),),
    "named": (asked("/sse?named=1"),),
    "escaped": (asked("/sse?x=%41&x=b+c&y"),),
    "many fields": (asked("/sse", "Cookie: a=b; c=d", "Accept: text/event-stream"),),
    "an address of its own": (asked("/sse", "Remote-Addr: 6.6.6.6"), NO_SHORTCUT),
    "a field twice": (asked("/sse", "Cookie: a=b", "Cookie: c=d"), NO_SHORTCUT),
    "kept alive": (asked("/sse", "Connection: Keep-Alive"),),
    "lost position": (asked("/sse", "Last-Event-ID: abc-1"),),
    "lost position, query": (asked("/sse?lastEventId=abc-1"),),
    "no position": (asked("/sse", "Last-Event-ID: ?"),),
    "no such session": (asked("/sse?session=x"),),
    "no such session, own page": (asked("/sse?session=x", OWN),),
    "own page": (asked("/sse", OWN),),
    "other page": (asked("/sse", OTHER),),
    "no page": (asked("/sse", "Origin: null"),),
    "other page, no Origin": (asked("/sse", "Sec-Fetch-Site: cross-site"),),
    "listed page": (asked("/sse", OTHER), {"cors": Cors(["https://example.com"])}),
    "listed page, refused": (
        asked("/sse?session=x", OTHER),
        {"cors": Cors(["https://example.com"])},
    ),
    "listed page, credentials": (
        asked("/sse", OTHER),
        {"cors": Cors(["https://example.com"], credentials=True)},
    ),
    "any page": (asked("/sse", OTHER), {"cors": Cors("*")}),
    "page needed": (asked("/sse"), {"cors": Cors(allow_missing=False)}),
    "rebound": (asked("/sse", host="example.com"),),
    "no ticket": (asked("/sse?ticket=x"), {"authenticate": knows_ann}),
    "a principal": (asked("/sse"), {"authenticate": knows_ann}),
    "a room": (asked("/sse"), {"choose_session": lambda request, principal: "lobby"}),
    "no room": (asked("/sse"), {"choose_session": no_room}),
    "unauthorized": (asked("/sse"), {"authenticate": Rejecting(401)}),
    "teapot": (asked("/sse"), {"authenticate": Rejecting(418, "short", {"X-Spout": "no"})}),
    "unknown status": (asked("/sse"), {"authenticate": Rejecting(499)}),
    "overridden": (
        asked("/sse", OWN),
        {"authenticate": Rejecting(403, "x", {"Vary": "Cookie", "É": "é"})},
    ),
    "overridden, sent": (
        asked("/sse", OWN),
        {"authenticate": Rejecting(403, "x", {"vary": "x", "content-type": "text/x", "X": "é"})},
    ),
    "closing": (asked("/sse"), {"authenticate": Rejecting(403, "x", {"Connection": "close"})}),
    "failing": (asked("/sse"), {"authenticate": fails}),
    "expired": (asked("/sse"), {"authenticate": has_expired}),
    "undecided": (
        asked("/sse"),
        {"authenticate": never_decides, "limits": Limits(handshake_timeout=0.2)},
    ),
    "HEAD": (asked(method="HEAD"), NO_SHORTCUT),
    "OPTIONS": (asked("/sse", OWN, method="OPTIONS"), NO_SHORTCUT),
    "DELETE": (asked(method="DELETE"), NO_SHORTCUT),
    "lower case": (asked(method="get"), NO_SHORTCUT),
    "elsewhere": (asked("/health"), NO_SHORTCUT),
    "nowhere": (asked("/sse/"), NO_SHORTCUT),
    "escaped path": (asked("/%73se"), NO_SHORTCUT),
    "no UTF-8": (asked("/sse?session=%ff"), NO_SHORTCUT),
    "no UTF-8 in a name": (asked("/sse?%ff=x"), NO_SHORTCUT),
    "many parameters": (asked("/sse?" + "&" * 1500), NO_SHORTCUT),
    "a whole URL": (asked("http://127.0.0.1/sse"), NO_SHORTCUT),
    "to be closed": (asked("/sse?session=x", "Connection: close"), NO_SHORTCUT),
    "an upgrade": (asked("/sse", "Connection: Upgrade", "Upgrade: websocket"), NO_SHORTCUT),
    "an upgrade to another": (asked("/sse", "Upgrade: h2c"), NO_SHORTCUT),
    "a subprotocol": (asked("/sse", "Sec-WebSocket-Protocol: bearer.x"), NO_SHORTCUT),
    "expecting": (asked("/sse", "Expect: 100-continue"), NO_SHORTCUT),
    "a body": (http("/sse", body=b"x"), NO_SHORTCUT),
    "no host": (asked("/sse?session=x", host="a\\b"), NO_SHORTCUT),
    "two hosts": (asked("/sse", "Host: 127.0.0.1"), NO_SHORTCUT),
    "an old version": (asked("/sse?session=x").replace(b"HTTP/1.1", b"HTTP/1.0"), NO_SHORTCUT),
    "no version": (asked().replace(b"HTTP/1.1", b"http/1.1"), NO_SHORTCUT),
}


@pytest.mark.parametrize("case", CASES)
async def test_both_ways_answer_the_same(taken: list[Request], case: str) -> None:
    sent, *more = CASES[case]
    past, through = await both(sent, more[0] if more and more[0] != NO_SHORTCUT else {})
    assert past.startswith(b"HTTP/1.1 ")
    assert past == through
    assert len(taken) == (NO_SHORTCUT not in more)


async def test_a_hook_sees_the_same_request_either_way(taken: list[Request]) -> None:
    seen: list[Request] = []

    async def look(request: Request) -> Principal:
        await trio.lowlevel.checkpoint()
        seen.append(request)
        return Principal("ann")

    headers = ["Cookie: a=b; c=d", "X-Y: z ", "X-Z: \t", "Authorization: Bearer abc"]
    await both(asked("/sse?x=1&x=%e2%82%ac&y", *headers), {"authenticate": look})
    past, through = seen
    assert taken == [past]
    for each in ("path", "method", "query", "cookies", "remote_host", "secure", "bearer_token"):
        assert getattr(past, each) == getattr(through, each)
    # Quart adds this one.
    assert past.headers == through.headers.without("remote-addr")
    assert past.subprotocols == through.subprotocols == ()


@pytest.mark.parametrize("sent", [asked() + asked("/health"), asked("/sse?session=x") * 2])
async def test_what_is_sent_at_once_is_answered_by_the_app(
    taken: list[Request], sent: bytes
) -> None:
    async with serving() as (_, address), open_peer(address) as peer:
        await peer.send(sent)
        status, _ = await peer.head()
        assert status in {200, 404}
        assert not taken


async def test_a_request_in_pieces_is_answered_by_the_app(taken: list[Request]) -> None:
    async with serving() as (_, address), open_peer(address) as peer:
        for each in (asked()[:20], asked()[20:]):
            await peer.send(each)
            await trio.testing.wait_all_tasks_blocked()
        assert (await peer.head())[0] == 200
        assert not taken


async def test_pages_that_look_at_every_request_look_at_that_for_a_stream(
    taken: list[Request],
) -> None:
    class Pages:
        def blueprint_at(self, **where: object) -> Blueprint:
            blueprint = Blueprint("pages", __name__)

            @blueprint.after_app_request
            async def mark(response: Any) -> Any:
                response.headers["X-Seen"] = "yes"
                return response

            return blueprint

    async with serving(pages=Pages()) as (_, address), open_peer(address) as peer:
        assert b"x-seen: yes" in await heard_by(peer, asked())
    assert not taken


async def test_an_app_of_somebody_elses_has_no_short_cut(taken: list[Request]) -> None:
    async with RealtimeAgent(quick) as realtime:
        blueprint = sse_blueprint(realtime)
        async with mounted(QuartTrio("an_app"), realtime, blueprint) as address:
            async with open_peer(address) as peer:
                assert b'"connected"' in await heard_by(peer, asked())
    assert not taken
