"""What a peer asks for when it connects, and the plain HTTP answer when it is refused."""

from __future__ import annotations

import http
import urllib.parse
from collections.abc import Iterable, Iterator, Mapping

import h11
from attrs import field, frozen

from ..errors import ConnectionRejected

__all__ = ["HandshakeRequest", "Headers", "http_response", "read_request"]


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
            self._values[key] = value if held is None else f"{held}, {value}"

    def __getitem__(self, name: str) -> str:
        return self._values[name.lower()]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __repr__(self) -> str:
        return f"<Headers: {', '.join(self._values)}>"


@frozen(kw_only=True)
class HandshakeRequest:
    """What a peer sent to open a connection; given to `authenticate` and `choose_session`.

    Neither header values nor the query are in its `repr`: both can hold secrets.
    """

    path: str
    """Decoded, without the query."""
    query: Mapping[str, str] = field(factory=dict[str, str], repr=False)
    """Decoded; of several of one name the last."""
    headers: Mapping[str, str] = field(factory=Headers)
    """By name in any case."""
    remote_host: str = ""
    """The peer's address, or the proxy's in front of it; empty if it is gone already."""
    remote_port: int = 0
    secure: bool = False
    """Whether it came over TLS."""
    subprotocols: tuple[str, ...] = field(default=(), repr=lambda names: f"<{len(names)}>")
    """What it proposed; browsers can send a token there and nowhere else, so not in `repr`."""


def read_request(
    head: bytes, *, remote_host: str = "", remote_port: int = 0, secure: bool = False
) -> HandshakeRequest:
    """The request that `head` begins with.

    Raises:
        ConnectionRejected: (400) when it is no whole HTTP request.
    """
    parser = h11.Connection(h11.SERVER)
    try:
        parser.receive_data(head)
        event = parser.next_event()
        if not isinstance(event, h11.Request):
            raise ConnectionRejected(400, "This is not a whole HTTP request.")
        path, _, query = event.target.decode("ascii").partition("?")
        fields = urllib.parse.parse_qsl(query, keep_blank_values=True, max_num_fields=1000)
    except (h11.RemoteProtocolError, ValueError):
        raise ConnectionRejected(400, "This is not an HTTP request.") from None
    headers = Headers(
        (name.decode("ascii"), value.decode("latin-1")) for name, value in event.headers
    )
    proposed = headers.get("sec-websocket-protocol", "").split(",")
    return HandshakeRequest(
        path=urllib.parse.unquote(path, errors="replace"),
        query=dict(fields),
        headers=headers,
        remote_host=remote_host,
        remote_port=remote_port,
        secure=secure,
        subprotocols=tuple(name.strip() for name in proposed if name.strip()),
    )


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
