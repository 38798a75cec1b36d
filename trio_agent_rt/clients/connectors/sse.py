"""The SSE connector: one stream of events, and an HTTP request for each command.

All that it does on a connection is in `sse_link`, which is imported when the first is made:
httpx takes a tenth of a second, and a program that speaks WebSocket has no use for it.
"""

from __future__ import annotations

import importlib
import ssl
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, cast

from attrs import define, field, validators

from ...protocol import CancelTask, Command, ConfirmStep, GetState, GetTools, SubmitTask
from .base import Attachment, Link
from .dialing import Dial, check_options, with_token
from .url import ServerURL, parse_sse_url

__all__ = ["SSEConnector"]

_NAMES: dict[type[Command], str] = {
    SubmitTask: "task",
    CancelTask: "cancel",
    ConfirmStep: "confirm",
    GetTools: "tools",
    GetState: "state",
}
"""Where each command goes, as a server calls it."""


@define(kw_only=True)
class SSEConnector:
    """Connects to an SSE server of this protocol.

    Args:
        url: of the stream: `http://host:port/sse` or `https://…`. Its query, if any, is
            sent with the commands too.
        task_url: where `POST /task` goes; None for `task` beside the stream. The other
            commands go beside it: to `cancel`, `confirm`, `tools` and `state`.
        paths: where a command goes that a server has elsewhere, on the same server:
            `{"cancel": "/agent/stop"}`.
        token: sent as `Authorization: Bearer …`; never shown.
        headers: more headers for every request; never shown.
        ssl_context: for `https://`, whom to trust; None for the system's authorities.
        max_message_bytes: the largest message to take.
        dial: makes a connection to a host and a port, in place of TCP over the network:
            through a proxy, over a Unix socket, in memory.
    """

    url: ServerURL = field(converter=lambda url: parse_sse_url(cast("str", url)))
    task_url: ServerURL | None = field(
        default=None,
        converter=lambda url: None if url is None else parse_sse_url(cast("str", url)),
    )
    paths: Mapping[str, str] = field(factory=dict[str, str])
    token: str | None = field(default=None, repr=False)
    headers: Mapping[str, str] = field(factory=dict[str, str], repr=False)
    ssl_context: ssl.SSLContext | None = None
    max_message_bytes: int = field(default=64 * 1024 * 1024, validator=validators.ge(1))
    dial: Dial | None = field(default=None, repr=False)
    strays: int = field(default=0, init=False, eq=False, repr=False)
    """How many commands in a row were answered by somebody who did not know their stream."""

    def __attrs_post_init__(self) -> None:
        check_options(self.url, self.token, self.headers, self.ssl_context)
        for name, path in self.paths.items():
            if name not in _NAMES.values():
                known = ", ".join(_NAMES.values())
                raise ValueError(f"paths: {name!r} is none of {known}")
            if not path.startswith("/"):
                raise ValueError(f"paths: that of {name!r} must begin with /, not {path!r}")

    @property
    def address(self) -> str:
        """Where the server is, for people; without a secret."""
        return str(self.url)

    def url_for(self, kind: type[Command]) -> ServerURL:
        """Where a command of that class is sent.

        Raises:
            KeyError: when it cannot be sent over HTTP (`Ping`).
        """
        name = _NAMES[kind]
        task_url = self.task_url or self.url.sibling(_NAMES[SubmitTask])
        if name in self.paths:
            return task_url.at(self.paths[name])
        return task_url if kind is SubmitTask else task_url.sibling(name)

    def request_headers(self) -> dict[str, str]:
        """The headers of every request."""
        return with_token(self.headers, self.token)

    async def converse(
        self, attachment: Attachment, serve: Callable[[Link], Awaitable[None]]
    ) -> None:
        """Connect, run `serve` on the connection, and close it; see `Connector`."""
        await _over_http().converse(self, attachment, serve)


def _over_http() -> Any:
    """The half that needs httpx."""
    return importlib.import_module(".sse_link", __package__)
