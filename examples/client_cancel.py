"""Cancelling: `cancel()` returns when the work has ended, with a receipt.

    python examples/server.py          in one terminal
    python examples/client_cancel.py   in another

AGENT_URL and AGENT_TOKEN may say which server, and with which token.
"""

from __future__ import annotations

import os

import trio

from trio_agent_rt import TaskCancelled, open_websocket_client
from trio_agent_rt.protocol import StepProgressed

URL = os.environ.get("AGENT_URL", "ws://127.0.0.1:8080/ws")


async def main() -> None:
    async with open_websocket_client(URL, token=os.environ.get("AGENT_TOKEN")) as client:
        task = await client.submit("wait 10 seconds")
        async for event in task:
            if isinstance(event, StepProgressed):
                print(f"{event.progress:.0f} % {event.message}")
                if event.progress > 5:
                    break

        receipt = await task.cancel(reason="seen enough")
        if receipt is None:
            print("too late: the task was faster")
            return
        print("asked:", receipt.reason)
        print(f"ended {receipt.duration} ms later; nothing of it runs any more")
        print("interrupted:", ", ".join(receipt.interrupted))
        print("cleanup:", receipt.cleanup)

        try:
            await task.result()
        except TaskCancelled as cancelled:
            print("result() raises:", cancelled)


if __name__ == "__main__":
    trio.run(main)
