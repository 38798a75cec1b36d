"""What the panel's page is made of, over HTTP: files, and where everything is.

None of it needs to know who asks: the files hold no secret, and everything that does is
asked for by the page, of the resources beside it.
"""

from __future__ import annotations

import hashlib
import importlib.resources
import mimetypes
import re
from collections.abc import Iterator, Mapping
from importlib.resources.abc import Traversable
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import msgspec
import quart
import trio
from attrs import field, frozen
from quart import Blueprint, Response

if TYPE_CHECKING:
    from ..transports import HTTPAddress, WebSocketAddress
    from .panel import Panel

__all__ = ["make_blueprint"]

_PACKAGE = __name__.rpartition(".")[0]
_PAGE = "index.html"

_TYPES = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}
"""Whatever the machine's own list says: a module of another type is not run."""

_HEADERS = {
    # Kept, and asked for again each time: after an update no page runs half of each.
    "Cache-Control": "no-cache",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
}

_HOST = re.compile(r"([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(:\d+)?", re.ASCII)


@frozen(kw_only=True)
class _File:
    """A file of the page."""

    body: bytes
    content_type: str
    etag: str = field(init=False)

    def __attrs_post_init__(self) -> None:
        object.__setattr__(self, "etag", hashlib.sha256(self.body).hexdigest()[:32])


def make_blueprint(
    panel: Panel, *, name: str, http: HTTPAddress | None, websocket: WebSocketAddress | None
) -> Blueprint:
    """A blueprint with the page at `/`, and below `/panel/` what it is made of.

    Args:
        http: where it is going to be, when that is known.
        websocket: where WebSockets are taken, if they are.
    """
    files = dict(_read_files())
    page = files.pop(_PAGE)
    settings = msgspec.json.encode(_settings(panel, http, websocket))
    files["settings.json"] = _File(body=settings, content_type="application/json")

    async def show_page() -> Response:
        await trio.lowlevel.checkpoint()
        response = _answer(page)
        response.headers["Content-Security-Policy"] = _policy(panel, websocket)
        response.headers["X-Frame-Options"] = "DENY"  # for what is older than frame-ancestors
        return response

    async def show_file(path: str) -> Response:
        await trio.lowlevel.checkpoint()
        found = files.get(path)
        if found is None:
            quart.abort(404)
        return _answer(found)

    blueprint = Blueprint(name, __name__)
    blueprint.add_url_rule("/", endpoint="page", view_func=show_page)
    blueprint.add_url_rule("/panel/<path:path>", endpoint="file", view_func=show_file)
    return blueprint


def _settings(
    panel: Panel, http: HTTPAddress | None, websocket: WebSocketAddress | None
) -> Mapping[str, Any]:
    """What the page has to be told."""
    own: Mapping[str, Any] | None = None
    if websocket is not None:
        secure, path = websocket.url.startswith("wss:"), urlsplit(websocket.url).path
        own = {"port": websocket.port, "path": path, "secure": secure}
    served: Mapping[str, Any] | None = None
    if http is not None:
        served = {"port": http.port, "secure": http.url.startswith("https:")}
    return {
        "title": panel.title,
        "examples": panel.examples,
        "http": {"url": panel.http_url, "served": served},
        "websocket": {"url": panel.websocket_url, "served": own},
    }


def _answer(file: _File) -> Response:
    """The file, or 304 for whoever has it."""
    known = file.etag in quart.request.if_none_match
    response = Response(b"" if known else file.body, 304 if known else 200)
    response.headers["Content-Type"] = file.content_type
    response.set_etag(file.etag)
    for name, value in _HEADERS.items():
        response.headers[name] = value
    return response


def _policy(panel: Panel, websocket: WebSocketAddress | None) -> str:
    """What the page may do: use its own files, and connect to its own server."""
    connect = ["'self'"]
    if panel.websocket_url is not None:
        parts = urlsplit(panel.websocket_url)
        connect.append(_source(parts.scheme, parts.netloc))
    elif websocket is not None and (host := _HOST.fullmatch(quart.request.host)):
        # The page may have come by any name of this machine; its WebSocket is at the same.
        scheme = urlsplit(websocket.url).scheme
        connect.append(_source(scheme, f"{host[1]}:{websocket.port}"))
    return "; ".join(
        (
            "default-src 'none'",
            "script-src 'self'",
            "style-src 'self'",
            f"connect-src {' '.join(connect)}",
            "img-src 'self'",
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'none'",
        )
    )


def _source(scheme: str, netloc: str) -> str:
    """An origin as a policy names it: addresses of IPv6 cannot be named, only their scheme can."""
    return f"{scheme}:" if "[" in netloc else f"{scheme}://{netloc}"


def _read_files() -> Iterator[tuple[str, _File]]:
    yield from _files_below(importlib.resources.files(_PACKAGE) / "static", "")


def _files_below(folder: Traversable, prefix: str) -> Iterator[tuple[str, _File]]:
    for each in folder.iterdir():
        name = prefix + each.name
        if each.is_dir():
            yield from _files_below(each, f"{name}/")
        else:
            suffix = each.name[each.name.rfind(".") :]
            kind = _TYPES.get(suffix) or mimetypes.guess_type(each.name)[0] or "text/plain"
            charset = "; charset=utf-8" if kind.startswith("text/") else ""
            yield name, _File(body=each.read_bytes(), content_type=kind + charset)
