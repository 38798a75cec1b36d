"""What of the web an agent may reach, and how much of it: the rules, and no I/O."""

from __future__ import annotations

import importlib
import re
import ssl
from collections.abc import Awaitable, Callable, Collection, Sequence
from typing import TYPE_CHECKING, TypeAlias

import trio
from attrs import field, frozen
from attrs.validators import ge, gt, instance_of, matches_re

from ....errors import ToolError
from .addresses import IPAddress, literal_address, plain_spelling, why_not_public

if TYPE_CHECKING:
    import httpx

    from .transport import WebTransport

__all__ = [
    "MAX_PAGE_BYTES",
    "MAX_URL_CHARS",
    "WEB_PORTS",
    "Dial",
    "Resolve",
    "WebAccess",
    "load_transport",
    "may_pass",
    "port_of",
    "read_url",
    "shown",
]

MAX_PAGE_BYTES = 2_000_000
"""How much of an answer is taken unless told otherwise: five times a heavy page's HTML."""

MAX_URL_CHARS = 8000
"""The longest that every server must take (RFC 9110, 4.1)."""

WEB_PORTS = frozenset({80, 443, 8080, 8443})
"""Where public web sites are. Behind most others are services that are no web sites."""

_PASSING = frozenset({408, 425, 429, 500, 502, 503, 504})
"""Too early, too often, or a server's own trouble; all others are meant."""

Resolve: TypeAlias = Callable[[str, int], Awaitable[Sequence[str]]]
"""Finds the addresses of a host name and a port, or raises OSError."""

Dial: TypeAlias = Callable[[str, int], Awaitable[trio.abc.Stream]]
"""Connects to an address, which has been checked, and a port; or raises OSError."""

_NAME = re.compile(r"(?=.{1,253}$)[a-z0-9_-]{1,63}(?:\.[a-z0-9_-]{1,63})*")
_LISTED = re.compile(r"(?:\*\.)?[^\s/:@*]+|[0-9a-fA-F:.]+")


def _host_rules(hosts: Collection[str] | None) -> frozenset[str] | None:
    if hosts is None:
        return None
    if isinstance(hosts, str):
        raise TypeError(f"hosts must be a collection of names, not the text {hosts!r}")
    for each in hosts:
        if not _LISTED.fullmatch(each):
            raise ValueError(
                f"hosts lists names such as 'example.com' or '*.example.com'; {each!r} is none"
            )
    return frozenset(map(_as_asked, hosts))


def read_url(text: str, base: httpx.URL | None = None) -> httpx.URL:
    """A URL, which may be relative to `base`.

    httpx is imported with the first one: who imports the tools need not wait for it.

    Raises:
        ValueError: when it is none.
    """
    module = importlib.import_module("httpx")
    try:
        return module.URL(text) if base is None else base.join(text)
    except module.InvalidURL as exc:
        raise ValueError(str(exc)) from None


def _as_asked(listed: str) -> str:
    """A listed name in the spelling that `httpx.URL` gives the host of a URL."""
    address = literal_address(listed)
    if address is not None:
        return str(address)
    below = "*." if listed.startswith("*.") else ""
    name = read_url(f"http://{listed.removeprefix('*.')}").raw_host.decode("ascii")
    return below + name.rstrip(".")


