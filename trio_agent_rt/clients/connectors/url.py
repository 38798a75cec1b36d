"""Where a WebSocket server is, out of the URL that a person wrote."""

from __future__ import annotations

from urllib.parse import quote, urlencode, urlsplit

from attrs import field, frozen

__all__ = ["WebSocketURL", "parse_websocket_url"]


@frozen(kw_only=True)
class WebSocketURL:
    """The parts of a `ws://` or `wss://` URL."""

    secure: bool
    host: str
    """Without brackets, even if it is an IPv6 address."""
    port: int
    path: str
    query: str = field(repr=False)
    """May hold a secret, so it is never shown."""

    def __str__(self) -> str:
        return f"{'wss' if self.secure else 'ws'}://{self._name}:{self.port}{self.path}"

    @property
    def _name(self) -> str:
        return f"[{self.host}]" if ":" in self.host else self.host

    @property
    def host_header(self) -> str:
        """What a request says in `Host` (RFC 9110, 7.2: without the default port)."""
        usual = self.port == (443 if self.secure else 80)
        return self._name if usual else f"{self._name}:{self.port}"

    def resource(self, **parameters: str | None) -> str:
        """What is asked for, with further query parameters; those that are None are left out."""
        added = urlencode({key: value for key, value in parameters.items() if value is not None})
        query = "&".join(filter(None, (self.query, added)))
        return f"{self.path}?{query}" if query else self.path


def parse_websocket_url(url: str) -> WebSocketURL:
    """The parts of a WebSocket URL.

    Raises:
        ValueError: when it is none; the text says what to write instead. It never holds
            the URL's query or password.
    """
    example = "write it like ws://127.0.0.1:8080/ws"
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError as exc:
        raise ValueError(f"this is no URL ({exc}); {example}") from None
    scheme = parts.scheme.lower()
    if scheme in {"http", "https"}:
        better = "wss" if scheme == "https" else "ws"
        raise ValueError(f"a WebSocket URL begins with {better}://, not with {scheme}://")
    if scheme not in {"ws", "wss"} or "//" not in url:
        raise ValueError(f"a WebSocket URL begins with ws:// or wss://; {example}")
    if not host:
        raise ValueError(f"the URL names no host; {example}")
    if parts.username is not None or parts.password is not None:
        raise ValueError("the URL holds a user name or password; use token= or headers= instead")
    if parts.fragment:
        raise ValueError("a WebSocket URL has no #fragment (RFC 6455, 3)")
    if port == 0:
        raise ValueError("the URL names port 0, which no server can have")
    try:
        host.encode("ascii" if ":" in host else "idna")
    except UnicodeError:
        raise ValueError(f"{host!r} is not a host name; {example}") from None
    secure = scheme == "wss"
    return WebSocketURL(
        secure=secure,
        host=host,
        port=port or (443 if secure else 80),
        path=quote(parts.path, safe="/%:@!$&'()*+,;=~") or "/",
        query=quote(parts.query, safe="/?%:@!$&'()*+,;=~"),
    )
