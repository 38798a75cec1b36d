"""What a peer sends that is no message: told exactly what is wrong, and nothing worse."""

from __future__ import annotations

import contextlib
import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from trio_agent_rt.errors import BadJSON, BadMessage, ProtocolError, UnknownMessageType
from trio_agent_rt.protocol import (
    Command,
    Event,
    GetTools,
    Ping,
    SubmitTask,
    decode_command,
    decode_event,
)

LONG = "x" * 100_000
KNOWN = "get:state, get:tools, ping, step:confirm, task:cancel, task:submit"

REFUSED: list[tuple[str | bytes, type[ProtocolError], str]] = [
    ("", BadJSON, "not valid JSON: input data was truncated"),
    ("{", BadJSON, "not valid JSON: input data was truncated"),
    ("hello", BadJSON, "not valid JSON: invalid character (byte 0)"),
    ('{"type":"ping"} {}', BadJSON, "not valid JSON: trailing characters (byte 17)"),
    ("{'type':'ping'}", BadJSON, "not valid JSON: object keys must be strings (byte 1)"),
    (
        '{"type":"ping","data":{"n":NaN}}',
        BadJSON,
        "not valid JSON: invalid character (byte 27)",
    ),
    (
        '{"type":"ping","data":{"n":-Infinity}}',
        BadJSON,
        "not valid JSON: invalid character (byte 28)",
    ),
    (b'{"type":"\xff"}', BadJSON, "not valid JSON: it is not UTF-8"),
    (b"\xff\xfe{\x00}\x00", BadJSON, "not valid JSON: invalid character (byte 0)"),
    ('{"type":"\ud800"}', BadJSON, "not valid JSON: it is not UTF-8"),
    (
        '{"type":"\\ud800 half a pair"}',
        BadJSON,
        "not valid JSON: unexpected end of escaped utf-16 surrogate pair (byte 15)",
    ),
    ("[" * 100_000, BadJSON, "not valid JSON: nested too deeply"),
    ('{"type":"ping","data":' + '{"a":' * 100_000, BadJSON, "not valid JSON: nested too deeply"),
    ("[1,", BadJSON, "not valid JSON: input data was truncated"),
    ('{"type":5,', BadJSON, "not valid JSON: input data was truncated"),
    ("[]", BadMessage, "message: expected an object, got a list"),
    ('"ping"', BadMessage, "message: expected an object, got a string"),
    ("7", BadMessage, "message: expected an object, got a number"),
    ("null", BadMessage, "message: expected an object, got null"),
    ("{}", BadMessage, "type: expected a string, got nothing"),
    ('{"type":5}', BadMessage, "type: expected a string, got a number"),
    ('{"type":null}', BadMessage, "type: expected a string, got null"),
    ('{"type":["ping"]}', BadMessage, "type: expected a string, got a list"),
    ('{"type":"ping","data":[]}', BadMessage, "data: expected an object, got a list"),
    ('{"type":"ping","data":0}', BadMessage, "data: expected an object, got a number"),
    ('{"type":"ping","data":""}', BadMessage, "data: expected an object, got a string"),
    (
        '{"type":"ping","requestId":7}',
        BadMessage,
        "requestId: expected a string or null, got a number",
    ),
    (
        f'{{"type":"ping","requestId":"{LONG}"}}',
        BadMessage,
        "requestId: expected a string of at most 128 characters",
    ),
    ('{"type":"task:submit"}', BadMessage, "data.task: expected a string, got nothing"),
    ('{"type":"task:submit","data":{}}', BadMessage, "data.task: expected a string, got nothing"),
    (
        '{"type":"task:submit","data":{"task":7}}',
        BadMessage,
        "data.task: expected a string, got a number",
    ),
    (
        '{"type":"task:submit","data":{"task":1.5}}',
        BadMessage,
        "data.task: expected a string, got a number",
    ),
    (
        '{"type":"task:submit","data":{"task":""}}',
        BadMessage,
        "data.task: expected a string that is not blank",
    ),
    (
        '{"type":"task:submit","data":{"task":" \\t\\n\u3000"}}',
        BadMessage,
        "data.task: expected a string that is not blank",
    ),
    (
        '{"type":"task:submit","data":{"task":"x","context":[1]}}',
        BadMessage,
        "data.context: expected an object or null, got a list",
    ),
    (
        '{"type":"task:submit","data":{"task":"x","taskId":false}}',
        BadMessage,
        "data.taskId: expected a string or null, got true or false",
    ),
    (
        '{"type":"task:submit","data":{"task":"x","taskId":""}}',
        BadMessage,
        "data.taskId: expected a string that is not blank",
    ),
    (
        f'{{"type":"task:submit","data":{{"task":"x","taskId":"{LONG}"}}}}',
        BadMessage,
        "data.taskId: expected a string of at most 128 characters",
    ),
    (
        '{"type":"task:submit","data":{"task":"x","context":{"n":' + "9" * 5000 + "}}}",
        BadMessage,
        "data[...][...]: integer value out of range",
    ),
    (
        '{"type":"task:submit","data":{"task":"x","context":{"n":1e999}}}',
        BadMessage,
        "data[...][...]: number out of range",
    ),
    (
        '{"type":"task:cancel","data":{"taskId":{}}}',
        BadMessage,
        "data.taskId: expected a string or null, got an object",
    ),
    (
        '{"type":"step:confirm","data":{"approved":true}}',
        BadMessage,
        "data.stepId: expected a string, got nothing",
    ),
    (
        '{"type":"step:confirm","data":{"stepId":"a"}}',
        BadMessage,
        "data.approved: expected true or false, got nothing",
    ),
    (
        '{"type":"step:confirm","data":{"stepId":"a","approved":"yes"}}',
        BadMessage,
        "data.approved: expected true or false, got a string",
    ),
    (
        '{"type":"step:confirm","data":{"stepId":"a","approved":1}}',
        BadMessage,
        "data.approved: expected true or false, got a number",
    ),
    (
        f'{{"type":"step:confirm","data":{{"stepId":"{LONG}","approved":true}}}}',
        BadMessage,
        "data.stepId: expected a string of at most 256 characters",
    ),
    ('{"type":"fly"}', UnknownMessageType, f"type: expected one of {KNOWN}, got 'fly'"),
    ('{"type":""}', UnknownMessageType, f"type: expected one of {KNOWN}, got ''"),
    ('{"type":"fly","data":"x"}', UnknownMessageType, f"type: expected one of {KNOWN}, got 'fly'"),
    (
        f'{{"type":"{LONG}"}}',
        UnknownMessageType,
        f"type: expected one of {KNOWN}, got '{LONG[:64]}'",
    ),
    ('{"type":"status"}', UnknownMessageType, f"type: expected one of {KNOWN}, got 'status'"),
]


