"""Which pages of other origins may use the server, and how browsers are told so.

The same list decides about WebSocket, where browsers ask nobody and the server has to
refuse, and about HTTP, where browsers keep an answer from a page unless its headers allow
the page to see it. Both happen: what is not listed is refused before anything is done,
and an answer that a browser should hide is never made.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

from attrs import field, frozen

from .origins import Judgement, parse_origin

__all__ = ["Cors", "preflight_headers", "response_headers"]

ALLOWED_HEADERS = "Authorization, Content-Type, Last-Event-ID, Cache-Control"
"""What pages send beyond what needs no leave; some `EventSource` replacements send all."""


def _to_texts(given: Iterable[str]) -> tuple[str, ...]:
    if isinstance(given, str) and given != "*":
        raise ValueError(f"origins: write a list, [{given!r}]")
    return tuple(given)


@frozen
class Cors:
    """Which pages of other origins may use the server, over either transport.

    A page is known by its exact origin: scheme, host and port. Pages of the server's own
    origin always may.

    Args:
        origins: such as `["https://example.com"]`, or `"*"` for every page there is.
        credentials: whether requests of these pages may carry what a browser adds by
            itself: cookies, and what a user typed for `Authorization: Basic`. Without it
            an `authenticate` hook is not shown them, so that no other page can act in
            the name of whoever looks at it. Tokens and tickets, which a page must know to
            send them, are not meant.
        allow_missing: whether a request without an `Origin` may come in. Programs that
            are no browsers send none, and browsers none with a GET of the same origin.
        max_age: seconds that a browser may remember what it was told; 0 for not at all.

    Raises:
        ValueError: when one of `origins` is not an origin, for `"*"` with `credentials`,
            and for a `max_age` that is none.
    """

    origins: tuple[str, ...] = field(default=(), converter=_to_texts)
    credentials: bool = field(default=False, kw_only=True)
    allow_missing: bool = field(default=True, kw_only=True)
    max_age: float = field(default=600.0, kw_only=True)

    def __attrs_post_init__(self) -> None:
        if self.any_origin and self.credentials:
            raise ValueError(
                'origins="*" cannot go together with credentials=True: every page in the world '
                "could then act in the name of whoever looks at it; list the origins instead"
            )
        for text in self.origins if not self.any_origin else ():
            parse_origin(text)
        if not 0 <= self.max_age < math.inf:
            raise ValueError(f"max_age must be a number of seconds, 0 or more, not {self.max_age}")

    @property
    def any_origin(self) -> bool:
        """Whether pages of every origin may use the server."""
        return self.origins == ("*",)


def response_headers(cors: Cors, origin: str | None, judged: Judgement) -> dict[str, str]:
    """The headers of an answer, be it a success or not, to a request of `origin`.

    Args:
        origin: the `Origin` header, or None if there was none.
        judged: what was found of it.
    """
    # Also where this answer allows nothing: a cache would show it to a page that it allows.
    headers = {"Vary": "Origin"}
    if origin is not None and judged.refusal is None:
        # A page of our other port is our own, and yet of another origin to its browser.
        exact = not (judged.foreign and cors.any_origin)
        headers["Access-Control-Allow-Origin"] = origin if exact else "*"
        if cors.credentials or not judged.foreign:
            headers["Access-Control-Allow-Credentials"] = "true"
        headers["Access-Control-Expose-Headers"] = "Retry-After"
    return headers


def preflight_headers(
    cors: Cors,
    origin: str | None,
    judged: Judgement,
    *,
    methods: Iterable[str],
    private_network: bool,
) -> dict[str, str]:
    """The headers of the answer to a preflight request, `OPTIONS`.

    Args:
        methods: what the resource takes.
        private_network: whether the browser asks if a page of a public site may reach
            into a private network (`Access-Control-Request-Private-Network`).
    """
    headers = response_headers(cors, origin, judged)
    if headers.pop("Access-Control-Expose-Headers", None) is not None:
        headers["Access-Control-Allow-Methods"] = ", ".join(methods)
        headers["Access-Control-Allow-Headers"] = ALLOWED_HEADERS
        headers["Access-Control-Max-Age"] = str(int(cors.max_age))
        if private_network:
            headers["Access-Control-Allow-Private-Network"] = "true"
    return headers
