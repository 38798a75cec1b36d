"""The address that is connected to is the one that was judged, on every hop."""

from __future__ import annotations

import ssl
from collections.abc import Sequence
from typing import Any

import attrs
import httpx
import pytest
import trio
import trustme

from trio_agent_rt.agent.tools import WebAccess
from trio_agent_rt.agent.tools.web import addresses
from trio_agent_rt.agent.tools.web.access import Resolve
from trio_agent_rt.agent.tools.web.transport import WebTransport
from trio_agent_rt.errors import ToolError

from .hostile import LOCAL, Server, fetch, http, serving

PUBLIC_ADDRESS = "93.184.216.34"


class Names:
    """A resolver that gives one answer after the other, the last again and again."""

    def __init__(self, *answers: Sequence[str]) -> None:
        self.answers = list(answers)
        self.asked: list[tuple[str, int]] = []

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        await trio.lowlevel.checkpoint()
        self.asked.append((host, port))
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


class Wires:
    """Connects to a server of the test, whatever the address, and remembers it."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.dialled: list[tuple[str, int]] = []

    async def __call__(self, address: str, port: int) -> trio.abc.Stream:
        self.dialled.append((address, port))
        stream = await trio.open_tcp_stream("127.0.0.1", self.server.port)
        return trio.StapledStream(stream, stream)  # a public address is never this machine


@pytest.mark.parametrize(
    "found",
    [
        ["127.0.0.1"],
        ["::1"],
        ["10.0.0.1"],
        ["169.254.169.254"],
        ["::ffff:127.0.0.1"],
        ["fe80::1%lo"],
        [PUBLIC_ADDRESS, "127.0.0.1"],
        ["127.0.0.1", PUBLIC_ADDRESS],
        [*[f"1.1.1.{each}" for each in range(9)], "127.0.0.1"],
    ],
    ids=str,
)
async def test_a_name_of_a_private_address_is_refused(found: Sequence[str]) -> None:
    async with serving(http("secret")) as server:
        wires = Wires(server)
        access = WebAccess(resolve=Names(found), dial=wires)
        with pytest.raises(ToolError, match=r"example\.com has the address .* may not be asked"):
            await fetch("http://example.com/", access)
    assert wires.dialled == []


async def test_a_name_is_resolved_once_and_its_address_is_connected_to() -> None:
    async with serving(http("page", "text/plain")) as server:
        names, wires = Names([PUBLIC_ADDRESS], ["127.0.0.1"]), Wires(server)
        found = await fetch("http://example.com/a", WebAccess(resolve=names, dial=wires))
        assert found["text"] == "page"
    assert names.asked == [("example.com", 80)]
    assert wires.dialled == [(PUBLIC_ADDRESS, 80)]
    assert server.lines[1] == "Host: example.com"


async def test_a_name_that_changes_between_two_hops_is_judged_again() -> None:
    again = http(status="302 Found", Location="http://example.com/admin")
    async with serving(again) as server:
        names, wires = Names([PUBLIC_ADDRESS], ["127.0.0.1"]), Wires(server)
        with pytest.raises(ToolError, match=r"example\.com has the address 127\.0\.0\.1"):
            await fetch("http://example.com/", WebAccess(resolve=names, dial=wires))
    assert len(wires.dialled) == 1


@pytest.mark.parametrize(
    "location",
    [
        "http://127.0.0.1/",
        "http://localhost/",
        "http://[::1]/",
        "http://169.254.169.254/latest/meta-data/",
        "//0.0.0.0/",
        "http://2130706433/",
        "http://example.com:22/",
        "https://[::ffff:7f00:1]/",
    ],
)
async def test_a_redirect_leads_nowhere_that_a_url_may_not(location: str) -> None:
    async with serving(http(status="302 Found", Location=location)) as server:
        wires = Wires(server)
        with pytest.raises(ToolError, match=r"^example\.com redirects to .*"):
            await fetch(
                "http://example.com/", WebAccess(resolve=Names([PUBLIC_ADDRESS]), dial=wires)
            )
    assert len(wires.dialled) == 1


async def test_a_redirect_stays_among_the_listed_hosts() -> None:
    async with serving(http(status="302 Found", Location="http://evil.com/")) as server:
        access = WebAccess(
            hosts=["example.com"], resolve=Names([PUBLIC_ADDRESS]), dial=Wires(server)
        )
        with pytest.raises(ToolError, match=r"evil\.com is not among the hosts"):
            await fetch("http://example.com/", access)


async def test_the_systems_resolver_is_believed_no_more() -> None:
    """By way of Trio's own hook: a name of the network that is one of this machine."""

    class Rebinding(trio.abc.HostnameResolver):
        async def getaddrinfo(self, host: object, port: object, *args: int, **more: int) -> Any:
            await trio.lowlevel.checkpoint()
            return [(2, 1, 6, "", ("127.0.0.1", port))]

        async def getnameinfo(self, sockaddr: object, flags: int) -> tuple[str, str]:
            raise NotImplementedError

    trio.socket.set_custom_hostname_resolver(Rebinding())
    async with serving(http("secret")) as server:
        with pytest.raises(ToolError, match=r"rebind\.example has the address 127\.0\.0\.1"):
            await fetch(f"http://rebind.example:{server.port}/", WebAccess(ports=[server.port]))
        assert server.requests == []
        found = await fetch(f"http://rebind.example:{server.port}/", LOCAL)
        assert found["text"] == "secret\n"


