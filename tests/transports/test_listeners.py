"""Listening sockets, and what is said when there can be none."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trio
import trio.testing

from trio_agent_rt.transports.listeners import (
    Exposed,
    SwiftListener,
    address_of,
    http_address_of,
    is_loopback,
    open_listeners,
)


@asynccontextmanager
async def listening(host: str | None, port: int = 0) -> AsyncGenerator[list[trio.SocketListener]]:
    listeners = await open_listeners(host, port, loopback_only=False)
    try:
        yield listeners
    finally:
        for listener in listeners:
            listener.socket.close()


def _has_ipv6() -> bool:
    try:
        with socket.create_server(("::1", 0), family=socket.AF_INET6):
            return True
    except OSError:
        return False


@pytest.mark.parametrize("host", ["localhost", None])
async def test_a_free_port_is_the_same_at_every_address(host: str | None) -> None:
    for _ in range(10):
        async with listening(host) as listeners:
            ports = {listener.socket.getsockname()[1] for listener in listeners}
            assert len(ports) == 1
            if _has_ipv6() and host is None:
                assert len(listeners) == 2


@pytest.mark.parametrize(
    ("host", "secure", "url"),
    [
        ("127.0.0.1", False, "ws://127.0.0.1:{}/ws"),
        ("127.0.0.1", True, "wss://127.0.0.1:{}/ws"),
        ("0.0.0.0", False, "ws://127.0.0.1:{}/ws"),
    ],
)
async def test_the_url_is_what_a_client_here_connects_to(host: str, secure: bool, url: str) -> None:
    async with listening(host) as listeners:
        address = address_of(listeners, host=host, path="/ws", secure=secure)
    assert address.host == host
    assert address.hosts == (host,)
    assert address.url == url.format(address.port)


@pytest.mark.skipif(not _has_ipv6(), reason="this machine has no IPv6")
async def test_an_ipv6_address_is_bracketed_in_the_url() -> None:
    async with listening("::1") as listeners:
        address = address_of(listeners, host="::1", path="/ws", secure=False)
    assert address.url == f"ws://[::1]:{address.port}/ws"


async def test_a_port_in_use_is_named() -> None:
    async with listening("127.0.0.1") as listeners:
        port = listeners[0].socket.getsockname()[1]
        with pytest.raises(OSError, match=f"127.0.0.1:{port} is in use") as raised:
            await open_listeners("127.0.0.1", port, loopback_only=True)
    assert raised.value.errno == errno.EADDRINUSE


@pytest.mark.parametrize(
    ("host", "text"),
    [
        ("192.0.2.1", "not an address of this machine"),
        ("no-such-host.invalid", "no-such-host.invalid"),
        ("a" * 70, "aaa"),
    ],
)
async def test_a_host_that_cannot_be_listened_at_is_named(host: str, text: str) -> None:
    with pytest.raises(OSError, match=text):
        await open_listeners(host, 0, loopback_only=False)


@pytest.mark.parametrize("port", [-1, 65536])
async def test_a_port_that_cannot_be_one_is_refused(port: int) -> None:
    with pytest.raises(ValueError, match="port"):
        await open_listeners("127.0.0.1", port, loopback_only=True)


async def test_what_was_opened_is_closed_when_another_address_fails() -> None:
    if not _has_ipv6():
        pytest.skip("this machine has one address for every name")
    with socket.create_server(("::", 0), family=socket.AF_INET6) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(OSError, match="in use"):
            await open_listeners(None, port, loopback_only=False)
        # Nothing of ours is left at the other address.
        with socket.create_server(("0.0.0.0", port)):
            pass


@pytest.mark.parametrize(
    ("host", "loopback"),
    [
        ("127.0.0.1", True),
        ("127.255.0.7", True),
        ("::1", True),
        ("::ffff:127.0.0.1", True),
        ("0.0.0.0", False),
        ("::", False),
        ("::ffff:0.0.0.0", False),
        ("::ffff:10.0.0.1", False),
        ("10.0.0.1", False),
        ("fe80::1%eth0", False),
        # Names are not looked up here: whoever owns one decides what it means.
        ("localhost", False),
        ("127.0.0.1.evil.test", False),
        ("", False),
    ],
)
def test_only_a_loopback_address_is_one(host: str, loopback: bool) -> None:
    assert is_loopback(host) is loopback


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
async def test_where_nobody_is_asked_who_they_are_this_machine_may_connect(host: str) -> None:
    for listener in await open_listeners(host, 0, loopback_only=True):
        listener.socket.close()


class _Names(trio.abc.HostnameResolver):
    """A name with a loopback address and another one."""

    async def getaddrinfo(self, host: object, port: object, *args: int, **more: int) -> list[Any]:
        await trio.lowlevel.checkpoint()
        kind = (socket.AF_INET, socket.SOCK_STREAM, 6, "")
        return [(*kind, (address, port)) for address in ("127.0.0.1", "192.0.2.7")]

    async def getnameinfo(self, sockaddr: object, flags: int) -> tuple[str, str]:
        raise AssertionError("nobody asks for names")


@pytest.mark.parametrize("host", ["0.0.0.0", "::", None, "192.0.2.7", "two.test"])
async def test_where_nobody_is_asked_who_they_are_no_other_machine_may_connect(
    host: str | None,
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        # Had it tried to listen, the port would have been in use.
        port = taken.getsockname()[1]
        trio.socket.set_custom_hostname_resolver(_Names() if host == "two.test" else None)
        try:
            with pytest.raises(Exposed) as raised:
                await open_listeners(host, port, loopback_only=True)
        finally:
            trio.socket.set_custom_hostname_resolver(None)
    text = str(raised.value)
    assert "authenticate=" in text
    assert "allow_anonymous=True" in text
    assert (host or "every interface") in text
    assert raised.value.host == host


async def test_an_http_address_is_a_url_to_append_paths_to() -> None:
    async with listening("127.0.0.1") as listeners:
        address = http_address_of(listeners, host="127.0.0.1", secure=True)
    assert address.url == f"https://127.0.0.1:{address.port}"
    assert (address.host, address.hosts) == ("127.0.0.1", ("127.0.0.1",))


async def test_whoever_waits_is_accepted_in_one_go() -> None:
    async with listening("127.0.0.1") as (listener,):
        swift = SwiftListener(listener)
        peers = [await trio.open_tcp_stream(*listener.socket.getsockname()) for _ in range(3)]
        with trio.fail_after(20):
            accepted = [await swift.accept()]
            with trio.testing.assert_no_checkpoints():
                accepted += [await swift.accept(), await swift.accept()]
            for peer, stream in zip(peers, accepted, strict=True):
                assert stream.socket.getpeername() == peer.socket.getsockname()
                await stream.send_all(b"x")
                assert await peer.receive_some() == b"x"
                await stream.aclose()
                await peer.aclose()
            peers = [await trio.open_tcp_stream(*listener.socket.getsockname())]
            await (await swift.accept()).aclose()  # waited for, as ever
            await peers[0].aclose()
            await swift.aclose()


async def test_who_was_accepted_and_not_asked_for_is_closed_with_the_listener() -> None:
    async with listening("127.0.0.1") as (listener,):
        swift = SwiftListener(listener)
        where = listener.socket.getsockname()
        first, second = [await trio.open_tcp_stream(*where) for _ in range(2)]
        with trio.fail_after(20):
            accepted = await swift.accept()
            await swift.aclose()
            assert await second.receive_some() == b""
            with pytest.raises(trio.ClosedResourceError):
                await swift.accept()
            with pytest.raises(OSError, match="all attempts"):  # nobody listens any more
                await trio.open_tcp_stream(*where)
            for each in (accepted, first, second):
                await each.aclose()


async def test_without_a_descriptor_left_trios_own_listener_serves(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def dup(_: int) -> int:
        raise OSError(errno.EMFILE, "too many open files")

    async with listening("127.0.0.1") as (listener,):
        monkeypatch.setattr(os, "dup", dup)
        assert SwiftListener.of(listener) is listener
