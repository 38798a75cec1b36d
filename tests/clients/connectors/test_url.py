"""URLs as people write them."""

from __future__ import annotations

import pytest

from trio_agent_rt.clients.connectors.url import parse_websocket_url


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
