"""What agents produce, as plain JSON values: never a crash, never invalid JSON, never huge."""

from __future__ import annotations

import datetime
import decimal
import fractions
import json
import pathlib
import types
import uuid
from collections import OrderedDict, UserDict, deque
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.effort import little_effort
from tests.protocol.odd_objects import (
    FIGHTING,
    Array,
    AttrsPoint,
    Color,
    DataPoint,
    EndlessList,
    Level,
    Lied,
    LyingLen,
    ModelPoint,
    OddModule,
    RaisingClass,
    RaisingText,
    Real,
    Scalar,
    StructPoint,
    Text,
    TuplePoint,
    Whole,
)
from trio_agent_rt.protocol import to_jsonable
from trio_agent_rt.protocol.jsonable import MAX_DEPTH, MAX_OUTPUT_CHARS, Plain, clean_text

HERE = RaisingText.__module__


def as_json(value: object, max_chars: int = MAX_OUTPUT_CHARS) -> Any:
    """`value` as a client reads it; fails if it is no valid JSON."""

    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is no JSON")

    text = msgspec.json.encode(to_jsonable(value, max_chars=max_chars))
    return json.loads(text.decode("utf-8", "strict"), parse_constant=refuse)


ENCODED: list[tuple[object, object]] = [
    (None, None),
    (True, True),
    (7, 7),
    (-1.5, -1.5),
    ("text\u2028\x00\n", "text\u2028\x00\n"),
    (float("nan"), "NaN"),
    (float("inf"), "Infinity"),
    (float("-inf"), "-Infinity"),
    (2**63 - 1, 2**63 - 1),
    (-(2**63), str(-(2**63))),
    (2**64, str(2**64)),
    (10**5000, "<an integer of 16610 bits>"),
    (1 + 2j, "(1+2j)"),
    (decimal.Decimal("1.10"), "1.10"),
    (decimal.Decimal("sNaN"), "sNaN"),
    (fractions.Fraction(1, 3), "1/3"),
    (uuid.UUID(int=5), "00000000-0000-0000-0000-000000000005"),
    (pathlib.PurePosixPath("a/b"), "a/b"),
    (pathlib.PurePosixPath("a\udcff"), "a\ufffd"),
    (datetime.datetime(2024, 2, 3, 4, 5, tzinfo=datetime.UTC), "2024-02-03T04:05:00+00:00"),
    (datetime.date(2024, 2, 3), "2024-02-03"),
    (datetime.time(4, 5), "04:05:00"),
    (datetime.timedelta(minutes=1.5), 90.0),
    (b"ab\xff", "data:application/octet-stream;base64,YWL/"),
    (bytearray(b"ab\xff"), "data:application/octet-stream;base64,YWL/"),
    (memoryview(b"a-b-\xff-")[::2], "data:application/octet-stream;base64,YWL/"),
    (b"", "data:application/octet-stream;base64,"),
    ("\ud800", "\ufffd"),
    ("a\ud83d\ude00\udfffb", "a😀\ufffdb"),
    ({"\ud800": "\udfff"}, {"\ufffd": "\ufffd"}),
    ([1, (2, [3])], [1, [2, [3]]]),
    ({3}, [3]),
    (frozenset({3}), [3]),
    (range(3), [0, 1, 2]),
    (deque([1, 2]), [1, 2]),
    ({"a": 1}.keys(), ["a"]),
    ({"a": 1}.values(), [1]),
    ({"a": 1}.items(), [["a", 1]]),
    ({"b": 1, "a": {}}, {"b": 1, "a": {}}),
    (OrderedDict(a=1), {"a": 1}),
    (UserDict(a=1), {"a": 1}),
    (types.MappingProxyType({"a": 1}), {"a": 1}),
    (
        {1: "a", None: "b", (1, 2): "c", 1.5: "d"},
        {"1": "a", "None": "b", "[1, 2]": "c", "1.5": "d"},
    ),
    ({1: "a", "1": "b"}, {"1": "a", "1 (1)": "b"}),
    ({Color.RED: 1, Level.HIGH: 2, b"k": 3}, None),
    (AttrsPoint(1, {2}), {"x": 1, "y": [2]}),
    (DataPoint(1, {2}), {"x": 1, "y": [2]}),
    (StructPoint(1, {2}), {"x": 1, "y": [2]}),
    (TuplePoint(1, {2}), {"x": 1, "y": [2]}),
    (ModelPoint(), {"x": 1, "y": None}),
    (Color.RED, "red"),
    (Color.NONE, None),
    (Color.POINT, {"x": 1, "y": None}),
    (Level.HIGH, 3),
    (Text("held"), "held"),
    ({Text("held"): Text("too")}, {"held": "too"}),
    (Whole(3), 3),
    (Real("nan"), "NaN"),
    (Scalar(1.5), 1.5),
    (Scalar(float("nan")), "NaN"),
    (Array(1.0, float("inf")), [1.0, "Infinity"]),
    (ValueError("why"), "ValueError: why"),
    (KeyboardInterrupt(), "KeyboardInterrupt"),
    (object(), "<not encodable: builtins.object>"),
    ((each for each in [1]), "<not encodable: builtins.generator>"),
    (len, "<not encodable: builtins.builtin_function_or_method>"),
    (as_json, "<not encodable: builtins.function>"),
    (AttrsPoint, "<not encodable: builtins.type>"),
    (DataPoint, "<not encodable: builtins.type>"),
    (StructPoint, f"<not encodable: {type(StructPoint).__module__}.StructMeta>"),
    (json, "<not encodable: builtins.module>"),
    (Plain([1]), [1]),
]


