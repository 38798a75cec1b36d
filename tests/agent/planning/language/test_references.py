"""References reach into outputs, whatever these are, and nowhere else."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.effort import little_effort
from trio_agent_rt.agent.planning.language import Scope, references_in
from trio_agent_rt.agent.planning.language import resolve as resolve_in
from trio_agent_rt.errors import ToolError

TABLE = {"rows": [{"name": "Ann", "n": 1}, {"name": "Bob", "n": 2}], "count": 2, "上海": True}
OUTPUTS: dict[str, object] = {"a": TABLE, "step-2": "text", "n": None, "t": (1, 2), "b": b"raw"}


def resolve(value: object, outputs: Mapping[str, object]) -> Any:
    return resolve_in(value, Scope(outputs=dict(outputs)))


def referenced_steps(value: object) -> list[str]:
    return [each.root for each in references_in(value)]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("{{a.output}}", TABLE),
        ("{{ a.output.count }}", 2),
        ("  {{a.output.rows[1].name}}\n", "Bob"),
        ("{{a.output.rows[0]}}", {"name": "Ann", "n": 1}),
        ("{{a.output.上海}}", True),
        ("{{step-2.output}}", "text"),
        ("{{n.output}}", None),
        ("{{t.output[1]}}", 2),
        ("no reference", "no reference"),
        ("{{t.output[-1]}}", 2),
        ('{{a.output["rows"][0]}}', {"name": "Ann", "n": 1}),
        ("{{a.output['rows'][0]['n']}}", 1),
        ("{{}} {{ }} {{ a | upper }} {{#each a}} {{1}} {{a b}} {{!x}} {{.a}}", ...),
        ("{{a.output.rows[0]", ...),
        ("{ {a.output}}", ...),
        ("", ""),
    ],
)
def test_a_text_that_is_one_reference_becomes_the_value(text: str, value: object) -> None:
    assert resolve(text, OUTPUTS) == (text if value is ... else value)


def test_the_value_itself_is_given_and_not_a_copy() -> None:
    assert resolve("{{a.output}}", OUTPUTS) is TABLE


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("{{a.output.count}} rows", "2 rows"),
        ("{{a.output.rows[0].name}} and {{a.output.rows[1].name}}", "Ann and Bob"),
        ("{{a.output.count}}{{a.output.count}}", "22"),
        ("is {{a.output.上海}}, is {{n.output}}", "is true, is null"),
        ("{{a.output.rows[0]}}!", '{"name":"Ann","n":1}!'),
        ("<{{step-2.output}}>", "<text>"),
        ("<{{b.output}}>", "<data:application/octet-stream;base64,cmF3>"),
    ],
)
def test_inside_a_longer_text_references_become_text(text: str, value: str) -> None:
    assert resolve(text, OUTPUTS) == value


def test_a_text_is_brought_in_whole_however_long() -> None:
    assert len(resolve("<{{a.output}}>", {"a": "x" * 1_000_000})) == 1_000_002


def test_what_a_reference_brings_in_is_not_looked_at_again() -> None:
    assert resolve("{{x.output}}!", {"x": "{{a.output}}", "a": "secret"}) == "{{a.output}}!"
    assert resolve("{{x.output}}", {"x": ["{{a.output}}"]}) == ["{{a.output}}"]


def test_references_are_found_however_deep() -> None:
    value = {"x": ["{{a.output.count}}", {"y": "n={{ n.output }}"}, 5], "{{t.output}}": True}
    assert list(referenced_steps(value)) == ["a", "n"]
    assert resolve(value, OUTPUTS) == {"x": [2, {"y": "n=null"}, 5], "{{t.output}}": True}


@attrs.frozen
class Secret:
    password: str = "hush"


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (
            "{{zzz.output}}",
            "{{zzz.output}}: no output is called 'zzz'; there are: a, b, e, n, s, step-2, t",
        ),
        (
            "{{a.output.rows[0].age}}",
            "{{a.output.rows[0].age}}: a.output.rows[0] has no field 'age'; it has: n, name",
        ),
        ("{{e.output.x}}", "{{e.output.x}}: e.output has no field 'x'; it has: none"),
        (
            "x{{a.output.rows[2]}}",
            "{{a.output.rows[2]}}: a.output.rows has 2 items, so there is no [2]",
        ),
        ("{{a.output[0]}}", "{{a.output[0]}}: a.output is an object, not a list"),
        ("{{step-2.output[0]}}", "{{step-2.output[0]}}: step-2.output is a text, not a list"),
        ("{{b.output[0]}}", "{{b.output[0]}}: b.output is a bytes, not a list"),
        ("{{n.output.x}}", "{{n.output.x}}: n.output is null, so it has no field 'x'"),
        (
            "{{a.output.count.x}}",
            "{{a.output.count.x}}: a.output.count is a number, so it has no field 'x'",
        ),
        (
            "{{a.output.上海.x}}",
            "{{a.output.上海.x}}: a.output.上海 is true or false, so it has no field 'x'",
        ),
        (
            "{{a.output.rows.x}}",
            "{{a.output.rows.x}}: a.output.rows is a list, so it has no field 'x'",
        ),
        (
            "{{s.output.password}}",
            "{{s.output.password}}: s.output is a Secret, so it has no field 'password'",
        ),
        (
            "{{t.output.__class__}}",
            "{{t.output.__class__}}: t.output is a list, so it has no field '__class__'",
        ),
    ],
)
def test_a_reference_that_leads_nowhere_says_where_it_ends(text: str, complaint: str) -> None:
    with pytest.raises(ToolError) as caught:
        resolve({"x": [text]}, {**OUTPUTS, "e": {}, "s": Secret()})
    assert str(caught.value) == complaint


def test_of_many_fields_ten_are_named() -> None:
    with pytest.raises(ToolError, match=r"it has: k00, .*, k09$"):
        resolve("{{a.output.x}}", {"a": {f"k{number:02}": 1 for number in range(99)}})


_key = st.text(
    st.characters(exclude_categories=["Cs", "Z", "Cc"], exclude_characters=".[]{}"), min_size=1
).filter(lambda key: not any(each.isspace() for each in key))
_output = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.text(),
    lambda inner: st.lists(inner, min_size=1) | st.dictionaries(_key, inner, min_size=1),
    max_leaves=12,
)


def _paths(value: object, path: str = "") -> list[tuple[str, object]]:
    found = [(path, value)]
    if isinstance(value, dict):
        for key, each in value.items():
            found += _paths(each, f"{path}.{key}")
    elif isinstance(value, list):
        for index, each in enumerate(value):
            found += _paths(each, f"{path}[{index}]")
    return found


@given(_output)
def test_every_part_of_an_output_can_be_reached(output: object) -> None:
    for path, value in _paths(output):
        reference = f"{{{{s.output{path}}}}}"
        assert list(referenced_steps([reference])) == ["s"]
        assert resolve(reference, {"s": output}) is value
        text = resolve(f"<{reference}>", {"s": output})
        assert text == f"<{value if isinstance(value, str) else _compact(value)}>"


def _compact(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


@given(st.recursive(st.none() | st.integers() | st.text(alphabet="{}a.output[0] "),
                    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)))  # fmt: skip
def test_whatever_the_arguments_are_they_are_resolved_or_refused(value: Any) -> None:
    outputs = {each: {"output": [0]} for each in "a.output" if each.isalpha()}
    with contextlib.suppress(ToolError):
        resolved = resolve(value, outputs)
        assert list(referenced_steps(value)) or resolved == value


@pytest.mark.parametrize(
    "text",
    [
        "{" * 200_000,
        "{{a" * 100_000,
        "{{ " * 100_000,
        "{{" + "a" * 200_000,
        "{{a.output" + ".x" * 100_000,
        "{{a.output" + "[1]" * 100_000,
        "{{a.output" + " " * 200_000,
        "{{a.output." + "x" * 200_000 + "}",
        "{{" + " " * 100_000 + "1" + " " * 100_000 + "}}",
        ("{{a.output" + "[9]" * 50) * 2_000,
    ],
    ids=range(10),
)
def test_no_text_takes_long(text: str) -> None:
    with little_effort():
        assert list(referenced_steps(text)) == []
        assert resolve(text, {"a": 1}) == text


def test_many_references_take_no_longer_than_their_number() -> None:
    with little_effort():
        assert resolve("{{a.output}} " * 50_000, {"a": 1}) == "1 " * 50_000


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (r"\{{a.output}}", "{{a.output}}"),
        (r"\{{a.output}} is {{a.output.count}}", "{{a.output}} is 2"),
        (r"<\{{\{{>", "<{{{{>"),
        (r"\{{env.SECRET}}", "{{env.SECRET}}"),
        (r"C:\x\{a}", r"C:\x\{a}"),
    ],
)
def test_braces_that_are_meant_as_braces_are_written_with_a_backslash(
    text: str, value: str
) -> None:
    assert referenced_steps(text) == [each for each in ["a"] if "<" not in text and "is" in text]
    assert resolve(text, OUTPUTS) == value


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("{{env.SECRET}}", "{{env.SECRET}}: no output is called 'env'; there are: a, b, n,"),
        ("{{a}}", "{{a}}: write a.output for what it came to"),
        ("x {{a.outputs}}", "{{a.outputs}}: write a.output for what it came to"),
        ("{{item}}", "{{item}}: there is no 'item' outside of a loop"),
        ("{{index}}", "{{index}}: there is no 'index' outside of a loop"),
        ("{{context.lang}}", "{{context.lang}}: context has no field 'lang'; it has: none"),
        ("{{上海}}", "{{上海}}: no output is called '上海'"),
        ("{{a.output[-3]}}", "{{a.output[-3]}}: a.output is an object, not a list"),
        ("{{t.output[-3]}}", "{{t.output[-3]}}: t.output has 2 items, so there is no [-3]"),
        ("{{a.output[x]}}", "{{a.output[x]}}: '[x]' leads nowhere; write .field or [0]"),
        ('{{a.output["x]}}', "leads nowhere; write .field or [0]"),
        ("{{a.output.x\x1b[31m}}", "'[31m' leads nowhere"),
        ("{{a.output" + ".x" * 101 + "}}", "goes more than 100 parts deep"),
    ],
)
def test_what_looks_like_a_reference_leads_somewhere_or_says_what_there_is(
    text: str, complaint: str
) -> None:
    with pytest.raises(ToolError) as caught:
        resolve(text, OUTPUTS)
    assert complaint in str(caught.value)
    assert str(caught.value).isprintable()


def test_names_are_looked_for_from_the_inside_out() -> None:
    plan = Scope(outputs={"a": 1, "b": 2}, context={"x": [5]})
    first = plan.iteration(0, "outer item")
    first.outputs["x"] = "of the iteration"
    inner = first.inside()
    inner.outputs["b"] = "of the branch"
    counted = inner.iteration(7)
    text = "{{a.output}} {{b.output}} {{x.output}} {{item}} {{index}} {{context.x[0]}}"
    assert resolve_in(text, counted) == "1 of the branch of the iteration outer item 7 5"
    assert (plan.suffix, first.suffix, inner.suffix, counted.suffix) == ("", ".1", ".1", ".1.8")


def test_one_long_text_cannot_be_brought_in_without_end() -> None:
    outputs: dict[str, object] = {"a": "x" * 1_000_000, "b": ["x" * 200_000] * 10}
    assert len(resolve("{{a.output}}" * 8, outputs)) == 8_000_000
    for texts in (["{{a.output}}." * 4] * 3, "{{b.output}}." * 10_000):
        with (
            little_effort(),
            pytest.raises(ToolError, match="bring in have more than 8,388,608 characters"),
        ):
            resolve({"texts": texts}, outputs)


def test_what_stands_inside_a_longer_text_is_whole_or_refused() -> None:
    rows = [{"text": "x" * 100, "n": n} for n in range(5000)]
    nested: object = "inmost"
    for _ in range(90):
        nested = [nested]
    written = resolve("rows: {{a.output}}", {"a": rows})
    assert json.loads(written.removeprefix("rows: ")) == rows
    assert json.loads(resolve("-{{a.output}}", {"a": nested})[1:]) == nested
    for value in ([[[[[[[[[[[nested]]]]]]]]]]], ["x" * 9_000_000], [2**5000]):
        with pytest.raises(ToolError, match="cannot be made a text: it "):
            resolve("-{{a.output}}", {"a": value})
    circle: list[object] = []
    circle.append(circle)
    with pytest.raises(ToolError, match="contains itself"):
        resolve("-{{a.output}}", {"a": circle})
