"""One table of messages and their JSON texts, read in both directions."""

from __future__ import annotations

import json
import time
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.protocol.strategies import COMMANDS, EVENTS, commands, events, positions
from tests.protocol.wire_table import COMMAND_TABLE, EVENT_TABLE
from trio_agent_rt.errors import BadMessage
from trio_agent_rt.protocol import (
    RESERVED_TYPES,
    CancelTask,
    Command,
    CommandFailed,
    CustomEvent,
    Event,
    Plan,
    PlanCreated,
    PlanStep,
    Pong,
    Position,
    StepCompleted,
    StepFailed,
    StepOutput,
    StepProgressed,
    StepResult,
    StepStarted,
    SubmitTask,
    TaskCompleted,
    ToolInfo,
    ToolsListed,
    decode_command,
    decode_event,
    encode_command,
    encode_event,
    event_type,
    with_position,
)
from trio_agent_rt.protocol.codec import decode_fields


@pytest.mark.parametrize(("command", "text"), COMMAND_TABLE)
def test_a_command_is_encoded_as_the_contract_says(command: Command, text: str) -> None:
    assert encode_command(command) == text


@pytest.mark.parametrize(("command", "text"), COMMAND_TABLE)
def test_a_command_is_decoded_from_the_contracts_text(command: Command, text: str) -> None:
    assert decode_command(text) == command
    assert decode_command(text.encode()) == command


@pytest.mark.parametrize(("event", "text"), EVENT_TABLE)
def test_an_event_is_encoded_as_the_contract_says(event: Event, text: str) -> None:
    assert encode_event(event).decode() == text


@pytest.mark.parametrize(("event", "text"), EVENT_TABLE)
def test_an_event_is_decoded_from_the_contracts_text(event: Event, text: str) -> None:
    assert decode_event(text) == event
    assert decode_event(text.encode()) == event


def test_the_tables_have_every_message_of_both_directions() -> None:
    assert {type(command) for command, _ in COMMAND_TABLE} == set(COMMANDS)
    assert {type(event) for event, _ in EVENT_TABLE} == set(EVENTS)


def test_only_the_contracts_own_types_are_reserved() -> None:
    rows = [json.loads(text)["type"] for _, text in (*COMMAND_TABLE, *EVENT_TABLE)]
    assert set(rows) - {"custom"} == RESERVED_TYPES


@given(commands)
def test_every_command_comes_back_equal(command: Command) -> None:
    assert decode_command(encode_command(command)) == command


@given(events)
def test_every_event_comes_back_equal(event: Event) -> None:
    text = encode_event(event, timestamp=7)
    assert decode_event(text) == attrs.evolve(event, timestamp=7)


@pytest.mark.parametrize(
    "text",
    [
        '{"type":"task:submit","data":{"task":"go","context":null,"taskId":null},"requestId":null}',
        '{"type":"task:submit","data":{"task":"go","later":[1]},"version":{"a":1}}',
        ' {"data":{"task":"go"},"type":"task:submit"}\r\n',
    ],
    ids=["null is absent", "unknown fields are ignored", "order and white space do not matter"],
)
def test_a_command_may_be_written_in_other_ways(text: str) -> None:
    assert decode_command(text) == SubmitTask(task="go")


def test_an_event_of_an_unknown_type_is_the_applications_own() -> None:
    assert decode_event('{"type":"chat","data":"hi"}') == CustomEvent(type="chat", data="hi")


def test_an_event_with_an_unreadable_position_has_none() -> None:
    assert decode_event('{"type":"pong","id":"7"}') == Pong()


def test_an_errors_request_id_is_read_from_its_data_too() -> None:
    text = '{"type":"error","data":{"message":"m","code":"busy","requestId":"r"}}'
    assert decode_event(text) == CommandFailed(message="m", code="busy", request_id="r")


@pytest.mark.parametrize(("event", "text"), EVENT_TABLE)
def test_the_type_of_an_event_is_what_its_text_says(event: Event, text: str) -> None:
    assert event_type(event) == json.loads(text)["type"]


