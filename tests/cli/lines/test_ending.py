"""The last lines of a task say what it gave, what a cancel did, and how it ended."""

from __future__ import annotations

from typing import Any

import pytest

from trio_agent_rt.cli.lines import ending
from trio_agent_rt.events import TaskView
from trio_agent_rt.protocol import (
    ConfirmationRecord,
    PlanStep,
    Receipt,
    TaskCompleted,
    Usage,
)


def _completed(**fields: Any) -> TaskCompleted:
    usual: dict[str, Any] = {
        "success": True,
        "outcome": "succeeded",
        "output": None,
        "summary": None,
        "duration": 1234,
        "error": None,
    }
    return TaskCompleted(**usual | fields)


def _texts(completed: TaskCompleted, **options: Any) -> list[str]:
    return [line.text for line in ending(completed, options.pop("task", None), **options)]


@pytest.mark.parametrize(
    ("fields", "last"),
    [
        ({}, ("success", "Succeeded in 1.2 s")),
        (
            {"outcome": "failed", "error": "no\ndisk"},
            ("failed", "Failed after 1.2 s: no disk"),
        ),
        ({"outcome": "failed"}, ("failed", "Failed after 1.2 s: no reason was given")),
        ({"outcome": "cancelled"}, ("cancelled", "Cancelled after 1.2 s")),
    ],
)
def test_the_last_line_says_how_it_ended(fields: dict[str, Any], last: tuple[str, str]) -> None:
    line = list(ending(_completed(**fields), None))[-1]
    assert (line.kind, line.text) == last


def test_output_and_summary_come_before() -> None:
    texts = _texts(_completed(output={"a": 1}, summary="All\x07 well."))
    assert texts == [
        *("", "Output:", "{", '  "a": 1', "}"),
        *("", "Summary:", "All well."),
        *("", "Succeeded in 1.2 s"),
    ]


@pytest.mark.parametrize("output", [None, ""])
def test_no_output_is_not_mentioned(output: object) -> None:
    assert _texts(_completed(output=output)) == ["", "Succeeded in 1.2 s"]


@pytest.mark.parametrize("output", [0, False, []])
def test_an_output_that_counts_as_false_is_shown(output: object) -> None:
    assert "Output:" in _texts(_completed(output=output))


def test_a_long_output_is_cut_only_where_it_is_asked_for() -> None:
    completed = _completed(output="\n".join(map(str, range(1000))))
    assert len(_texts(completed)) > 1000
    texts = _texts(completed, max_lines=3)
    assert texts[2:5] == ["0", "1", "2"]
    assert texts[5].startswith("(997 more lines")


def test_a_long_line_is_cut_only_where_it_is_asked_for() -> None:
    completed = _completed(output="x" * 5000)
    assert "x" * 5000 in _texts(completed)
    assert _texts(completed, max_lines=3)[2] == "x" * 2000 + "… (3,000 more characters)"


def test_a_receipt_names_the_steps() -> None:
    receipt = Receipt(
        task_id="t",
        reason="Ctrl-C",
        requested_at=0,
        ended_at=7,
        duration=7,
        interrupted=("b", "unknown"),
        completed=(),
        cleanup="timed_out",
        cleanup_detail="b",
    )
    task = TaskView("t", steps={"b": PlanStep(id="b", name="Bake")})
    texts = _texts(_completed(outcome="cancelled", receipt=receipt), task=task)
    assert texts[1:7] == [
        "Receipt:",
        "reason       Ctrl-C",
        "ended        7 ms after it was asked to",
        "interrupted  Bake, unknown",
        "completed    nothing",
        "cleanup      timed out: b",
    ]


def test_who_has_decided_and_what_models_took_is_told() -> None:
    asked: dict[str, Any] = {"step_id": "a", "question": "?", "asked_at": 1, "closed_at": 2}
    texts = _texts(
        _completed(
            confirmations=[
                ConfirmationRecord(step_name="Save", outcome="approved", by="ann", **asked),
                ConfirmationRecord(step_name="Send", outcome="rejected", reason="no\x07", **asked),
                ConfirmationRecord(step_name="Burn", outcome="expired", **asked),
            ],
            usage=Usage(input_tokens=1234, output_tokens=5),
        )
    )
    assert texts == [
        *("", "Confirmations:"),
        *("Save: approved by ann", "Send: rejected: no", "Burn: expired"),
        *("", "Tokens: 1,234 sent, 5 received", "Succeeded in 1.2 s"),
    ]
