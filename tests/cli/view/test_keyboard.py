"""A line from the keyboard: never one from before the question, never a thread."""

from __future__ import annotations

import os
import pty
import threading
from collections.abc import Iterator

import pytest
import trio
import trio.testing

from trio_agent_rt.cli.view import Keyboard


@pytest.fixture
def terminal() -> Iterator[tuple[int, int]]:
    """The two ends of a terminal: where a person types, and where the program reads."""
    person, program = pty.openpty()
    yield person, program
    os.close(person)
    os.close(program)


async def test_a_line_is_read_without_a_thread(terminal: tuple[int, int]) -> None:
    person, program = terminal
    lines: list[str | None] = []
    threads = threading.active_count()

    async def read() -> None:
        lines.append(await Keyboard(program).read_line())

    with trio.fail_after(5):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(read)
            await trio.testing.wait_all_tasks_blocked()
            assert threading.active_count() == threads
            os.write(person, "  是的 \n".encode())
    assert lines == ["是的"]


async def test_the_end_of_input_is_none(terminal: tuple[int, int]) -> None:
    person, program = terminal
    lines: list[str | None] = []

    async def read() -> None:
        lines.append(await Keyboard(program).read_line())

    with trio.fail_after(5):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(read)
            await trio.testing.wait_all_tasks_blocked()
            os.write(person, b"\x04")
    assert lines == [None]


async def test_waiting_for_a_line_can_be_cancelled(terminal: tuple[int, int]) -> None:
    with trio.move_on_after(0.05) as scope:
        await Keyboard(terminal[1]).read_line()
    assert scope.cancelled_caught


@pytest.mark.parametrize(
    ("line", "meaning"),
    [
        ("y", True),
        (" YES ", True),
        ("是", True),
        ("n", False),
        ("No", False),
        ("", None),
        ("yn", None),
    ],
)
def test_only_a_clear_word_is_an_answer(line: str, meaning: bool | None) -> None:
    assert Keyboard.meaning(line) is meaning
