"""Handshake requests as values, and the answers to refused ones."""

from __future__ import annotations

import h11
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trio_agent_rt.errors import ConnectionRejected
from trio_agent_rt.transports import HandshakeRequest, Headers
from trio_agent_rt.transports.handshake import http_response, read_request


def test_headers_are_found_in_any_case_and_joined() -> None:
    headers = Headers([("X-One", "a"), ("x-one", "b"), ("Two", "c")])
    assert headers["x-ONE"] == "a, b"
    assert headers.get("three") is None
    assert "TWO" in headers
    assert dict(headers) == {"x-one": "a, b", "two": "c"}


def test_no_value_shows_in_a_repr() -> None:
    request = HandshakeRequest(
        path="/ws",
        query={"token": "hush"},
        headers=Headers([("Cookie", "hush")]),
        subprotocols=("bearer.hush",),
    )
    assert "hush" not in repr(request)
    assert "cookie" in repr(request)


def test_a_request_is_read_as_it_was_sent() -> None:
    head = (
        b"GET /a%20b/?x=1&x=2&y=&z=%F0%9F%A6%94 HTTP/1.1\r\nHost: h:1\r\nX: \xe9\r\n"
        b"Sec-WebSocket-Protocol: one , two\r\n\r\nrest"
    )
    request = read_request(head, remote_host="10.0.0.1", remote_port=9, secure=True)
    assert request == HandshakeRequest(
        path="/a b/",
        query={"x": "2", "y": "", "z": "🦔"},
        headers=request.headers,
        remote_host="10.0.0.1",
        remote_port=9,
        secure=True,
        subprotocols=("one", "two"),
    )
    assert request.headers["host"] == "h:1"
    assert request.headers["x"] == "é"


@given(
    st.one_of(
        st.binary(),
        st.binary().map(lambda rest: b"GET /" + rest + b" HTTP/1.1\r\nHost: a\r\n\r\n"),
        st.binary().map(lambda rest: b"GET / HTTP/1.1\r\nHost: a\r\n" + rest + b"\r\n\r\n"),
    )
)
def test_arbitrary_bytes_are_a_request_or_a_400(head: bytes) -> None:
    rejected = None
    try:
        read_request(head)
    except ConnectionRejected as wrong:
        rejected = wrong
    assert rejected is None or rejected.status == 400


@given(
    st.integers(400, 599),
    st.text(),
    st.dictionaries(st.text(), st.text(), max_size=3),
)
def test_a_refusal_is_one_valid_response_or_none(
    status: int, message: str, headers: dict[str, str]
) -> None:
    try:
        sent = http_response(ConnectionRejected(status, message, headers))
    except ValueError:
        return
    client = h11.Connection(h11.CLIENT)
    client.send(h11.Request(method="GET", target="/", headers=[("Host", "a")]))
    client.receive_data(sent)
    response = client.next_event()
    assert isinstance(response, h11.Response)
    assert response.status_code == status
    body = b""
    while isinstance(event := client.next_event(), h11.Data):
        body += event.data
    assert isinstance(event, h11.EndOfMessage)
    assert body.decode() == (f"{message}\n" if message else "")
    assert client.trailing_data == (b"", False)


@pytest.mark.parametrize("headers", [{"A": "b\r\nC: d"}, {"A\r\n": "b"}, {"A": "\u2028"}])
def test_a_header_that_would_begin_another_is_refused(headers: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="cannot be sent"):
        http_response(ConnectionRejected(401, "no", headers))
