"""The rules of what may be fetched: schemes, hosts, ports, and what the refusals say."""

from __future__ import annotations

import ipaddress
from typing import Any

import pytest

from trio_agent_rt.agent.tools import WebAccess
from trio_agent_rt.errors import ToolError

PUBLIC = WebAccess()
PRIVATE = WebAccess(allow_private=True)


@pytest.mark.parametrize(
    ("text", "asked"),
    [
        ("https://example.com", "https://example.com"),
        (" https://example.com/a?b=1#part ", "https://example.com/a?b=1"),
        ("HTTP://EXAMPLE.COM./a", "http://example.com/a"),
        ("http://example.com:8080/", "http://example.com:8080/"),
        ("https://münchen.de/ü", "https://xn--mnchen-3ya.de/%C3%BC"),
        ("http://[2606:4700::1111]/", "http://[2606:4700::1111]/"),
        ("http://1.1.1.1/", "http://1.1.1.1/"),
        ("http://_dmarc.example.com/", "http://_dmarc.example.com/"),
    ],
)
def test_a_public_address_is_asked_for(text: str, asked: str) -> None:
    assert str(PUBLIC.url(text)) == asked


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "only http:// and https://"),
        ("example.com", "only http:// and https://"),
        ("file:///etc/passwd", "only http:// and https://"),
        ("ftp://example.com/", "only http:// and https://"),
        ("gopher://example.com:70/_x", "only http:// and https://"),
        ("javascript:alert(1)", "only http:// and https://"),
        ("data:text/plain,x", "only http:// and https://"),
        ("//example.com/", "only http:// and https://"),
        ("http:///path", "names no host"),
        ("http://./", "names no host"),
        ("http://user@example.com/", "user name or password"),
        ("http://user:secret@example.com/", "user name or password"),
        ("http://example.com\\@127.0.0.1/", "user name or password"),
        ("http://a..b/", "not a host name"),
        ("http://a b/", "not a host name"),
        ("http://%31%32%37.0.0.1/", "neither a name nor an address"),
        ("http://" + "a" * 64 + "/", "not a host name"),
        ("http://" + "a." * 127 + "ab/", "not a host name"),
        ("http://exa\tmple.com/", "is no URL"),
        ("http://example.com/\r\nX: y", "is no URL"),
        ("http://example.com:x/", "is no URL"),
        ("http://example.com:99999/", "port 99999 may not be asked"),
        ("http://example.com:22/", "port 22 may not be asked; these may: 80, 443, 8080, 8443"),
        ("http://example.com:0/", "port 0 may not be asked"),
        ("http://[::1", "is no URL"),
        ("http://" + "a" * 8000, "at most 8,000"),
    ],
)
def test_what_is_not_fetched_is_refused_with_the_reason(text: str, complaint: str) -> None:
    with pytest.raises(ToolError, match=complaint.replace("(", r"\(")):
        PUBLIC.url(text)


@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "LOCALHOST",
        "localhost.",
        "a.localhost",
        "127.0.0.1",
        "127.0.0.1.",
        "127。0。0。1",
        "0.0.0.0",
        "10.0.0.1",
        "169.254.169.254",
        "192.168.0.1",
        "100.64.0.1",
        "[::1]",
        "[::]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[0:0:0:0:0:ffff:127.0.0.1]",
        "[64:ff9b::7f00:1]",
        "[2002:7f00:1::]",
        "[fe80::1]",
        "[fe80::1%25eth0]",
        "[fd00::1]",
        "[ff02::1]",
    ],
)
def test_what_is_not_of_the_public_web_is_refused(host: str) -> None:
    with pytest.raises(ToolError, match=r"public web.* may not be asked"):
        PUBLIC.url(f"http://{host}/")


@pytest.mark.parametrize(
    "host", ["2130706433", "0x7f000001", "0x7f.1", "0177.1", "127.1", "017700000001"]
)
@pytest.mark.parametrize("access", [PUBLIC, PRIVATE], ids=["public", "private"])
def test_an_odd_spelling_is_refused_with_the_plain_one(host: str, access: WebAccess) -> None:
    with pytest.raises(ToolError, match=r"if 127\.0\.0\.1 is meant, write that"):
        access.url(f"http://{host}/")


@pytest.mark.parametrize("host", ["１２７.0.0.1", "0177.0.0.1", "①②⑦.0.0.1"])
def test_what_only_looks_like_an_address_is_no_way_in(host: str) -> None:
    with pytest.raises(ToolError, match="is no URL"):
        PRIVATE.url(f"http://{host}/")


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "[::1]", "192.168.0.1:3000"])
def test_private_addresses_may_be_allowed(host: str) -> None:
    assert str(PRIVATE.url(f"http://{host}/")) == f"http://{host}/"
    PRIVATE.check_address("x", ipaddress.ip_address("127.0.0.1"))


def test_only_listed_hosts_may_be_asked() -> None:
    access = WebAccess(hosts=["Example.com", "*.wiki.org", "münchen.de", "2606:4700:0::1111"])
    for host in ("example.com", "en.wiki.org", "a.b.wiki.org", "münchen.de", "[2606:4700::1111]"):
        access.url(f"https://{host}/")
    for host in ("www.example.com", "wiki.org", "notwiki.org", "example.com.evil.org", "1.1.1.1"):
        with pytest.raises(ToolError, match=r"not among the hosts that may be asked: .*example"):
            access.url(f"https://{host}/")


def test_a_listed_host_is_not_private_for_that() -> None:
    with pytest.raises(ToolError, match="public web"):
        WebAccess(hosts=["localhost"]).url("http://localhost/")
    one = WebAccess(hosts=["127.0.0.1"], allow_private=True)
    one.url("http://127.0.0.1:3000/")
    with pytest.raises(ToolError, match="not among the hosts"):
        one.url("http://169.254.169.254/")


def test_the_ports_can_be_chosen() -> None:
    access = WebAccess(ports=[8080], allow_private=True)
    access.url("http://example.com:8080/")
    for url in ("http://example.com/", "https://example.com/", "http://example.com:81/"):
        with pytest.raises(ToolError, match=r"port \d+ may not be asked; these may: 8080"):
            access.url(url)


@pytest.mark.parametrize(
    "wrong",
    [
        {"hosts": "example.com"},
        {"hosts": ["https://example.com/"]},
        {"hosts": ["a*b.com"]},
        {"hosts": [""]},
        {"timeout": 0},
        {"max_bytes": 0},
        {"max_redirects": -1},
        {"allow_private": "no"},
        {"user_agent": "a\r\nb"},
    ],
)
def test_rules_that_mean_nothing_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises((ValueError, TypeError)):
        WebAccess(**wrong)
