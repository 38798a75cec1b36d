"""How tools stop: one of each kind is run and cancelled, and the receipt says what happened.

    python examples/tool_kinds.py

A tool declares its kind, and `tools:list` shows it. Needs no server, but a POSIX system:
one of the tools runs a program.
"""

from __future__ import annotations

import logging
import sys
import threading

import trio

from trio_agent_rt import RealtimeAgent, RunningTask, StepOutput, TaskRun, ToolCall, tool
from trio_agent_rt.agent import Command, SubprocessTool, check_cancelled

let_go = threading.Event()


@tool()
async def count_down(call: ToolCall, start: int = 60) -> str:
    """Count down, a second each. Stops at once: every await is a place to stop at."""
    call.output("counting")
    for left in range(start, 0, -1):
        call.progress(100 * (1 - left / start), f"{left} s")
        await trio.sleep(1)
    return "lift-off"


@tool(cancellation="thread")
def count_primes(call: ToolCall, below: int = 10**9) -> int:
    """Count prime numbers. A plain function: it runs in a thread, and stops where it polls."""
    call.output("counting")
    found: list[int] = []
    for number in range(2, below):
        if number % 100 == 0:
            check_cancelled()
        if all(number % each for each in found if each * each <= number):
            found.append(number)
    return len(found)


@tool(cancellation="abandon")
def ask_the_oracle(call: ToolCall) -> str:
    """Wait for an answer that may never come. Nothing stops it: its thread is left behind."""
    call.output("asking")
    let_go.wait(60)
    return "forty-two"


class Stubborn(SubprocessTool):
    """Run a shell that ignores SIGTERM, and so do its children. All of them are killed."""

    def __init__(self, children: int) -> None:
        self.children = children

    def run(self, call: ToolCall) -> Command:
        script = "trap '' TERM; " + "sleep 60 & " * self.children + "echo running; wait"
        return Command(["sh", "-c", script], stream=True, grace=0.3)


TOOLS = [count_down, Stubborn(children=3).tool, count_primes, ask_the_oracle]


async def agent(task: str, run: TaskRun) -> object:
    """Runs the tool that the task names."""
    async with run.step(task) as step:
        step.result = await run.tools[task].run(step, {})
        return step.result


async def cancel_when_it_has_begun(task: RunningTask) -> None:
    async for event in task:
        if isinstance(event, StepOutput):
            receipt = await task.cancel("that was enough")
            assert receipt is not None
            print(f"  interrupted: {', '.join(receipt.interrupted)}")
            print(f"  cleanup: {receipt.cleanup}", receipt.cleanup_detail or "")


async def main() -> None:
    logging.basicConfig(stream=sys.stdout, format="  the log says: %(message)s")
    async with RealtimeAgent(agent, tools=TOOLS) as realtime:
        for info in realtime.tools.infos():
            print(f"{info.name} stops by: {info.cancellation}")
            await cancel_when_it_has_begun(realtime.submit(info.name))
    let_go.set()


if __name__ == "__main__":
    trio.run(main)
