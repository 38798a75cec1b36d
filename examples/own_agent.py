"""An agent of one's own: any async function, with steps, progress, a question, a cleanup.

    python examples/own_agent.py

Needs no server: who runs it follows it in the same process. To serve it, give it to a
`RealtimeAgent` and that to `serve_websocket`, as examples/server.py does.
"""

from __future__ import annotations

import trio

from trio_agent_rt import RealtimeAgent, TaskRun
from trio_agent_rt.errors import ConfirmationRejected
from trio_agent_rt.protocol import ConfirmationRequested, StepOutput, StepProgressed, StepStarted


async def bake(task: str, run: TaskRun) -> dict[str, str]:
    run.plan(["Knead", "Heat the oven", "Bake"])

    async with run.step("Knead") as step:
        for turn in range(1, 4):
            await trio.sleep(0.1)
            step.progress(100 * turn / 3, f"turn {turn} of 3")

    try:
        async with run.step("Heat the oven") as step:
            await step.confirm("The oven gets hot. Go on?", expires_after=60)
            step.output("220 °C")
    except ConfirmationRejected:
        return {"task": task, "gave": "dough"}  # A no need not be a failure.

    try:
        async with run.step("Bake") as step:
            await trio.sleep(2)
            step.result = "golden"
    finally:
        # Also when the task is cancelled. Awaiting works in here, for a bounded time, and
        # the task has not ended before it is done.
        async with run.cleanup():
            await trio.sleep(0.1)
            print("  (the oven is off)")
    return {"task": task, "gave": "a loaf"}


async def run(realtime: RealtimeAgent, text: str, *, allow: bool, cancel: bool = False) -> None:
    print(text)
    task = realtime.submit(text)
    async for event in task:
        match event:
            case StepProgressed():
                print(f"  {event.progress:.0f} % {event.message}")
            case StepOutput():
                print(f"  {event.text}")
            case ConfirmationRequested() if allow:
                print(f"  {event.reason} Yes.")
                task.confirm(event)
            case ConfirmationRequested():
                print(f"  {event.reason} No.")
                task.reject(event, "it is too hot already")
            case StepStarted(step_name="Bake") if cancel:
                receipt = await task.cancel("somebody is allergic")
                assert receipt is not None
                print(f"  cancelled after {receipt.duration} ms; cleanup: {receipt.cleanup}")
            case _:
                pass
    completed = await task.wait()
    print(f"  {completed.outcome}: {completed.output}")


async def main() -> None:
    async with RealtimeAgent(bake) as realtime:
        await run(realtime, "bread", allow=True)
        await run(realtime, "bread in summer", allow=False)
        await run(realtime, "bread with nuts", allow=True, cancel=True)


if __name__ == "__main__":
    trio.run(main)
