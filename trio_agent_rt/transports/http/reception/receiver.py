"""Makes the visits of one server."""

from __future__ import annotations

import logging
import ssl
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import trio
from attrs import evolve
from hypercorn.config import Config
from hypercorn.trio.worker_context import WorkerContext

from ...visitors import NoteProven, Visit
from ..lifespan import ASGIApp
from ..protocol import Service
from ..visit import Begun, HTTPVisit
from .shortcut import Answering, Shortcut, Told
from .visit import Reception

if TYPE_CHECKING:
    from ....realtime import RealtimeAgent

__all__ = ["receiver"]

_log = logging.getLogger(__name__)


def receiver(
    app: ASGIApp,
    state: dict[str, Any],
    realtime: RealtimeAgent,
    *,
    ssl_context: ssl.SSLContext | None,
    max_body_bytes: int,
    shortcut: Shortcut | None = None,
) -> Callable[[trio.abc.Stream, NoteProven], Visit]:
    """Makes the visits of one server.

    Args:
        state: what the application's lifespan has put there.
        shortcut: answers one resource of `app` instead of that; None for none.
    """
    config = Config()
    # Its access log would have queries and headers, which can hold secrets.
    config.accesslog = None
    config.errorlog = _log
    config.include_server_header = False
    service = Service(
        app=app,
        config=config,
        context=WorkerContext(None),
        state=state,
        max_body_bytes=max_body_bytes,
    )

    def receive(
        transport: trio.abc.Stream,
        note_proven: NoteProven,
        begun: Begun | None = None,
        told: Told | None = None,
    ) -> HTTPVisit:
        return HTTPVisit(
            realtime,
            service if told is None else evolve(service, app=Answering(told, service.app)),
            transport,
            ssl_context=ssl_context,
            note_proven=note_proven,
            begun=begun,
        )

    if shortcut is None:
        return receive

    def receive_first(transport: trio.abc.Stream, note_proven: NoteProven) -> Reception:
        return Reception(
            realtime.limits,
            shortcut,
            transport,
            ssl_context=ssl_context,
            note_proven=note_proven,
            hand_on=receive,
        )

    return receive_first
