"""Plain lines and JSON: nothing that moves, nothing that is lost."""

from __future__ import annotations

import io

import pytest
import trio
import trio.testing
from rich.console import Console

from trio_agent_rt.cli.endings import OutputLost
from trio_agent_rt.cli.view import JsonScreen, PlainScreen, TerminalScreen
from trio_agent_rt.cli.view.screen import write_out
from trio_agent_rt.events import SessionView
from trio_agent_rt.protocol import (
    CustomEvent,
    Event,
    Position,
    StepCompleted,
    StepResult,
    TaskCompleted,
    decode_event,
)


def _done(name: str) -> StepCompleted:
    result = StepResult(status="success", duration=0, output=None)
    return StepCompleted(step_id="a", step_name=name, result=result, task_id="0123456789")


class _Utf8(io.StringIO):
    encoding = "utf-8"


def _plain(**options: bool) -> tuple[PlainScreen, io.StringIO, io.StringIO]:
    lines, prompts = _Utf8(), _Utf8()
    return PlainScreen(lines, prompts, clock=lambda: 5.0, **options), lines, prompts


def test_a_line_has_its_time_and_no_control_codes() -> None:
    screen, lines, _ = _plain()
    screen.show(_done("\x1b[1mLoad [b]\x1b[0m"), SessionView())
    assert lines.getvalue() == "    0.0  ✓ Load [b] (0.0 s)\n"


def test_a_stream_that_cannot_show_the_marks_gets_others() -> None:
    class Ascii(io.StringIO):
        encoding = "ascii"

    lines = Ascii()
    PlainScreen(lines, lines, clock=lambda: 5.0).show(_done("Load"), SessionView())
    assert lines.getvalue() == "    0.0  + Load (0.0 s)\n"


def test_a_line_names_its_task_where_there_are_several() -> None:
    screen, lines, _ = _plain(label_tasks=True)
    screen.show(_done("Load"), SessionView())
    assert lines.getvalue() == "    0.0  [01234567] ✓ Load (0.0 s)\n"


def test_lines_wait_behind_a_prompt_and_remarks_do_not() -> None:
    screen, lines, prompts = _plain()
    with screen.asking("Sure? ") as asked:
        screen.show(_done("Load"), SessionView())
        assert lines.getvalue() == ""
        screen.note("Ctrl-C")
        before = lines.getvalue()
        screen.show(_done("Save"), SessionView())
        assert lines.getvalue() == before
        asked.typed = True
    assert [line.strip().split("  ")[-1] for line in lines.getvalue().splitlines()] == [
        "✓ Load (0.0 s)",
        "Ctrl-C",
        "✓ Save (0.0 s)",
    ]
    assert prompts.getvalue() == "Sure? "


def test_a_prompt_that_is_taken_back_ends_its_line() -> None:
    screen, _, prompts = _plain()
    with pytest.raises(LookupError), screen.asking("Sure? "):
        raise LookupError
    assert prompts.getvalue() == "Sure? \n"


def test_json_is_the_wire_itself() -> None:
    stream = io.StringIO()
    screen = JsonScreen(stream, io.StringIO())
    completed = TaskCompleted(
        success=True, outcome="succeeded", output="两\n行", summary=None, duration=1, error=None
    )
    events: list[Event] = [
        _done("Load"),
        CustomEvent(type="news", data=[1], position=Position("e" * 16, 7), timestamp=8),
        completed,
    ]
    for event in events:
        screen.show(event, SessionView())
    screen.finish(completed, None)
    decoded = [decode_event(line) for line in stream.getvalue().splitlines()]
    assert [type(event) for event in decoded] == [type(event) for event in events]
    assert decoded[1] == events[1]


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (BrokenPipeError(32, "Broken pipe"), ""),
        (
            OSError(28, "No space left on device"),
            "cannot write the output: No space left on device",
        ),
    ],
)
def test_output_that_nobody_takes_is_a_complaint(error: OSError, said: str) -> None:
    class Full(io.StringIO):
        def flush(self) -> None:
            raise error

    with pytest.raises(OutputLost) as lost:
        write_out(Full(), "text")
    assert str(lost.value) == said


async def test_a_prompt_that_ends_with_the_drawing_does_not_start_it_again() -> None:
    """A cancel reaches both, in any order: the terminal is given back all the same."""
    for _ in range(20):
        stream = _Utf8()
        screen = TerminalScreen(stream, console=Console(file=stream, force_terminal=True))

        async def ask(screen: TerminalScreen = screen) -> None:
            with screen.asking("Sure? "):
                await trio.sleep_forever()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(screen.animate)
            await trio.testing.wait_all_tasks_blocked()
            nursery.start_soon(ask)
            await trio.testing.wait_all_tasks_blocked()
            nursery.cancel_scope.cancel()
        shown = stream.getvalue()
        assert shown.rfind("\x1b[?25h") > shown.rfind("\x1b[?25l")
