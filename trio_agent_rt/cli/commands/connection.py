"""What the commands that speak to a server have in common."""

from __future__ import annotations

import argparse
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import trio

from ...clients import AgentClient, open_sse_client, open_websocket_client
from ..endings import Complaint
from ..options import token_of
from ..view import Screen

__all__ = ["connect"]

_LOOK_INTERVAL = 0.2
_LOOKS = 3
"""A connection that is back before so many looks was hardly gone."""


@asynccontextmanager
async def connect(options: argparse.Namespace, screen: Screen) -> AsyncGenerator[AgentClient]:
    """A client for the options `url`, `token_env` and, where there is one, `session`.

    The scheme of the URL says which transport it is: `http` and `https` stand for SSE.

    While it is in use, the screen tells when its connection is gone and when it is back.

    Raises:
        Complaint: when the options make no sense.
        ClientError, ConnectionRejected: when there is no connection.
    """
    scheme = options.url.partition(":")[0].lower()
    open_client = open_sse_client if scheme in {"http", "https"} else open_websocket_client
    try:
        client = open_client(
            options.url, token=token_of(options), session=getattr(options, "session", None)
        )
    except ValueError as exc:
        raise Complaint(str(exc)) from None
    async with client, trio.open_nursery() as nursery:
        nursery.start_soon(_tell_cuts, client, screen)
        yield client
        nursery.cancel_scope.cancel(reason="the client is being left")


async def _tell_cuts(client: AgentClient, screen: Screen) -> None:
    looks_without = 0
    while True:
        await trio.sleep(_LOOK_INTERVAL)
        looks_without = 0 if client.connected else looks_without + 1
        if looks_without == _LOOKS:
            screen.hint = "the connection is gone; trying to get it back"
            screen.note(screen.hint)
        elif screen.hint and not looks_without:
            screen.hint = ""
            screen.note("connected again")
