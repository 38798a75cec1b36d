"""Which web pages may come in.

A browser lets any page open a WebSocket to any server, and send it most requests, with
the user's cookies; only the `Origin` header tells which page it was. A page of the
server's own origin may come in; others are listed. What is not a browser sends no
`Origin`, or whatever it likes.

Three things make this less simple than it sounds. A browser sends no `Origin` with the
GET of a page of the same origin, nor with that of an image or a link of another one;
`Sec-Fetch-Site` tells these apart. A page can make its own name resolve to this machine
(DNS rebinding), so that its origin and `Host` agree. And a page that our HTTP port serves
has another origin than our WebSocket port.
"""

from __future__ import annotations

import functools
import ipaddress
import urllib.parse
from collections.abc import Iterable
from collections.abc import Set as AbstractSet

from attrs import frozen

from .request import Request

__all__ = ["Judgement", "OriginPolicy", "parse_origin"]

_DEFAULT_PORTS = {"http": 80, "https": 443}
_MAX_SHOWN = 100
# Peers come with a few hosts and origins, and taking one apart is a tenth of a connection's cost.
_REMEMBERED = 64

Origin = tuple[str, str, int | None]


@frozen(kw_only=True)
class Judgement:
    """What was found of the page behind a request."""

    refusal: str | None = None
    """Why it may not come in, and which option would let it; None when it may."""
    foreign: bool = False
    """Whether it is a page of another origin than the server's own."""


_ITS_OWN = Judgement()


class OriginPolicy:
    """Decides by the `Origin` of a request, and by what browsers send instead of one.

    Args:
        allowed: origins such as `https://example.com`, beside the server's own; `*`
            stands for all.
        allow_missing: whether a request without an `Origin` passes.
        own_ports: where else this server listens: pages of the same host and one of
            these ports are its own. Looked at each time, so ports may be added.

    Raises:
        ValueError: when one of `allowed` is not an origin.
    """

    def __init__(
        self,
        allowed: Iterable[str] = (),
        *,
        allow_missing: bool = True,
        own_ports: AbstractSet[int] = frozenset(),
    ) -> None:
        texts = tuple(allowed)
        self._all = texts == ("*",)
        self._allowed = {parse_origin(text) for text in texts} if not self._all else set[Origin]()
        self._allowed_hosts = {host for _, host, _ in self._allowed}
        self._allow_missing = allow_missing
        self._own_ports = own_ports

    def judge(self, asked: Request, *, loopback: bool) -> Judgement:
        """Whether the page behind a request may come in.

        Args:
            loopback: whether it came in at a loopback address. A page of another site can
                then have made its own name resolve to this machine, so that its origin
                and `Host` agree; no page can do that to an address or to localhost.
        """
        given = asked.headers.get("origin")
        if given is None:
            refusal = self._refusal_without(asked, loopback=loopback)
            return _ITS_OWN if refusal is None else Judgement(refusal=refusal)
        origin = _parsed(given)
        if origin is not None and self._is_own(origin, asked, loopback=loopback):
            return _ITS_OWN
        host = asked.headers.get("host", "")
        if origin in self._allowed:
            # Behind a proxy that speaks TLS for us our own pages have another scheme.
            return Judgement(foreign=given.partition("://")[2].lower() != host.lower())
        if self._all:
            return Judgement(foreign=True)
        shown, at = given[:_MAX_SHOWN], host[:_MAX_SHOWN]
        return Judgement(
            foreign=True,
            refusal=f"Origin {shown!r} at host {at!r} (origins=[{shown!r}] would allow it)",
        )

    def _is_own(self, origin: Origin, asked: Request, *, loopback: bool) -> bool:
        here = _origin_of_the_server(asked)
        if here is None or origin[:2] != here[:2]:
            return False
        if origin[2] != here[2] and origin[2] not in self._own_ports:
            return False
        return not loopback or _cannot_be_rebound(origin[1])

    def _refusal_without(self, asked: Request, *, loopback: bool) -> str | None:
        """Why a request without an `Origin` may not come in, or None when it may."""
        if not self._allow_missing:
            return "no Origin header (allow_missing=True would allow it)"
        # Browsers always send an Origin with a handshake: this is none.
        if asked.wants_websocket:
            return None
        site = asked.headers.get("sec-fetch-site", "").lower()
        # Whoever follows a link sees what it leads to; the page that has it does not.
        followed = asked.headers.get("sec-fetch-mode", "").lower() == "navigate"
        if site in {"cross-site", "same-site"} and not (
            followed and asked.method in {"GET", "HEAD"}
        ):
            return f"a page of another origin (Sec-Fetch-Site: {site}) that sends no Origin"
        host = asked.headers.get("host", "")
        if self._all or not loopback or not host:
            return None
        here = _origin_of_the_server(asked)
        if here is not None and (_cannot_be_rebound(here[1]) or here[1] in self._allowed_hosts):
            return None
        return (
            f"host {host[:_MAX_SHOWN]!r}: any site can give a name to this machine "
            f"(origins=[{f'https://{host[:_MAX_SHOWN]}'!r}], or what its pages really have, "
            "would allow it)"
        )


def parse_origin(text: str) -> Origin:
    """Scheme, host and port of an origin.

    Raises:
        ValueError: when it is none.
    """
    origin = _parsed(text)
    if origin is None or "*" in text or not text.isascii():
        hint = "; each is listed, there are no patterns" if "*" in text else ""
        hint = hint or ("; browsers write the host in ASCII, xn--…" if not text.isascii() else "")
        raise ValueError(
            f"origins: {text!r} is not an origin; write it as https://example.com{hint}"
        )
    return origin


def _origin_of_the_server(asked: Request) -> Origin | None:
    """What pages would have that this address had served, as far as the peer tells."""
    scheme = "https" if asked.secure else "http"
    return _parsed(f"{scheme}://{asked.headers.get('host', '')}")


@functools.lru_cache(maxsize=_REMEMBERED)
def _parsed(text: str) -> Origin | None:
    try:
        parts = urllib.parse.urlsplit(text)
        port = parts.port
    except ValueError:
        return None
    if not parts.scheme or not parts.hostname or "@" in parts.netloc:
        return None
    # urlsplit drops tabs and line breaks; what is written back must be what came.
    if f"{parts.scheme}://{parts.netloc}".lower() != text.lower():
        return None
    return parts.scheme, parts.hostname, port or _DEFAULT_PORTS.get(parts.scheme)


@functools.lru_cache(maxsize=_REMEMBERED)
def _cannot_be_rebound(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
