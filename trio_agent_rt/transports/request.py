"""What a peer asked for, by a handshake or by an HTTP request, and the plain refusal."""

from __future__ import annotations

import http
import re
import urllib.parse
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple, Protocol, TypeVar, overload

import h11
from attrs import Factory, field, frozen

from ..errors import ConnectionRejected

__all__ = [
    "SUBPROTOCOL",
    "TOKEN_SYNTAX",
    "Head",
    "Headers",
    "PlainHead",
    "Request",
    "http_response",
    "plain_head",
    "read_request",
]

SUBPROTOCOL = "trio-agent-rt"
"""What a browser proposes beside a token, and the server echoes."""

_BEARER_SUBPROTOCOL = "bearer."

TOKEN_SYNTAX = re.compile(r"[A-Za-z0-9\-._~+/]+=*")
"""What a bearer token can be (RFC 6750, 2.1)."""


_MAX_QUERY_FIELDS = 1000

T = TypeVar("T")


class Headers(Mapping[str, str]):
    """Request headers: names in any case, several of one name joined by a comma.

    Its `repr` shows names alone: values hold cookies and tokens.
    """

    __slots__ = ("_values",)

    def __init__(self, pairs: Iterable[tuple[str, str]] = ()) -> None:
        self._values: dict[str, str] = {}
        for name, value in pairs:
            key = name.lower()
            held = self._values.get(key)
            # HTTP/2 splits cookies, and they are put together so (RFC 9113, 8.2.3).
            between = "; " if key == "cookie" else ", "
            self._values[key] = value if held is None else f"{held}{between}{value}"

    @classmethod
    def of(cls, head: Head) -> Headers:
        """Those of the head of a request."""
        return cls((name.decode("ascii"), value.decode("latin-1")) for name, value in head.headers)

    @classmethod
    def of_dict(cls, values: dict[str, str]) -> Headers:
        """These, which are not looked at: names in lower case. They are not copied."""
        made = cls()
        made._values = values
        return made

    def __getitem__(self, name: str) -> str:
        return self._values[name.lower()]

    @overload
    def get(self, key: str, default: None = None, /) -> str | None: ...
    @overload
    def get(self, key: str, default: str | T, /) -> str | T: ...
    def get(self, key: str, default: object = None, /) -> object:
        """That of this name, or `default`."""
        return self._values.get(key.lower(), default)

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __repr__(self) -> str:
        return f"<Headers: {', '.join(self._values)}>"

    def without(self, *names: str) -> Headers:
        """The same without those of these names."""
        left_out = {name.lower() for name in names}
        return Headers(pair for pair in self._values.items() if pair[0] not in left_out)


def _to_headers(given: Mapping[str, str]) -> Headers:
    return given if isinstance(given, Headers) else Headers(given.items())


def _cookies_of(asked: Request) -> Mapping[str, str]:
    found: dict[str, str] = {}
    given = asked.headers.get("cookie")
    for pair in given.split(";") if given else ():
        name, separator, value = pair.partition("=")
        if separator:
            value = value.strip()
            if len(value) > 1 and value[0] == value[-1] == '"':
                value = value[1:-1]
            found.setdefault(name.strip(), value)
    return found


@frozen(kw_only=True)
class Request:
    """What a peer sent: the handshake of a WebSocket, or an HTTP request without its body.

    Given to `authenticate` and `choose_session`. Neither header values nor the query,
    cookies or subprotocols are in its `repr`: all of them can hold secrets.
    """

    path: str
    """Decoded, without the query."""
    method: str = "GET"
    query: Mapping[str, str] = field(factory=dict[str, str], repr=False)
    """Decoded; of several of one name the last."""
    headers: Headers = field(factory=Headers, converter=_to_headers)
    """By name in any case."""
    cookies: Mapping[str, str] = field(default=Factory(_cookies_of, takes_self=True), repr=False)
    """As the `Cookie` header has them, values as they stand there; of several of one name
    the first, which is the one of the longest path."""
    remote_host: str = ""
    """The peer's address, or the proxy's in front of it; empty if it is gone already."""
    remote_port: int = 0
    secure: bool = False
    """Whether it came over TLS."""
    subprotocols: tuple[str, ...] = field(default=(), repr=lambda names: f"<{len(names)}>")
    """What a WebSocket proposed; browsers can send a token there and in no header."""

    @property
    def bearer_token(self) -> str | None:
        """The token of `Authorization: Bearer …`, or else of a proposed subprotocol
        `bearer.<percent-encoded token>`; None if there is neither."""
        scheme, _, given = self.headers.get("authorization", "").partition(" ")
        token = given.strip(" ")
        if scheme.lower() == "bearer" and TOKEN_SYNTAX.fullmatch(token):
            return token
        for name in self.subprotocols:
            if name.startswith(_BEARER_SUBPROTOCOL):
                token = urllib.parse.unquote(name.removeprefix(_BEARER_SUBPROTOCOL))
                if TOKEN_SYNTAX.fullmatch(token):
                    return token
        return None

    @property
    def offers_bearer(self) -> bool:
        """Whether it has a bearer token, be it one that cannot be read."""
        scheme = self.headers.get("authorization", "").lstrip().partition(" ")[0]
        return scheme.lower() == "bearer" or any(
            name.startswith(_BEARER_SUBPROTOCOL) for name in self.subprotocols
        )

    @property
    def ticket(self) -> str | None:
        """The ticket of `?ticket=`, or None if there is none."""
        return self.query.get("ticket") or None

    @property
    def wants_websocket(self) -> bool:
        """Whether it asks for a WebSocket. No page can make a browser's `fetch` do so."""
        return self.headers.get("upgrade", "").lower() == "websocket"


