"""An app with our resources, and pages beside them: every error of it is JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING

import trio
from quart import Blueprint, Response
from quart_trio import QuartTrio
from werkzeug.exceptions import HTTPException

from .answers import NO_SUCH_METHOD, failure_of_status
from .blueprint import for_pages

if TYPE_CHECKING:
    from ..admission import Admission

__all__ = ["is_bare", "make_app"]


def make_app(
    blueprint: Blueprint, admission: Admission, *, prefix: str, pages: Blueprint | None = None
) -> QuartTrio:
    """A Quart-Trio app with `blueprint`, and `pages` if there are any, below `prefix`."""
    app = QuartTrio(__name__, static_folder=None)
    # The server around it has deadlines and limits for all of these, per connection.
    for name in ("RESPONSE_TIMEOUT", "BODY_TIMEOUT", "MAX_CONTENT_LENGTH"):
        app.config[name] = None
    for each in (blueprint, pages):
        if each is not None:
            app.register_blueprint(each, url_prefix=prefix or None)

    async def refuse(wrong: HTTPException) -> Response:
        await trio.lowlevel.checkpoint()
        status = wrong.code or 500
        message = {
            404: f"there is nothing here; resources are at {prefix or '/'}",
            405: NO_SUCH_METHOD,
        }.get(status, wrong.name)
        kept = {name: value for name, value in wrong.get_headers() if name == "Allow"}
        return for_pages(admission, failure_of_status(status, message, kept))

    app.register_error_handler(HTTPException, refuse)
    return app


def is_bare(app: QuartTrio) -> bool:
    """Whether nothing in it is told of each request, or has a part in each answer."""
    hooks = (
        app.before_request_funcs,
        app.after_request_funcs,
        app.teardown_request_funcs,
        app.url_value_preprocessors,
    )
    # Of a blueprint alone there may be any: pages are none of ours.
    return not any(each.get(None) for each in hooks) and "asgi_app" not in vars(app)
