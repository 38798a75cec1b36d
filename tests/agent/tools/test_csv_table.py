"""CSV is read as people save it, and what cannot be read is said with its line."""

from __future__ import annotations

import csv
import io

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st

from trio_agent_rt.agent.tools import csv_parse
from trio_agent_rt.errors import ToolError

from .recorded import RecordedCall, run


async def test_rows_are_objects_by_column_name() -> None:
    assert await run(csv_parse, text='a,b\n1,"x, ""y"""\n2,\n') == {
        "columns": ["a", "b"],
        "row_count": 2,
        "delimiter": ",",
        "ragged_rows": 0,
        "warnings": [],
        "rows": [{"a": "1", "b": 'x, "y"'}, {"a": "2", "b": ""}],
    }


@pytest.mark.parametrize(
    ("text", "delimiter", "first"),
    [
        ("a,b\n1,2", ",", {"a": "1", "b": "2"}),
        ("a;b\n1,5;2,5", ";", {"a": "1,5", "b": "2,5"}),
        ("a\tb\n1,5\t2;5", "\t", {"a": "1,5", "b": "2;5"}),
        ("a|b\n1|2", "|", {"a": "1", "b": "2"}),
        ('a;b\n"x,y,z;";2', ";", {"a": "x,y,z;", "b": "2"}),
        ("name\njunk", ",", {"name": "junk"}),
        ("sep=|\na|b,c\n1|2", "|", {"a": "1", "b,c": "2"}),
        ("SEP=;\r\na;b\r\n1;2\r\n", ";", {"a": "1", "b": "2"}),
        ("\ufeffa,b\n1,2", ",", {"a": "1", "b": "2"}),
        ("a,b\r1,2\r", ",", {"a": "1", "b": "2"}),
        ("\n\na,b\n\n1,2\n", ",", {"a": "1", "b": "2"}),
    ],
)
async def test_the_delimiter_is_found(text: str, delimiter: str, first: dict[str, str]) -> None:
    table = await run(csv_parse, text=text)
    assert (table["delimiter"], table["rows"][0]) == (delimiter, first)


async def test_a_delimiter_that_is_given_is_used() -> None:
    table = await run(csv_parse, text="a,b:c\n1,2:3", delimiter=":")
    assert table["rows"] == [{"a,b": "1,2", "c": "3"}]


async def test_column_names_are_trimmed_filled_in_and_made_unique() -> None:
    table = await run(csv_parse, text=" a ,b\tc,,a,a,a_2\n1,2,3,4,5,6")
    assert table["columns"] == ["a", "b c", "column_3", "a_2", "a_3", "a_2_2"]
    assert list(table["rows"][0].values()) == ["1", "2", "3", "4", "5", "6"]


async def test_without_a_header_columns_are_numbered() -> None:
    table = await run(csv_parse, text="1,2\n3,4", header=False)
    assert table["columns"] == ["column_1", "column_2"]
    assert [list(each.values()) for each in table["rows"]] == [["1", "2"], ["3", "4"]]


async def test_ragged_rows_are_counted_and_told_with_the_first_line() -> None:
    table = await run(csv_parse, text="a,b\n1\n1,2\n1,2,3\n1,2,3,4\n")
    assert table["rows"] == [{"a": "1", "b": None}, *[{"a": "1", "b": "2"}] * 3]
    assert table["ragged_rows"] == 3
    short, long = table["warnings"]
    assert "1 row(s) have fewer" in short
    assert "line 2" in short
    assert "2 row(s) have more" in long
    assert "line 4" in long


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "is empty"),
        (" \r\n\t\n", "is empty"),
        ("sep=;\n", "is empty"),
        (",,\n1,2,3", "no row of column names"),
        ('""\n1', "no row of column names"),
        ("a,b\n1\0,2", "zero bytes"),
        ('a,b\n1,2\n"3,4\n5,6\n', "row of line 3 is never closed"),
        ('a\n"' + "x" * 200_000 + '"', "line 2: a cell is longer"),
        ("a," * 2001, "2,002 columns; at most 2,000"),
    ],
)
async def test_csv_that_cannot_be_read_is_refused_with_a_reason(text: str, complaint: str) -> None:
    with pytest.raises(ToolError, match=complaint):
        await run(csv_parse, text=text)


@pytest.mark.parametrize("delimiter", ["", "ab", '"', "\n"])
async def test_a_delimiter_that_is_none_is_refused(delimiter: str) -> None:
    with pytest.raises(ToolError, match="one character"):
        await run(csv_parse, text="a,b", delimiter=delimiter)


async def test_a_table_of_too_many_rows_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trio_agent_rt.agent.tools.tables.csv_table._MAX_ROWS", 3)
    assert (await run(csv_parse, text="a\n1\n2\n3"))["row_count"] == 3
    with pytest.raises(ToolError, match="too large"):
        await run(csv_parse, text="a\n1\n2\n3\n4")


async def test_a_header_of_equal_names_does_not_take_long() -> None:
    with trio.fail_after(5):
        table = await run(csv_parse, text="a," * 1999 + "a\n")
    assert len(set(table["columns"])) == 2000


_CELLS = st.text(
    st.characters(blacklist_characters="\0\r", blacklist_categories=["Cs"]), max_size=8
)


@given(rows=st.lists(st.lists(_CELLS, min_size=2, max_size=2), max_size=8))
async def test_what_a_spreadsheet_writes_is_read_back(rows: list[list[str]]) -> None:
    file = io.StringIO()
    csv.writer(file).writerows([["one", "two"], *rows])
    table = await run(csv_parse, text=file.getvalue(), delimiter=",")
    assert [list(each.values()) for each in table["rows"]] == rows


async def test_progress_is_told_and_a_cancel_is_heeded_in_the_middle() -> None:
    text = "a,b\n" + "1,2\n" * 300_000
    call = RecordedCall()
    with trio.CancelScope() as scope:

        def cancel_soon(percent: float, message: str = "") -> None:
            call.told.append(percent)
            if percent > 10:
                scope.cancel()

        call.progress = cancel_soon  # what a step does when its task is cancelled meanwhile
        await csv_parse.run(call, {"text": text})
    if scope.cancelled_caught:
        assert call.told == sorted(call.told)
        assert call.told[-1] < 100
    else:
        pytest.fail(f"the cancel was not heeded: {call.told}")
