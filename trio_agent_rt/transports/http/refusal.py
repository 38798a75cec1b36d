"""What a peer is told when it is the server that answers, not the application."""

from __future__ import annotations

from collections.abc import Mapping

from attrs import field, frozen

from ...protocol import encode_http_failure

__all__ = ["Refusal", "Refused", "SpeaksHTTP2", "too_large"]


@frozen(kw_only=True)
class Refusal:
    """An answer of the server's own; the connection is closed after it."""

    status: int
    code: str
    message: str
    headers: Mapping[str, str] = field(factory=dict[str, str])

    @property
    def body(self) -> bytes:
        """As JSON, like every other failure."""
        return encode_http_failure(self.message, self.code)

    def fields(self, body: bytes) -> list[tuple[bytes, bytes]]:
        """The headers that go with `body`."""
        pairs = {
            "content-type": "application/json",
            "content-length": str(len(body)),
            "cache-control": "no-store",
            "connection": "close",
            **self.headers,
        }
        return [(name.encode("ascii"), value.encode("latin-1")) for name, value in pairs.items()]


def too_large(max_body_bytes: int) -> Refusal:
    """What is said to a body of too many bytes."""
    return Refusal(
        status=413, code="too_large", message=f"A body may have {max_body_bytes} bytes here."
    )


class Refused(Exception):
    """A request that the application is not shown."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.message)
        self.refusal = refusal


class SpeaksHTTP2(Exception):
    """The peer began with what HTTP/2 begins with, over TLS or without."""
