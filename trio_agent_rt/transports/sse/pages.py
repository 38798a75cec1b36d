"""The seam to web pages: what a server shows to people beside its resources."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from quart import Blueprint

    from ..listeners import HTTPAddress, WebSocketAddress
    from .paths import SSEPaths

__all__ = ["Pages"]


class Pages(Protocol):
    """Pages at the port and below the prefix of `/sse`, such as `panel.Panel`."""

    def blueprint_at(
        self, *, http: HTTPAddress, paths: SSEPaths, websocket: WebSocketAddress | None
    ) -> Blueprint:
        """A blueprint with the pages. Called once, in a thread, before anybody is served.

        Args:
            http: where the pages and the resources beside them are.
            paths: of these resources.
            websocket: where WebSockets are taken, if they are.

        Raises:
            ValueError: when the pages could not work there.
        """
        ...
