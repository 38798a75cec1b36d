"""Secrets are masked wherever they are shown, and nothing else is changed."""

from __future__ import annotations

import itertools
import json
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trio_agent_rt.events import Redaction, Redactor
from trio_agent_rt.protocol import (
    ConfirmationRequested,
    CustomEvent,
    Event,
    Plain,
    Plan,
    PlanCreated,
    PlanStep,
    PlanUpdated,
    Receipt,
    StatusChanged,
    StepCompleted,
    StepFailed,
    StepOutput,
    StepProgressed,
    StepResult,
    StepStarted,
    TaskCompleted,
    to_jsonable,
)

KEY = "sk-0123456789abcdef"
ODD = 'pä"ss\nwörd'
REDACTION = Redaction({KEY: "OPENAI_API_KEY", ODD: "DB_PASSWORD"})


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("nothing", "nothing"),
        (f"key={KEY}!", "key=[OPENAI_API_KEY]!"),
        (f"{KEY}{KEY}", "[OPENAI_API_KEY][OPENAI_API_KEY]"),
        (json.dumps({"a": ODD}), '{"a": "[DB_PASSWORD]"}'),
        (json.dumps({"a": ODD}, ensure_ascii=False), '{"a": "[DB_PASSWORD]"}'),
        (f"?p={quote(ODD, safe='')}&x", "?p=[DB_PASSWORD]&x"),
        (KEY[:-1], KEY[:-1]),
        (f"it was {KEY[:10]}… (99 characters)", "it was [redacted]… (99 characters)"),
        ("a risk… sk", "a risk… sk"),
        (to_jsonable("x" * 100 + KEY, max_chars=114), f"{'x' * 100}[redacted]… [cut: 9 more"),
    ],
)
def test_a_secret_is_masked_in_every_form_of_a_text(text: str, shown: str) -> None:
    assert REDACTION.text(text).startswith(shown)
    assert REDACTION.text(text) == shown or "cut:" in shown


def test_of_two_secrets_that_begin_alike_the_longer_is_masked() -> None:
    assert Redaction({"abcd": "A", "abcdef": "B"}).text("abcdef abcd") == "[B] [A]"
    assert Redaction(["abcd"]).text("abcd") == "[redacted]"


def test_values_are_masked_however_deep_and_keys_too() -> None:
    value = {"a": [1, {KEY: (f"x{KEY}", None)}], "b": True}
    shown = {"a": [1, {"[OPENAI_API_KEY]": ["x[OPENAI_API_KEY]", None]}], "b": True}
    assert REDACTION.value(value) == shown


def test_secrets_of_the_environment_are_known_by_their_names() -> None:
    environ = {
        "OPENAI_API_KEY": "11111111",
        "GITHUB_TOKEN": "22222222",
        "db_password": "33333333",
        "SECRET": "44444444",
        "AWS_SECRET_ACCESS_KEY": "55555555",
        "SHORT_TOKEN": "1234567",
        "PATH": "/usr/bin:/bin",
        "TOKENIZERS_PARALLELISM": "false-false",
        "KEYBOARD": "keyboard-keyboard",
    }
    found = Redaction.of_environment(environ)
    assert found.text(" ".join(environ.values())) == (
        "[OPENAI_API_KEY] [GITHUB_TOKEN] [db_password] [SECRET] [AWS_SECRET_ACCESS_KEY] "
        "1234567 /usr/bin:/bin false-false keyboard-keyboard"
    )
    assert not Redaction.of_environment({})
    both = found | Redaction({KEY: "MINE"})
    assert both.text(f"{KEY} 22222222") == "[MINE] [GITHUB_TOKEN]"


def test_its_repr_tells_no_secret() -> None:
    assert repr(REDACTION) == "<Redaction of 2 secrets>"