@pytest.mark.parametrize(("value", "expected"), ENCODED, ids=range(len(ENCODED)))
def test_each_kind_of_value_has_a_form(value: object, expected: object) -> None:
    if isinstance(value, dict) and b"k" in value:
        expected = {"red": 1, "3": 2, "data:application/octet-stream;base64,aw==": 3}
    assert as_json(value) == expected


def test_a_generator_is_not_consumed() -> None:
    generator = (each for each in [1, 2])
    as_json([generator])
    assert list(generator) == [1, 2]


def test_lone_surrogates_alone_are_replaced() -> None:
    assert clean_text("\ufeffa\ud800b\U0001f600\udc00") == "\ufeffa\ufffdb\U0001f600\ufffd"


# --- objects that fight back


@pytest.mark.parametrize("make", FIGHTING, ids=range(len(FIGHTING)))
def test_an_object_that_fights_back_harms_nothing_but_its_own_place(
    make: Callable[[], object],
) -> None:
    value = make()
    assert as_json({"before": 1, "it": [value], "after": 2}).keys() >= {"before"}
    for chars in (0, 1, 100):
        as_json(value, chars)
        as_json({1: [value]}, chars)
    try:
        keyed: object = {value: value}
    except (TypeError, RuntimeError):
        return
    as_json(keyed)


@pytest.mark.parametrize("raised", [SystemExit(), GeneratorExit(), MemoryError()])
def test_one_that_raises_what_would_end_a_program_ends_nothing(raised: BaseException) -> None:
    class Hostile(dict[str, int]):
        def items(self) -> Any:
            raise raised

    assert "Hostile" in str(to_jsonable([Hostile(a=1)]))


def test_a_field_that_raises_leaves_its_siblings_alone() -> None:
    value = {"good": 1, "bad": RaisingText(), "ugly": RaisingClass()}
    assert as_json(value) == {
        "good": 1,
        "bad": f"<not encodable: {HERE}.RaisingText>",
        "ugly": f"<not encodable: {HERE}.RaisingClass>",
    }


def test_the_marker_names_the_class_whatever_its_metaclass_says() -> None:
    assert as_json(object.__new__(Lied)) == f"<not encodable: {HERE}.Lied>"
    assert as_json(OddModule()) == "<not encodable: ?.OddModule>"


def test_an_interrupt_is_not_swallowed() -> None:
    class Interrupting:
        def __fspath__(self) -> str:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        to_jsonable([Interrupting()])


# --- too deep, too big


def test_an_object_inside_itself_is_cut() -> None:
    loop: dict[str, Any] = {"n": 1}
    loop["self"] = loop
    assert as_json(loop) == {"n": 1, "self": "<cut: contains itself>"}
    ring: list[Any] = []
    ring.append([ring])
    assert as_json(ring) == [["<cut: contains itself>"]]


def test_the_same_object_twice_is_told_twice() -> None:
    once = [1]
    assert as_json([once, once]) == [[1], [1]]


def test_deep_nesting_is_cut() -> None:
    deep: object = "bottom"
    for _ in range(10_000):
        deep = [deep]
    text = json.dumps(as_json(deep))
    assert text.count("[") == MAX_DEPTH
    assert "<cut: too deeply nested>" in text
    shallow: object = "bottom"
    for _ in range(MAX_DEPTH):
        shallow = [shallow]
    assert as_json(shallow) == shallow