@pytest.mark.parametrize(("text", "error", "words"), REFUSED)
def test_a_bad_command_is_told_what_is_wrong_with_it(
    text: str | bytes, error: type[ProtocolError], words: str
) -> None:
    with pytest.raises(ProtocolError) as caught:
        decode_command(text)
    assert type(caught.value) is error
    assert str(caught.value) == words
    assert caught.value.request_id is None


def test_each_kind_of_bad_message_has_the_contracts_code() -> None:
    assert [each.code for each in (BadJSON, BadMessage, UnknownMessageType)] == [
        "bad_json",
        "bad_message",
        "unknown_type",
    ]


@pytest.mark.parametrize(
    "text",
    [
        '{"requestId":"r"}',
        '{"type":5,"requestId":"r"}',
        '{"requestId":"r","type":[[]]}',
        '{"type":"fly","requestId":"r"}',
        '{"type":"ping","data":[],"requestId":"r"}',
        '{"type":"task:submit","data":{"task":7},"requestId":"r"}',
        '{"type":"task:submit","data":{"task":"x","context":{"n":1e999}},"requestId":"r"}',
    ],
)
def test_a_bad_command_keeps_its_request_id(text: str) -> None:
    with pytest.raises(ProtocolError) as caught:
        decode_command(text)
    assert caught.value.request_id == "r"


@pytest.mark.parametrize(
    "text", ['{"requestId":"r"', '{"requestId":"r"}x', '["r"]', '{"type":"fly","requestId":["r"]}']
)
def test_a_request_id_that_cannot_be_read_is_none(text: str) -> None:
    with pytest.raises(ProtocolError) as caught:
        decode_command(text)
    assert caught.value.request_id is None


