"""What kept a connection from opening, told so that a person can mend it. No I/O."""

from __future__ import annotations

import errno
import re
import socket
import ssl
from collections.abc import Iterable, Iterator, Mapping
from http import HTTPStatus

from ...errors import (
    AgentRTError,
    ConnectFailed,
    ConnectionRejected,
    NotThisProtocol,
    ProtocolError,
)
from ...protocol import CommandFailed, decode_http_answer
from ...ungrouping import leaves
from .url import WEBSOCKET, ServerURL

__all__ = ["no_stream", "no_tls", "refusal", "rejection", "too_late", "unfinished_handshake"]

_MAX_TEXT = 300
"""Characters of a server's answer to repeat in an error."""

_TLS_RECORD = re.compile(rb"[\x14-\x17]\x03[\x00-\x04]")
_STATUS_LINE = re.compile(rb"HTTP/1\.[01] (\d{3})\b")

_NOT_TLS = {
    "HTTP_REQUEST",
    "PACKET_LENGTH_TOO_LONG",
    "RECORD_LAYER_FAILURE",
    "UNEXPECTED_MESSAGE",
    "UNKNOWN_PROTOCOL",
    "WRONG_VERSION_NUMBER",
}
"""OpenSSL's names for bytes that are no TLS at all."""


def no_stream(url: ServerURL, error: OSError) -> ConnectFailed:
    """Why no TCP connection could be made."""
    where = f"{url.host}:{url.port}"
    causes = list(_roots(error))
    if any(isinstance(each, socket.gaierror) for each in causes):
        return ConnectFailed(f"the host name {url.host!r} cannot be found: is it spelt right?")
    numbers = {each.errno for each in causes if isinstance(each, OSError)}
    if errno.ECONNREFUSED in numbers:
        return ConnectFailed(
            f"nothing listens at {where} (connection refused): "
            "is the server running, and is the port right?"
        )
    if numbers & {errno.ENETUNREACH, errno.EHOSTUNREACH}:
        return ConnectFailed(f"{where} cannot be reached from here: is the network up?")
    texts = "; ".join(str(each) for each in causes) or str(error)
    return ConnectFailed(f"no connection to {where}: {texts}")


def _roots(error: BaseException) -> Iterator[BaseException]:
    """The errors at the root of one that sums up several attempts."""
    for each in leaves(error):
        if each.__cause__ is not None:
            yield from _roots(each.__cause__)
        else:
            yield each


def no_tls(url: ServerURL, error: BaseException) -> AgentRTError:
    """Why TLS could not be agreed on."""
    where = f"{url.host}:{url.port}"
    cause = error if isinstance(error, ssl.SSLError) else error.__cause__
    if isinstance(cause, ssl.SSLCertVerificationError):
        return ConnectFailed(
            f"the certificate of {where} is not trusted: {cause.verify_message} "
            "(for a private authority, pass ssl_context=)"
        )
    if isinstance(cause, ssl.SSLError) and not isinstance(cause, ssl.SSLEOFError):
        if cause.reason in _NOT_TLS:
            plain, secure = url.dialect.plain, url.dialect.secure
            return NotThisProtocol(
                f"{where} does not speak TLS: use {plain}:// instead of {secure}://"
            )
        return ConnectFailed(f"TLS with {where} failed: {cause.reason or cause}")
    return ConnectFailed(f"{where} closed the connection during the TLS handshake")


def too_late(url: ServerURL, timeout: float) -> ConnectFailed:
    """What it is to wait for a connection in vain, for so many seconds."""
    return ConnectFailed(f"{url.host}:{url.port} has not answered within {round(timeout, 1):g} s")


def unfinished_handshake(url: ServerURL, received: bytes, *, timeout: float | None) -> AgentRTError:
    """Why a handshake came to no end.

    Args:
        received: the first bytes of what the peer sent.
        timeout: how long it was waited for, in seconds; None if the peer has ended it.
    """
    if not received:
        if timeout is not None:
            return ConnectFailed(
                f"{url} took the connection, but has not answered within {round(timeout, 1):g} s"
            )
        return ConnectFailed(
            f"{url} closed the connection without an answer"
            + ("" if url.secure else f" (if it expects TLS, use {url.dialect.secure}://)")
        )
    if _TLS_RECORD.match(received) and not url.secure:
        plain, secure = url.dialect.plain, url.dialect.secure
        return NotThisProtocol(
            f"{url.host}:{url.port} speaks TLS: use {secure}:// instead of {plain}://"
        )
    response = _STATUS_LINE.match(received)
    if response is None:
        return NotThisProtocol(
            f"what answers at {url} is not {url.dialect.called} server: it speaks no HTTP"
        )
    status = int(response[1])
    if status == HTTPStatus.SWITCHING_PROTOCOLS and url.dialect is WEBSOCKET:
        return NotThisProtocol(f"{url} answers the WebSocket handshake wrongly")
    head, _, body = received.partition(b"\r\n\r\n")
    lines = (line.partition(b":") for line in head.split(b"\r\n")[1:])
    return rejection(url, status, [(name, value.strip()) for name, _, value in lines], body)


def rejection(
    url: ServerURL,
    status: int,
    headers: Iterable[tuple[bytes, bytes]],
    body: bytes,
    *,
    usual_path: str | None = None,
) -> AgentRTError:
    """What a response stands for that is not the one that was hoped for.

    Args:
        usual_path: where a server has this resource; None for the transport's own.
    """
    texts = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in headers}
    if not 400 <= status <= 599:
        kind = _clean(texts.get("content-type", "").partition(";")[0])
        what = f" and {kind}" if kind else ""
        where = f" and points to {_clean(texts['location'])}" if "location" in texts else ""
        return NotThisProtocol(
            f"what answers at {url} is not {url.dialect.called} server: "
            f"it answers with {status} {_phrase(status)}".rstrip()
            + (where or what)
        )
    failed = refusal(body)
    if failed is not None:
        text = _clean(failed.message)
    elif "html" in texts.get("content-type", ""):
        text = ""
    else:
        text = _clean(body.decode("utf-8", "replace"))
    message = text or _phrase(status)
    if status == HTTPStatus.NOT_FOUND:
        usual = usual_path or url.dialect.path
        message += f" (is {url.path} the right path? A server's default is {usual})"
    return ConnectionRejected(status, message, _kept(texts))


def refusal(body: bytes) -> CommandFailed | None:
    """What a body says that is this protocol's own way to refuse, or None."""
    try:
        *_, answer = decode_http_answer(body, request_id="")
    except ProtocolError:
        return None
    return answer if isinstance(answer, CommandFailed) else None


def _kept(headers: Mapping[str, str]) -> dict[str, str]:
    """The headers that tell a client what to do next."""
    names = {"retry-after": "Retry-After", "www-authenticate": "WWW-Authenticate"}
    return {name: _clean(headers[key]) for key, name in names.items() if key in headers}


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return ""


def _clean(text: str) -> str:
    """A peer's text in one line, with nothing that a terminal would obey."""
    line = " ".join("".join(each if each.isprintable() else " " for each in text).split())
    return line if len(line) <= _MAX_TEXT else f"{line[:_MAX_TEXT]}…"
