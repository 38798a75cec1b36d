"""What a peer is told when it is the server that answers, not the application."""

from __future__ import annotations

from collections.abc import Mapping

from attrs import field, frozen

from ...protocol import encode_http_failure

__all__ = ["SHUTTING_DOWN", "TOO_LARGE", "TOO_LATE", "Refusal", "Refused", "SpeaksHTTP2"]


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

    @property
    def fields(self) -> list[tuple[bytes, bytes]]:
        """All its headers."""
        pairs = {
            "content-type": "application/json",
            "content-length": str(len(self.body)),
            "cache-control": "no-store",
            "connection": "close",
            **self.headers,
        }
        return [(name.encode("ascii"), value.encode("latin-1")) for name, value in pairs.items()]


# Without a number: the application's own limit is a lower one, and what it would have said.
TOO_LARGE = Refusal(status=413, code="too_large", message="the body is too large")
"""What is said to a body of too many bytes."""

TOO_LATE = Refusal(status=408, code="bad_message", message="the request took too long")
"""What is said to a head that does not come to its end."""

SHUTTING_DOWN = Refusal(
    status=503,
    code="shutting_down",
    message="the server is shutting down",
    headers={"retry-after": "1"},
)
"""What is said then to a request that is not whole. A server that restarts is back by then."""


class Refused(Exception):
    """A request that the application is not shown."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.message)
        self.refusal = refusal


class SpeaksHTTP2(Exception):
    """The peer began with what HTTP/2 begins with, over TLS or without."""