# Made when they are needed: they are hundreds of megabytes.
CUT: list[tuple[str, Callable[[], object], Callable[[Any], bool]]] = [
    (
        "str",
        lambda: "x" * 10**7,
        lambda it: it.startswith("xxx") and it.endswith("… [cut: 9999004 more characters]"),
    ),
    (
        "bytes",
        lambda: b"x" * 10**7,
        lambda it: it.startswith("data:") and it.endswith("more bytes]"),
    ),
    (
        "list",
        lambda: list(range(10**7)),
        lambda it: it[:3] == [0, 1, 2] and "<cut: 99997" in it[-1],
    ),
    ("range", lambda: range(10**30), lambda it: it[-1] == "<cut: more items>"),
    ("lists", lambda: [[]] * 10**6, lambda it: it[-1].endswith(" more items>")),
    ("objects", lambda: [object()] * 10**6, lambda it: it[-1].endswith(" more items>")),
    ("integers", lambda: [2**62] * 10**6, lambda it: it[-1].endswith(" more items>")),
    ("pieces", lambda: [b"x" * 100] * 10**5, lambda it: it[-1].endswith(" more items>")),
    ("floats", lambda: [1.23456789] * 10**6, lambda it: it[-1].endswith(" more items>")),
    (
        "dict",
        lambda: {n: n for n in range(10**6)},
        lambda it: it["…"].endswith(" more fields>"),
    ),
    ("endless", EndlessList, lambda it: it[-1] == "<cut: more items>"),
    (
        "lying",
        lambda: LyingLen({str(n): n for n in range(10**4)}),
        lambda it: it["…"] == "<cut: more fields>",
    ),
    (
        "exception",
        lambda: Exception("x" * 10**6),
        lambda it: it.startswith("Exception: x") and "cut" in it,
    ),
    ("nested", lambda: [[["x" * 400] * 100] * 100] * 100, lambda it: "cut" in str(it)),
]


@pytest.mark.parametrize(
    ("make", "told"), [each[1:] for each in CUT], ids=[name for name, *_ in CUT]
)
def test_what_is_too_big_is_cut_with_a_marker(
    make: Callable[[], object], told: Callable[[Any], bool]
) -> None:
    result = as_json(make(), 1000)
    assert told(result), str(result)[-200:]
    assert len(json.dumps(result)) < 3000


def test_what_comes_before_a_cut_is_whole() -> None:
    value = {"first": "whole", "second": "x" * 10_000, "third": 3}
    result = as_json(value, 1000)
    assert result["first"] == "whole"
    assert result["second"].endswith("more characters]")
    assert result["…"] == "<cut: 1 more fields>"


def test_ten_million_items_take_no_longer_than_what_is_told_of_them() -> None:
    values: list[Any] = [None] * 10_000_000
    with little_effort(at_most=10):  # walking them all takes more than once as many turns
        to_jsonable(values)


def test_plain_values_pass_as_they_are_where_they_have_room() -> None:
    plain = Plain({"text": "x" * 10_000})
    assert to_jsonable(plain) is plain.value
    assert len(json.dumps(as_json(plain, 1000))) < 2000


# --- anything

keys = st.text(st.characters()) | st.integers() | st.none() | st.booleans() | st.binary()
leaves = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters())  # lone surrogates too
    | st.binary()
    | st.decimals()
    | st.fractions()
    | st.complex_numbers()
    | st.datetimes()
    | st.dates()
    | st.times()
    | st.timedeltas()
    | st.uuids()
    | st.sampled_from([*Color, Level.HIGH, object(), len, int, ...])
    | st.sampled_from(FIGHTING).map(lambda make: [make()])  # Hypothesis asks what is not inside
)
anything = st.recursive(
    leaves,
    lambda inner: (
        st.lists(inner)
        | st.tuples(inner, inner)
        | st.dictionaries(keys, inner)
        | st.builds(AttrsPoint, st.integers(), inner)
        | st.builds(DataPoint, st.integers(), inner)
        | st.builds(StructPoint, st.integers(), inner)
        | st.builds(TuplePoint, st.integers(), inner)
        | st.builds(Scalar, inner)
        | st.sets(st.integers() | st.text(st.characters()))
    ),
)


@given(anything, st.integers(-10, 5000))
def test_whatever_it_is_the_result_is_valid_json_of_bounded_size(
    value: object, max_chars: int
) -> None:
    text = json.dumps(as_json(value, max_chars), ensure_ascii=False)
    # A control character takes six characters of JSON; markers come on top.
    assert len(text) <= 6 * max(max_chars, 0) + 3000


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63) + 1, 2**63 - 1)
    | st.text()
    | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(json_values)
def test_what_is_json_already_stays_as_it_is(value: object) -> None:
    assert as_json(value) == value
