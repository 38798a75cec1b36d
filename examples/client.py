"""A client: submit a task, follow it by typed events, answer its question, take the result.

    python examples/server.py          in one terminal, in a folder with sales.csv
    python examples/client.py          in another

AGENT_URL and AGENT_TOKEN may say which server, and with which token.
"""

from __future__ import annotations

import os
import sys

import trio

from trio_agent_rt import TaskFailed, open_websocket_client
from trio_agent_rt.protocol import (
    ConfirmationRequested,
    PlanCreated,
    StepCompleted,
    StepFailed,
    StepOutput,
    StepProgressed,
    StepStarted,
)

URL = os.environ.get("AGENT_URL", "ws://127.0.0.1:8080/ws")
TASK = sys.argv[1] if len(sys.argv) > 1 else "analyse sales.csv and save a report"


async def main() -> None:
    async with open_websocket_client(URL, token=os.environ.get("AGENT_TOKEN")) as client:
        task = await client.submit(TASK)
        async for event in task:
            match event:
                case PlanCreated():
                    print("plan:", " → ".join(each.name for each in event.plan.steps))
                case StepStarted():
                    print(f"step {event.step_index + 1} of {event.total_steps}: {event.step_name}")
                case StepProgressed():
                    print(f"  {event.progress:.0f} % {event.message}")
                case StepOutput():
                    print(event.text, end="")
                case ConfirmationRequested():
                    print("asked:", event.reason.split("\n")[0])
                    await task.confirm(event)  # or task.reject(event, "why not")
                case StepCompleted():
                    print(f"  done in {event.result.duration} ms")
                case StepFailed():
                    print("  failed:", event.error, "(trying again)" if event.will_retry else "")
                case _:
                    pass
        try:
            print("result:", await task.result())
        except TaskFailed as failed:
            print("the task failed:", failed)
        print("in words:", (await task.wait()).summary)


if __name__ == "__main__":
    trio.run(main)
