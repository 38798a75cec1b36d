"""Which web pages may connect."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trio_agent_rt.transports.origins import OriginPolicy

LISTED = ["https://example.com", "http://dev.example.com:3000", "tauri://localhost"]


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
    refusal = OriginPolicy(LISTED).refusal(origin, host=host, secure=secure, loopback=False)
    assert (refusal is None) is allowed


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
    refusal = policy.refusal(f"http://{host}", host=host, secure=False, loopback=True)
    assert (refusal is None) is allowed


def test_a_missing_origin_passes_unless_it_may_not() -> None:
    passed, refusal = (
        OriginPolicy(allow_missing=may).refusal(None, host="own.test", secure=False, loopback=False)
        for may in (True, False)
    )
    assert passed is None
    assert refusal is not None
    assert "allow_missing_origin=True" in refusal


def test_a_refusal_names_the_option_that_would_allow_it() -> None:
    origin = "https://other.test"
    refusal = OriginPolicy().refusal(origin, host="own.test", secure=True, loopback=False)
    assert refusal is not None
    assert "origins=('https://other.test',)" in refusal
    assert OriginPolicy([origin]).refusal(origin, host="", secure=True, loopback=True) is None


@pytest.mark.parametrize("text", ["example.com", "*", "null", "", "https://a.b/c", "https://a@b"])
def test_what_is_no_origin_cannot_be_listed(text: str) -> None:
    with pytest.raises(ValueError, match="is not an origin"):
        OriginPolicy([text])


def test_one_text_instead_of_a_list_is_noticed() -> None:
    with pytest.raises(ValueError, match="is not an origin"):
        OriginPolicy("https://example.com")


@given(st.text(), st.text())
def test_arbitrary_headers_are_refused_and_never_fail(origin: str, host: str) -> None:
    policy = OriginPolicy(["https://example.com"])
    refusal = policy.refusal(origin, host=host, secure=False, loopback=True)
    assert refusal is None or "\n" not in refusal
