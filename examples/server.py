"""A whole server: an agent with a language model, tools, tokens, and broadcasts of its own.

    python examples/server.py

It listens at ws://127.0.0.1:8080/ws until Ctrl-C. The environment may hold:

    OPENAI_API_KEY   to plan with OpenAI (pip install 'trio_agent_rt[openai]'); otherwise
                     the offline model does, which follows rules
    AGENT_TOKEN      what clients have to send as `Authorization: Bearer …`; otherwise
                     everybody on this machine may connect
    AGENT_ROOT       the folder that the tools may use; otherwise the current one
    PORT             otherwise 8080; 0 takes a free one
"""

from __future__ import annotations

import functools
import hmac
import os
import signal

import trio

from trio_agent_rt import (
    ConnectionRejected,
    Principal,
    RealtimeAgent,
    create_agent,
    default_tools,
    serve_websocket,
)
from trio_agent_rt.llm import OfflineClient, OpenAIClient
from trio_agent_rt.transports import Request

TOKEN = os.environ.get("AGENT_TOKEN")


def choose_llm() -> OpenAIClient | OfflineClient:
    return OpenAIClient() if os.environ.get("OPENAI_API_KEY") else OfflineClient()


async def authenticate(request: Request) -> Principal:
    """Who is behind a connection; sessions are shown to whoever made them, and nobody else."""
    await trio.lowlevel.checkpoint()  # A database could be asked here.
    if TOKEN is None:
        return Principal("anybody")
    given = request.headers.get("Authorization", "").removeprefix("Bearer ")
    if not hmac.compare_digest(given.encode(), TOKEN.encode()):
        raise ConnectionRejected(401, "a token is needed", {"WWW-Authenticate": "Bearer"})
    return Principal("whoever has the token")


async def announce(realtime: RealtimeAgent) -> None:
    """A message of the application's own, to everybody who watches, every minute."""
    started = trio.current_time()
    while True:
        uptime = round(trio.current_time() - started)
        realtime.broadcast("custom", {"message": "still here", "uptime": uptime})
        await trio.sleep(60)


async def main() -> None:
    async with choose_llm() as llm:
        tools = default_tools(root=os.environ.get("AGENT_ROOT", "."))
        agent = create_agent(llm=llm, tools=tools)
        async with (
            RealtimeAgent(agent, broadcast_interval=0.1, buffer_size=100) as realtime,
            trio.open_nursery() as nursery,
        ):
            serve = functools.partial(
                serve_websocket,
                realtime,
                port=int(os.environ.get("PORT", "8080")),
                path="/ws",
                authenticate=authenticate,
            )
            address = await nursery.start(serve)
            print(f"{llm.name} listens at {address.url}; Ctrl-C stops it", flush=True)
            nursery.start_soon(announce, realtime)
            with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
                await anext(signals)
            print("stopping: tasks have 5 s to finish", flush=True)
            await realtime.shut_down(drain_timeout=5)
            nursery.cancel_scope.cancel()


if __name__ == "__main__":
    trio.run(main)
