"""An HTTP server for ASGI applications that run under Trio.

`server` opens and closes, `visit` is the life of one connection, `inlet` what its bytes go
through, `protocol` Hypercorn's HTTP/1.1, `pending` one request, `exchange` what the
application sees of it. `reception` makes the visits, and answers what a short cut can.
Hypercorn is imported by what serves alone.
"""

from .exchange import LAST_CHUNK, Exchange, Pieces, chunk, current_exchange
from .lifespan import ASGIApp
from .server import serve_app, serve_app_at

__all__ = [
    "LAST_CHUNK",
    "ASGIApp",
    "Exchange",
    "Pieces",
    "chunk",
    "current_exchange",
    "serve_app",
    "serve_app_at",
]
