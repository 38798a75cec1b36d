"""trio_agent_rt: the public API, its defaults, one session that everybody watches."""

from __future__ import annotations

import functools
import inspect
from typing import Any

import trio

from trio_agent_rt import Limits, RealtimeAgent, TaskRun, serve_sse, serve_websocket

from ..publishing import NO_HEARTBEAT, announce, read_options, step_data
from .pacing import publish_events

__all__ = ["FAST_PATH", "fast_path_option"]

PADDING = 153
"""So that its events, which have a position besides, are as long as those of the others."""

FAST_PATH = "direct_writes"
"""What the option is called that switches writing straight to the sockets on or off."""


async def agent(task: str, run: TaskRun) -> None:
    """Nobody submits anything here."""


def fast_path_option(wanted: str, *may_take_it: Any) -> tuple[dict[str, bool], str | None]:
    """The option for whichever of these takes it, and what is to be said if none does."""
    if wanted == "default":
        return {}, None
    if not any(FAST_PATH in inspect.signature(each).parameters for each in may_take_it):
        return {}, f"this version has no option {FAST_PATH}: it was measured as it is"
    return {FAST_PATH: wanted == "on"}, None


def _only(options: dict[str, bool], function: Any) -> dict[str, Any]:
    return {k: v for k, v in options.items() if k in inspect.signature(function).parameters}


async def main() -> None:
    """Serve until standard input is closed."""
    options = read_options()
    serve: Any = serve_websocket if options.transport == "ws" else serve_sse
    fast_path, note = fast_path_option(options.fast_path, RealtimeAgent, Limits, serve)
    limits = Limits(
        max_connections=20_000, heartbeat_interval=NO_HEARTBEAT, **_only(fast_path, Limits)
    )
    realtime = RealtimeAgent(agent, limits=limits, **_only(fast_path, RealtimeAgent))
    async with realtime, trio.open_nursery() as nursery:
        address = await nursery.start(
            functools.partial(
                serve,
                realtime,
                port=0,
                choose_session=lambda request, principal: "bench",
                **_only(fast_path, serve),
            )
        )
        announce(address.port, "trio", "trio_agent_rt", note=note)

        def publish(number: int) -> None:
            realtime.broadcast("custom", step_data(number, PADDING))

        await publish_events(options, publish)


if __name__ == "__main__":
    trio.run(main)
