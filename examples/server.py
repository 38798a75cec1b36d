"""A whole server: an agent with a language model, tools, tokens, and broadcasts of its own.

    python examples/server.py

It listens at ws://127.0.0.1:8080/ws and http://127.0.0.1:8081/sse, over the same sessions,
until Ctrl-C. The environment may hold:

    OPENAI_API_KEY   to plan with OpenAI (pip install 'trio_agent_rt[openai]'), or
    OPENAI_BASE_URL  with a server that speaks its format; otherwise the offline model does,
                     which follows rules
    AGENT_TOKEN      what clients have to send as `Authorization: Bearer …`: 22 characters or
                     more, of `secrets.token_urlsafe()` for example; otherwise everybody on
                     this machine may connect
    AGENT_ROOT       the folder that the tools may use; otherwise the current one
    PORT             of the WebSocket, otherwise 8080; 0 takes a free one
    HTTP_PORT        of SSE and the commands beside it, otherwise 8081
"""

from __future__ import annotations

import functools
import os
import signal

import trio

from trio_agent_rt import (
    BearerTokens,
    RealtimeAgent,
    SSEOptions,
    WebSocketOptions,
    create_agent,
    default_tools,
    serve,
)
from trio_agent_rt.llm import OfflineClient, OpenAIClient

TOKEN = os.environ.get("AGENT_TOKEN")


def choose_llm() -> OpenAIClient | OfflineClient:
    named = os.environ.get("OPENAI_API_KEY") or os.environ.get("OPENAI_BASE_URL")
    return OpenAIClient() if named else OfflineClient()


def choose_authentication() -> BearerTokens | None:
    """Who may connect; sessions are shown to whoever made them, and nobody else."""
    return BearerTokens({TOKEN: "whoever has the token"}) if TOKEN else None


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
            start = functools.partial(
                serve,
                realtime,
                websocket=WebSocketOptions(port=int(os.environ.get("PORT", "8080"))),
                sse=SSEOptions(port=int(os.environ.get("HTTP_PORT", "8081"))),
                authenticate=choose_authentication(),
            )
            at = await nursery.start(start)
            urls = f"{at.websocket.url} and {at.sse.url}"
            print(f"{llm.name} listens at {urls}; Ctrl-C stops it", flush=True)
            nursery.start_soon(announce, realtime)
            with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
                await anext(signals)
            print("stopping: tasks have 5 s to finish", flush=True)
            await realtime.shut_down(drain_timeout=5)
            nursery.cancel_scope.cancel()


if __name__ == "__main__":
    trio.run(main)
