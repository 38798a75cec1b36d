"""The output of a step becomes whole, clean lines, in bounded memory."""

from __future__ import annotations

from collections.abc import Iterable

from hypothesis import given
from hypothesis import strategies as st

from trio_agent_rt.cli.lines import Activities, Activity
from trio_agent_rt.protocol import (
    StepCompleted,
    StepFailed,
    StepOutput,
    StepProgressed,
    StepResult,
    StepStarted,
    TaskCompleted,
)


def _written(pieces: Iterable[str]) -> list[str]:
    activity = Activity(0.0)
    return [line for piece in pieces for line in activity.write(piece)] + activity.finish()


@given(st.lists(st.text("ab\n中"), max_size=20))
def test_lines_do_not_depend_on_how_the_text_was_cut(pieces: list[str]) -> None:
    assert _written(pieces) == _written(["".join(pieces)])


def test_a_control_sequence_in_two_pieces_is_removed() -> None:
    assert _written(["red: \x1b[3", "1mtext\n"]) == ["red: text"]


def test_endless_output_without_a_line_break_is_broken() -> None:
    activity = Activity(0.0)
    lines = activity.write("x" * 100_000)
    assert max(map(len, lines)) == 4000
    assert sum(map(len, lines)) + len(activity.finish()[0]) == 100_000


def test_the_tail_is_the_last_lines_and_the_one_being_written() -> None:
    activity = Activity(0.0)
    activity.write("".join(f"{n}\n" for n in range(1000)) + "open")
    assert activity.tail(3) == ["998", "999", "open"]
    assert len(activity.tail(1000)) <= 21
    assert activity.lines == 1000


def _start(step_id: str, task_id: str = "t") -> StepStarted:
    return StepStarted(
        step_id=step_id, step_name=step_id, step_index=0, total_steps=1, task_id=task_id
    )


def test_a_step_that_has_ended_gives_its_last_line_and_is_forgotten() -> None:
    activities = Activities()
    activities.take(_start("a"), 1.0)
    activities.take(StepOutput(step_id="a", text="one\ntwo", task_id="t"), 2.0)
    result = StepResult(status="success", duration=1, output=None)
    ended = StepCompleted(step_id="a", step_name="a", result=result, task_id="t")

    activity, lines = activities.take(ended, 3.0)

    assert lines == ["two"]
    assert activity is not None
    assert activity.tail(5) == ["one", "two"]
    assert activities.of("t", "a") is None


def test_an_attempt_that_failed_takes_its_message_with_it() -> None:
    activities = Activities()
    activities.take(_start("a"), 1.0)
    activities.take(StepProgressed(step_id="a", progress=5, message="m", task_id="t"), 2.0)
    failed = StepFailed(step_id="a", step_name="a", error="e", will_retry=True, task_id="t")
    activities.take(failed, 3.0)
    activity = activities.of("t", "a")
    assert activity is not None
    assert (activity.message, activity.started_at) == ("", 1.0)


def test_the_end_of_a_task_forgets_its_steps_and_no_others() -> None:
    activities = Activities()
    activities.take(_start("a", "t"), 1.0)
    activities.take(_start("a", "other"), 1.0)
    completed = TaskCompleted(
        success=False,
        outcome="cancelled",
        output=None,
        summary=None,
        duration=1,
        error="cancelled",
        task_id="t",
    )
    activities.take(completed, 2.0)
    assert activities.of("t", "a") is None
    assert activities.of("other", "a") is not None
