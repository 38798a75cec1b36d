"""What every connector begins with: a stream to its server, and who asks."""

from __future__ import annotations

import re
import ssl
from collections.abc import Awaitable, Callable, Mapping
from typing import TypeAlias

import trio

from .handshake import no_stream, no_tls, too_late
from .url import ServerURL

__all__ = ["WRITE_TIMEOUT", "Dial", "check_options", "open_stream", "with_token"]

Dial: TypeAlias = Callable[[str, int], Awaitable[trio.abc.Stream]]
"""Makes a connection to a host and a port, or raises OSError."""

WRITE_TIMEOUT = 10.0
"""How long one write may take: what the server allows for its own."""

_TOKEN = re.compile(r"[\x21-\x7e]+")
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_HEADER_VALUE = re.compile(r"[\x20-\x7e\x80-\xff\t]*")


def check_options(
    url: ServerURL,
    token: str | None,
    headers: Mapping[str, str],
    ssl_context: ssl.SSLContext | None,
) -> None:
    """Refuse what cannot be sent, or would have no effect.

    Raises:
        ValueError: the text holds no secret.
    """
    if token is not None and not _TOKEN.fullmatch(token):
        raise ValueError("the token must be visible ASCII characters without spaces")
    for name, value in headers.items():
        if not _HEADER_NAME.fullmatch(name) or not _HEADER_VALUE.fullmatch(value):
            raise ValueError(f"the header {name!r} cannot be sent in HTTP")
    if ssl_context is not None and not url.secure:
        plain, secure = url.dialect.plain, url.dialect.secure
        raise ValueError(f"an ssl_context is for {secure}://, but the URL begins with {plain}://")


def with_token(headers: Mapping[str, str], token: str | None) -> dict[str, str]:
    """The headers that say who asks."""
    if token is None:
        return dict(headers)
    return {**headers, "Authorization": f"Bearer {token}"}


async def open_stream(
    url: ServerURL, ssl_context: ssl.SSLContext | None, deadline: float, dial: Dial | None = None
) -> trio.abc.Stream:
    """A TCP or TLS connection to the server, as its URL says.

    Args:
        dial: makes what stands for the TCP connection; None for one over the network.

    Raises:
        ConnectFailed: when it is not there, not to be trusted, or not in time.
        NotThisProtocol: when there is no TLS at the other end.

    Cancellation: nothing is left open.
    """
    waiting = deadline - trio.current_time()
    with trio.CancelScope(deadline=deadline):
        return await _open_tcp_or_tls(url, ssl_context, dial)
    raise too_late(url, waiting)


async def _open_tcp_or_tls(
    url: ServerURL, ssl_context: ssl.SSLContext | None, dial: Dial | None
) -> trio.abc.Stream:
    stream: trio.abc.Stream
    try:
        if dial is None:
            stream = await trio.open_tcp_stream(url.host, url.port)
        else:
            stream = await dial(url.host, url.port)
    except OSError as exc:
        raise no_stream(url, exc) from exc
    if not url.secure:
        return stream
    context = ssl_context or ssl.create_default_context()
    secured = trio.SSLStream(stream, context, server_hostname=url.host, https_compatible=True)
    done = False
    try:
        await secured.do_handshake()
        done = True
    except (trio.BrokenResourceError, ssl.SSLError) as exc:
        raise no_tls(url, exc) from exc
    finally:
        if not done:
            await trio.aclose_forcefully(secured)
    return secured
