"""URLs as people write them."""

from __future__ import annotations

import pytest

from trio_agent_rt.clients.connectors.url import parse_sse_url, parse_websocket_url


@pytest.mark.parametrize(
    ("url", "shown", "host_header", "resource"),
    [
        ("ws://127.0.0.1:8080/ws", "ws://127.0.0.1:8080/ws", "127.0.0.1:8080", "/ws"),
        ("ws://example.com", "ws://example.com:80/", "example.com", "/"),
        ("wss://example.com/a", "wss://example.com:443/a", "example.com", "/a"),
        ("wss://example.com:80/a", "wss://example.com:80/a", "example.com:80", "/a"),
        ("ws://[::1]:8080/ws", "ws://[::1]:8080/ws", "[::1]:8080", "/ws"),
        ("WS://Example.COM/A", "ws://example.com:80/A", "example.com", "/A"),
        ("ws://x/a b?k=v w", "ws://x:80/a%20b", "x", "/a%20b?k=v%20w"),
        ("ws://x/早?k=%41", "ws://x:80/%E6%97%A9", "x", "/%E6%97%A9?k=%41"),
    ],
)
def test_a_url_is_taken_apart(url: str, shown: str, host_header: str, resource: str) -> None:
    parsed = parse_websocket_url(url)
    assert str(parsed) == shown
    assert parsed.host_header == host_header
    assert parsed.resource() == resource


def test_parameters_are_added_to_those_that_are_there() -> None:
    parsed = parse_websocket_url("ws://x/ws?room=a")
    assert parsed.resource(session="s&t", last=None) == "/ws?room=a&session=s%26t"
    assert parse_websocket_url("ws://x/ws").resource(session="s") == "/ws?session=s"
    assert "room" not in repr(parsed)


@pytest.mark.parametrize(
    ("url", "shown", "task"),
    [
        ("http://127.0.0.1:8081/sse", "http://127.0.0.1:8081/sse", "http://127.0.0.1:8081/task"),
        ("https://example.com", "https://example.com:443/", "https://example.com:443/task"),
        ("HTTP://x/a/b/sse?k=v", "http://x:80/a/b/sse", "http://x:80/a/b/task"),
        ("http://[::1]:1/sse/", "http://[::1]:1/sse/", "http://[::1]:1/sse/task"),
    ],
)
def test_a_resource_beside_the_stream(url: str, shown: str, task: str) -> None:
    parsed = parse_sse_url(url)
    assert str(parsed) == shown
    sibling = parsed.sibling("task")
    assert str(sibling) == task
    assert sibling.query == parsed.query
    assert sibling.host_header == parsed.host_header
    assert str(parsed.at("/a b")).endswith("/a%20b")


@pytest.mark.parametrize(
    ("url", "text"),
    [
        ("ws://x/sse", "begins with http://, not with ws://; for the latter there is open_websock"),
        ("wss://x/sse", "begins with https://, not with wss://"),
        (
            "x:8081/sse",
            "an SSE URL begins with http:// or https://; write it like http://127.0.0.1",
        ),
        ("http:///sse", "names no host"),
        ("http://me:secret@x/sse", "holds a user name or password"),
        ("http://x/sse#secret", "has no #fragment"),
        ("http://x:99999/sse", "this is no URL"),
    ],
)
def test_what_is_no_sse_url_is_told_apart(url: str, text: str) -> None:
    with pytest.raises(ValueError, match=text) as caught:
        parse_sse_url(url)
    assert "secret" not in str(caught.value)
