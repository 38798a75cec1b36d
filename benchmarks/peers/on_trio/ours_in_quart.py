"""trio_agent_rt in a Quart-Trio application: a blueprint of its own among the user's routes."""

from __future__ import annotations

import functools

import trio
from quart_trio import QuartTrio

from trio_agent_rt import Limits, RealtimeAgent, serve_app, sse_blueprint

from ..publishing import NO_HEARTBEAT, announce, read_options, step_data
from .ours import PADDING, agent
from .pacing import publish_events


async def main() -> None:
    """Serve until standard input is closed."""
    options = read_options()
    realtime = RealtimeAgent(
        agent,
        limits=Limits(max_connections=20_000, heartbeat_interval=NO_HEARTBEAT),
        direct_writes=options.direct_writes != "off",
    )
    app = QuartTrio(__name__)
    blueprint = sse_blueprint(realtime, choose_session=lambda request, principal: "bench")
    app.register_blueprint(blueprint)
    async with realtime, trio.open_nursery() as nursery:
        address = await nursery.start(functools.partial(serve_app, app, realtime, port=0))
        announce(address.port, "trio", "trio_agent_rt", "quart", "quart-trio", "hypercorn")

        def publish(number: int) -> None:
            realtime.broadcast("custom", step_data(number, PADDING))

        await publish_events(options, publish)


if __name__ == "__main__":
    trio.run(main)