def test_the_type_of_an_applications_own_event_is_its_own() -> None:
    assert event_type(CustomEvent(type="任务", data=1)) == "任务"


@pytest.mark.parametrize(
    ("data", "prefix", "told"),
    [
        ({"task": 7}, "", "task: expected a string, got a number"),
        ({"task": 7}, "body", "body.task: expected a string, got a number"),
        ({}, "", "task: expected a string, got nothing"),
        (None, "data", "data.task: expected a string, got nothing"),
        ([], "", "message: expected an object, got a list"),
        ([], "error", "error: expected an object, got a list"),
    ],
)
def test_a_field_that_is_wrong_is_named_by_where_it_stands(
    data: Any, prefix: str, told: str
) -> None:
    with pytest.raises(BadMessage) as raised:
        decode_fields(SubmitTask, data, prefix)
    assert str(raised.value) == told


def test_fields_are_read_alone() -> None:
    data = {"task": "go", "taskId": "t", "later": 1}
    assert SubmitTask(**decode_fields(SubmitTask, data)) == SubmitTask(task="go", task_id="t")
    assert CancelTask(**decode_fields(CancelTask, None)) == CancelTask()


def test_the_position_and_time_given_win_over_the_events_own() -> None:
    event = Pong(position=Position("old", 1), timestamp=1)
    text = encode_event(event, position=Position("new", 2), timestamp=0)
    assert decode_event(text) == Pong(position=Position("new", 2), timestamp=0)


def test_an_event_without_a_time_gets_the_present_one() -> None:
    before = time.time()
    timestamp = decode_event(encode_event(Pong())).timestamp
    assert timestamp is not None
    assert int(before * 1000) <= timestamp <= time.time() * 1000


class Unfriendly:
    """Nothing can be done with it."""

    def __str__(self) -> str:
        raise ValueError("no")

    __repr__ = __bool__ = __len__ = __iter__ = __int__ = __float__ = __str__  # type: ignore[assignment]


ODD_VALUES: list[Any] = [
    None,
    True,
    42,
    -1.5,
    2**80,
    10**5000,
    float("nan"),
    float("inf"),
    b"\xff",
    "\ud800",
    ["x", object()],
    {1: "x", object(): {}},
    {"id": "x", "name": "y"},
    {"x"},
    object(),
    Unfriendly(),
    StepOutput(step_id="x", text="y"),
    (each for each in "xy"),
]


def _loads(text: str | bytes) -> Any:
    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is no JSON")

    return json.loads(text, parse_constant=refuse)


@given(events, st.data())
def test_no_value_of_a_wrong_type_breaks_encoding(event: Event, data: st.DataObject) -> None:
    own = [each.name for each in attrs.fields(type(event)) if each.name != "replay"]
    names = data.draw(st.lists(st.sampled_from(own), min_size=1, unique=True))
    wrong = {name: data.draw(st.sampled_from(ODD_VALUES)) for name in names if name != "position"}
    envelope = _loads(encode_event(attrs.evolve(event, **wrong)))
    assert {"type", "data", "timestamp"} <= set(envelope)


@pytest.mark.parametrize("odd", ODD_VALUES, ids=range(len(ODD_VALUES)))
def test_texts_and_numbers_of_a_wrong_type_do_not_break_the_viewers(odd: Any) -> None:
    for event in (
        StepProgressed(step_id=odd, progress=odd, message=odd),
        StepStarted(step_id="a", step_name=odd, step_index=odd, total_steps=3),
        StepFailed(step_id="a", step_name="A", error=odd, will_retry=odd),
        TaskCompleted(
            success=False, outcome="failed", output=odd, summary=odd, duration=odd, error=odd
        ),
        PlanCreated(plan=Plan(id="p", steps=[PlanStep(id="a", name="A", depends_on=odd)])),
    ):
        assert type(decode_event(encode_event(event))) is type(event)


