"""The tasks that the README lists work as it says."""

from __future__ import annotations

import re
import shutil
from importlib import resources
from pathlib import Path

import pytest
from trio.testing import MockClock

from trio_agent_rt.agent import create_agent
from trio_agent_rt.agent.tools import default_tools
from trio_agent_rt.llm import OfflineClient
from trio_agent_rt.protocol import ConfirmationRequested
from trio_agent_rt.realtime import RealtimeAgent

from .pages import REPOSITORY

TASKS = [
    task
    for row in re.findall(
        r"^\| `(.+?)` \| `(.+?)` \|", (REPOSITORY / "README.md").read_text("utf-8"), re.MULTILINE
    )
    for task in row
]


@pytest.fixture
def clock() -> MockClock:
    """Twenty times as fast as real time; one that jumps would time out what waits for threads."""
    return MockClock(rate=20.0)


def test_the_readme_lists_tasks_in_both_languages() -> None:
    assert len(TASKS) >= 6
    assert {"wait 10 seconds", "等待10秒"} <= set(TASKS)


@pytest.mark.parametrize("task", TASKS)
async def test_a_task_of_the_readme_succeeds_and_asks_before_it_writes(
    task: str, tmp_path: Path, clock: MockClock
) -> None:
    with resources.as_file(resources.files("trio_agent_rt.cli") / "demo" / "sales.csv") as table:
        shutil.copy(table, tmp_path)
    agent = create_agent(llm=OfflineClient(), tools=default_tools(root=tmp_path))
    questions: list[str] = []
    async with RealtimeAgent(agent) as realtime:
        running = realtime.submit(task)
        async for event in running:
            if isinstance(event, ConfirmationRequested):
                questions.append(event.reason)
                assert len(list(tmp_path.iterdir())) == 1, "it wrote before it was allowed to"
                running.confirm(event.step_id)
        completed = await running.wait()

    assert completed.success, completed.error
    assert completed.summary
    saves = "save" in task or "保存" in task
    assert len(questions) == saves
    assert len(list(tmp_path.iterdir())) == 1 + saves
