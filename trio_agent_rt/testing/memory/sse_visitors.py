"""Whoever connects to an SSE server in memory; imported when the first is served.

Quart and Hypercorn, which it needs, take a fifth of a second to import.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...transports.http.lifespan import Lifespan
from ...transports.http.reception.receiver import receiver
from ...transports.sse.app import make_app
from ...transports.sse.blueprint import make_blueprint
from ...transports.sse.paths import SSEPaths
from ...transports.sse.shortcut import StreamShortcut
from ...transports.visitors import Visitors

if TYPE_CHECKING:
    from ...realtime import RealtimeAgent
    from ...transports.admission import Admission

__all__ = ["sse_visitors"]


def sse_visitors(realtime: RealtimeAgent, admission: Admission) -> tuple[Lifespan, Visitors]:
    """The visitors of a server with nothing but our resources, and what is around them."""
    blueprint = make_blueprint(
        realtime, admission, SSEPaths(), name="trio_agent_rt", loopback_only=False
    )
    app = make_app(blueprint, admission, prefix="")
    lifespan = Lifespan(app)
    limits = realtime.limits
    path = SSEPaths().stream
    shortcut = StreamShortcut(realtime, admission, path) if realtime.direct_writes else None
    receive = receiver(
        app,
        lifespan.state,
        realtime,
        ssl_context=None,
        max_body_bytes=limits.max_message_bytes,
        shortcut=shortcut,
    )
    return lifespan, Visitors(realtime, receive, beside=None if shortcut is None else shortcut.run)