def test_a_text_of_a_wrong_type_is_told_as_a_text() -> None:
    event: Any = StepProgressed(step_id="a", progress=12.4, message=ValueError("odd"))  # type: ignore[arg-type]
    assert _loads(encode_event(event))["data"]["message"] == "ValueError: odd"
    event = PlanCreated(plan=Plan(id="p", steps=[PlanStep(id="b", name="B", depends_on="a")]))
    assert _loads(encode_event(event))["data"]["plan"]["steps"][0]["dependsOn"] == ["a"]
    event = StepResult(status="success", duration=12.4, output=None)  # type: ignore[arg-type]
    event = StepCompleted(step_id="a", step_name="A", result=event)
    assert _loads(encode_event(event))["data"]["result"]["duration"] == 12


def test_lone_surrogates_are_replaced_everywhere() -> None:
    event = CustomEvent(type="\ud800", data={"\ud801": "\udfff"}, task_id="\ud802")
    envelope = _loads(encode_event(event, timestamp=1))
    assert envelope == {
        "type": "\ufffd",
        "data": {"\ufffd": "\ufffd"},
        "timestamp": 1,
        "taskId": "\ufffd",
    }
    assert decode_command(encode_command(SubmitTask(task="a\ud800"))) == SubmitTask(task="a\ufffd")


def test_a_huge_text_is_cut_with_a_marker() -> None:
    text = encode_event(StepFailed(step_id="a", step_name="A", error="x" * 10**7, will_retry=False))
    assert len(text) < 300_000
    assert _loads(text)["data"]["error"].endswith("more characters]")


def test_a_plan_with_huge_results_is_bounded_as_a_whole() -> None:
    result = StepResult(status="success", duration=1, output="x" * 10**6)
    steps = [PlanStep(id=str(each), name="n", result=result) for each in range(100)]
    assert len(encode_event(PlanCreated(plan=Plan(id="p", steps=steps)))) < 2_000_000


def test_a_tools_schema_is_not_cut_however_many_tools_there_are() -> None:
    schema = {"type": "object", "description": "x" * 10_000}
    tool = ToolInfo(name="n", description="", category="c", parameters=schema, cancellation="async")
    text = encode_event(ToolsListed(tools=[tool] * 100, timestamp=1))
    assert decode_event(text) == ToolsListed(tools=[tool] * 100, timestamp=1)


def test_a_commands_context_is_sent_whole() -> None:
    command = SubmitTask(task="go", context={"csv": "1,2\n" * 200_000})
    assert decode_command(encode_command(command)) == command


def test_a_decoded_message_cannot_be_changed() -> None:
    event = decode_event('{"type":"plan:created","data":{"plan":{"id":"p","steps":[]}}}')
    assert isinstance(event, PlanCreated)
    assert event.plan.steps == ()
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        event.task_id = "other"  # type: ignore[misc]


def test_a_list_in_a_message_equals_a_tuple() -> None:
    assert Plan(id="p", steps=[]) == Plan(id="p", steps=())
    assert Plan(id="p", steps=[PlanStep(id="a", name="A")]) != Plan(id="p", steps=[])
    assert PlanStep(id="a", name="A", depends_on=["b"]) == PlanStep(
        id="a", name="A", depends_on=("b",)
    )
    assert PlanStep(id="a", name="A", depends_on=[]) != PlanStep(id="a", name="A")


@given(event=events, position=positions)
def test_a_text_is_given_its_position_as_if_it_had_been_encoded_with_it(
    event: Event, position: Position
) -> None:
    bare = attrs.evolve(event, position=None)
    text = with_position(encode_event(bare, timestamp=17), position)
    assert text == encode_event(bare, position=position, timestamp=17)


@pytest.mark.parametrize("odd", ['"timestamp":1', ',"timestamp":', '\\"timestamp":', '"id":"e-1",'])
def test_no_text_of_an_event_is_taken_for_its_envelope(odd: str) -> None:
    event = CustomEvent(type=odd, data={"timestamp": 1, odd: {"timestamp": odd}}, task_id=odd)
    position = Position("e", 3)
    text = with_position(encode_event(event, timestamp=17), position)
    assert text == encode_event(event, position=position, timestamp=17)
    assert decode_event(text).position == position
