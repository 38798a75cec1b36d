"""A table is described as a person would: what is a number, what is missing, what is common."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trio_agent_rt.agent.tools import csv_parse, table_describe
from trio_agent_rt.agent.tools.tables.cells import is_missing, number_reader
from trio_agent_rt.errors import ToolError

from .recorded import run

point, comma = number_reader("point"), number_reader("comma")


async def column(*values: object) -> dict[str, Any]:
    """The description of one column."""
    described = await run(table_describe, table=[{"x": each} for each in values])
    return described["columns"][0]


async def test_csv_that_was_parsed_is_described() -> None:
    parsed = await run(csv_parse, text="region,units\nNorth,1\nSouth,NA\nNorth,4\n")
    described = await run(table_describe, table=parsed, title="sales.csv")
    assert (described["title"], described["row_count"], described["column_count"]) == (
        "sales.csv",
        3,
        2,
    )
    assert described["columns"] == [
        {
            "name": "region",
            "kind": "text",
            "missing": 0,
            "count": 3,
            "unique": 2,
            "most_common": [{"value": "North", "count": 2}, {"value": "South", "count": 1}],
        },
        {
            "name": "units",
            "kind": "number",
            "missing": 1,
            "not_numeric": 0,
            "count": 2,
            "mean": 2.5,
            "min": 1,
            "max": 4,
            "sum": 5,
            "unit": "",
        },
    ]


@pytest.mark.parametrize(
    "table",
    [
        {"columns": ["a", "b"], "rows": [[1, "x"], [2]]},
        {"columns": ["a", "b"], "rows": [{"a": 1, "b": "x"}, {"a": 2}]},
        [{"a": 1, "b": "x"}, {"a": 2}],
        {"page": 1, "items": [{"a": 1, "b": "x"}, {"a": 2, "b": None}]},
    ],
)
async def test_a_table_may_come_in_many_forms(table: Any) -> None:
    described = await run(table_describe, table=table)
    a, b = described["columns"]
    assert (described["row_count"], a["name"], a["sum"], b["name"], b["missing"]) == (
        2, "a", 3, "b", 1,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("table", "names", "rows"),
    [
        ([], [], 0),
        ({"columns": ["a"], "rows": []}, ["a"], 0),
        ([3, 4, "x"], ["value"], 3),
        ([[1, 2], [3, 4, 5]], ["column_1", "column_2", "column_3"], 2),
        ({"host": "a", "port": 1}, ["host", "port"], 1),
        ({"rows": "many"}, ["rows"], 1),
        ({}, [], 1),
    ],
)
async def test_unusual_tables_are_described_too(table: Any, names: list[str], rows: int) -> None:
    described = await run(table_describe, table=table)
    assert ([each["name"] for each in described["columns"]], described["row_count"]) == (
        names,
        rows,
    )


@pytest.mark.parametrize(
    ("table", "complaint"),
    [
        ([{"a": 1}, 2], "row 2 of the table is not an object"),
        ([[1], {"a": 1}], "row 2 of the table is not a list"),
        ([{str(each): 1 for each in range(3000)}], "too many columns"),
        ([[1] * 3000], "too many columns"),
        ("a,b", "table_describe: Expected `.*`, got `str` - at `table`"),
    ],
)
async def test_what_is_no_table_is_refused(table: Any, complaint: str) -> None:
    with pytest.raises(ToolError, match=complaint):
        await run(table_describe, table=table)


@pytest.mark.parametrize(
    "value", ["", "  ", "NA", "n/a", "N/A", "null", "NaN", "-", "#N/A", None, math.nan]
)
def test_a_cell_that_says_nothing_is_missing(value: object) -> None:
    assert is_missing(value)


@pytest.mark.parametrize("value", ["0", 0, False, "none of them", "--", [], {}])
def test_any_other_cell_is_a_value(value: object) -> None:
    assert not is_missing(value)


@pytest.mark.parametrize(
    ("text", "value", "unit"),
    [
        ("12", 12, ""),
        (" -1.5 ", -1.5, ""),
        ("−3", -3, ""),
        ("+.5", 0.5, ""),
        ("5.", 5, ""),
        ("1e3", 1000, ""),
        ("1.5E-2", 0.015, ""),
        ("1,234", 1234, ""),
        ("1,234,567.89", 1234567.89, ""),
        ("1 234 567", 1234567, ""),
        ("1\u00a0234", 1234, ""),
        ("1'234", 1234, ""),
        ("12.5%", 12.5, "%"),
        ("7 ％", 7, "%"),
        ("$1,200.50", 1200.5, "$"),
        ("-$5", -5, "$"),
        ("$-5", -5, "$"),
        ("￥100", 100, "¥"),
        ("100元", 100, "元"),
        ("9 €", 9, "€"),
        (3, 3, ""),
        (2.5, 2.5, ""),
    ],
)
def test_numbers_are_read_as_people_write_them(text: object, value: float, unit: str) -> None:
    figure = point(text)
    assert figure is not None
    assert (figure.value, figure.unit) == (value, unit)


@pytest.mark.parametrize(
    ("text", "value"), [("1,5", 1.5), ("1.234,5", 1234.5), ("1.234", 1234), ("0,25%", 0.25)]
)
def test_a_decimal_comma_is_read_where_it_is_meant(text: str, value: float) -> None:
    figure = comma(text)
    assert figure is not None
    assert figure.value == value


@pytest.mark.parametrize(
    "text",
    ["", ".", "-", "abc", "1a", "1,23", "1,2345", "1-2", "--1", "+-1", "2024-01-01", "1_000",
     "inf", "nan", "0x10", "1e999", "$5%", "%", "$", "1 2", True, None, [], 10**400, "9" * 65],
)  # fmt: skip
def test_what_is_no_number_is_none(text: object) -> None:
    assert point(text) is None


@given(st.text())
def test_any_text_can_be_asked_for_its_number(text: str) -> None:
    for read in (point, comma):
        figure = read(text)
        assert figure is None or math.isfinite(figure.value)


async def test_a_column_with_decimal_commas_is_one_of_numbers() -> None:
    assert (await column("1,5", "2,25", "1.000,00"))["sum"] == 1003.75


async def test_a_column_of_thousands_is_not_taken_for_decimals() -> None:
    assert (await column("1,000", "2,500"))["sum"] == 3500


async def test_percentages_and_currencies_keep_their_unit() -> None:
    share = await column("5%", "10%", "0")
    assert (share["mean"], share["unit"], share["count"]) == (5, "%", 3)
    mostly_none = await column("5%", "0", "0")
    assert (mostly_none["sum"], mostly_none["unit"], mostly_none["count"]) == (5, "%", 3)
    price = await column("$1", "$2")
    assert (price["sum"], price["unit"]) == (3, "$")


async def test_columns_of_mixed_units_are_text() -> None:
    assert (await column("5%", "$10", "3%", "7"))["kind"] == "text"


async def test_a_stray_text_among_many_numbers_is_counted_and_left_out() -> None:
    described = await column(*range(1, 11), "unknown")
    assert (described["kind"], described["count"], described["not_numeric"]) == ("number", 10, 1)
    assert described["mean"] == 5.5
    assert (await column(1, 2, 3, "unknown"))["kind"] == "text"


async def test_truth_values_and_nested_values_are_text() -> None:
    described = await column(True, True, {"a": [1]})
    assert described["most_common"] == [
        {"value": "true", "count": 2},
        {"value": '{"a": [1]}', "count": 1},
    ]


async def test_a_column_without_any_value_says_so() -> None:
    assert await column("", None, "NA") == {
        "name": "x",
        "kind": "empty",
        "count": 0,
        "missing": 3,
    }


async def test_sums_are_exact_and_huge_values_do_no_harm() -> None:
    assert (await column(*[0.1] * 10))["sum"] == 1
    huge = await column(1e308, 1e308)
    assert (huge["sum"], huge["mean"]) == (None, 1e308)


async def test_long_texts_are_counted_whole_and_shown_short() -> None:
    described = await column("x" * 100 + "1", "x" * 100 + "2")
    assert described["unique"] == 2
    assert described["most_common"][0]["value"] == "x" * 80 + "…"


@given(st.lists(st.integers(-(10**9), 10**9), min_size=1))
async def test_the_figures_are_those_of_the_numbers(numbers: list[int]) -> None:
    described = await column(*numbers)
    assert (described["count"], described["min"], described["max"], described["sum"]) == (
        len(numbers), min(numbers), max(numbers), sum(numbers),
    )  # fmt: skip
    assert described["mean"] == pytest.approx(sum(numbers) / len(numbers))


# --- the report


async def report(table: Any, **options: Any) -> str:
    return (await run(table_describe, table=table, **options))["report"]


async def test_the_report_is_markdown() -> None:
    rows = [{"region": "North", "price": 1234.5}, {"region": "North", "price": None}]
    assert await report(rows, title="sales.csv") == (
        "# sales.csv\n\n"
        "2 rows × 2 columns.\n\n"
        "## Columns of numbers\n\n"
        "| column | count | missing | mean | min | max | sum |\n"
        "| --- | --- | --- | --- | --- | --- | --- |\n"
        "| price | 1 | 1 | 1,234.50 | 1,234.50 | 1,234.50 | 1,234.50 |\n\n"
        "## Columns of text\n\n"
        "| column | count | missing | unique | most common |\n"
        "| --- | --- | --- | --- | --- |\n"
        "| region | 2 | 0 | 1 | North (2) |\n"
    )


async def test_the_report_speaks_chinese_if_asked() -> None:
    text = await report([{"地区": "北", "销量": 3}], title="销售.csv", language="zh")
    assert text.startswith("# 销售.csv\n\n1 行 × 2 列。\n\n## 数值列\n")
    with pytest.raises(ToolError, match="language"):
        await report([], language="fr")


async def test_the_report_tells_warnings_strays_and_empty_columns() -> None:
    rows = [{"n": each, "e": ""} for each in [*range(10), "x"]]
    table = {"columns": ["n", "e"], "rows": rows, "warnings": ["1 row(s) are odd"]}
    text = await report(table)
    assert "## Columns without any value\n\ne\n" in text
    assert "- n: 1 value(s) are no numbers and were left out.\n- 1 row(s) are odd\n" in text


async def test_no_cell_or_name_breaks_out_of_its_place_in_the_report() -> None:
    nasty = "a|b\n# c <script>"
    text = await report([{nasty: nasty}, {nasty: nasty}], title=nasty)
    assert "\n# c" not in text
    assert "<script" not in text
    assert "| a\\|b # c &lt;script> | 2 | 0 | 1 | a\\|b # c &lt;script> (2) |" in text
