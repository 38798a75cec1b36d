"""A peer's opening handshake, and the answer to it (RFC 6455, 4.2).

Its head is parsed once. One that is as plain as those of all browsers and clients is read by
two regular expressions; whatever is out of the ordinary, and every refusal, is h11's to judge.
No I/O.
"""

from __future__ import annotations

import binascii

import h11
from wsproto.utilities import generate_accept_token

from ....errors import ConnectionRejected
from ...request import SUBPROTOCOL, Head, Headers, PlainHead, Request, plain_head

__all__ = ["MAX_HEAD_BYTES", "Handshake"]

MAX_HEAD_BYTES = 64 * 1024
"""What a handshake may have, and what may come before its answer: h11 takes 16 KiB of
headers, and holds without a bound what follows them."""

_KEY_BYTES = 16

_NO_HEADERS = Headers()


class Handshake:
    """Takes bytes until the request is there."""

    def __init__(self) -> None:
        self._parser: h11.Connection | None = None
        self._early = bytearray()
        self._size = 0
        self.headers: Headers = _NO_HEADERS
        """Those of the request, once it is there."""

    @property
    def begun(self) -> bool:
        """Whether the peer has sent anything."""
        return self._size > 0

    @property
    def early(self) -> bytes:
        """What has come behind the request."""
        return bytes(self._early)

    def receive(self, data: bytes | bytearray) -> Head | None:
        """Take the next bytes; gives the request once its head is there.

        Raises:
            ConnectionRejected: when it cannot become one, or is none for a WebSocket; also
                when the peer has ended (no bytes), or sent too much, before.
        """
        self._size += len(data)
        if self._parser is None:
            if found := plain_head(bytes(data)):
                head, end = found
                self._early += data[end:]
                return self._checked(head)
            self._parser = h11.Connection(h11.SERVER)
        try:
            self._parser.receive_data(bytes(data))
            event = self._parser.next_event()
        except h11.RemoteProtocolError:
            raise ConnectionRejected(400, "This is not an HTTP request.") from None
        if isinstance(event, h11.Request):
            self._early += self._parser.trailing_data[0]
            return self._checked(event)
        if event is not h11.NEED_DATA:
            raise ConnectionRejected(400, "This is not a whole HTTP request.")
        if self._size > MAX_HEAD_BYTES:
            raise _too_much()
        return None

    def receive_early(self, data: bytes | bytearray) -> None:
        """Hold what comes before the answer.

        Raises:
            ConnectionRejected: (431) when that is too much.
        """
        self._size += len(data)
        if self._size > MAX_HEAD_BYTES:
            raise _too_much()
        self._early += data

    def _checked(self, head: PlainHead | h11.Request) -> Head:
        headers = head.text_headers if isinstance(head, PlainHead) else Headers.of(head)
        if head.method != b"GET" or head.http_version != b"1.1" or not _ask_for_websocket(headers):
            raise _not_websocket()
        self.headers = headers
        return head

    @staticmethod
    def answer(asked: Request) -> bytes:
        """What lets the peer in."""
        # A browser that has proposed some goes away if none is taken; never a token.
        echo = b""
        if SUBPROTOCOL in asked.subprotocols:
            echo = b"Sec-WebSocket-Protocol: %b\r\n" % SUBPROTOCOL.encode()
        return (
            b"HTTP/1.1 101 Switching Protocols\r\n"
            b"Upgrade: websocket\r\n"
            b"Connection: Upgrade\r\n"
            b"Sec-WebSocket-Accept: %b\r\n%b\r\n"
        ) % (generate_accept_token(asked.headers["sec-websocket-key"].encode()), echo)


def _not_websocket() -> ConnectionRejected:
    return ConnectionRejected(
        426,
        "This address speaks WebSocket only.",
        {
            "Upgrade": "websocket",
            "Connection": "Upgrade, close",
            "Sec-WebSocket-Version": "13",
        },
    )


def _too_much() -> ConnectionRejected:
    return ConnectionRejected(431, "That is too much for a handshake.")


def _ask_for_websocket(headers: Headers) -> bool:
    connection = headers.get("connection", "")
    tokens = [each.strip(" \t").lower() for each in connection.split(",")]
    return (
        headers.get("upgrade", "").lower() == "websocket"
        and "upgrade" in tokens
        and headers.get("sec-websocket-version") == "13"
        and _is_key(headers.get("sec-websocket-key", ""))
        and connection.isascii()
        and headers.get("host", "").isascii()
        and headers.get("sec-websocket-protocol", "").isascii()
        and headers.get("content-length", "0") == "0"
        and headers.get("transfer-encoding") is None
    )


def _is_key(value: str) -> bool:
    try:
        return len(binascii.a2b_base64(value, strict_mode=True)) == _KEY_BYTES
    except ValueError:
        return False
