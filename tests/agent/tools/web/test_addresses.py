"""Addresses of the public web are told from all others, however they are written."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trio_agent_rt.agent.tools.web.addresses import plain_spelling, why_not_public

NOT_PUBLIC = {
    "0.0.0.0": "unspecified",
    "0.1.2.3": "unspecified",
    "10.0.0.1": "private",
    "100.64.0.1": "shared",
    "100.100.100.200": "shared",
    "127.0.0.1": "loopback",
    "127.255.255.254": "loopback",
    "168.63.129.16": "cloud",
    "169.254.169.254": "link-local",
    "172.16.0.1": "private",
    "172.31.255.255": "private",
    "192.0.0.192": "reserved",
    "192.0.2.1": "documentation",
    "192.88.99.1": "reserved",
    "192.168.1.1": "private",
    "198.18.0.1": "benchmarks",
    "203.0.113.9": "documentation",
    "224.0.0.1": "multicast",
    "240.0.0.1": "reserved",
    "255.255.255.255": "reserved",
    "::": "unspecified",
    "::1": "loopback",
    "::127.0.0.1": "reserved",
    "::ffff:127.0.0.1": "loopback",
    "::ffff:10.1.2.3": "private",
    "::ffff:0:127.0.0.1": "reserved",
    "64:ff9b::127.0.0.1": "loopback",
    "64:ff9b::a9fe:a9fe": "link-local",
    "64:ff9b:1::8.8.8.8": "reserved",
    "100::1": "reserved",
    "2001::1": "reserved",
    "2001:db8::1": "documentation",
    "2002:7f00:1::": "6to4",
    "2002:808:808::": "6to4",
    "3fff::1": "documentation",
    "5f00::1": "reserved",
    "fc00::1": "private",
    "fd00:ec2::254": "private",
    "fe80::1": "link-local",
    "fe80::1%eth0": "link-local",
    "2606:4700::1%eth0": "link-local",
    "fec0::1": "private",
    "ff02::1": "multicast",
}

PUBLIC = [
    "1.1.1.1",
    "8.8.8.8",
    "100.63.255.255",
    "100.128.0.1",
    "172.15.0.1",
    "172.32.0.1",
    "192.167.255.255",
    "223.255.255.255",
    "2606:4700::1111",
    "2a00:1450:4001::200e",
    "::ffff:8.8.8.8",
    "64:ff9b::8.8.8.8",
]


@pytest.mark.parametrize(("text", "kind"), NOT_PUBLIC.items())
def test_what_is_not_of_the_public_web_is_told_by_its_kind(text: str, kind: str) -> None:
    assert kind in (why_not_public(ipaddress.ip_address(text)) or "it is public")


@pytest.mark.parametrize("text", PUBLIC)
def test_what_is_of_the_public_web_is_let_through(text: str) -> None:
    assert why_not_public(ipaddress.ip_address(text)) is None


@given(st.one_of(st.ip_addresses(v=4), st.ip_addresses(v=6)))
def test_nothing_is_let_through_that_python_calls_private(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address,
) -> None:
    if why_not_public(address) is None:
        inside = getattr(address, "ipv4_mapped", None) or address
        assert inside.is_global or address in ipaddress.ip_network("64:ff9b::/96")
        assert not inside.is_multicast
        assert not inside.is_private


@pytest.mark.parametrize(
    ("host", "plain"),
    [
        ("2130706433", "127.0.0.1"),
        ("0x7f000001", "127.0.0.1"),
        ("0x7f.0.0.1", "127.0.0.1"),
        ("0177.0.0.1", "127.0.0.1"),
        ("017700000001", "127.0.0.1"),
        ("127.1", "127.0.0.1"),
        ("127.0.1", "127.0.0.1"),
        ("0", "0.0.0.0"),
        ("0x", ""),
        ("127.0.0.01", "127.0.0.1"),
        ("1.2.3.4.5", ""),
        ("example.256", ""),
        ("99999999999", ""),
        ("127.0.0.1", None),
        ("example.com", None),
        ("1.example.com", None),
        ("1and1", None),
    ],
)
def test_an_odd_spelling_of_an_address_is_seen(host: str, plain: str | None) -> None:
    assert plain_spelling(host) == plain
