"""Requests as values, the credentials in them, and the answers to refused ones."""

from __future__ import annotations

import urllib.parse

import h11
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trio_agent_rt.errors import ConnectionRejected
from trio_agent_rt.transports import Headers, Request
from trio_agent_rt.transports.request import http_response, plain_head, read_request


def test_headers_are_found_in_any_case_and_joined() -> None:
    headers = Headers([("X-One", "a"), ("x-one", "b"), ("Two", "c")])
    assert headers["x-ONE"] == "a, b"
    assert headers.get("three") is None
    assert "TWO" in headers
    assert dict(headers) == {"x-one": "a, b", "two": "c"}
    assert dict(headers.without("X-one")) == {"two": "c"}


def test_no_value_shows_in_a_repr() -> None:
    request = Request(
        path="/ws",
        query={"token": "hush", "ticket": "hush"},
        headers=Headers([("Cookie", "a=hush"), ("Authorization", "Bearer hush")]),
        subprotocols=("bearer.hush",),
    )
    assert request.cookies == {"a": "hush"}
    assert request.bearer_token == request.ticket == "hush"
    for shown in (repr(request), str(request), f"{request.headers}"):
        assert "hush" not in shown
    assert "cookie" in repr(request)


def test_headers_may_be_given_as_any_mapping() -> None:
    request = Request(path="/", headers={"AUTHORIZATION": "Bearer abc"})
    assert request.headers["Authorization"] == "Bearer abc"
    assert request.bearer_token == "abc"


@pytest.mark.parametrize(
    ("header", "cookies"),
    [
        ("", {}),
        ("a=1", {"a": "1"}),
        ("a=1; b=2;c=3 ;d = 4", {"a": "1", "b": "2", "c": "3", "d": "4"}),
        ("a=1; a=2", {"a": "1"}),
        ('a="x y"; b="; c=""', {"a": "x y", "b": '"', "c": ""}),
        ("a=b=c; junk; =x", {"a": "b=c", "": "x"}),
    ],
)
def test_cookies_are_those_of_the_header(header: str, cookies: dict[str, str]) -> None:
    assert Request(path="/", headers=Headers([("Cookie", header)])).cookies == cookies


def test_cookies_that_came_in_several_headers_are_put_together() -> None:
    headers = Headers([("cookie", "a=1"), ("cookie", "b=2")])
    assert Request(path="/", headers=headers).cookies == {"a": "1", "b": "2"}


@pytest.mark.parametrize(
    ("authorization", "subprotocols", "token"),
    [
        (None, (), None),
        ("Bearer abc", (), "abc"),
        ("bEARER   abc", (), "abc"),
        ("Bearer aZ09-._~+/==", (), "aZ09-._~+/=="),
        # Not RFC 6750's syntax, or another scheme.
        ("Bearer", (), None),
        ("Bearer ", (), None),
        ("Bearerabc", (), None),
        ("Bearer a b", (), None),
        ("Bearer a, Bearer b", (), None),
        ("Bearer =", (), None),
        ("Bearer a=b", (), None),
        ("Bearer \xe9", (), None),
        ("Basic YTpi", (), None),
        # A browser's WebSocket can set no header.
        (None, ("trio-agent-rt", "bearer.abc"), "abc"),
        (None, ("bearer.a%2Fb%3D",), "a/b="),
        (None, ("bearer.a%20b", "bearer.c"), "c"),
        (None, ("bearer.", "bearer.%zz", "bearer.%FF", "BEARER.a", "xbearer.a"), None),
        # The header wins.
        ("Bearer abc", ("bearer.def",), "abc"),
        ("Basic YTpi", ("bearer.def",), "def"),
    ],
)
def test_a_bearer_token_comes_in_the_header_or_as_a_subprotocol(
    authorization: str | None, subprotocols: tuple[str, ...], token: str | None
) -> None:
    headers = Headers([] if authorization is None else [("Authorization", authorization)])
    request = Request(path="/", headers=headers, subprotocols=subprotocols)
    assert request.bearer_token == token


