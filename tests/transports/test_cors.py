"""What browsers are told about pages of other origins."""

from __future__ import annotations

import math
from typing import Any

import pytest

from trio_agent_rt.transports import Cors
from trio_agent_rt.transports.cors import preflight_headers, response_headers
from trio_agent_rt.transports.origins import Judgement

ORIGIN = "https://example.com"
OWN = Judgement()
FOREIGN = Judgement(foreign=True)
REFUSED = Judgement(foreign=True, refusal="no")

LISTED = Cors([ORIGIN])
WITH_COOKIES = Cors([ORIGIN], credentials=True)
ALL = Cors("*")


@pytest.mark.parametrize(
    ("cors", "origin", "judged", "allowed", "credentials"),
    [
        (LISTED, ORIGIN, FOREIGN, ORIGIN, False),
        (WITH_COOKIES, ORIGIN, FOREIGN, ORIGIN, True),
        (ALL, ORIGIN, FOREIGN, "*", False),
        (ALL, "null", FOREIGN, "*", False),
        # A page of our other port is our own, but another origin to its browser.
        (Cors(), "http://localhost:8000", OWN, "http://localhost:8000", True),
        (ALL, "http://localhost:8000", OWN, "http://localhost:8000", True),
        # As it was sent: browsers compare it byte for byte.
        (LISTED, "https://EXAMPLE.com:443", FOREIGN, "https://EXAMPLE.com:443", False),
        (WITH_COOKIES, "https://evil.test", REFUSED, None, False),
        (ALL, None, OWN, None, False),
        (WITH_COOKIES, None, OWN, None, False),
    ],
)
def test_an_answer_may_be_seen_by_exactly_the_page_that_asked(
    cors: Cors, origin: str | None, judged: Judgement, allowed: str | None, credentials: bool
) -> None:
    expected = {"Vary": "Origin"}
    if allowed is not None:
        expected["Access-Control-Allow-Origin"] = allowed
        expected["Access-Control-Expose-Headers"] = "Retry-After"
    if credentials:
        expected["Access-Control-Allow-Credentials"] = "true"
    assert response_headers(cors, origin, judged) == expected


@pytest.mark.parametrize("cors", [LISTED, WITH_COOKIES, ALL, Cors()])
@pytest.mark.parametrize("judged", [OWN, FOREIGN, REFUSED])
@pytest.mark.parametrize("origin", [None, ORIGIN])
def test_never_everybody_with_credentials(
    cors: Cors, origin: str | None, judged: Judgement
) -> None:
    told = response_headers(cors, origin, judged)
    if told.get("Access-Control-Allow-Origin") == "*":
        assert "Access-Control-Allow-Credentials" not in told


def test_a_preflight_is_told_what_the_page_may_send() -> None:
    cors = Cors([ORIGIN], max_age=30.9)
    told = preflight_headers(cors, ORIGIN, FOREIGN, methods=["POST"], private_network=False)
    assert told == {
        "Vary": "Origin",
        "Access-Control-Allow-Origin": ORIGIN,
        "Access-Control-Allow-Methods": "POST",
        "Access-Control-Allow-Headers": "Authorization, Content-Type, Last-Event-ID, Cache-Control",
        "Access-Control-Max-Age": "30",
    }
    told = preflight_headers(
        WITH_COOKIES, ORIGIN, FOREIGN, methods=["GET", "POST"], private_network=True
    )
    assert told["Access-Control-Allow-Methods"] == "GET, POST"
    assert told["Access-Control-Allow-Credentials"] == "true"
    assert told["Access-Control-Allow-Private-Network"] == "true"
    told = preflight_headers(LISTED, ORIGIN, FOREIGN, methods=["GET"], private_network=False)
    assert "Access-Control-Allow-Private-Network" not in told


@pytest.mark.parametrize(("origin", "judged"), [(ORIGIN, REFUSED), (None, OWN)])
def test_who_is_no_page_or_none_that_may_come_in_is_told_nothing_in_a_preflight(
    origin: str | None, judged: Judgement
) -> None:
    told = preflight_headers(LISTED, origin, judged, methods=["GET"], private_network=True)
    assert told == {"Vary": "Origin"}


@pytest.mark.parametrize(
    ("origins", "more", "why"),
    [
        ("*", {"credentials": True}, "every page in the world"),
        (["*"], {"credentials": True}, "every page in the world"),
        (["*", ORIGIN], {}, "'\\*' is not an origin"),
        ("https://example.com", {}, r"write a list, \['https://example.com'\]"),
        (["example.com"], {}, "'example.com' is not an origin; write it as"),
        (["https://example.com/"], {}, "is not an origin"),
        (["https://*.example.com"], {}, "there are no patterns"),
        (["https://bücher.example"], {}, "xn--"),
        (["null"], {}, "is not an origin"),
        ([], {"max_age": -1}, "max_age"),
        ([], {"max_age": math.inf}, "max_age"),
        ([], {"max_age": math.nan}, "max_age"),
    ],
)
def test_what_cannot_be_right_is_refused_at_once(
    origins: str | list[str], more: dict[str, Any], why: str
) -> None:
    with pytest.raises(ValueError, match=why):
        Cors(origins, **more)


def test_any_iterable_of_origins_will_do() -> None:
    assert Cors(iter([ORIGIN])) == LISTED
    assert Cors().origins == ()
    assert (ALL.any_origin, LISTED.any_origin) == (True, False)