async def test_a_public_address_of_this_machine_is_this_machine(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(addresses, "_V4", [])
    async with serving(http("secret")) as server:
        with pytest.raises(ToolError, match="is this machine, not the public web"):
            await fetch(server.url(), WebAccess(ports=[server.port]))
        with trio.fail_after(5):
            await server.left.wait()
        assert server.requests == []


async def test_an_address_that_does_not_answer_is_followed_by_the_next() -> None:
    async with serving(http("page", "text/plain")) as server:
        wires = Wires(server)

        async def dial(address: str, port: int) -> trio.abc.Stream:
            if address == "1.1.1.1":
                raise ConnectionRefusedError(111, "refused")
            if address == "1.1.1.2":
                await trio.sleep_forever()
            return await wires(address, port)

        access = WebAccess(
            resolve=Names(["1.1.1.1", "1.1.1.2", "1.1.1.3"]), dial=dial, connect_timeout=0.1
        )
        assert (await fetch("http://example.com/", access))["text"] == "page"
        with pytest.raises(ToolError, match=r"80: nothing listens .*, no answer within 0\.1 s$"):
            await fetch(
                "http://example.com/", attrs.evolve(access, resolve=Names(["1.1.1.1", "1.1.1.2"]))
            )
    assert wires.dialled == [("1.1.1.3", 80)]


async def _not_found(host: str, port: int) -> Sequence[str]:
    await trio.lowlevel.checkpoint()
    raise trio.socket.gaierror(-2, "Name or service not known")


@pytest.mark.parametrize(
    ("resolve", "complaint"),
    [(_not_found, "cannot be found: is it spelt right"), (Names([]), "has no address")],
)
async def test_a_host_that_is_not_there_is_named(resolve: Resolve, complaint: str) -> None:
    with pytest.raises(ToolError, match=rf"the host nowhere\.example {complaint}"):
        await fetch("https://nowhere.example/", WebAccess(resolve=resolve))


# --- TLS


class Secured:
    """An authority, and a server with a certificate for example.com."""

    def __init__(self) -> None:
        authority = trustme.CA()
        self.client = ssl.create_default_context()
        authority.configure_trust(self.client)
        self.server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        authority.issue_cert("example.com").configure_cert(self.server)
        self.names: list[str | None] = []
        self.server.sni_callback = lambda sock, name, context: self.names.append(name)

    async def answer(self, stream: trio.abc.Stream) -> None:
        secured = trio.SSLStream(stream, self.server, server_side=True, https_compatible=True)
        try:
            await secured.receive_some()
            await secured.send_all(http("safe", "text/plain"))
            await secured.aclose()
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            await trio.aclose_forcefully(stream)


@pytest.fixture(scope="module")
def secured() -> Secured:
    return Secured()


async def _fetch_over_tls(secured: Secured, url: str, *, trusted: bool) -> str:
    async with trio.open_nursery() as nursery:
        listeners = await nursery.start(trio.serve_tcp, secured.answer, 0)
        port = listeners[0].socket.getsockname()[1]

        async def dial(address: str, _: int) -> trio.abc.Stream:
            stream = await trio.open_tcp_stream("127.0.0.1", port)
            return trio.StapledStream(stream, stream)

        access = WebAccess(
            resolve=Names([PUBLIC_ADDRESS]),
            dial=dial,
            ssl_context=secured.client if trusted else None,
        )
        found = await fetch(url, access)
        nursery.cancel_scope.cancel()
    return str(found["text"])


async def test_tls_is_checked_against_the_name_and_not_the_address(secured: Secured) -> None:
    with trio.fail_after(20):
        assert await _fetch_over_tls(secured, "https://example.com/", trusted=True) == "safe"
    assert secured.names[-1] == "example.com"


@pytest.mark.parametrize(
    ("url", "trusted", "complaint"),
    [
        ("https://other.com/", True, r"the certificate of other\.com is not trusted"),
        ("https://example.com/", False, r"the certificate of example\.com is not trusted"),
    ],
)
async def test_a_certificate_that_does_not_fit_is_refused(
    secured: Secured, url: str, trusted: bool, complaint: str
) -> None:
    with trio.fail_after(20), pytest.RaisesGroup(pytest.RaisesExc(ToolError, match=complaint)):
        await _fetch_over_tls(secured, url, trusted=trusted)


async def test_what_speaks_no_tls_is_told() -> None:
    async def plain(stream: trio.abc.Stream) -> None:
        await stream.receive_some()
        await stream.send_all(http("no TLS"))

    async with trio.open_nursery() as nursery:
        listeners = await nursery.start(trio.serve_tcp, plain, 0)
        port = listeners[0].socket.getsockname()[1]
        with pytest.raises(ToolError, match="speaks no usable TLS on port"):
            await fetch(f"https://127.0.0.1:{port}/", LOCAL)
        nursery.cancel_scope.cancel()


# --- the transport with a client of httpx


async def test_a_client_of_httpx_is_held_to_the_rules_on_every_hop() -> None:
    async with serving(http(status="302 Found", Location="http://127.0.0.1/")) as server:
        access = WebAccess(resolve=Names([PUBLIC_ADDRESS]), dial=Wires(server))
        transport = WebTransport(access)
        async with httpx.AsyncClient(transport=transport, trust_env=False) as client:
            response = await client.get("http://example.com/")
            assert response.status_code == 302
            with pytest.raises(ToolError, match=r"127\.0\.0\.1 is not of the public web"):
                await client.get("http://example.com/", follow_redirects=True)


@pytest.mark.parametrize(
    "url",
    ["http://example.com:22/", "http://a:b@example.com/", "http://evil.com/", "http://0x7f.1/"],
)
async def test_a_client_of_httpx_asks_only_what_may_be_asked(url: str) -> None:
    async with serving(http("x")) as server:
        wires = Wires(server)
        access = WebAccess(
            hosts=["example.com", "0x7f.1"], resolve=Names([PUBLIC_ADDRESS]), dial=wires
        )
        transport = WebTransport(access)
        async with httpx.AsyncClient(transport=transport, trust_env=False) as client:
            with pytest.raises(ToolError):
                await client.get(url)
    assert wires.dialled == []


async def test_a_client_of_httpx_can_send_a_body() -> None:
    async def echo(server: Server, head: bytes, stream: trio.SocketStream) -> None:
        body = head.partition(b"\r\n\r\n")[2] or await stream.receive_some()
        await stream.send_all(http(body, "text/plain"))

    async with serving(echo) as server:
        transport = WebTransport(LOCAL)
        async with httpx.AsyncClient(transport=transport, trust_env=False) as client:
            assert (await client.post(server.url(), content=b"some")).text == "some"
