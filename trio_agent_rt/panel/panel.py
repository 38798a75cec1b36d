"""`Panel`: the page, for a server of ours or an app of the user's."""

from __future__ import annotations

import importlib
from collections.abc import Iterable
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from attrs import Attribute, field, frozen

from ..transports import HTTPAddress, SSEPaths, WebSocketAddress

if TYPE_CHECKING:
    from quart import Blueprint

__all__ = ["Panel"]


def _examples(given: Iterable[str]) -> tuple[str, ...]:
    if isinstance(given, str):
        raise TypeError(f"examples: write a list, [{given!r}]")
    return tuple(given)


def _is_websocket_url(_: object, attribute: Attribute[str | None], value: str | None) -> None:
    if value is None:
        return
    parts = urlsplit(value)
    if parts.scheme not in {"ws", "wss"} or not parts.hostname or set(value) & set(" ;,#?'\""):
        raise ValueError(
            f"{attribute.name}: write it as wss://agent.example.com/ws, without a query, "
            f"not {value!r}"
        )


def _is_relative_url(_: object, attribute: Attribute[str], value: str) -> None:
    parts = urlsplit(value)
    if parts.scheme or parts.netloc or parts.query or parts.fragment or value.endswith("/"):
        raise ValueError(
            f"{attribute.name}: a path of the page's own origin without a / at its end, "
            f"'../agent' for example, not {value!r}"
        )


@frozen(kw_only=True)
class Panel:
    """A page from which people submit tasks, follow, answer and cancel them.

    `serve(realtime, pages=Panel())` shows it at `/` of the HTTP port. In a Quart app of
    yours: `app.register_blueprint(Panel(http_url="../agent").blueprint(),
    url_prefix="/panel")`.

    The page and its modules are served to everybody: they hold no secret. Where the server
    asks who somebody is, the page asks for a token, keeps it for as long as its tab lives,
    and connects with tickets; cookies of the same origin do as well.

    Args:
        title: what the page is called.
        examples: texts of tasks, shown as buttons while there is no task yet.
        websocket_url: where browsers find the WebSocket, `wss://agent.example.com/ws` for
            example. None: beside the page if that came by another port than this server's
            own, through a proxy or a tunnel; at this server's own address otherwise.
        http_url: where `/sse`, `/task` and so on are, as seen from the page; it has to be
            the same origin.

    Raises:
        ValueError: when one of the URLs cannot be one.
    """

    title: str = "Agent panel"
    examples: tuple[str, ...] = field(default=(), converter=_examples)
    websocket_url: str | None = field(default=None, validator=_is_websocket_url)
    http_url: str = field(default=".", validator=_is_relative_url)

    def blueprint(self, *, name: str = "trio_agent_rt_panel") -> Blueprint:
        """The page for a Quart app, at `/` of the prefix that it is registered with.

        `sse_blueprint` has to be in the same app, at `http_url`. Without a `websocket_url`
        the page uses SSE.

        Args:
            name: of the blueprint; an app that mounts two needs two names.
        """
        return self._make(name, http=None, websocket=None)

    def blueprint_at(
        self, *, http: HTTPAddress, paths: SSEPaths, websocket: WebSocketAddress | None
    ) -> Blueprint:
        """The page for `serve` and `serve_sse`, which call this.

        Args:
            http: where the page is.
            paths: of the resources beside it.
            websocket: where WebSockets are taken, if they are.

        Raises:
            ValueError: when a resource has another path than the page looks for.
        """
        if paths != SSEPaths():
            raise ValueError("the panel needs the resources at their own paths: leave out `paths`")
        return self._make("trio_agent_rt_panel", http=http, websocket=websocket)

    def _make(
        self, name: str, *, http: HTTPAddress | None, websocket: WebSocketAddress | None
    ) -> Blueprint:
        # Quart is imported when somebody wants a page, and not before.
        make = importlib.import_module(".blueprint", __package__).make_blueprint
        blueprint: Blueprint = make(self, name=name, http=http, websocket=websocket)
        return blueprint
