"""A secret is recognised however it was escaped, and nothing else is taken for one."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Callable
from typing import Any
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trio_agent_rt.events import Redaction, Redactor
from trio_agent_rt.protocol import (
    CustomEvent,
    Event,
    Plain,
    StepCompleted,
    StepFailed,
    StepOutput,
    StepResult,
    TaskCompleted,
)

PEM = "-----BEGIN KEY-----\nMIIBVAIBADANBgkqh\nAAA+BBBBCCCC/+==\n-----END KEY-----\n"
QUOTED = 'p@ss"w\\rd-12345'
SPACED = "pass word/with+signs"
ACCENTS = "pä\"ss\nwörd \U0001f511 'x'"
PLAIN = "sk-0123456789abcdef"
SECRETS = {PEM: "PEM", QUOTED: "QUOTED", SPACED: "SPACED", ACCENTS: "ACCENTS", PLAIN: "PLAIN"}
REDACTION = Redaction(SECRETS)


def escaped_wholly(text: str) -> str:
    """Each character as `\\uXXXX`."""
    units = text.encode("utf-16-be")
    return "".join(f"\\u{units[at]:02x}{units[at + 1]:02X}" for at in range(0, len(units), 2))


def lower_hex(text: str) -> str:
    return re.sub("%..", lambda found: found[0].lower(), quote(text, safe=""))


def inside_json(text: str) -> str:
    return json.dumps(text)[1:-1]


def of_a_web_page(text: str) -> str:
    """As some write JSON that stands in HTML or goes through other programs."""
    written = inside_json(text).replace("/", "\\/")
    return written.replace('\\"', "\\u0022").replace("+", "\\u002B").replace("'", "\\u0027")


FORMS: dict[str, Callable[[str], str]] = {
    "as it is": str,
    "json": inside_json,
    "json of unicode": lambda text: json.dumps(text, ensure_ascii=False)[1:-1],
    "json in json": lambda text: inside_json(inside_json(text)),
    "json in json in json": lambda text: inside_json(inside_json(inside_json(text))),
    "json of a web page": of_a_web_page,
    "every character escaped": escaped_wholly,
    "the same in json": lambda text: inside_json(escaped_wholly(text)),
    "quote": lambda text: quote(text, safe=""),
    "quote of a path": quote,
    "quote_plus": quote_plus,
    "lower-case hex": lower_hex,
    "every byte in hex": lambda text: "".join(f"%{each:02x}" for each in text.encode()),
    "twice": lambda text: quote(quote(text, safe=""), safe=""),
    "json in a url": lambda text: quote(inside_json(text), safe=""),
    "a url in json": lambda text: inside_json(quote_plus(text)),
    "in one line": lambda text: " ".join(text.split()),
    "with other line ends": lambda text: text.replace("\n", "\r\n"),
    "with other line ends, in json": lambda text: inside_json(text.replace("\n", "\r\n")),
    "stripped": str.strip,
    "indented": lambda text: text.replace("\n", "\n      "),
}  # fmt: skip


@pytest.mark.parametrize("secret", SECRETS, ids=SECRETS.values())
@pytest.mark.parametrize("form", FORMS)
def test_a_secret_is_masked_however_it_is_escaped(form: str, secret: str) -> None:
    mask = f"[{SECRETS[secret]}]"
    shown = REDACTION.text(f"it's <{FORMS[form](secret)}>, 100% sure \\ that")
    kept = shown.replace("\n", "").replace("\\n", "").replace(" ", "").replace("%0A", "")
    assert kept.replace("\\", "").replace("+", "").startswith(f"it's<{mask}"), shown
    assert shown.endswith(">, 100% sure \\ that")
    assert len(shown) < 70


@given(st.data())
def test_a_disguised_secret_in_pieces_is_masked_all_the_same(data: Any) -> None:
    secret = data.draw(st.sampled_from(list(SECRETS)))
    disguised = FORMS[data.draw(st.sampled_from(list(FORMS)))](secret)
    around = st.text(st.sampled_from('ab \\%+u0041"\n'), max_size=6)
    whole = f"{data.draw(around)}<{disguised}>{data.draw(around)}"
    cuts = data.draw(st.lists(st.integers(0, len(whole)), max_size=12).map(sorted))
    redactor = Redactor(REDACTION)
    said: list[Event] = [
        StepOutput(step_id="a", text=whole[start:end])
        for start, end in itertools.pairwise([0, *cuts, len(whole)])
    ]
    said.append(StepFailed(step_id="a", step_name="A", error="x", will_retry=False))
    shown = [each for event in said for each in redactor.events(event)]
    text = "".join(each.text for each in shown if isinstance(each, StepOutput))
    assert text == REDACTION.text(whole)
    assert f"[{SECRETS[secret]}]" in text


@given(st.text(st.sampled_from('sk-01p@"\\%u0073 \n+/ws'), max_size=40))
def test_what_is_no_secret_is_left_as_it_is_and_comes_out_in_the_end(text: str) -> None:
    assert REDACTION.text(text) == text
    redactor = Redactor(REDACTION)
    shown = [*redactor.events(StepOutput(step_id="a", text=text))]
    shown += redactor.events(StepFailed(step_id="a", step_name="A", error="x", will_retry=False))
    assert "".join(each.text for each in shown if isinstance(each, StepOutput)) == text


def test_no_more_is_held_back_than_a_secret_may_have_in_disguise() -> None:
    for endless in ("\\" * 5000, " " * 5000, "%" * 5000, 'p@ss\\"w' + "\\" * 5000):
        assert REDACTION.held_back(endless) < 8 * len(PEM)


def test_the_mask_of_a_secret_leaves_json_that_can_be_read() -> None:
    secret = '"quoted\\"'
    text = json.dumps({"a": secret, "b": [json.dumps(secret)]})
    shown = json.loads(Redaction({secret: "X"}).text(text))
    assert shown["a"].rstrip("\\") == "[X]"
    assert "quoted" not in shown["b"][0]


def test_what_is_left_of_a_disguised_secret_before_a_cut_goes_too() -> None:
    beginning = inside_json(inside_json(QUOTED))[:10]
    assert REDACTION.text(f"it was {beginning}… (9 more)") == "it was [redacted]… (9 more)"
    assert REDACTION.text("it was \\u0070… (9 more)") == "it was \\u0070… (9 more)"


def test_a_secret_is_masked_where_it_has_become_a_number() -> None:
    redaction = Redaction({"8812345678": "PIN", "1234567.5": "RATE", "0099887766": "ZEROS"})
    value = {"pin": 8812345678, "a": [1234567.5, 8812345678.0, 99887766], "b": [True, 1, 2.5]}
    shown = {"pin": "[PIN]", "a": ["[RATE]", "[PIN]", "[ZEROS]"], "b": [True, 1, 2.5]}
    assert redaction.value(value) == shown
    result = StepResult(status="success", duration=1, output=Plain(8812345678))
    for event in (
        StepCompleted(step_id="a", step_name="A", result=result),
        CustomEvent(type="custom", data=value),
        TaskCompleted(
            success=True,
            outcome="succeeded",
            output=8812345678,
            summary=None,
            duration=1,
            error=None,
        ),
    ):
        assert "8812345678" not in str(redaction.event(event))


@pytest.mark.parametrize(
    "hostile", ["-----BEGIN\\n", "%73%", "\\\\\\u0073", "12345\\", "ss … ", "+ %20"]
)
def test_a_long_hostile_text_is_read_to_its_end(hostile: str) -> None:
    """Were the time not in proportion to the length, this would take hours."""
    text = hostile * 100_000
    assert REDACTION.text(text)
    REDACTION.held_back(text)
