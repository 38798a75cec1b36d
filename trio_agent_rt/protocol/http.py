"""Commands as HTTP requests, and their answers: what carries them beside an SSE stream.

| request | command | success |
|---|---|---|
| `POST /task` | `SubmitTask` | `taskId`, `outcome` |
| `POST /cancel` | `CancelTask` | `outcome`, `receipt` or `receipts`; when the work has ended |
| `POST /confirm` | `ConfirmStep` | `outcome` |
| `GET /tools` | `GetTools` | `tools` |
| `GET /state` | `GetState` | `messages` |
| `GET /sessions` | none: it is of no session | `sessions` |

A body is the `data` of the same command over WebSocket, and the `clientId` of the stream
that it belongs to. Any answer may have `messages` too: what a WebSocket would have been
sent before its ack. No I/O.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, cast

import attrs
import msgspec

from ..errors import BadMessage
from . import messages as m
from ._schema import record_of
from .codec import decode_event, decode_fields, decode_json, encode_command, encode_event

__all__ = [
    "HTTP_STATUSES",
    "check_client_id",
    "decode_http_answer",
    "decode_http_command",
    "decode_http_sessions",
    "encode_http_answer",
    "encode_http_command",
    "encode_http_failure",
    "encode_http_sessions",
    "encode_http_success",
]

HTTP_STATUSES: Mapping[str, int] = {
    "bad_json": 400,
    "bad_message": 400,
    "unknown_type": 400,
    "unauthorized": 401,
    "forbidden": 403,
    "unknown_session": 404,
    "unknown_task": 404,
    "unknown_step": 404,
    "busy": 409,
    "too_large": 413,
    "rate_limited": 429,
    "internal": 500,
    "shutting_down": 503,
}
"""The HTTP status of each error code."""

MAX_CLIENT_ID_CHARS = 128
"""Four times what a server gives out."""

_MAX_SUMMARY_CHARS = 4096
"""Of each text in the summary of a session."""

_SUMMARY = record_of(m.SessionSummary)
_encode = msgspec.json.Encoder().encode
_NO_CLIENT = "clientId: missing; it is in the first message of the stream (GET /sse)"


def decode_http_command(cls: type[m.Command], body: bytes) -> tuple[m.Command, str]:
    """The command of a request's body, and the `clientId` that it is for.

    Unknown fields are ignored, as in `decode_command`.

    Raises:
        BadJSON: when the body is not JSON.
        BadMessage: when a field is missing or of the wrong kind; the text names it.
    """
    data = decode_json(body)
    if not isinstance(data, dict):
        raise BadMessage("body: expected an object with the fields of the command")
    fields = cast("dict[str, Any]", data)
    return cls(**decode_fields(cls, fields, "")), check_client_id(fields.get("clientId"))


def check_client_id(value: object) -> str:
    """`value` as the `clientId` that a peer sent.

    Raises:
        BadMessage: when it cannot be one.
    """
    if value is None or value == "":
        raise BadMessage(_NO_CLIENT)
    if not isinstance(value, str) or len(value) > MAX_CLIENT_ID_CHARS:
        raise BadMessage(f"clientId: expected a string of at most {MAX_CLIENT_ID_CHARS} characters")
    return value


def encode_http_command(command: m.Command, client_id: str) -> bytes:
    """The body of a request that carries `command`."""
    data = decode_json(encode_command(command)).get("data", {})
    return _encode({**data, "clientId": client_id})


def encode_http_answer(answer: m.Acknowledged, messages: Iterable[m.Event] = ()) -> bytes:
    """The body that says what has become of a command.

    Args:
        answer: how it ended.
        messages: what a WebSocket would have been sent before it.
    """
    envelope = decode_json(encode_event(answer))
    body: dict[str, Any] = {"success": True, **envelope["data"]}
    if answer.task_id is not None:
        body["taskId"] = answer.task_id
    told: list[msgspec.Raw] = []
    for message in messages:
        text = encode_event(message)
        if isinstance(message, m.ToolsListed):
            body["tools"] = decode_json(text)["data"]["tools"]
        else:
            told.append(msgspec.Raw(text))
    if told:
        body["messages"] = told
    return _encode(body)


def encode_http_success(fields: Mapping[str, Any]) -> bytes:
    """The body that gives what was asked for."""
    return _encode({"success": True, **fields})


def encode_http_sessions(sessions: Iterable[m.SessionSummary]) -> bytes:
    """The body that lists sessions."""
    told = [_SUMMARY.to_wire(each, _MAX_SUMMARY_CHARS) for each in sessions]
    return encode_http_success({"sessions": told})


def decode_http_sessions(body: bytes) -> Sequence[m.SessionSummary]:
    """The sessions that a body lists.

    Raises:
        BadJSON: when it is not JSON.
        BadMessage: when it lists none; the text says why.
    """
    data = decode_json(body)
    listed = cast("dict[str, Any]", data).get("sessions") if isinstance(data, dict) else None
    if not isinstance(listed, list):
        raise BadMessage("sessions: expected a list")
    try:
        return tuple(
            m.SessionSummary(**_SUMMARY.from_wire(each)) for each in cast("list[Any]", listed)
        )
    except msgspec.ValidationError as exc:
        raise BadMessage(f"sessions: {exc}") from None


def encode_http_failure(message: str, code: str) -> bytes:
    """The body that says why a request was refused."""
    return _encode({"success": False, "error": {"code": code, "message": message}})


def decode_http_answer(body: bytes, *, request_id: str) -> Sequence[m.Event]:
    """What a WebSocket would have been sent for the same command, its answer last.

    Args:
        request_id: of the command; its answer is given it.

    Raises:
        BadJSON: when it is not JSON.
        BadMessage: when it is no answer of this protocol; the text says why.
    """
    data = decode_json(body)
    fields = cast("dict[str, Any]", data) if isinstance(data, dict) else {}
    if not isinstance(fields.get("success"), bool):
        raise BadMessage("success: expected true or false")
    if not fields["success"]:
        failed = m.CommandFailed(**decode_fields(m.CommandFailed, fields.get("error"), "error"))
        return (attrs.evolve(failed, request_id=request_id),)
    return (*_told(fields), _acknowledged(fields, request_id))


def _told(fields: dict[str, Any]) -> list[m.Event]:
    told: list[m.Event] = []
    if "tools" in fields:
        told.append(m.ToolsListed(**decode_fields(m.ToolsListed, fields, "")))
    messages = fields.get("messages", [])
    if not isinstance(messages, list):
        raise BadMessage("messages: expected a list")
    told += [decode_event(_encode(each)) for each in cast("list[Any]", messages)]
    return told


def _acknowledged(fields: dict[str, Any], request_id: str) -> m.Acknowledged:
    task_id = fields.get("taskId")
    if task_id is not None and not isinstance(task_id, str):
        raise BadMessage("taskId: expected a string")
    known = decode_fields(m.Acknowledged, fields, "")
    return m.Acknowledged(request_id=request_id, task_id=task_id, **known)
