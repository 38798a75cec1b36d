"""Which web pages may connect.

A browser lets any page open a WebSocket to any server, with the user's cookies, and only
the `Origin` header tells which page it was. A page of the server's own origin may; others
are listed. What is not a browser sends no `Origin`, or whatever it likes.
"""

from __future__ import annotations

import ipaddress
import urllib.parse
from collections.abc import Iterable

__all__ = ["OriginPolicy"]

_DEFAULT_PORTS = {"http": 80, "https": 443}
_MAX_SHOWN = 100


class OriginPolicy:
    """Decides by the `Origin` of a handshake.

    Args:
        allowed: origins such as `https://example.com`, beside the server's own.
        allow_missing: whether a handshake without an `Origin` passes.

    Raises:
        ValueError: when one of `allowed` is not an origin.
    """

    def __init__(self, allowed: Iterable[str] = (), *, allow_missing: bool = True) -> None:
        self._allowed: set[tuple[str, str, int | None]] = set()
        for text in allowed:
            origin = _parse(text)
            if origin is None:
                raise ValueError(
                    f"origins: {text!r} is not an origin; write it as https://example.com"
                )
            self._allowed.add(origin)
        self._allow_missing = allow_missing

    def refusal(self, origin: str | None, *, host: str, secure: bool, loopback: bool) -> str | None:
        """Why `origin` may not connect and which option would let it, or None when it may.

        Args:
            origin: the header, or None if there was none.
            host: the `Host` header.
            secure: whether the connection came over TLS.
            loopback: whether it came in at a loopback address. A page of another site can
                then have made its own name resolve to this machine, so that its origin
                and `Host` agree; no page can do that to an address or to localhost.
        """
        if origin is None:
            if self._allow_missing:
                return None
            return "no Origin header (allow_missing_origin=True would allow it)"
        parsed = _parse(origin)
        if parsed is not None:
            if parsed in self._allowed:
                return None
            own = _parse(f"{'https' if secure else 'http'}://{host}")
            if parsed == own and not (loopback and not _cannot_be_rebound(parsed[1])):
                return None
        shown = origin[:_MAX_SHOWN]
        return (
            f"Origin {shown!r} at host {host[:_MAX_SHOWN]!r} (origins=({shown!r},) would allow it)"
        )


def _parse(text: str) -> tuple[str, str, int | None] | None:
    """Scheme, host and port of an origin, or None if it is none."""
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


def _cannot_be_rebound(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
