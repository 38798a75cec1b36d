"""The program, with tools that are hard to stop: `python -m tests.cli.stopping.stubborn serve`.

A task that is the name of one of them runs it; any other one is planned as usual.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

import trio

from tests.agent.stopping.programs import HEARS_NOTHING, python, sh
from trio_agent_rt.agent import Command, LLMRequest, LLMResponse, Tool, ToolCall, tool
from trio_agent_rt.agent.tools import default_tools
from trio_agent_rt.cli.commands import serve
from trio_agent_rt.cli.program import main
from trio_agent_rt.llm import OfflineClient

__all__ = ["FLOODED"]

_OWN_GROUP = "import os, time; os.fork() and os._exit(0); os.setpgid(0, 0); time.sleep(60)"
_FAMILY = f"""
{HEARS_NOTHING}
(sleep 60; sleep 60) &
(sleep 60 | cat) &
{python("")[0]} -S -E -c '{_OWN_GROUP}'
echo $$
wait; sleep 60
"""

FLOODED = "that was all"

_PIECES, _PIECE = 14, "x" * 500_000
"""More than sockets hold, and less than a viewer may hold up."""


@tool(name="family", cancellation="subprocess")
def family(call: ToolCall) -> Command:
    """Run a shell that ignores SIGTERM, with children in the background and an orphan."""
    return Command(sh(_FAMILY), stream=True, grace=0.3)


@tool(name="flood")
async def flood(call: ToolCall) -> None:
    """Say more than somebody takes who does not read, and wait."""
    for _ in range(_PIECES):
        call.output(_PIECE)
        await trio.sleep(0.1)
    call.output(FLOODED)
    await trio.sleep_forever()


@tool(name="hold", cancellation="thread")
def hold(call: ToolCall) -> None:
    """Hear nothing of a cancel: it is waited for as long as cleanup may take."""
    call.output("held")
    time.sleep(60)


_TOOLS: list[Tool] = [family, flood, hold]


class _Planner(OfflineClient):
    async def complete(self, request: LLMRequest) -> LLMResponse:
        asked = [each.content for each in request.messages if each.role == "user"]
        name = asked[-1].strip()
        if request.purpose == "plan" and name in {each.name for each in _TOOLS}:
            steps = [{"id": name, "name": name, "description": name, "tool": name}]
            return LLMResponse(text=json.dumps({"steps": steps}))
        return await super().complete(request)


def _tools(root: str | Path, **options: Any) -> list[Tool]:
    return [*default_tools(root=root, **options), *_TOOLS]


def _llm(name: str) -> Any:
    return _Planner()


if __name__ == "__main__":
    serve.default_tools = _tools
    serve.create_llm = _llm
    sys.exit(main())
