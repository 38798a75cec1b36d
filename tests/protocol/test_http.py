"""Commands as bodies of HTTP requests, and their answers: one table, read in both directions."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Sequence
from typing import Any

import attrs
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.protocol.strategies import COMMANDS, commands, events, json_values, of_class, texts
from tests.protocol.wire_table import RECEIPT, RECEIPT_TEXT
from trio_agent_rt.errors import BadJSON, BadMessage, ProtocolError
from trio_agent_rt.protocol import (
    HTTP_STATUSES,
    Acknowledged,
    CancelTask,
    Command,
    CommandFailed,
    ConfirmStep,
    Event,
    GetState,
    GetTools,
    Ping,
    SessionSummary,
    StatusChanged,
    SubmitTask,
    TaskCompleted,
    ToolInfo,
    ToolsListed,
    check_client_id,
    decode_http_answer,
    decode_http_command,
    decode_http_sessions,
    encode_http_answer,
    encode_http_command,
    encode_http_failure,
    encode_http_sessions,
    encode_http_success,
)

Told = Sequence[Event]
"""What a WebSocket would have been sent, the answer last."""

ENDED = TaskCompleted(
    success=True,
    outcome="succeeded",
    output=None,
    summary=None,
    duration=9,
    error=None,
    task_id="t1",
    replay=True,
    timestamp=1,
)
ENDED_TEXT = (
    '{"type":"task:complete","data":{"success":true,"outcome":"succeeded","output":null,'
    '"summary":null,"duration":9,"error":null},"timestamp":1,"taskId":"t1","replay":true}'
)
IDLE = StatusChanged(state="idle", message="Ready", timestamp=1, replay=True)
IDLE_TEXT = (
    '{"type":"status","data":{"state":"idle","message":"Ready"},"timestamp":1,"replay":true}'
)
TOOLS = ToolsListed(
    tools=[
        ToolInfo(
            name="wait",
            description="Waits",
            category="time",
            parameters={"type": "object"},
            cancellation="async",
        )
    ]
)
TOOLS_TEXT = (
    '[{"name":"wait","description":"Waits","category":"time","parameters":{"type":"object"},'
    '"cancellation":"async"}]'
)

TABLE: list[tuple[Command, str, Told, str]] = [
    (
        SubmitTask(task="go"),
        '{"task":"go","context":{},"clientId":"c"}',
        [Acknowledged(request_id="r", outcome="accepted", task_id="t1")],
        '{"success":true,"outcome":"accepted","taskId":"t1"}',
    ),
    (
        SubmitTask(task="走", context={"n": [1, None]}, task_id="t1"),
        '{"task":"走","context":{"n":[1,null]},"taskId":"t1","clientId":"c"}',
        [ENDED, Acknowledged(request_id="r", outcome="already_accepted", task_id="t1")],
        (
            '{"success":true,"outcome":"already_accepted","taskId":"t1",'
            f'"messages":[{ENDED_TEXT}]}}'
        ),
    ),
    (
        CancelTask(),
        '{"clientId":"c"}',
        [Acknowledged(request_id="r", outcome="cancelled", receipts=[RECEIPT, RECEIPT])],
        (f'{{"success":true,"outcome":"cancelled","receipts":[{RECEIPT_TEXT},{RECEIPT_TEXT}]}}'),
    ),
    (
        CancelTask(task_id="t1", reason="late"),
        '{"taskId":"t1","reason":"late","clientId":"c"}',
        [Acknowledged(request_id="r", outcome="cancelled", receipt=RECEIPT, task_id="t1")],
        f'{{"success":true,"outcome":"cancelled","receipt":{RECEIPT_TEXT},"taskId":"t1"}}',
    ),
    (
        ConfirmStep(step_id="s", approved=False, reason="no", task_id="t1"),
        '{"stepId":"s","approved":false,"reason":"no","taskId":"t1","clientId":"c"}',
        [Acknowledged(request_id="r", outcome="applied")],
        '{"success":true,"outcome":"applied"}',
    ),
    (
        GetTools(),
        '{"clientId":"c"}',
        [TOOLS, Acknowledged(request_id="r", outcome="ok")],
        f'{{"success":true,"outcome":"ok","tools":{TOOLS_TEXT}}}',
    ),
    (
        GetState(),
        '{"clientId":"c"}',
        [ENDED, IDLE, Acknowledged(request_id="r", outcome="ok")],
        f'{{"success":true,"outcome":"ok","messages":[{ENDED_TEXT},{IDLE_TEXT}]}}',
    ),
]

each_row = pytest.mark.parametrize(
    ("command", "body", "told", "answer"), TABLE, ids=[f"{type(row[0]).__name__}" for row in TABLE]
)


@each_row
def test_a_command_and_its_body_are_the_same(
    command: Command, body: str, told: Told, answer: str
) -> None:
    assert encode_http_command(command, "c").decode() == body
    assert decode_http_command(type(command), body.encode()) == (command, "c")


@each_row
def test_an_answer_and_its_body_are_the_same(
    command: Command, body: str, told: Told, answer: str
) -> None:
    *messages, acknowledged = told
    assert isinstance(acknowledged, Acknowledged)
    assert encode_http_answer(acknowledged, messages).decode() == answer
    assert list(decode_http_answer(answer.encode(), request_id="r")) == told


def test_the_table_has_every_command_that_is_a_request() -> None:
    assert {type(row[0]) for row in TABLE} == set(COMMANDS) - {Ping}


@pytest.mark.parametrize("code", [*HTTP_STATUSES, "rejected"])
def test_a_failure_and_its_body_are_the_same(code: str) -> None:
    body = encode_http_failure("不行", code)
    assert json.loads(body) == {"success": False, "error": {"code": code, "message": "不行"}}
    (failed,) = decode_http_answer(body, request_id="r")
    assert failed == CommandFailed(message="不行", code=code, request_id="r")


def test_every_failure_is_a_failure_in_http_too() -> None:
    assert all(400 <= status <= 599 for status in HTTP_STATUSES.values())


def test_what_was_asked_for_is_said_beside_the_success() -> None:
    assert encode_http_success({"ticket": "x"}) == b'{"success":true,"ticket":"x"}'


@given(commands, st.text(min_size=1, max_size=128))
def test_every_command_comes_back_equal(command: Command, client_id: str) -> None:
    body = encode_http_command(command, client_id)
    alone = attrs.evolve(command, request_id=None)
    assert decode_http_command(type(command), body) == (alone, client_id)


@given(
    of_class(Acknowledged),
    st.lists(events.filter(lambda event: not isinstance(event, ToolsListed)), max_size=3),
    st.none() | of_class(ToolsListed),
)
def test_every_answer_comes_back_equal(
    answer: Acknowledged, messages: list[Event], tools: ToolsListed | None
) -> None:
    messages = [attrs.evolve(each, timestamp=7) for each in messages]
    listed = [] if tools is None else [ToolsListed(tools=tools.tools)]
    body = encode_http_answer(answer, [*messages, *listed])
    expected = Acknowledged(
        request_id="r",
        outcome=answer.outcome,
        task_id=answer.task_id,
        receipt=answer.receipt,
        receipts=answer.receipts,
    )
    assert list(decode_http_answer(body, request_id="r")) == [*listed, *messages, expected]


@given(texts, texts)
def test_every_failure_comes_back_equal(message: str, code: str) -> None:
    (failed,) = decode_http_answer(encode_http_failure(message, code), request_id="r")
    assert failed == CommandFailed(message=message, code=code, request_id="r")


FIELDS = (
    *("success", "error", "outcome", "messages", "tools", "taskId", "receipt", "receipts"),
    *("clientId", "task", "context", "stepId", "approved", "reason"),
)
some_json = st.dictionaries(st.sampled_from(FIELDS), json_values) | json_values
bodies = st.binary() | some_json.map(lambda value: json.dumps(value).encode())


@given(bodies)
@example(b"[" * 100_000)
@example(b'{"a":' * 100_000)
@example(b'{"task":"\xff"}')
@example(b'{"clientId":"c","task":"\\ud800"}')
def test_whatever_a_peer_sends_is_a_command_or_a_protocol_error(body: bytes) -> None:
    for kind in COMMANDS:
        with contextlib.suppress(ProtocolError):
            command, client_id = decode_http_command(kind, body)
            assert isinstance(command, kind)
            assert 0 < len(client_id) <= 128


@given(bodies)
@example(b'{"success":true,"outcome":"ok","messages":[null]}')
@example(b'{"success":true,"outcome":"ok","messages":[{"type":"ack"}]}')
@example(b'{"success":true,"outcome":"ok","messages":' + b"[" * 100_000)
@example(b'{"success":false,"error":{"code":7}}')
@example(b'{"success":false}')
def test_whatever_a_server_answers_is_an_answer_or_a_protocol_error(body: bytes) -> None:
    with contextlib.suppress(ProtocolError):
        *_, answer = decode_http_answer(body, request_id="r")
        assert isinstance(answer, Acknowledged | CommandFailed)
        assert answer.request_id == "r"


@pytest.mark.parametrize(
    ("body", "wrong", "told"),
    [
        (b"", BadJSON, "not valid JSON: input data was truncated"),
        (b"[]", BadMessage, "body: expected an object with the fields of the command"),
        (b"{}", BadMessage, "task: expected a string, got nothing"),
        (
            b'{"task":"x"}',
            BadMessage,
            "clientId: missing; it is in the first message of the stream (GET /sse)",
        ),
        (
            b'{"task":"x","clientId":7}',
            BadMessage,
            "clientId: expected a string of at most 128 characters",
        ),
    ],
)
def test_what_is_wrong_with_a_body_is_named(
    body: bytes, wrong: type[ProtocolError], told: str
) -> None:
    with pytest.raises(wrong) as raised:
        decode_http_command(SubmitTask, body)
    assert str(raised.value) == told


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (b"[]", "success: expected true or false"),
        (b'{"success":1}', "success: expected true or false"),
        (b'{"success":true}', "outcome: missing"),
        (b'{"success":true,"outcome":"ok","taskId":7}', "taskId: expected a string"),
        (b'{"success":true,"outcome":"ok","messages":{}}', "messages: expected a list"),
        (b'{"success":false,"error":[]}', "error: expected an object, got a list"),
        (b'{"success":false,"error":{"code":"busy"}}', "error.message: missing"),
    ],
)
def test_what_is_wrong_with_an_answer_is_named(body: bytes, told: str) -> None:
    with pytest.raises(BadMessage) as raised:
        decode_http_answer(body, request_id="r")
    assert str(raised.value) == told


@pytest.mark.parametrize("value", ["c", "c" * 128, "任务"])
def test_a_client_id_is_a_short_text(value: str) -> None:
    assert check_client_id(value) == value


@pytest.mark.parametrize("value", [None, "", 7, True, ["c"], {}, "c" * 129])
def test_what_cannot_be_a_client_id_is_refused(value: Any) -> None:
    with pytest.raises(BadMessage, match=r"^clientId: "):
        check_client_id(value)


@given(st.lists(of_class(SessionSummary), max_size=3))
def test_a_list_of_sessions_comes_back_as_it_was(sessions: list[SessionSummary]) -> None:
    assert list(decode_http_sessions(encode_http_sessions(sessions))) == sessions


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"[]", "sessions: expected a list"),
        (b'{"sessions": 1}', "sessions: expected a list"),
        (b'{"sessions": [{}]}', "sessionId"),
        (b'{"sessions": [{"sessionId": 1}]}', "sessionId"),
    ],
)
def test_what_lists_no_sessions_is_told_with_the_field(body: bytes, said: str) -> None:
    with pytest.raises(BadMessage, match=said):
        decode_http_sessions(body)
