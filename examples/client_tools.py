"""What a server's agent can do, and a task with a context.

    python examples/server.py          in one terminal
    python examples/client_tools.py    in another

AGENT_URL and AGENT_TOKEN may say which server, and with which token.
"""

from __future__ import annotations

import os

import trio

from trio_agent_rt import open_websocket_client

URL = os.environ.get("AGENT_URL", "ws://127.0.0.1:8080/ws")


async def main() -> None:
    async with open_websocket_client(URL, token=os.environ.get("AGENT_TOKEN")) as client:
        for tool in await client.tools():
            parameters = ", ".join(tool.parameters.get("properties", {}))
            print(f"{tool.category:>8}  {tool.name}({parameters})  stops by: {tool.cancellation}")

        # The context is whatever the agent is to know beside the words: it gets it as
        # `run.context`, and the planning agent hands it to its language model.
        task = await client.submit("what is 3*(4+5)", context={"user": "Mei", "units": "metric"})
        print("result:", await task.result())


if __name__ == "__main__":
    trio.run(main)
