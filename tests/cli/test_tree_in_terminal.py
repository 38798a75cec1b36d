"""In a terminal the plan is a tree that fits, and questions are seen whole before a yes."""

from __future__ import annotations

import functools
import re
import shlex
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import trio

from trio_agent_rt.agent import TaskRun
from trio_agent_rt.protocol import PlanStep
from trio_agent_rt.realtime import RealtimeAgent
from trio_agent_rt.transports import serve_websocket

from .processes import command, in_terminal

_ERASED = re.compile(r"(?:\x1b\[1A\x1b\[2K)+")
"""What is written before a frame: the one before it is erased, row by row from below."""


def _heights(raw: str) -> set[int]:
    return {len(each) // len("\x1b[1A\x1b[2K") + 1 for each in _ERASED.findall(raw)}


@asynccontextmanager
async def _serving(agent: Callable[[str, TaskRun], Awaitable[object]]) -> AsyncGenerator[str]:
    async with RealtimeAgent(agent) as realtime, trio.open_nursery() as nursery:
        address = await nursery.start(functools.partial(serve_websocket, realtime, port=0))
        yield address.url
        nursery.cancel_scope.cancel()


async def test_branches_and_iterations_stand_below_the_step_around_them() -> None:
    go_on = trio.Event()

    async def agent(task: str, run: TaskRun) -> None:
        run.plan(
            [
                PlanStep(id="all", name="All at once", type="parallel"),
                PlanStep(id="read", name="Read", parent_id="all"),
                PlanStep(id="each", name="Each of two", type="loop", parent_id="all"),
                PlanStep(id="line.1", name="Line", parent_id="each"),
                PlanStep(id="line.2", name="Line", parent_id="each"),
                PlanStep(id="end", name="Save"),
            ]
        )
        async with run.step("all"):
            async with run.step("read") as read:
                read.progress(50, "half of it")
                read.output("些文字\nand the last words")
                async with run.step("each"):
                    async with run.step("line.1"):
                        pass
                    async with run.step("line.2"):
                        await go_on.wait()

    async with _serving(agent) as url:
        async with in_terminal("submit", url, "this", size=(24, 90)) as terminal:
            await terminal.shows_match(
                r"  . All at once +[\d.]+ s\n"
                r"  ├─ . Read +━{10}─{10}  50 %  [\d.]+ s  half of it\n"
                r"  │    │ 些文字\n"
                r"  │    │ and the last words\n"
                r"  └─ . Each of two +[\d.]+ s\n"
                r"     ├─ ✓ 1\. Line \([\d.]+ s\)\n"
                r"     └─ . 2\. Line +[\d.]+ s\n"
                r"  · Save\n"
                r". 1 of 6 steps · [\d.]+ s"
            )
            go_on.set()
            assert await terminal.ends() == 0
    kept = terminal.text[terminal.text.rindex("✓ All at once") - 2 :].splitlines()[:6]
    assert [re.sub(r"\(.*", "", row).rstrip() for row in kept] == [
        "  ✓ All at once",
        "    ✓ Read",
        "    ✓ Each of two",
        "      ✓ 1. Line",
        "      ✓ 2. Line",
        "  · Save",
    ]
    assert max(_heights(terminal.raw)) == 9


async def test_200_steps_fit_a_terminal_of_ten_rows_that_changes_its_size() -> None:
    go_on = [trio.Event() for _ in range(2)]

    async def agent(task: str, run: TaskRun) -> None:
        run.plan([PlanStep(id=str(n), name=f"step {n} 很长的中文名字") for n in range(200)])
        for n in range(101):
            async with run.step(str(n)) as step:
                step.output("".join(f"第{line}行 " + "长" * 60 + "\n" for line in range(9)))
                if n >= 99:
                    await go_on[n - 99].wait()

    async with _serving(agent) as url:
        async with in_terminal("submit", url, "this", size=(10, 40)) as terminal:
            await terminal.shows_match(r"  … 9[89] done\r?\n(?:.*\n)*?. step 99")
            await terminal.shows("to do")
            read = len(terminal.raw)
            assert max(_heights(terminal.raw)) <= 9
            terminal.resize(16, 70)
            await terminal.shows_match(r"  . step 99 很长的中文名字 +\d")
            go_on[0].set()
            await terminal.shows("step 100")
            await terminal.shows("100 of 200 steps")
            assert 10 < max(_heights(terminal.raw[read:])) <= 15
            terminal.resize(6, 30)
            go_on[1].set()
            assert await terminal.ends() == 0
    assert "  ✓ step 100 很长的中文名字" in terminal.text


async def test_what_was_not_shown_cannot_be_approved() -> None:
    async def agent(task: str, run: TaskRun) -> None:
        async with run.step("Write") as step:
            await step.confirm("\n".join(f"line {n} of it" for n in range(300)))

    async with _serving(agent) as url:
        async with in_terminal("submit", url, "this") as terminal:
            await terminal.shows("? Write")
            await terminal.shows("  │ line 199 of it\n")
            await terminal.shows("  100 more lines hidden. Allow it? [v to see")
            terminal.type("y\n")
            await terminal.shows("100 more lines of it are hidden: please type v to see them")
            terminal.type("v\n")
            await terminal.shows("  │ line 299 of it\n")
            await terminal.shows("  Allow it? [y/n")
            terminal.type("y\n")
            assert await terminal.ends() == 0


async def test_the_question_is_at_the_terminal_also_when_the_output_goes_to_a_file(
    tmp_path: Path,
) -> None:
    async def agent(task: str, run: TaskRun) -> None:
        async with run.step("Write") as step:
            await step.confirm("rm\n-rf")

    async with _serving(agent) as url:
        program = f"{shlex.join(command('submit', url, 'this', '--json'))} > lines"
        async with in_terminal("-c", program, program=["sh"], cwd=tmp_path) as terminal:
            await terminal.shows("? Write\n  │ rm\n  │ -rf\n  Allow it? [y/n")
            terminal.type("y\n")
            assert await terminal.ends() == 0
    assert (tmp_path / "lines").read_text().count("\n") > 5
