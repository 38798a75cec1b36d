"""An HTTP server for ASGI applications that run under Trio.

`server` opens and closes, `visit` is the life of one connection, `inlet` what its bytes go
through, `protocol` Hypercorn's HTTP/1.1, `pending` one request, `exchange` what the
application sees of it. Only `visit` and `protocol` import Hypercorn.
"""

from .exchange import Exchange, Pieces, chunk, current_exchange
from .lifespan import ASGIApp
from .server import serve_app, serve_app_at

__all__ = [
    "ASGIApp",
    "Exchange",
    "Pieces",
    "chunk",
    "current_exchange",
    "serve_app",
    "serve_app_at",
]