def test_of_a_field_given_twice_the_last_counts() -> None:
    text = '{"type":"ping","type":"get:tools","requestId":"a","requestId":"b"}'
    assert decode_command(text) == GetTools(request_id="b")


def test_a_huge_task_text_is_taken_whole() -> None:
    command = decode_command(json.dumps({"type": "task:submit", "data": {"task": LONG * 50}}))
    assert command == SubmitTask(task=LONG * 50)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[]", "message: expected an object, got a list"),
        ('{"type":"status","data":7}', "data: expected an object, got a number"),
        ('{"type":"pong","data":[]}', "data: expected an object, got a list"),
        ('{"type":"status","data":{"state":"idle"}}', "data.message: missing"),
        (
            '{"type":"status","data":{"state":"asleep","message":"m"}}',
            "data.state: 'asleep' is not among its values",
        ),
        (
            '{"type":"gap","data":{"missed":1.5}}',
            "data.missed: expected a whole number or null, got a number",
        ),
        (
            '{"type":"plan:created","data":{"plan":{"id":"p","steps":[{"id":"a","name":4}]}}}',
            "data.plan.steps[0].name: expected a string, got a number",
        ),
        (
            '{"type":"plan:created","data":{"plan":{"id":"p","steps":[{"id":"a"}]}}}',
            "data.plan.steps[0].name: missing",
        ),
        (
            '{"type":"plan:created","data":{"plan":{"id":"p","steps":7}}}',
            "data.plan.steps: expected a list or null, got a number",
        ),
        ('{"type":"ack","data":{"outcome":"ok"}}', "requestId: expected a string, got nothing"),
        ('{"type":"pong","id":7}', "id: expected a string or null, got a number"),
        ('{"type":"pong","replay":"yes"}', "replay: expected true or false, got a string"),
        ('{"type":"pong","timestamp":"now"}', "timestamp: expected a number or null, got a string"),
    ],
)
def test_a_bad_event_is_told_what_is_wrong_with_it(text: str, words: str) -> None:
    with pytest.raises(BadMessage) as caught:
        decode_event(text)
    assert str(caught.value) == words


def test_what_a_peer_wrote_is_not_quoted_at_length() -> None:
    for decode, text in (
        (decode_command, f'{{"type":"{LONG}"}}'),
        (decode_event, f'{{"type":"status","data":{{"state":"{LONG}","message":"m"}}}}'),
    ):
        with pytest.raises(ProtocolError) as caught:
            decode(text)
        assert len(str(caught.value)) < 400


json_texts = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()),
    lambda inner: (
        st.lists(inner)
        | st.dictionaries(
            st.text() | st.sampled_from(["type", "data", "requestId", "task", "stepId", "plan"]),
            inner | st.sampled_from(["ping", "task:submit", "step:confirm", "plan:created", "ack"]),
        )
    ),
).map(json.dumps)


@given(st.binary() | st.text(st.characters()) | json_texts)
@example(b'{"type":"ping"')
@example(b"\xef\xbb\xbf{}")
def test_nothing_that_is_sent_raises_anything_but_a_protocol_error(text: str | bytes) -> None:
    for decode, result in ((decode_command, Command), (decode_event, Event)):
        with contextlib.suppress(ProtocolError):
            assert isinstance(decode(text), result)


@given(st.binary(max_size=8), st.integers(0, 60), st.integers(0, 3))
def test_no_damage_to_a_message_raises_anything_but_a_protocol_error(
    noise: bytes, at: int, lost: int
) -> None:
    text = b'{"type":"task:submit","data":{"task":"x","context":{"a":[1,2]}},"requestId":"r"}'
    with contextlib.suppress(ProtocolError):
        assert isinstance(decode_command(text[:at] + noise + text[at + lost :]), Command)


def test_a_bad_command_changes_nothing_for_the_next() -> None:
    for text, _, _ in REFUSED:
        with pytest.raises(ProtocolError):
            decode_command(text)
        assert decode_command('{"type":"ping"}') == Ping()
