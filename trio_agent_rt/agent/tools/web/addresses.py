"""Which addresses belong to the public web, and which to somebody's own network.

What an agent fetches is chosen by a model that may have read a hostile page. It must not
reach what only this machine can reach: the services on it, its network, and the address
at which clouds hand out keys.
"""

from __future__ import annotations

import re
import socket
from collections.abc import Mapping, Sequence
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)
from typing import TypeAlias

__all__ = ["IPAddress", "literal_address", "plain_spelling", "why_not_public"]

IPAddress: TypeAlias = IPv4Address | IPv6Address
"""An address of either family."""

# `ipaddress.is_global` is no help: its tables changed between patch releases of Python.
_RESERVED_V4 = {
    "0.0.0.0/8": "unspecified",
    "10.0.0.0/8": "private",
    "100.64.0.0/10": "shared by a provider's customers",
    "127.0.0.0/8": "loopback",
    "168.63.129.16/32": "a cloud's own",  # where Azure answers its virtual machines
    "169.254.0.0/16": "link-local",
    "172.16.0.0/12": "private",
    "192.0.0.0/24": "reserved",
    "192.0.2.0/24": "reserved for documentation",
    "192.88.99.0/24": "reserved",
    "192.168.0.0/16": "private",
    "198.18.0.0/15": "reserved for benchmarks",
    "198.51.100.0/24": "reserved for documentation",
    "203.0.113.0/24": "reserved for documentation",
    "224.0.0.0/4": "multicast",
    "240.0.0.0/4": "reserved",
}
"""The IANA special-purpose registry (RFC 6890), multicast, and what is public by number only."""

_PUBLIC_V6 = IPv6Network("2000::/3")
"""All that has been given out as global unicast; whatever is outside of it is not the web."""

_RESERVED_V6 = {
    "2001::/23": "reserved",  # Teredo among them, which hides an IPv4 address
    "2001:db8::/32": "reserved for documentation",
    "2002::/16": "a 6to4 tunnel",  # hides an IPv4 address too
    "3fff::/20": "reserved for documentation",
}
_OUTSIDE_V6 = {
    "::/128": "unspecified",
    "::1/128": "loopback",
    "fc00::/7": "private",
    "fe80::/10": "link-local",
    "fec0::/10": "private",
    "ff00::/8": "multicast",
}
_WITH_IPV4_INSIDE = (IPv6Network("::ffff:0:0/96"), IPv6Network("64:ff9b::/96"))
"""IPv4-mapped, and NAT64, which is how some networks reach all of IPv4: the IPv4 address
in the last 32 bits is the one that is reached."""

_NUMBER = re.compile(r"[0-9]+|0[xX][0-9a-fA-F]*")


def _networks(table: Mapping[str, str]) -> Sequence[tuple[IPv4Network | IPv6Network, str]]:
    return [(ip_network(each), kind) for each, kind in table.items()]


_V4 = _networks(_RESERVED_V4)
_V6 = _networks(_RESERVED_V6 | _OUTSIDE_V6)


def why_not_public(address: IPAddress) -> str | None:
    """What kind of address this is if it is not one of the public web, else None."""
    if isinstance(address, IPv4Address):
        return next((kind for network, kind in _V4 if address in network), None)
    if address.scope_id is not None:
        return "link-local"
    if any(address in each for each in _WITH_IPV4_INSIDE):
        return why_not_public(IPv4Address(int(address) & 0xFFFFFFFF))
    kind = next((kind for network, kind in _V6 if address in network), None)
    return kind or (None if address in _PUBLIC_V6 else "reserved")


def literal_address(host: str) -> IPAddress | None:
    """The address that a host is if it is one in its plain spelling, and no name."""
    try:
        return ip_address(host)
    except ValueError:
        return None


def plain_spelling(host: str) -> str | None:
    """The usual spelling of an IPv4 address in an odd one, such as `0x7f.1`; else None.

    For a host that ends in a number and is no address the text is empty: browsers take
    neither for a name (the URL standard, "ends in a number").
    """
    if not _NUMBER.fullmatch(host.rpartition(".")[2]):
        return None
    try:
        plain = socket.inet_ntoa(socket.inet_aton(host))
    except (OSError, UnicodeError):
        return ""
    return None if plain == host else plain
