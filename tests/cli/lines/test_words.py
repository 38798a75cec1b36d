"""Text from elsewhere cannot move the cursor, and numbers read well."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from trio_agent_rt.cli.lines import clean, marks_for, one_line, pretty, span
from trio_agent_rt.cli.lines.words import ASCII, UNICODE

anything = st.text(st.characters(codec=None, exclude_categories=())) | st.text(
    "\x1b[]31;mKx\x07\r\n\u202e"
)


@given(anything)
@example("\x1b\x1b[31m[31mred")
@example("\x1b]0;title\x07\u009b31m\ud800")
def test_nothing_that_a_terminal_obeys_is_left(text: str) -> None:
    left = clean(text)
    odd = [c for c in left if c != "\n" and unicodedata.category(c) in {"Cc", "Cs", "Zl", "Zp"}]
    assert odd == []
    assert not set(left) & set("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
    left.encode()


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("\x1b[1;31mred\x1b[0m", "red"),
        ("\x1b]0;own title\x07text", "text"),
        ("a\r\nb\rc\u2028d", "a\nb\nc\nd"),
        ("a\tb", "a    b"),
        ("很长 [bold]名字[/bold]", "很长 [bold]名字[/bold]"),
        ("half \ud83d", "half \ufffd"),
        ("family: \U0001f468\u200d\U0001f469", "family: \U0001f468\u200d\U0001f469"),
    ],
)
def test_what_people_read_is_left(text: str, left: str) -> None:
    assert clean(text) == left


@given(anything, st.integers(1, 50))
def test_one_line_is_one_and_not_too_long(text: str, limit: int) -> None:
    line = one_line(text, limit)
    assert "\n" not in line
    assert len(line) <= limit


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-1, "0.0 s"),
        (0.04, "0.0 s"),
        (9.94, "9.9 s"),
        (10, "10 s"),
        (59.9, "1 min 00 s"),
        (125, "2 min 05 s"),
        (7800, "2 h 10 min"),
    ],
)
def test_a_length_of_time_reads_well(seconds: float, text: str) -> None:
    assert span(seconds) == text


@pytest.mark.parametrize(
    ("output", "shown"),
    [
        ("as\x07 it is", "as it is"),
        ({"名": [1, None]}, '{\n  "名": [\n    1,\n    null\n  ]\n}'),
        (float("nan"), '"NaN"'),
    ],
)
def test_an_output_is_shown_as_text_or_as_json(output: object, shown: str) -> None:
    assert pretty(output) == shown


@pytest.mark.parametrize(
    ("encoding", "marks"),
    [("utf-8", UNICODE), ("ascii", ASCII), ("latin-1", ASCII), (None, ASCII), ("no such", ASCII)],
)
def test_marks_are_those_that_the_encoding_has(encoding: str | None, marks: object) -> None:
    assert marks_for(encoding) is marks
