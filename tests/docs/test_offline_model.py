"""The page of the offline model and the offline model say the same.

For a new row, write the task and nothing; the failure tells what to write.
"""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from trio_agent_rt.agent import ChatMessage, LLMRequest, ToolSet, parse_plan
from trio_agent_rt.agent.tools import default_tools
from trio_agent_rt.llm import OfflineClient

from .pages import REPOSITORY

PAGE = REPOSITORY / "docs" / "reference" / "offline-model.md"
TOOLS = ToolSet(default_tools())
ROWS: dict[str, str] = dict(
    re.findall(r"^\| `(.+?)` \| (.*?) \|$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
)


async def plan(task: str) -> dict[str, Any]:
    request = LLMRequest(
        messages=[ChatMessage(role="user", content=task)], purpose="plan", tools=TOOLS.infos()
    )
    return json.loads((await OfflineClient().complete(request)).text)


def told(planned: dict[str, Any]) -> str:
    """What the page says of a plan, or of why there is none."""
    if "error" in planned:
        sentence = re.match(r".+?(?<!\.csv)(?<!\.md)[.;；。](?=\s|$|[^A-Za-z])", planned["error"])
        assert sentence is not None
        return f"*{sentence[0].rstrip('.;；。')}*"
    return " → ".join(step(each) for each in planned["steps"])


def step(planned: dict[str, Any]) -> str:
    shown: list[str] = []
    for name, value in planned["arguments"].items():
        text = re.sub(r"\{\{step_(\d+)\.output(?:\.(\w+))?\}\}", r"<\1 \2>", str(value))
        text = text.replace(" >", ">").replace("\n", " ").strip()
        if name not in ("language", "title", "unique"):
            shown.append(f"{name}={text if len(text) <= 45 else '…'}")
    asks = ", asks first" if planned["needConfirmation"] else ""
    return f"`{planned['tool']}({', '.join(shown)})`{asks}"


def test_there_are_forty_tasks_in_two_languages_and_some_that_cannot_be_done() -> None:
    planned = [task for task, says in ROWS.items() if not says.startswith("*")]
    chinese = [task for task in planned if re.search(r"[\u4e00-\u9fff]", task)]
    assert len(chinese) >= 20
    assert len(planned) - len(chinese) >= 20
    assert len(ROWS) - len(planned) >= 6


@pytest.mark.parametrize("task", ROWS)
async def test_a_task_gives_the_plan_that_the_page_tells(task: str) -> None:
    assert told(await plan(task)) == ROWS[task]


@pytest.mark.parametrize("task", [each for each in ROWS if not ROWS[each].startswith("*")])
async def test_a_plan_of_the_page_can_be_run(task: str) -> None:
    planned = await plan(task)
    assert {each["type"] for each in planned["steps"]} == {"tool"}
    parse_plan(json.dumps(planned), TOOLS, max_steps=50)