@pytest.mark.parametrize(
    ("query", "ticket"), [({}, None), ({"ticket": ""}, None), ({"ticket": "abc"}, "abc")]
)
def test_a_ticket_comes_in_the_query(query: dict[str, str], ticket: str | None) -> None:
    assert Request(path="/", query=query).ticket == ticket


@given(st.text(), st.lists(st.text()))
def test_arbitrary_credentials_are_a_sendable_token_or_none(
    authorization: str, subprotocols: list[str]
) -> None:
    request = Request(
        path="/",
        headers=Headers([("Authorization", f"Bearer {authorization}"), ("Cookie", authorization)]),
        subprotocols=tuple(f"bearer.{each}" for each in subprotocols),
    )
    token = request.bearer_token
    assert token is None or (token.isascii() and token.isprintable() and " " not in token)


def test_a_request_is_read_as_it_was_sent() -> None:
    head = (
        b"PUT /a%20b/?x=1&x=2&y=&z=%F0%9F%A6%94 HTTP/1.1\r\nHost: h:1\r\nX: \xe9\r\n"
        b"Cookie: c=d\r\nSec-WebSocket-Protocol: one , two\r\n\r\nrest"
    )
    request = read_request(parsed(head), remote_host="10.0.0.1", remote_port=9, secure=True)
    assert request == Request(
        path="/a b/",
        method="PUT",
        query={"x": "2", "y": "", "z": "🦔"},
        headers=request.headers,
        cookies={"c": "d"},
        remote_host="10.0.0.1",
        remote_port=9,
        secure=True,
        subprotocols=("one", "two"),
    )
    assert request.headers["host"] == "h:1"
    assert request.headers["x"] == "é"


def parsed(head: bytes) -> h11.Request:
    parser = h11.Connection(h11.SERVER)
    parser.receive_data(head)
    event = parser.next_event()
    assert isinstance(event, h11.Request)
    return event


@given(st.binary(max_size=200))
def test_an_arbitrary_target_is_a_request_or_a_400(target: bytes) -> None:
    try:
        event = h11.Request(method="GET", target=b"/" + target, headers=[("Host", "a")])
    except h11.LocalProtocolError:
        return
    rejected = None
    try:
        read_request(event)
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


def test_a_plain_head_is_read_with_where_it_ends() -> None:
    data = b"GET /a?b HTTP/1.1\r\nHost: x\r\nAccept:  y \r\n\r\n"
    found = plain_head(data + b"more")
    assert found is not None
    head, end = found
    assert (head.method, head.target, head.http_version) == (b"GET", b"/a?b", b"1.1")
    assert head.headers == [(b"host", b"x"), (b"accept", b"y")]
    assert end == len(data)


@pytest.mark.parametrize(
    "data",
    [
        b"GET / HTTP/1.1\r\nHost: x\r\n",
        b"get / HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET / http/1.1\r\nHost: x\r\n\r\n",
        b"GET / HTTP/1.0\r\nHost: x\r\n\r\n",
        b"HEAD / HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET http://x/ HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET / HTTP/1.1\nHost: x\n\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nhost: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nContent-length: 0\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nTRANSFER-ENCODING: chunked\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\n A: b\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nA: \xff\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nA: " + b"b" * 8192 + b"\r\n\r\n",
    ],
)
def test_what_is_not_plain_is_left_to_h11(data: bytes) -> None:
    assert plain_head(data) is None


@given(st.lists(st.sampled_from(["a=b", "a", "=", "=c", "", "a==b", "a=1;b=2", "%61=%2B", "a=+"])))
def test_a_query_is_read_as_forms_write_it(pairs: list[str]) -> None:
    text = "&".join(pairs)
    asked = read_request(h11.Request(method="GET", target=f"/?{text}", headers=[("Host", "h")]))
    assert asked.query == dict(urllib.parse.parse_qsl(text, keep_blank_values=True))


@pytest.mark.parametrize("pair", ["a=b", "%61=b"])
def test_a_query_of_too_many_fields_is_refused(pair: str) -> None:
    def read(count: int) -> None:
        query = "&".join([pair] * count)
        read_request(h11.Request(method="GET", target=f"/?{query}", headers=[("Host", "h")]))

    read(1000)
    with pytest.raises(ConnectionRejected, match="not an HTTP request"):
        read(1001)
