"""Pages of other origins: which may come in, and what their browsers are told."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import trio

from tests.transports.http.peers import ask
from tests.transports.sse.peers import (
    Address,
    Answer,
    error_of,
    get,
    http,
    open_stream,
    post,
    serving,
    started,
)
from trio_agent_rt.errors import ConnectionRejected
from trio_agent_rt.realtime import Limits, Principal
from trio_agent_rt.transports import Cors, Request

PAGE = "https://app.example"
OTHER = "https://evil.example"
LISTED = Cors([PAGE], credentials=True)


async def preflight(
    address: Address, path: str, origin: str, more: Sequence[str] = (), method: str = "POST"
) -> Answer:
    """What a browser asks before it sends what a form could not."""
    headers = [f"Origin: {origin}", f"Access-Control-Request-Method: {method}", *more]
    return await ask(address, http(path, method="OPTIONS", headers=headers))


def allows(answer: Answer) -> dict[str, str]:
    """What the headers of an answer allow."""
    prefix = "access-control-"
    return {
        name.removeprefix(prefix): value
        for name, value in answer.headers.items()
        if name.startswith(prefix)
    }


@pytest.mark.parametrize(
    ("path", "method"),
    [
        ("/sse", "GET"),
        ("/task", "POST"),
        ("/cancel", "POST"),
        ("/confirm", "POST"),
        ("/tools", "GET"),
        ("/state", "GET"),
        ("/sessions", "GET"),
        ("/ticket", "POST"),
        ("/health", "GET"),
        ("/health/live", "GET"),
    ],
)
async def test_a_preflight_says_what_the_page_may_send(path: str, method: str) -> None:
    async with serving(cors=LISTED, authenticate=_nobody) as (_, address):
        answer = await preflight(address, path, PAGE, method=method)
        assert (answer.status, answer.body) == (204, b"")
        assert answer.headers["vary"] == "Origin"
        allowed = allows(answer)
        assert allowed["allow-origin"] == PAGE
        assert allowed["allow-credentials"] == "true"
        assert method in allowed["allow-methods"].split(", ")
        names = {each.lower() for each in allowed["allow-headers"].split(", ")}
        assert names >= {"authorization", "content-type", "last-event-id"}
        assert int(allowed["max-age"]) > 0


@pytest.mark.parametrize(
    ("asked", "told"), [("true", "true"), ("TRUE", "true"), ("false", None), (None, None)]
)
async def test_a_page_is_let_into_a_private_network_if_its_browser_asks(
    asked: str | None, told: str | None
) -> None:
    more = [] if asked is None else [f"Access-Control-Request-Private-Network: {asked}"]
    async with serving(cors=LISTED) as (_, address):
        allowed = allows(await preflight(address, "/task", PAGE, more))
        assert allowed["allow-origin"] == PAGE
        assert allowed.get("allow-private-network") == told


async def _nobody(request: Request) -> Principal:
    """Whoever it is: a preflight carries no credentials, and is not asked for any."""
    await trio.lowlevel.checkpoint()
    raise ConnectionRejected(401)


@pytest.mark.parametrize(
    "origin", [OTHER, "http://app.example", f"{PAGE}:444", "https://x.app.example", "null", ""]
)
async def test_a_page_of_another_origin_is_refused_before_anything_is_done(origin: str) -> None:
    async def authenticate(request: Request) -> Principal:
        raise AssertionError("not to be asked")

    async with serving(cors=LISTED, authenticate=authenticate) as (realtime, address):
        headers = [f"Origin: {origin}"]
        body = {"task": "x", "clientId": "whoever"}
        answers = [
            await get(address, "/sse", headers),
            await get(address, "/state?clientId=whoever", headers),
            await get(address, "/tools", headers),
            await post(address, "/ticket", headers=headers),
            *[await post(address, f"/{each}", body, headers) for each in ("task", "cancel")],
            await preflight(address, "/task", origin),
        ]
        for answer in answers:
            assert error_of(answer) == (403, "forbidden")
            assert answer.headers["vary"] == "Origin"
            assert allows(answer) == {}
        assert not realtime._registry.sessions
        assert not realtime.tickets._waiting


async def test_a_refused_origin_uses_up_no_ticket() -> None:
    async with serving(cors=LISTED) as (_, address):
        ticket = (await post(address, "/ticket")).json["ticket"]
        refused = await get(address, f"/sse?ticket={ticket}", [f"Origin: {OTHER}"])
        assert refused.status == 403
        async with open_stream(address, f"/sse?ticket={ticket}", [f"Origin: {PAGE}"]) as stream:
            assert stream.status == 200


async def test_a_listed_page_may_see_streams_answers_and_errors() -> None:
    """An error that a page may not read looks to it like a network that is down."""
    headers = [f"Origin: {PAGE}"]
    async with serving(cors=LISTED, limits=Limits(max_connections=1)) as (_, address):
        async with open_stream(address, headers=headers) as stream:
            client, _ = await started(stream)
            assert stream.headers["access-control-allow-origin"] == PAGE
            assert stream.headers["access-control-allow-credentials"] == "true"
            answers = [
                await post(address, "/task", {"task": "x", "clientId": client}, headers),
                await post(address, "/task", b"no JSON", headers),
                await post(address, "/cancel", {"clientId": "never-was"}, headers),
                await get(address, "/sse", headers),
            ]
        assert [each.status for each in answers] == [200, 400, 404, 429]
        for answer in answers:
            allowed = allows(answer)
            assert (allowed["allow-origin"], allowed["allow-credentials"]) == (PAGE, "true")
            assert answer.headers["vary"] == "Origin"
        # So that its script can read when to come again.
        assert "Retry-After" in allows(answers[-1])["expose-headers"]


async def test_a_listed_page_may_see_why_it_was_refused() -> None:
    async with serving(cors=LISTED, authenticate=_nobody) as (_, address):
        answer = await get(address, "/tools", [f"Origin: {PAGE}"])
        assert error_of(answer) == (401, "unauthorized")
        assert allows(answer)["allow-origin"] == PAGE
    internal = Cors([PAGE])

    async def fail(request: Request) -> Principal:
        await trio.lowlevel.checkpoint()
        raise LookupError

    async with serving(cors=internal, authenticate=fail) as (_, address):
        answer = await get(address, "/sse", [f"Origin: {PAGE}"])
        assert error_of(answer) == (500, "internal")
        assert allows(answer)["allow-origin"] == PAGE


async def test_what_is_no_resource_may_be_seen_by_a_listed_page() -> None:
    async with serving(cors=LISTED) as (_, address):
        for answer in (
            await get(address, "/nothing", [f"Origin: {PAGE}"]),
            await post(address, "/tools", headers=[f"Origin: {PAGE}"]),
        ):
            assert answer.status in {404, 405}
            assert allows(answer).get("allow-origin") == PAGE


async def test_without_credentials_a_page_has_no_cookies_and_is_told_of_none() -> None:
    seen: list[dict[str, str]] = []

    async def authenticate(request: Request) -> Principal:
        await trio.lowlevel.checkpoint()
        seen.append(dict(request.cookies))
        return Principal("ann")

    for cors, shown in ((Cors([PAGE]), PAGE), (Cors("*"), "*")):
        async with serving(cors=cors, authenticate=authenticate) as (_, address):
            headers = [f"Origin: {PAGE}", "Cookie: session=ann"]
            answer = await get(address, "/tools", headers)
            assert answer.status == 200
            assert allows(answer)["allow-origin"] == shown
            assert "allow-credentials" not in allows(answer)
    assert seen == [{}, {}]


async def test_a_page_of_the_servers_own_needs_no_list() -> None:
    async with serving() as (_, address):
        host = f"{address.host}:{address.port}"
        for headers in (
            [f"Origin: http://{host}"],
            # Browsers send no Origin with a GET of the same origin.
            ["Sec-Fetch-Site: same-origin"],
            ["Sec-Fetch-Site: none", "Sec-Fetch-Mode: navigate"],
            ["Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: navigate"],
            [],
        ):
            answer = await ask(address, http("/tools", headers=headers, host=host))
            assert answer.status == 200, headers


async def test_a_page_that_hides_its_origin_is_still_no_page_of_ours() -> None:
    """`fetch` in mode `no-cors` sends no Origin with a GET, an image or a script neither."""
    async with serving() as (realtime, address):
        for path in ("/sse", "/tools", "/state?clientId=x"):
            for site in ("cross-site", "same-site"):
                headers = [f"Sec-Fetch-Site: {site}", "Sec-Fetch-Mode: no-cors"]
                assert error_of(await get(address, path, headers)) == (403, "forbidden")
        assert not realtime._registry.sessions


async def test_a_name_that_was_bound_to_this_machine_makes_no_page_our_own() -> None:
    """DNS rebinding: its Origin and Host agree, or there is no Origin at all."""
    async with serving() as (realtime, address):
        host = f"rebound.example:{address.port}"
        for headers in ([f"Origin: http://{host}"], ["Sec-Fetch-Site: same-origin"], []):
            answer = await ask(address, http("/sse", headers=headers, host=host))
            assert error_of(answer) == (403, "forbidden")
        assert not realtime._registry.sessions