EVENTS: list[Event] = [
    StatusChanged(state="executing", message=KEY),
    PlanCreated(plan=Plan(id="p", steps=(PlanStep(id="a", name=KEY, description=KEY),))),
    StepStarted(step_id="a", step_name=KEY, step_index=0, total_steps=1),
    StepProgressed(step_id="a", progress=1, message=KEY),
    StepOutput(step_id="a", text=KEY),
    StepCompleted(
        step_id="a",
        step_name=KEY,
        result=StepResult(status="success", duration=1, output=Plain({KEY: [KEY]})),
    ),
    StepFailed(step_id="a", step_name=KEY, error=KEY, will_retry=False),
    ConfirmationRequested(step_id="a", step_name=KEY, reason=KEY, expires_at=None),
    CustomEvent(type="custom", data={"x": KEY}),
    TaskCompleted(
        success=True,
        outcome="cancelled",
        output={"x": [KEY]},
        summary=KEY,
        duration=1,
        error=KEY,
        receipt=Receipt(
            task_id="t",
            reason=KEY,
            requested_at=1,
            ended_at=1,
            duration=0,
            interrupted=("a",),
            completed=(),
            cleanup="raised",
            cleanup_detail=KEY,
        ),
    ),
]


@pytest.mark.parametrize("event", EVENTS, ids=lambda each: type(each).__name__)
def test_no_event_tells_a_secret(event: Event) -> None:
    assert KEY in str(event)
    shown = REDACTION.event(event)
    assert KEY not in str(shown)
    assert "[OPENAI_API_KEY]" in str(shown)
    assert type(shown) is type(event)
    assert Redaction().event(event) is event


def test_an_event_without_a_secret_is_the_same_one() -> None:
    for event in (
        StepProgressed(step_id="a", progress=1, message="half way"),
        PlanCreated(plan=Plan(id="p", steps=(PlanStep(id="a", name="A", depends_on=("b",)),))),
    ):
        assert REDACTION.event(event) is event


def shown_of(pieces: list[str], redaction: Redaction = REDACTION) -> list[Event]:
    redactor = Redactor(redaction)
    said: list[Event] = [StepOutput(step_id="a", text=each) for each in pieces]
    said.append(StepFailed(step_id="a", step_name="A", error="x", will_retry=False))
    return [shown for each in said for shown in redactor.events(each)]


def text_of(events: list[Event]) -> str:
    return "".join(each.text for each in events if isinstance(each, StepOutput))


@given(st.data())
def test_a_secret_in_pieces_is_masked_all_the_same(data: Any) -> None:
    alphabet = st.sampled_from([KEY, KEY[:5], "s", "sk-", "… ", "x"])
    whole = "".join(data.draw(st.lists(alphabet, max_size=8)))
    cuts = data.draw(st.lists(st.integers(0, len(whole)), max_size=12).map(sorted))
    bounds = [0, *cuts, len(whole)]
    pieces = [whole[a:b] for a, b in itertools.pairwise(bounds)]
    text = text_of(shown_of(pieces))
    assert KEY not in text
    if "…" not in whole:
        assert text == whole.replace(KEY, "[OPENAI_API_KEY]")


def test_what_was_held_back_comes_before_the_end_of_its_step() -> None:
    events = shown_of(["the end: sk-"])
    assert [type(each) for each in events] == [StepOutput, StepOutput, StepFailed]
    assert text_of(events) == "the end: sk-"


def test_what_is_held_back_stays_so_when_the_plan_changes_around_its_step() -> None:
    redactor = Redactor(REDACTION)
    steps = [PlanStep(id="a", name="A"), PlanStep(id="b", name="B")]
    said: list[Event] = [
        StepOutput(step_id="a", text=KEY[:6]),
        PlanUpdated(plan=Plan(id="p", steps=steps)),
        StepOutput(step_id="a", text=KEY[6:]),
        StepOutput(step_id="b", text=KEY[:6]),
        PlanUpdated(plan=Plan(id="p", steps=steps[:1])),
    ]
    shown = [each for event in said for each in redactor.events(event)]
    assert text_of(shown) == "[OPENAI_API_KEY]" + KEY[:6]
