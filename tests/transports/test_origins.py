"""Which web pages may come in."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trio_agent_rt.transports import Headers, Request
from trio_agent_rt.transports.origins import Judgement, OriginPolicy

LISTED = ["https://example.com", "http://dev.example.com:3000", "tauri://localhost"]
WEBSOCKET: dict[str, Any] = {"Upgrade": "websocket"}


def asked(
    origin: str | None = None,
    *,
    host: str | None = "own.test",
    secure: bool = False,
    method: str = "GET",
    **more: str,
) -> Request:
    """A request; names of further headers have _ for -."""
    given = {name.replace("_", "-"): value for name, value in more.items()}
    given |= {} if origin is None else {"Origin": origin}
    given |= {} if host is None else {"Host": host}
    return Request(path="/", method=method, headers=Headers(given.items()), secure=secure)


@pytest.mark.parametrize(
    ("origin", "host", "secure", "allowed"),
    [
        # The server's own.
        ("http://127.0.0.1:8080", "127.0.0.1:8080", False, True),
        ("http://localhost:8080", "localhost:8080", False, True),
        ("http://[::1]:8080", "[::1]:8080", False, True),
        ("http://LOCALHOST:8080", "localhost:8080", False, True),
        ("http://own.test", "own.test", False, True),
        ("http://own.test", "own.test:80", False, True),
        ("https://own.test", "own.test:443", True, True),
        # Not quite.
        ("https://own.test", "own.test", False, False),
        ("http://own.test", "own.test", True, False),
        ("http://own.test:81", "own.test", False, False),
        ("http://127.0.0.1:8081", "127.0.0.1:8080", False, False),
        ("http://127.0.0.1:8080", "localhost:8080", False, False),
        ("http://own.test.evil.test", "own.test", False, False),
        ("http://own.test@evil.test", "own.test", False, False),
        ("http://evil.test/own.test", "own.test", False, False),
        # Listed.
        ("https://example.com", "own.test", False, True),
        ("https://EXAMPLE.com:443", "own.test", False, True),
        ("http://dev.example.com:3000", "own.test", False, True),
        ("tauri://localhost", "own.test", False, True),
        ("http://example.com", "own.test", False, False),
        ("https://sub.example.com", "own.test", False, False),
        ("https://example.com.evil.test", "own.test", False, False),
        ("https://evilexample.com", "own.test", False, False),
        ("https://example.com/", "own.test", False, False),
        ("https://example.com, https://evil.test", "own.test", False, False),
        ("https://exa\tmple.com", "own.test", False, False),
        # No origins.
        ("null", "own.test", False, False),
        ("", "own.test", False, False),
        ("*", "own.test", False, False),
        ("http://", "own.test", False, False),
        ("http://own.test:99999", "own.test", False, False),
        ("http://[::1", "[::1", False, False),
        ("http://", "", False, False),
    ],
)
def test_an_origin_is_the_servers_own_or_listed(
    origin: str, host: str, secure: bool, allowed: bool
) -> None:
    request = asked(origin, host=host, secure=secure)
    assert (OriginPolicy(LISTED).judge(request, loopback=False).refusal is None) is allowed


@pytest.mark.parametrize(
    ("host", "allowed"),
    [
        ("localhost:8080", True),
        ("panel.localhost:8080", True),
        ("127.0.0.1:8080", True),
        ("127.1.2.3:8080", True),
        ("[::1]:8080", True),
        # A name that its owner has made resolve to this machine.
        ("rebound.evil.test:8080", False),
        ("localhost.evil.test:8080", False),
    ],
)
def test_a_name_that_only_resolves_to_this_machine_is_not_the_servers_own(
    host: str, allowed: bool
) -> None:
    policy = OriginPolicy()
    judged = policy.judge(asked(f"http://{host}", host=host), loopback=True)
    assert (judged.refusal is None) is allowed
    # A browser sends no Origin with the GET of a page of that host.
    judged = policy.judge(asked(None, host=host), loopback=True)
    assert (judged.refusal is None) is allowed


@pytest.mark.parametrize(
    ("origin", "foreign"),
    [
        ("http://own.test", False),
        ("http://own.test:9090", False),
        ("https://example.com", True),
        # As behind a proxy that speaks TLS: the same host and port, and listed.
        ("https://own.test", False),
        ("http://own.test.:8443", True),
        ("https://own.test:8443", True),
    ],
)
def test_a_page_is_foreign_unless_it_is_the_servers_own(origin: str, foreign: bool) -> None:
    listed = [*LISTED, "https://own.test", "https://own.test:8443", "http://own.test.:8443"]
    policy = OriginPolicy(listed, own_ports={9090})
    assert policy.judge(asked(origin), loopback=False) == Judgement(foreign=foreign)


@pytest.mark.parametrize(
    ("origin", "host", "loopback", "allowed"),
    [
        ("http://localhost:8000", "localhost:8001", True, True),
        ("http://127.0.0.1:8000", "127.0.0.1:8001", True, True),
        ("http://own.test:8000", "own.test:8001", False, True),
        ("http://own.test:80", "own.test:8001", False, False),
        ("http://own.test", "own.test:8001", False, False),
        ("https://own.test:8000", "own.test:8001", False, False),
        ("http://other.test:8000", "own.test:8001", False, False),
        ("http://localhost:8000", "127.0.0.1:8001", True, False),
        ("http://rebound.test:8000", "rebound.test:8001", True, False),
    ],
)
def test_a_page_of_the_servers_other_port_is_its_own(
    origin: str, host: str, loopback: bool, allowed: bool
) -> None:
    ports: set[int] = set()
    policy = OriginPolicy(own_ports=ports)
    request = asked(origin, host=host)
    assert policy.judge(request, loopback=loopback).refusal is not None
    ports.add(8000)
    judged = policy.judge(request, loopback=loopback)
    assert (judged.refusal is None) is allowed
    assert judged.foreign is not allowed


def test_all_origins_may_come_in_if_all_are_listed() -> None:
    policy = OriginPolicy(["*"])
    for origin in ("https://example.com", "null", "http://rebound.test"):
        request = asked(origin, host="rebound.test")
        assert policy.judge(request, loopback=True) == Judgement(foreign=True)
    # Nothing is gained by hiding a rebound name from a page that could ask openly.
    assert policy.judge(asked(None, host="rebound.test"), loopback=True) == Judgement()
    assert policy.judge(asked("http://localhost", host="localhost"), loopback=True) == Judgement()


@pytest.mark.parametrize("more", [{}, WEBSOCKET])
def test_a_missing_origin_passes_unless_it_may_not(more: dict[str, Any]) -> None:
    request = asked(None, **more)
    assert OriginPolicy().judge(request, loopback=False) == Judgement()
    refusal = OriginPolicy(allow_missing=False).judge(request, loopback=False).refusal
    assert refusal is not None
    assert "allow_missing=True" in refusal


@pytest.mark.parametrize(
    ("site", "mode", "method", "allowed"),
    [
        ("same-origin", "cors", "GET", True),
        ("same-origin", "cors", "POST", True),
        # Typed into the address bar; a bookmark.
        ("none", "navigate", "GET", True),
        # An image, a script: the page sees at most whether it loads.
        ("cross-site", "no-cors", "GET", False),
        ("same-site", "no-cors", "GET", False),
        ("Cross-Site", "no-cors", "GET", False),
        ("cross-site", "websocket", "GET", False),
        ("cross-site", "", "GET", False),
        # A link: the page that has it sees nothing of what it leads to.
        ("cross-site", "navigate", "GET", True),
        ("same-site", "navigate", "HEAD", True),
        # A form.
        ("cross-site", "navigate", "POST", False),
    ],
)
def test_what_another_page_asks_for_without_an_origin_is_refused(
    site: str, mode: str, method: str, allowed: bool
) -> None:
    request = asked(None, method=method, Sec_Fetch_Site=site, Sec_Fetch_Mode=mode)
    judged = OriginPolicy(LISTED).judge(request, loopback=False)
    assert (judged.refusal is None) is allowed


@pytest.mark.parametrize(
    ("host", "more", "loopback", "allowed"),
    [
        # As behind a proxy: the name is the public one, and the page is listed.
        ("example.com", {}, True, True),
        ("example.com:443", {}, True, True),
        ("unlisted.test", {}, True, False),
        ("unlisted.test", {}, False, True),
        ("localhost.", {}, True, False),
        # Not of a browser, which says more.
        ("unlisted.test", WEBSOCKET, True, True),
        (None, {}, True, True),
        ("un listed", {}, True, False),
    ],
)
def test_without_an_origin_a_name_that_is_not_listed_is_refused_on_loopback(
    host: str | None, more: dict[str, Any], loopback: bool, allowed: bool
) -> None:
    judged = OriginPolicy(LISTED).judge(asked(None, host=host, **more), loopback=loopback)
    assert (judged.refusal is None) is allowed
    if judged.refusal is not None:
        assert f"origins=['https://{host}']" in judged.refusal


def test_a_refusal_names_the_option_that_would_allow_it() -> None:
    request = asked("https://other.test")
    refusal = OriginPolicy().judge(request, loopback=False).refusal
    assert refusal is not None
    assert "origins=['https://other.test']" in refusal
    allowing = OriginPolicy(["https://other.test"])
    assert allowing.judge(request, loopback=True).refusal is None


@pytest.mark.parametrize("text", ["example.com", "**", "null", "", "https://a.b/c", "https://a@b"])
def test_what_is_no_origin_cannot_be_listed(text: str) -> None:
    with pytest.raises(ValueError, match="is not an origin"):
        OriginPolicy([text])


def test_one_text_instead_of_a_list_is_noticed() -> None:
    with pytest.raises(ValueError, match="is not an origin"):
        OriginPolicy("https://example.com")


@given(st.text(), st.text(), st.booleans(), st.sampled_from([{}, WEBSOCKET]))
def test_arbitrary_headers_are_judged_and_never_fail(
    text: str, host: str, has_origin: bool, more: dict[str, Any]
) -> None:
    policy = OriginPolicy(["https://example.com"], own_ports={80})
    request = asked(text if has_origin else None, host=host, **more)
    refusal = policy.judge(request, loopback=True).refusal
    assert refusal is None or "\n" not in refusal
