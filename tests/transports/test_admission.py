"""Who is let in, and to which session."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from trio_agent_rt.errors import ConnectionRejected
from trio_agent_rt.realtime import ANONYMOUS, Principal, Tickets
from trio_agent_rt.transports import Cors, Headers, Request
from trio_agent_rt.transports.admission import Admission, Authenticate

ANN, BOB = Principal("ann"), Principal("bob")
ORIGIN = "https://example.com"
TICKET_TEXT = "This ticket is unknown, used or too old; ask for a new one."


def asked(
    headers: Mapping[str, str] | None = None,
    *,
    method: str = "GET",
    subprotocols: tuple[str, ...] = (),
    **query: str,
) -> Request:
    given = {"Host": "own.test", **(headers or {})}
    return Request(
        path="/",
        method=method,
        headers=Headers(given.items()),
        query=query,
        subprotocols=subprotocols,
    )


class Hook:
    """An `authenticate` hook that knows one token and one cookie, and notes what it sees."""

    def __init__(self) -> None:
        self.seen: list[Request] = []

    async def __call__(self, request: Request) -> Principal:
        await trio.lowlevel.checkpoint()
        self.seen.append(request)
        if request.bearer_token == "good" or request.cookies.get("user") == "ann":
            return ANN
        raise ConnectionRejected(401, "who are you?")


def admission(hook: Authenticate | None = None, **options: Any) -> Admission:
    return Admission(tickets=Tickets(), authenticate=hook, **options)


async def identified(doors: Admission, request: Request) -> Principal | int:
    """Who it is, or the status that it is refused with."""
    try:
        found = await doors.identify(request, loopback=False)
    except ConnectionRejected as rejected:
        return rejected.status
    assert (await doors.admit(request, loopback=False)).principal == found
    return found


async def test_without_a_hook_everybody_is_anonymous() -> None:
    assert await identified(admission(), asked()) is ANONYMOUS
    assert await identified(admission(), asked({"Authorization": "Bearer x"})) is ANONYMOUS


@pytest.mark.parametrize("good_ticket", [True, False])
@pytest.mark.parametrize(
    ("headers", "subprotocols", "answer"),
    [
        ({"Authorization": "Bearer good"}, (), ANN),
        ({"Authorization": "Bearer bad"}, (), 401),
        ({"Authorization": "Bearer bad"}, ("bearer.good",), 401),
        ({"Authorization": "Bearer bad", "Cookie": "user=eve"}, (), 401),
        ({"Authorization": "Bearer not one at all!"}, (), 401),
        ({"Authorization": "bearer"}, (), 401),
        ({}, ("trio-agent-rt", "bearer.good"), ANN),
        ({}, ("trio-agent-rt", "bearer.bad"), 401),
    ],
)
async def test_a_bearer_token_decides_whatever_else_is_there(
    headers: dict[str, str],
    subprotocols: tuple[str, ...],
    answer: Principal | int,
    good_ticket: bool,
) -> None:
    doors = admission(Hook())
    ticket = doors.tickets.issue(BOB) if good_ticket else "bad"
    request = asked(headers, subprotocols=subprotocols, ticket=ticket)
    assert await identified(doors, request) == answer
    # It was not looked at.
    assert doors.tickets.redeem(ticket) == (BOB if good_ticket else None)


async def test_a_ticket_decides_where_there_is_no_bearer_token() -> None:
    hook = Hook()
    doors = admission(hook)
    for headers in ({}, {"Cookie": "user=ann"}, {"Authorization": "Basic YTpi"}):
        ticket = doors.tickets.issue(BOB)
        request = asked(headers, ticket=ticket)
        assert await doors.identify(request, loopback=False) == BOB
        with pytest.raises(ConnectionRejected) as reused:
            await doors.identify(request, loopback=False)
        assert reused.value.status == 401
    assert not hook.seen


async def test_a_ticket_that_is_no_good_is_refused_with_one_and_the_same_text() -> None:
    doors = Admission(tickets=Tickets(lifetime=0), authenticate=Hook())
    expired = doors.tickets.issue(Principal("ann", expires_at=time.time() - 1))
    for ticket in (doors.tickets.issue(ANN), expired, "made-up"):
        for _ in range(2):
            with pytest.raises(ConnectionRejected) as wrong:
                await doors.admit(asked({"Cookie": "user=ann"}, ticket=ticket), loopback=False)
            assert (wrong.value.status, wrong.value.message) == (401, TICKET_TEXT)
            assert wrong.value.headers == {"WWW-Authenticate": "Bearer"}
            assert ticket not in repr(wrong.value)


async def test_a_ticket_is_no_way_to_another_ticket() -> None:
    doors = admission(Hook())
    good = await doors.issue_ticket(asked({"Cookie": "user=ann"}), loopback=False)
    with pytest.raises(ConnectionRejected):
        await doors.issue_ticket(asked(ticket=good), loopback=False)
    assert await doors.identify(asked(ticket=good), loopback=False) == ANN


async def test_a_ticket_is_good_at_the_door_where_it_was_issued_alone() -> None:
    tickets, hook = Tickets(), Hook()
    guarded = Admission(tickets=tickets, authenticate=hook)
    same = Admission(tickets=tickets, authenticate=hook)
    other = Admission(tickets=tickets, authenticate=Hook())
    unguarded = Admission(tickets=tickets)
    for elsewhere in (other, guarded):
        ticket = await unguarded.issue_ticket(asked(), loopback=False)
        with pytest.raises(ConnectionRejected):
            await elsewhere.identify(asked(ticket=ticket), loopback=False)
    ticket = await guarded.issue_ticket(asked({"Cookie": "user=ann"}), loopback=False)
    assert await same.identify(asked(ticket=ticket), loopback=False) == ANN
    # The application itself may give one to whomever it likes.
    assert await other.identify(asked(ticket=tickets.issue(BOB)), loopback=False) == BOB


async def test_a_hook_that_does_not_decide_in_time_is_not_waited_for(
    autojump_clock: MockClock,
) -> None:
    async def hook(request: Request) -> Principal:
        await trio.sleep_forever()
        return ANN

    with pytest.raises(ConnectionRejected) as late:
        await admission(hook, timeout=10).identify(asked(), loopback=False)
    assert trio.current_time() == pytest.approx(10, abs=0.1)
    assert (late.value.status, late.value.headers) == (503, {"Retry-After": "1"})


async def test_a_ticket_works_where_nobody_is_asked_who_they_are_too() -> None:
    doors = admission()
    ticket = doors.tickets.issue(ANONYMOUS)
    assert await doors.identify(asked(ticket=ticket), loopback=False) is ANONYMOUS
    with pytest.raises(ConnectionRejected):
        await doors.identify(asked(ticket=ticket), loopback=False)


async def test_the_hook_reads_whatever_else_there_is() -> None:
    doors = admission(Hook())
    assert await identified(doors, asked({"Cookie": "a=b; user=ann"})) == ANN
    assert await identified(doors, asked({"Cookie": "user=bob"})) == 401
    assert await identified(doors, asked()) == 401


async def test_who_has_expired_is_refused() -> None:
    async def authenticate(request: Request) -> Principal:
        await trio.lowlevel.checkpoint()
        return Principal("ann", expires_at=time.time() - 1)

    with pytest.raises(ConnectionRejected) as wrong:
        await admission(authenticate).identify(asked(), loopback=False)
    assert wrong.value.status == 401
    assert wrong.value.headers == {"WWW-Authenticate": 'Bearer error="invalid_token"'}


@pytest.mark.parametrize(
    ("raised", "message", "headers"),
    [
        (
            ConnectionRejected(401),
            "Authentication is needed.",
            {"WWW-Authenticate": "Bearer"},
        ),
        (ConnectionRejected(401, "no"), "no", {"WWW-Authenticate": "Bearer"}),
        (
            ConnectionRejected(401, "no", {"www-authenticate": "Basic"}),
            "no",
            {"www-authenticate": "Basic"},
        ),
        (ConnectionRejected(403), "This is not allowed.", {}),
        (ConnectionRejected(429, "", {"Retry-After": "9"}), "", {"Retry-After": "9"}),
    ],
)
async def test_a_refusal_is_completed_as_http_demands(
    raised: ConnectionRejected, message: str, headers: dict[str, str]
) -> None:
    async def authenticate(request: Request) -> Principal:
        await trio.lowlevel.checkpoint()
        raise raised

    with pytest.raises(ConnectionRejected) as wrong:
        await admission(authenticate).identify(asked(), loopback=False)
    told = wrong.value
    assert (told.status, told.message, told.headers) == (raised.status, message, headers)


@pytest.mark.parametrize("method", ["admit", "identify"])
async def test_a_page_that_may_not_come_in_uses_up_no_ticket_and_is_asked_nothing(
    method: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    hook = Hook()
    doors = admission(hook)
    ticket = doors.tickets.issue(ANN)
    for headers in ({}, {"Authorization": "Bearer good"}, {"Cookie": "user=ann"}):
        request = asked({"Origin": "https://evil.test", **headers}, ticket=ticket)
        with pytest.raises(ConnectionRejected) as wrong:
            await getattr(doors, method)(request, loopback=False)
        assert wrong.value.status == 403
        with pytest.raises(ConnectionRejected) as wrong:
            doors.check_origin(request, loopback=False)
        assert wrong.value.status == 403
    assert not hook.seen
    assert doors.tickets.redeem(ticket) == ANN
    assert "origins=['https://evil.test'] would allow it" in caplog.text
    assert ticket not in caplog.text


AMBIENT = [
    {"Cookie": "user=ann"},
    {"Authorization": "Basic YTpi"},
    {"Authorization": "Negotiate x"},
]


@pytest.mark.parametrize("headers", AMBIENT)
@pytest.mark.parametrize(
    ("origin", "cors", "shown"),
    [
        ("http://own.test", Cors(), True),
        ("http://own.test:9090", Cors(), True),
        (None, Cors(), True),
        (ORIGIN, Cors([ORIGIN]), False),
        (ORIGIN, Cors([ORIGIN], credentials=True), True),
        (ORIGIN, Cors("*"), False),
        ("null", Cors("*"), False),
    ],
)
async def test_what_a_browser_adds_by_itself_is_shown_for_own_pages_and_where_it_was_allowed(
    origin: str | None, cors: Cors, shown: bool, headers: dict[str, str]
) -> None:
    seen: list[Request] = []

    async def authenticate(request: Request) -> Principal:
        await trio.lowlevel.checkpoint()
        seen.append(request)
        return ANN

    def choose(request: Request, principal: Principal) -> str | None:
        seen.append(request)
        return None

    doors = Admission(
        tickets=Tickets(),
        cors=cors,
        own_ports={9090},
        authenticate=authenticate,
        choose_session=choose,
    )
    request = asked({**headers, **({} if origin is None else {"Origin": origin})})
    await doors.admit(request, loopback=False)
    await doors.identify(request, loopback=False)
    assert len(seen) == 3
    for each in seen:
        assert all((name in each.headers) is shown for name in headers)
        assert bool(each.cookies) is (shown and "Cookie" in headers)


async def test_what_a_page_must_know_to_send_it_is_always_shown() -> None:
    hook = Hook()
    doors = admission(hook, cors=Cors("*"))
    headers = {"Origin": ORIGIN, "Authorization": "Bearer good", "Cookie": "user=ann"}
    assert await identified(doors, asked(headers)) == ANN
    assert hook.seen[0].headers["Authorization"] == "Bearer good"
    proposed = asked({"Origin": ORIGIN}, subprotocols=("bearer.good",))
    assert await identified(doors, proposed) == ANN
    ticketed = asked({"Origin": ORIGIN}, ticket=doors.tickets.issue(BOB))
    assert await doors.identify(ticketed, loopback=False) == BOB


@pytest.mark.parametrize(
    ("headers", "query", "room", "expected"),
    [
        ({}, {}, None, (None, False, None)),
        ({}, {"session": "s"}, None, ("s", False, None)),
        ({}, {"session": ""}, "", (None, False, None)),
        ({}, {"session": "s"}, "lobby", ("lobby", True, None)),
        ({}, {"lastEventId": "a-1"}, None, (None, False, "a-1")),
        ({"Last-Event-ID": "b-2"}, {"lastEventId": "a-1"}, None, (None, False, "b-2")),
        ({"Last-Event-ID": ""}, {"lastEventId": "a-1"}, None, (None, False, "a-1")),
    ],
)
async def test_the_session_is_the_hooks_or_what_the_peer_asks_for(
    headers: dict[str, str], query: dict[str, Any], room: str | None, expected: tuple[Any, ...]
) -> None:
    doors = admission(choose_session=lambda request, principal: room)
    found = await doors.admit(asked(headers, **query), loopback=False)
    assert (found.session_id, found.chosen, found.last_position) == expected


async def test_a_hook_that_fails_to_choose_costs_a_500_with_a_reference(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def choose(request: Request, principal: Principal) -> str | None:
        raise LookupError("hush")

    with pytest.raises(ConnectionRejected) as wrong:
        await admission(choose_session=choose).admit(asked(), loopback=False)
    assert wrong.value.status == 500
    assert "hush" not in wrong.value.message
    reference = wrong.value.message.split()[-1].rstrip(".")
    assert f"choose_session failed, reference {reference}" in caplog.text


def test_every_answer_has_what_cors_needs() -> None:
    doors = admission(cors=Cors([ORIGIN]))
    told = doors.response_headers(asked({"Origin": ORIGIN}), loopback=False)
    assert told["Access-Control-Allow-Origin"] == ORIGIN
    for request in (asked({"Origin": "https://evil.test"}), asked()):
        assert doors.response_headers(request, loopback=False) == {"Vary": "Origin"}
    rebound = asked({"Origin": "http://own.test"})
    assert "Access-Control-Allow-Origin" in doors.response_headers(rebound, loopback=False)
    assert doors.response_headers(rebound, loopback=True) == {"Vary": "Origin"}


def test_a_preflight_asks_nobody_who_they_are_and_is_refused_to_wrong_pages() -> None:
    hook = Hook()
    doors = admission(hook, cors=Cors([ORIGIN]))
    wanted = {"Origin": ORIGIN, "Access-Control-Request-Private-Network": "true"}
    told = doors.preflight_headers(
        asked(wanted, method="OPTIONS"), loopback=False, methods=["POST"]
    )
    assert told["Access-Control-Allow-Methods"] == "POST"
    assert told["Access-Control-Allow-Private-Network"] == "true"
    with pytest.raises(ConnectionRejected) as wrong:
        doors.preflight_headers(
            asked(wanted | {"Origin": "https://evil.test"}, method="OPTIONS"),
            loopback=False,
            methods=["POST"],
        )
    assert wrong.value.status == 403
    assert not hook.seen
