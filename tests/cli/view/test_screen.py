"""Plain lines and JSON: nothing that moves, nothing that is lost."""

from __future__ import annotations

import io

import pytest
import trio
import trio.testing
from rich.cells import cell_len
from rich.console import Console

from trio_agent_rt.cli.endings import OutputLost
from trio_agent_rt.cli.view import JsonScreen, PlainScreen, TerminalScreen
from trio_agent_rt.cli.view.screen import write_out
from trio_agent_rt.events import SessionView
from trio_agent_rt.protocol import (
    CustomEvent,
    Event,
    Plan,
    PlanCreated,
    PlanStep,
    Position,
    StepCompleted,
    StepResult,
    StepStatus,
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


@pytest.mark.parametrize("width", [20, 60])
def test_every_row_of_a_quoted_text_has_its_mark_in_a_terminal(width: int) -> None:
    stream = _Utf8()
    screen = TerminalScreen(stream, console=Console(file=stream, width=width, color_system=None))
    text = "x" * 37 + " 的" * 40 + "  Allow it? [y/n] y"
    screen.quote("Save", [text, "", "[b]y[/b]"])
    head, *rows = stream.getvalue().splitlines()
    assert head == "? Save"
    assert all(row.startswith("  │ ") and cell_len(row) < width for row in rows)
    assert "".join(row.removeprefix("  │ ") for row in rows) == f"{text}[b]y[/b]"


@pytest.mark.parametrize("width", [30, 60, 80])
def test_words_that_are_wrapped_have_one_blank_between_them(width: int) -> None:
    stream = _Utf8()
    screen = TerminalScreen(stream, console=Console(file=stream, width=width, color_system=None))
    text = " ".join("x" * (1 + number % 9) for number in range(200))
    screen.note(text, "pending")
    rows = [each.strip() for each in stream.getvalue().splitlines()]
    assert len(rows) > 3
    assert "  " not in "".join(rows)
    assert " ".join(rows).endswith(text)


@pytest.mark.parametrize("width", [20, 31, 80])
def test_a_language_without_blanks_gets_none_where_it_is_wrapped(width: int) -> None:
    stream = _Utf8()
    screen = TerminalScreen(stream, console=Console(file=stream, width=width, color_system=None))
    text = "由固定规则生成，未使用语言模型。" * 12
    screen.note(text, "pending")
    rows = stream.getvalue().splitlines()
    assert all(cell_len(row) <= width for row in rows)
    assert "".join(row.strip() for row in rows).endswith(text)


def _planned(status: StepStatus, *, ended: bool) -> SessionView:
    session = SessionView()
    steps = (PlanStep(id="a", name="Load", status=status, duration=100),)
    session.apply(PlanCreated(plan=Plan(id="p", steps=steps), task_id="0123456789"))
    if ended:
        session.apply(COMPLETED)
    return session


COMPLETED = TaskCompleted(
    success=True,
    outcome="succeeded",
    output=None,
    summary=None,
    duration=1,
    error=None,
    task_id="0123456789",
)


def test_the_plan_stays_in_the_terminal_when_its_task_has_ended() -> None:
    stream = _Utf8()
    console = Console(file=stream, color_system=None)
    screen = TerminalScreen(stream, console=console, label_tasks=True)
    screen.finish(COMPLETED, _planned("success", ended=True).ended)
    assert stream.getvalue() == "Task 01234567\n  ✓ Load (0.1 s)\n\n✓ Succeeded in 0.0 s\n"


@pytest.mark.parametrize("ended", [True, False])
async def test_the_plan_stays_in_the_terminal_when_the_view_is_left_before_its_end(
    ended: bool,
) -> None:
    stream = _Utf8()
    screen = TerminalScreen(stream, console=Console(file=stream, color_system=None))
    session = _planned("running", ended=ended)
    screen.show(PlanCreated(plan=Plan(id="p"), task_id="0123456789"), session)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(screen.animate)
        await trio.testing.wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()
    assert stream.getvalue().endswith("  ▸ Load\n") == (not ended)


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
