"""Connections to addresses that were looked at first.

A name is resolved once, and the connection is made to the addresses that were judged, not
to the name: what a second look-up would give does not matter (DNS rebinding). The name
still stands in `Host` and in TLS, so certificates are checked against it.
"""

from __future__ import annotations

import errno
import socket
import ssl
from collections.abc import Iterator, Sequence
from ipaddress import ip_address
from typing import TYPE_CHECKING, cast

import trio

from ....errors import ToolError
from .access import WebAccess, port_of
from .addresses import IPAddress, literal_address

if TYPE_CHECKING:
    import httpx

__all__ = ["open_stream"]

_NO_SUCH_HOST = {socket.EAI_NONAME, getattr(socket, "EAI_NODATA", socket.EAI_NONAME)}
_MAX_ADDRESSES = 4
"""How many addresses of one name are tried: two families, twice."""


async def open_stream(
    access: WebAccess, url: httpx.URL, ssl_context: ssl.SSLContext
) -> trio.abc.Stream:
    """A TCP or TLS connection for a URL that has passed `access.check`.

    Raises:
        ToolError: when there is none, or when it would lead where it may not.

    Cancellation: nothing is left open.
    """
    host, port = url.raw_host.decode("ascii"), port_of(url)
    addresses = await _look_up(access, host, port)
    for each in addresses:
        access.check_address(host, each)
    stream = await _connect(access, host, port, addresses[:_MAX_ADDRESSES])
    if url.scheme != "https":
        return stream
    secured = trio.SSLStream(stream, ssl_context, server_hostname=host, https_compatible=True)
    done = False
    try:
        await secured.do_handshake()
        done = True
    except (trio.BrokenResourceError, ssl.SSLError, ssl.CertificateError) as exc:
        raise _no_tls(host, port, exc) from None
    finally:
        if not done:
            await trio.aclose_forcefully(secured)
    return secured


async def _look_up(access: WebAccess, host: str, port: int) -> Sequence[IPAddress]:
    literal = literal_address(host)
    if literal is not None:
        return [literal]
    resolve = access.resolve or _resolve
    try:
        found = await resolve(host, port)
    except (OSError, UnicodeError) as exc:
        passing = getattr(exc, "errno", None) not in _NO_SUCH_HOST and not isinstance(
            exc, ValueError
        )
        text = f"the host {host} cannot be found: is it spelt right?"
        raise ToolError(text, retryable=passing) from None
    if not found:
        raise ToolError(f"the host {host} has no address", retryable=False)
    return [ip_address(each) for each in dict.fromkeys(found)]


async def _resolve(host: str, port: int) -> Sequence[str]:
    """What the system's resolver says.

    Cancellation: Trio leaves the thread of the look-up behind; it holds no connection.
    """
    found = await trio.socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    # The C library writes an interface behind link-local ones.
    return [str(where[0]) for *_, where in found]


async def _connect(
    access: WebAccess, host: str, port: int, addresses: Sequence[IPAddress]
) -> trio.abc.Stream:
    """The first connection that comes about."""
    failed: list[str] = []
    for address in addresses:
        with trio.move_on_after(access.connect_timeout):
            try:
                stream = await (access.dial or trio.open_tcp_stream)(str(address), port)
            except OSError as exc:
                failed.append(_why_not(exc))
                continue
            if _leads_back(stream) and not access.allow_private:
                await trio.aclose_forcefully(stream)
                raise ToolError(
                    f"{host} is this machine, not the public web, and may not be asked",
                    retryable=False,
                )
            return stream
        failed.append(f"no answer within {access.connect_timeout:g} s")
    reasons = ", ".join(dict.fromkeys(failed))
    raise ToolError(f"no connection to {host} on port {port}: {reasons}")


def _leads_back(stream: trio.abc.Stream) -> bool:
    """Whether both ends are this machine, under a public address that it has itself."""
    if not isinstance(stream, trio.SocketStream):
        return False
    try:
        return stream.socket.getsockname()[0] == stream.socket.getpeername()[0]
    except OSError:  # it is broken already
        return False


def _why_not(error: OSError) -> str:
    numbers = {each.errno for each in _leaves(error) if isinstance(each, OSError)}
    if errno.ECONNREFUSED in numbers:
        return "nothing listens there (connection refused)"
    if numbers & {errno.ENETUNREACH, errno.EHOSTUNREACH, errno.EADDRNOTAVAIL}:
        return "it cannot be reached from here"
    return "; ".join(str(each) for each in _leaves(error))


def _leaves(error: BaseException) -> Iterator[BaseException]:
    """The errors at the root of one that sums up several attempts."""
    if isinstance(error, BaseExceptionGroup):
        for each in cast("BaseExceptionGroup[BaseException]", error).exceptions:
            yield from _leaves(each)
    elif error.__cause__ is not None:
        yield from _leaves(error.__cause__)
    else:
        yield error


def _no_tls(host: str, port: int, error: BaseException) -> ToolError:
    cause = error if isinstance(error, ssl.SSLError) else error.__cause__
    if isinstance(cause, ssl.SSLCertVerificationError):
        return ToolError(
            f"the certificate of {host} is not trusted: {cause.verify_message}", retryable=False
        )
    if isinstance(cause, ssl.SSLError) and cause.reason:
        return ToolError(
            f"{host} speaks no usable TLS on port {port}: {cause.reason}", retryable=False
        )
    return ToolError(f"{host} closed the connection during the TLS handshake")
