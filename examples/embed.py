"""The library inside a Trio program: a server and a client of it, twenty lines.

    python examples/embed.py

The agent's own tasks, the connections and yours are all Trio tasks of one program.
"""

from __future__ import annotations

import functools

import trio

from trio_agent_rt import (
    RealtimeAgent,
    create_agent,
    default_tools,
    open_websocket_client,
    serve_websocket,
)
from trio_agent_rt.llm import OfflineClient


async def main() -> None:
    agent = create_agent(llm=OfflineClient(), tools=default_tools())
    async with RealtimeAgent(agent) as realtime, trio.open_nursery() as nursery:
        # Your own Trio tasks live in this nursery too; its cancel ends all of them alike.
        address = await nursery.start(functools.partial(serve_websocket, realtime, port=0))
        async with open_websocket_client(address.url) as client:
            task = await client.submit("what is 6*7")
            async for event in task:
                print(type(event).__name__)
            print(await task.result())
        nursery.cancel_scope.cancel()


if __name__ == "__main__":
    trio.run(main)