@frozen(kw_only=True)
class WebAccess:
    """What of the web an agent may reach, and how much of it.

    Args:
        hosts: the only hosts that may be asked, as `example.com` (that name alone) or
            `*.example.com` (all names below it, not itself); None for all public ones.
        allow_private: whether addresses may be reached that are not of the public web:
            this machine, its network, a cloud's metadata. Without `hosts`, all of them.
        ports: which ports may be asked; None for those of the web (80, 443, 8080, 8443),
            or with `allow_private` for all.
        timeout: how long one fetch may take in all, in seconds, redirects included.
        connect_timeout: how long connecting to one address may take, in seconds.
        max_bytes: how much of an answer is taken, as sent and after decompression.
        max_redirects: how many redirects are followed; each is checked as the first URL.
        user_agent: what servers are told that it is.
        ssl_context: whom to trust; None for the system's authorities.
        resolve: finds addresses; None for the system's resolver. Asked once for each hop.
        dial: makes the connections to addresses that have been checked; None for TCP.

    Raises:
        ValueError: when a host is no name, or a number is out of range.
    """

    hosts: Collection[str] | None = field(default=None, converter=_host_rules)
    allow_private: bool = field(default=False, validator=instance_of(bool))
    ports: Collection[int] | None = None
    timeout: float = field(default=30.0, validator=gt(0))
    connect_timeout: float = field(default=5.0, validator=gt(0))
    max_bytes: int = field(default=MAX_PAGE_BYTES, validator=gt(0))
    max_redirects: int = field(default=5, validator=ge(0))
    user_agent: str = field(default="trio_agent_rt", validator=matches_re(r"[\x20-\x7e]+"))
    ssl_context: ssl.SSLContext | None = field(default=None, repr=False)
    resolve: Resolve | None = field(default=None, repr=False)
    dial: Dial | None = field(default=None, repr=False)

    def url(self, text: str) -> httpx.URL:
        """A URL as it is asked for, if it may be asked for.

        Raises:
            ToolError: when it may not be, or is none.
        """
        if len(text) > MAX_URL_CHARS:
            raise ToolError(
                f"the URL has {len(text):,} characters; at most {MAX_URL_CHARS:,} do",
                retryable=False,
            )
        try:
            url = read_url(text.strip())
        except ValueError as exc:
            raise ToolError(f"{shown(text)} is no URL: {exc}", retryable=False) from None
        return self.check(url)

    def check(self, url: httpx.URL) -> httpx.URL:
        """`url` itself, without its fragment and the last dot of its host.

        Raises:
            ToolError: when it may not be asked for.
        """
        text = str(url)
        if url.scheme not in {"http", "https"}:
            raise ToolError(
                f"only http:// and https:// URLs are fetched, and {shown(text)} is neither",
                retryable=False,
            )
        if b"@" in url.netloc or url.userinfo:
            raise ToolError(
                "the URL holds a user name or password; ask for it without", retryable=False
            )
        host = url.raw_host.decode("ascii").rstrip(".")
        if not host:
            raise ToolError(
                f"{shown(text)} names no host; write it like https://example.com/", retryable=False
            )
        self._check_host(host)
        self._check_port(url)
        return url.copy_with(host=host, fragment=None)

    def _check_host(self, host: str) -> None:
        address = literal_address(host)
        if address is None:
            plain = plain_spelling(host)
            if plain is not None:
                meant = f"; if {plain} is meant, write that" if plain else ""
                raise ToolError(
                    f"{shown(host)} is neither a name nor an address{meant}", retryable=False
                )
            if not _NAME.fullmatch(host):
                raise ToolError(f"{shown(host)} is not a host name", retryable=False)
        if self.hosts is not None and not self._is_listed(str(address or host)):
            listed = ", ".join(sorted(self.hosts)[:20]) or "none"
            raise ToolError(
                f"{host} is not among the hosts that may be asked: {listed}", retryable=False
            )
        if address is not None:
            self.check_address(host, address)
        elif not self.allow_private and f".{host}".endswith(".localhost"):
            raise ToolError(
                f"{host} is this machine, not the public web, and may not be asked", retryable=False
            )

    def _is_listed(self, host: str) -> bool:
        parents = host.split(".")[1:]
        names = {"*." + ".".join(parents[start:]) for start in range(len(parents))}
        return not {host, *names}.isdisjoint(self.hosts or ())

    def _check_port(self, url: httpx.URL) -> None:
        port = port_of(url)
        if self.ports is None and self.allow_private and port != 0:
            return
        allowed = WEB_PORTS if self.ports is None else self.ports
        if port not in allowed:
            listed = ", ".join(map(str, sorted(allowed)))
            raise ToolError(f"port {port} may not be asked; these may: {listed}", retryable=False)

    def check_address(self, host: str, address: IPAddress) -> None:
        """Refuse an address that is not of the public web, unless private ones are allowed.

        Args:
            host: whose address it is, for the message.

        Raises:
            ToolError: when it is refused.
        """
        kind = None if self.allow_private else why_not_public(address)
        if kind is not None:
            what = host if host == str(address) else f"{host} has the address {address}, which"
            raise ToolError(
                f"{what} is not of the public web ({kind}) and may not be asked", retryable=False
            )


def port_of(url: httpx.URL) -> int:
    """The port that a URL names, or else that of its scheme."""
    return url.port if url.port is not None else 443 if url.scheme == "https" else 80


def shown(text: str) -> str:
    """A text of a model's or a server's, short enough for a sentence."""
    return repr(text if len(text) <= 200 else text[:200] + "…")


def may_pass(status: int) -> bool:
    """Whether a server that answers so may answer otherwise in a moment."""
    return status in _PASSING


def load_transport(access: WebAccess) -> WebTransport:
    """A transport that reaches what `access` allows; httpx is imported with the first one."""
    module = importlib.import_module(".transport", __package__)
    transport: WebTransport = module.WebTransport(access)
    return transport