class Head(Protocol):
    """The head of a request: `h11.Request`, or what looks like it."""

    @property
    def method(self) -> bytes:
        """As it was sent."""
        ...

    @property
    def target(self) -> bytes:
        """As it was sent; ASCII."""
        ...

    @property
    def headers(self) -> Iterable[tuple[bytes, bytes]]:
        """Names in lower case."""
        ...


# A GET of HTTP/1.1 whose fields are ASCII, without a blank in front of them, and none of
# those that say that a body follows (RFC 9112, 3 and 5). Each is there once.
_PLAIN = re.compile(
    rb"GET (?P<target>/[!-~]*) HTTP/1\.1\r\n"
    rb"(?P<fields>"
    rb"(?:(?!(?i:content-length|transfer-encoding):)[\w!#$%&'*+.^`|~-]+:[\t -~]*\r\n)+)"
    rb"\r\n",
    re.ASCII,
)
_FIELD = re.compile(r"([^:\r\n]+):([^\r\n]*)\r\n")
# What nginx takes by default, too; with more of it two expressions would run for long.
_MAX_PLAIN_BYTES = 8 * 1024


class PlainHead(NamedTuple):
    """The head of a request that was read without h11."""

    target: bytes
    text_headers: Headers
    """What `headers` are, as a request has them."""
    method: bytes = b"GET"
    http_version: bytes = b"1.1"

    @property
    def headers(self) -> list[tuple[bytes, bytes]]:
        """Names in lower case."""
        return [(name.encode(), value.encode()) for name, value in self.text_headers.items()]


def plain_head(data: bytes) -> tuple[PlainHead, int] | None:
    """The head that `data` begins with, and where it ends; None if it is h11's to judge.

    Those of all browsers and clients are plain enough.
    """
    if len(data) > _MAX_PLAIN_BYTES:
        return None
    match = _PLAIN.match(data)
    if match is None:
        return None
    fields: dict[str, str] = {}
    for name, value in _FIELD.findall(match["fields"].decode("ascii")):
        key = name.lower()
        if key in fields:
            return None
        fields[key] = value.strip(" \t")
    if "host" not in fields:
        return None
    return PlainHead(match["target"], Headers.of_dict(fields)), match.end()


def read_request(
    event: Head,
    *,
    headers: Headers | None = None,
    remote_host: str = "",
    remote_port: int = 0,
    secure: bool = False,
) -> Request:
    """A request whose head has been read.

    Args:
        headers: those of the head, where somebody has made them already.

    Raises:
        ConnectionRejected: (400) when its target cannot be read.
    """
    path, _, query = event.target.decode("ascii").partition("?")
    if headers is None:
        headers = event.text_headers if isinstance(event, PlainHead) else Headers.of(event)
    proposed = headers.get("sec-websocket-protocol")
    return Request(
        path=urllib.parse.unquote(path, errors="replace"),
        method=event.method.decode("ascii"),
        query=_query_of(query) if query else {},
        headers=headers,
        remote_host=remote_host,
        remote_port=remote_port,
        secure=secure,
        subprotocols=tuple(name.strip() for name in proposed.split(",") if name.strip())
        if proposed
        else (),
    )


def _query_of(text: str) -> dict[str, str]:
    if "%" not in text and "+" not in text and text.count("&") < _MAX_QUERY_FIELDS:
        # As nearly all are: nothing is to be decoded.
        found: dict[str, str] = {}
        for pair in text.split("&"):
            if pair:
                name, _, value = pair.partition("=")
                found[name] = value
        return found
    try:
        fields = urllib.parse.parse_qsl(
            text, keep_blank_values=True, max_num_fields=_MAX_QUERY_FIELDS
        )
    except ValueError:
        raise ConnectionRejected(400, "This is not an HTTP request.") from None
    return dict(fields)


def http_response(rejected: ConnectionRejected) -> bytes:
    """The whole HTTP answer to a refused handshake.

    Raises:
        ValueError: when one of its headers cannot be sent.
    """
    body = f"{rejected.message}\n".encode() if rejected.message else b""
    try:
        reason = http.HTTPStatus(rejected.status).phrase
    except ValueError:
        reason = ""
    own = {
        "Content-Type": "text/plain; charset=utf-8",
        "Content-Length": str(len(body)),
        "Connection": "close",
        "Cache-Control": "no-store",
    }
    given = {name.lower() for name in rejected.headers}
    headers = [pair for pair in own.items() if pair[0].lower() not in given]
    writer = h11.Connection(h11.SERVER)
    try:
        response = h11.Response(
            status_code=rejected.status,
            headers=[
                (name.encode("ascii"), value.encode("latin-1"))
                for name, value in (*headers, *rejected.headers.items())
            ],
            reason=reason.encode("ascii"),
        )
        events: tuple[h11.Event, ...] = (response, h11.Data(data=body), h11.EndOfMessage())
        return b"".join(writer.send(event) or b"" for event in events)
    except (h11.LocalProtocolError, UnicodeEncodeError) as wrong:
        raise ValueError(f"this response cannot be sent: {wrong}") from wrong
