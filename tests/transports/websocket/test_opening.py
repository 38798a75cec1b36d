"""What becomes of a handshake's bytes, however they come, and what they are answered."""

from __future__ import annotations

import itertools

import h11
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.transports.websocket.peers import upgrade
from trio_agent_rt.errors import ConnectionRejected
from trio_agent_rt.transports.request import SUBPROTOCOL, Head, read_request
from trio_agent_rt.transports.websocket.opening import MAX_HEAD_BYTES, Handshake


def received(*pieces: bytes) -> tuple[Handshake, Head | ConnectionRejected | None]:
    """What comes of these pieces, one after the other."""
    handshake = Handshake()
    try:
        for each in pieces:
            if event := handshake.receive(each):
                return handshake, event
    except ConnectionRejected as rejected:
        return handshake, rejected
    return handshake, None


@given(st.lists(st.integers(1, len(upgrade()) - 1), max_size=10), st.binary(max_size=50))
def test_how_it_arrives_makes_no_difference(cuts: list[int], behind: bytes) -> None:
    data = upgrade() + behind
    places = [0, *sorted(cuts), len(data)]
    pieces = [data[a:b] for a, b in itertools.pairwise(places)]
    handshake, event = received(*filter(None, pieces))
    assert event is not None
    assert not isinstance(event, ConnectionRejected)
    assert handshake.early == behind
    assert read_request(event).path == "/ws"


def test_it_is_answered_as_the_standard_has_it() -> None:
    _, event = received(upgrade(headers=[f"Sec-WebSocket-Protocol: bearer.abc, {SUBPROTOCOL}"]))
    assert event is not None
    assert not isinstance(event, ConnectionRejected)
    answer = Handshake.answer(read_request(event))
    assert answer.startswith(b"HTTP/1.1 101 ")
    # The example of RFC 6455, 1.3.
    assert b"\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n" in answer
    assert answer.endswith(f"\r\nSec-WebSocket-Protocol: {SUBPROTOCOL}\r\n\r\n".encode())


odd_fields = st.sampled_from(
    ["X: y", "X:y", "x: \ty \t", "X:", "X: \x01", "X : y", " X: y", "X: \xe9", "Host: b", "X"]
)


@given(st.lists(odd_fields, max_size=3))
def test_a_plain_head_is_read_as_h11_reads_it(fields: list[str]) -> None:
    data = upgrade(headers=["A: b", *fields])
    _, event = received(data)
    parser = h11.Connection(h11.SERVER)
    parser.receive_data(data)
    try:
        judged = parser.next_event()
    except h11.RemoteProtocolError:
        assert isinstance(event, ConnectionRejected)
        return
    assert isinstance(judged, h11.Request)
    assert event is not None
    assert not isinstance(event, ConnectionRejected)
    assert [*event.headers] == [*judged.headers]
    assert (event.method, event.target) == (judged.method, judged.target)


@pytest.mark.parametrize(
    "data",
    [
        upgrade().replace(b"HTTP/1.1", b"HTTP/1.0"),
        upgrade().replace(b"Upgrade: websocket", b"Upgrade: h2c"),
        upgrade().replace(b"Connection: Upgrade", b"Connection: keep-alive"),
        upgrade().replace(b"dGhlIHNhbXBsZSBub25jZQ==", b"dGhlIHNhbXBsZQ=="),
        upgrade().replace(b"dGhlIHNhbXBsZSBub25jZQ==", b"not base64"),
        upgrade(headers=["Sec-WebSocket-Version: 8"]),
        upgrade(headers=["Content-Length: 3"]),
        upgrade(headers=["Transfer-Encoding: chunked"]),
    ],
)
def test_what_asks_for_something_else_is_told_what_is_spoken_here(data: bytes) -> None:
    _, rejected = received(data)
    assert isinstance(rejected, ConnectionRejected)
    assert rejected.status == 426


@given(
    st.one_of(
        st.binary(),
        st.binary().map(lambda rest: b"GET /" + rest + b" HTTP/1.1\r\nHost: a\r\n\r\n"),
        st.binary().map(lambda rest: upgrade()[:-2] + rest + b"\r\n\r\n"),
    )
)
def test_arbitrary_bytes_are_a_handshake_or_refused(data: bytes) -> None:
    handshake, event = received(data, b"") if data else received(b"")
    assert event is not None
    assert handshake.begun == bool(data)
    if isinstance(event, ConnectionRejected):
        assert event.status in {400, 426, 431}


def test_what_never_ends_or_comes_too_early_is_bounded() -> None:
    handshake, rejected = received(b"GET / HTTP/1.1\r\nHost: a\r\n", *[b"A: b\r\n" * 100] * 200)
    assert isinstance(rejected, ConnectionRejected)
    handshake, event = received(upgrade())
    assert event is not None
    assert not isinstance(event, ConnectionRejected)
    with pytest.raises(ConnectionRejected) as caught:
        for _ in range(MAX_HEAD_BYTES // 1000 + 1):
            handshake.receive_early(bytes(1000))
    assert caught.value.status == 431
    assert len(handshake.early) <= MAX_HEAD_BYTES
