"""SSE and HTTP commands: a blueprint for a Quart-Trio app, and a server of its own."""

from .pages import Pages
from .paths import SSEPaths
from .server import serve_sse, sse_blueprint

__all__ = ["Pages", "SSEPaths", "serve_sse", "sse_blueprint"]
