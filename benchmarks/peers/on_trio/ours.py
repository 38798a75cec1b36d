"""trio_agent_rt: the public API, its defaults, one session that everybody watches."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, TypeAlias

import trio

from trio_agent_rt import Limits, RealtimeAgent, TaskRun, serve_sse, serve_websocket

from ..publishing import NO_HEARTBEAT, announce, read_options, step_data
from .pacing import publish_events

Publish: TypeAlias = Callable[[int], None]
"""Gives event number so and so to everybody."""

PADDING = 153
"""So that its events, which have a position besides, are as long as those of the others."""


async def agent(task: str, run: TaskRun) -> None:
    """Nobody submits anything here."""


async def main(around: Callable[[Publish], Publish] = lambda publish: publish) -> None:
    """Serve until standard input is closed.

    Args:
        around: what is put around publishing, once everything else is there.
    """
    options = read_options()
    serve: Any = serve_websocket if options.transport == "ws" else serve_sse
    realtime = RealtimeAgent(
        agent,
        limits=Limits(max_connections=20_000, heartbeat_interval=NO_HEARTBEAT),
        direct_writes=options.direct_writes != "off",
    )
    async with realtime, trio.open_nursery() as nursery:
        address = await nursery.start(
            functools.partial(
                serve,
                realtime,
                port=0,
                choose_session=lambda request, principal: "bench",
            )
        )
        announce(address.port, "trio", "trio_agent_rt")

        def publish(number: int) -> None:
            realtime.broadcast("custom", step_data(number, PADDING))

        await publish_events(options, around(publish))


if __name__ == "__main__":
    trio.run(main)
