"""Where a server is, out of the URL that a person wrote."""

from __future__ import annotations

from urllib.parse import quote, urlencode, urlsplit

import attrs
from attrs import field, frozen

__all__ = ["SSE", "WEBSOCKET", "Dialect", "ServerURL", "parse_sse_url", "parse_websocket_url"]


@frozen(kw_only=True)
class Dialect:
    """How the URLs of a transport are written, and what its errors call it."""

    called: str
    """With its article."""
    plain: str
    """The scheme without TLS."""
    secure: str
    path: str
    """A server's default."""
    example: str
    open_client: str
    """What connects to such a URL."""


WEBSOCKET = Dialect(
    called="a WebSocket",
    plain="ws",
    secure="wss",
    path="/ws",
    example="ws://127.0.0.1:8080/ws",
    open_client="open_websocket_client",
)
"""`ws://` and `wss://`."""
SSE = Dialect(
    called="an SSE",
    plain="http",
    secure="https",
    path="/sse",
    example="http://127.0.0.1:8081/sse",
    open_client="open_sse_client",
)
"""`http://` and `https://`."""


@frozen(kw_only=True)
class ServerURL:
    """The parts of a URL."""

    dialect: Dialect
    secure: bool
    host: str
    """Without brackets, even if it is an IPv6 address."""
    port: int
    path: str
    query: str = field(repr=False)
    """May hold a secret, so it is never shown."""

    def __str__(self) -> str:
        scheme = self.dialect.secure if self.secure else self.dialect.plain
        return f"{scheme}://{self._name}:{self.port}{self.path}"

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

    def sibling(self, name: str) -> ServerURL:
        """The URL beside it, with the same query: `/agent/sse` has the sibling `/agent/task`."""
        return attrs.evolve(self, path=f"{self.path.rpartition('/')[0]}/{name}")

    def at(self, path: str) -> ServerURL:
        """The URL of another path on the same server, with the same query."""
        return attrs.evolve(self, path=_quoted(path))


def parse_websocket_url(url: str) -> ServerURL:
    """The parts of a `ws://` or `wss://` URL.

    Raises:
        ValueError: when it is none; the text says what to write instead. It never holds
            the URL's query or password.
    """
    return _parse(url, WEBSOCKET, SSE)


def parse_sse_url(url: str) -> ServerURL:
    """The parts of an `http://` or `https://` URL.

    Raises:
        ValueError: as `parse_websocket_url` does.
    """
    return _parse(url, SSE, WEBSOCKET)


def _parse(url: str, dialect: Dialect, other: Dialect) -> ServerURL:
    example = f"write it like {dialect.example}"
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError as exc:
        raise ValueError(f"this is no URL ({exc}); {example}") from None
    scheme = parts.scheme.lower()
    if scheme in {other.plain, other.secure}:
        better = dialect.secure if scheme == other.secure else dialect.plain
        raise ValueError(
            f"{dialect.called} URL begins with {better}://, not with {scheme}://; "
            f"for the latter there is {other.open_client}"
        )
    if scheme not in {dialect.plain, dialect.secure} or "//" not in url:
        raise ValueError(
            f"{dialect.called} URL begins with {dialect.plain}:// or {dialect.secure}://; {example}"
        )
    if not host:
        raise ValueError(f"the URL names no host; {example}")
    if parts.username is not None or parts.password is not None:
        raise ValueError("the URL holds a user name or password; use token= or headers= instead")
    if parts.fragment:
        # RFC 6455, 3, forbids it, and HTTP does not send it: somebody meant something else.
        raise ValueError(f"{dialect.called} URL has no #fragment")
    if port == 0:
        raise ValueError("the URL names port 0, which no server can have")
    try:
        host.encode("ascii" if ":" in host else "idna")
    except UnicodeError:
        raise ValueError(f"{host!r} is not a host name; {example}") from None
    secure = scheme == dialect.secure
    return ServerURL(
        dialect=dialect,
        secure=secure,
        host=host,
        port=port or (443 if secure else 80),
        path=_quoted(parts.path) or "/",
        query=quote(parts.query, safe="/?%:@!$&'()*+,;=~"),
    )


def _quoted(path: str) -> str:
    return quote(path, safe="/%:@!$&'()*+,;=~")
