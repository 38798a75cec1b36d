"""Tools of an MCP server, one that somebody else has written, and its end.

    python examples/mcp_tools.py

Needs `pip install 'trio_agent_rt[mcp]' mcp-server-time`, and POSIX for the shell that notes the
server's process. The first task uses a server that the program keeps; the second one runs a
server of its own, and is cancelled: when the receipt comes, the server is gone.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

import trio

from trio_agent_rt import RealtimeAgent, StepProgressed, TaskRun
from trio_agent_rt.mcp import open_mcp_tools

COMMAND = [sys.executable, "-m", "mcp_server_time", "--local-timezone", "UTC"]


async def convert(task: str, run: TaskRun) -> object:
    """Says what time it is elsewhere, with a tool that all tasks share."""
    async with run.step("Convert") as step:
        arguments = {"source_timezone": "UTC", "time": "12:30", "target_timezone": task}
        step.result = await run.tools["time_convert_time"].run(step, arguments)
        return step.result


async def watch_the_clock(task: str, run: TaskRun) -> None:
    """Asks again and again, a server that is run for this task alone."""
    noting = ["sh", "-c", 'echo $$ > "$0"; exec "$@"', task, *COMMAND]
    async with open_mcp_tools(noting) as tools, run.step("Watch") as step:
        now = next(each for each in tools if each.name == "get_current_time")
        while True:
            shown = await now.run(step, {"timezone": "Asia/Tokyo"})
            step.progress(50, str(shown))
            await trio.sleep(0.1)


async def main() -> None:
    # Its word that it only reads is taken: this server we know.
    async with open_mcp_tools(COMMAND, prefix="time_", trust_hints=True) as tools:
        for each in tools:
            asked = "a person is asked" if each.needs_confirmation else "runs without asking"
            print(f"{each.name}: stops by {each.cancellation}, {asked}")
        async with RealtimeAgent(convert, tools=tools) as realtime:
            completed = await realtime.submit("Asia/Tokyo").wait()
            print(completed.outcome, completed.output)

    with tempfile.TemporaryDirectory() as folder:
        note = Path(folder) / "process"
        async with RealtimeAgent(watch_the_clock) as realtime:
            task = realtime.submit(str(note))
            async for event in task:
                if isinstance(event, StepProgressed):
                    print("Tokyo:", event.message)
                    receipt = await task.cancel("enough")
                    assert receipt is not None
                    print(f"cleanup: {receipt.cleanup}; the server lives: {lives(note)}")


def lives(note: Path) -> bool:
    """Whether the process is there whose number was noted."""
    try:
        os.kill(int(note.read_text()), 0)
    except ProcessLookupError:
        return False
    return True


if __name__ == "__main__":
    trio.run(main)
