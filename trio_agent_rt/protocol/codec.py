"""Messages to JSON text and back: the only place that knows JSON and wire names.

Each message class has one row in `EVENTS` or `COMMANDS`; its wire fields follow from
its Python fields (`step_id` is `stepId`) and from one rule: a field that defaults to
None is left out when it is None, every other field is always there.
"""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Annotated, Any, TypeVar

import msgspec

from ..errors import BadJSON, BadMessage, ProtocolError, UnknownMessageType
from . import messages as m
from ._schema import Record, record_of
from .jsonable import MAX_OUTPUT_CHARS, to_jsonable
from .position import Position

__all__ = [
    "COMMANDS",
    "EVENTS",
    "RESERVED_TYPES",
    "decode_command",
    "decode_event",
    "decode_fields",
    "decode_json",
    "encode_command",
    "encode_event",
    "event_type",
    "with_position",
]

COMMANDS: dict[str, type[m.Command]] = {
    "task:submit": m.SubmitTask,
    "task:cancel": m.CancelTask,
    "step:confirm": m.ConfirmStep,
    "get:tools": m.GetTools,
    "get:state": m.GetState,
    "ping": m.Ping,
}
"""What clients send: the wire's name of each command, and its class."""

EVENTS: dict[str, type[m.Event]] = {
    "connected": m.Connected,
    "status": m.StatusChanged,
    "plan:created": m.PlanCreated,
    "plan:updated": m.PlanUpdated,
    "step:start": m.StepStarted,
    "step:progress": m.StepProgressed,
    "step:output": m.StepOutput,
    "step:complete": m.StepCompleted,
    "step:error": m.StepFailed,
    "waiting:confirmation": m.ConfirmationRequested,
    "task:complete": m.TaskCompleted,
    "tools:list": m.ToolsListed,
    "gap": m.GapOccurred,
    "error": m.CommandFailed,
    "ack": m.Acknowledged,
    "pong": m.Pong,
}
"""What a server sends: the wire's name of each event, and its class."""

RESERVED_TYPES = frozenset(COMMANDS) | frozenset(EVENTS)
"""Types that an application's own broadcast cannot use."""

_MAX_COMMAND_CHARS = 16 * MAX_OUTPUT_CHARS
"""Where a command's texts and context are cut: above what a server takes by default, so
that a context that is too big is refused and not run in part."""

_IDENTIFIER = Annotated[str, msgspec.Meta(min_length=1, max_length=128)]
_LIMITS: Mapping[str, Any] = {
    "task": Annotated[str, msgspec.Meta(pattern=r"\S")],
    "task_id": _IDENTIFIER,
    "confirmation_id": Annotated[str, msgspec.Meta(min_length=1, max_length=256)],
    "step_id": Annotated[str, msgspec.Meta(min_length=1, max_length=256)],
}
"""What a peer may send in a field of a command, beyond its type. Ids are echoed and
kept, so they are short; a client's own ids (UUIDs, counters) are far below."""

_TIMESTAMP = b'"timestamp":'

_ENVELOPE = ("task_id", "position", "timestamp", "replay")
"""Fields of every event that travel beside its data."""

_ANSWERS = (m.Acknowledged, m.CommandFailed)
"""Events that name what they answer."""

_encode = msgspec.json.Encoder().encode
_EVENT_NAMES: dict[type, str] = {cls: name for name, cls in EVENTS.items()}
_COMMAND_NAMES: dict[type, str] = {cls: name for name, cls in COMMANDS.items()}
_RECORDS: dict[type, Record] = {cls: record_of(cls, skip=_ENVELOPE) for cls in EVENTS.values()} | {
    cls: record_of(cls, skip=("request_id",), limits=_LIMITS) for cls in COMMANDS.values()
}
_RECORDS[m.Acknowledged] = record_of(m.Acknowledged, skip=(*_ENVELOPE, "request_id"))


def encode_event(
    event: m.Event, *, position: Position | None = None, timestamp: int | None = None
) -> bytes:
    """The JSON text of an event, in UTF-8, whatever its fields hold.

    Values of a wrong type are brought to the declared one; see `to_jsonable`.

    Args:
        position: where it stands in the log, instead of the event's own.
        timestamp: Unix time in milliseconds, or None for the event's own or now.
    """
    cls = type(event)
    envelope: dict[str, Any]
    if isinstance(event, m.CustomEvent):
        envelope = {"type": event.type, "data": to_jsonable(event.data)}
    else:
        data = _RECORDS[cls].to_wire(event, MAX_OUTPUT_CHARS)
        envelope = {"type": _EVENT_NAMES[cls], "data": data}
    if position is None:
        position = event.position
    if position is not None:
        envelope["id"] = str(position)
    if timestamp is None:
        timestamp = event.timestamp
    envelope["timestamp"] = int(time.time() * 1000) if timestamp is None else timestamp
    if event.task_id is not None:
        envelope["taskId"] = event.task_id
    if event.replay:
        envelope["replay"] = True
    if isinstance(event, _ANSWERS) and event.request_id is not None:
        envelope["requestId"] = event.request_id
    return _to_bytes(envelope)


def with_position(text: bytes, position: Position) -> bytes:
    """What `encode_event` gave for an event without a position, as it is with one.

    Whoever tells many logs the same has its text made once.
    """
    # The last: data may have this key too, and behind it stand only ids, in whose text a quote
    # is written as \".
    place = text.rindex(_TIMESTAMP)
    return b'%b"id":"%b",%b' % (text[:place], str(position).encode(), text[place:])


def event_type(event: m.Event) -> str:
    """The wire's name for what kind of event it is."""
    return event.type if isinstance(event, m.CustomEvent) else _EVENT_NAMES[type(event)]


def encode_command(command: m.Command) -> str:
    """The JSON text of a command."""
    cls = type(command)
    envelope: dict[str, Any] = {"type": _COMMAND_NAMES[cls]}
    data = _RECORDS[cls].to_wire(command, _MAX_COMMAND_CHARS)
    if data:
        envelope["data"] = data
    if command.request_id is not None:
        envelope["requestId"] = command.request_id
    return _to_bytes(envelope).decode()


def _to_bytes(envelope: dict[str, Any]) -> bytes:
    try:
        return _encode(envelope)
    except (ValueError, TypeError):  # a lone surrogate; an id that is no string
        return _encode(to_jsonable(envelope, max_chars=sys.maxsize))


_RequestId = Annotated[str, msgspec.Meta(max_length=128)] | None


class _Answerable(msgspec.Struct):
    """All that must be readable of a message for its failure to be told to who sent it."""

    request_id: _RequestId = msgspec.field(default=None, name="requestId")


class _CommandEnvelope(_Answerable, kw_only=True):
    type: str
    data: Any = None


class _EventEnvelope(_CommandEnvelope, kw_only=True):
    id: str | None = None
    timestamp: int | None = None
    task_id: str | None = msgspec.field(default=None, name="taskId")
    replay: bool = False


_anything = msgspec.json.Decoder()
_answerable = msgspec.json.Decoder(_Answerable)
_command_envelope = msgspec.json.Decoder(_CommandEnvelope)
_event_envelope = msgspec.json.Decoder(_EventEnvelope)
T = TypeVar("T")


def decode_command(text: str | bytes) -> m.Command:
    """What a client asks for.

    Unknown fields are ignored, so that newer clients can talk to older servers.

    Raises:
        BadJSON: when it is not JSON (or not UTF-8, or nested beyond reason).
        BadMessage: when a field is missing or of the wrong kind; the text names it.
        UnknownMessageType: when the type is not in the contract.

    Each carries the message's `request_id` and its type if that much could be read.
    """
    message_type: str | None = None
    try:
        envelope = _envelope(_command_envelope, text)
        message_type = envelope.type
        cls = COMMANDS.get(envelope.type)
        if cls is None:
            known = ", ".join(sorted(COMMANDS))
            raise UnknownMessageType(f"type: expected one of {known}, got {envelope.type[:64]!r}")
        return cls(request_id=envelope.request_id, **decode_fields(cls, envelope.data))
    except ProtocolError as exc:
        exc.request_id, exc.message_type = _request_id(text), message_type
        raise


def decode_event(text: str | bytes) -> m.Event:
    """What a server says; a type that is not in the contract is a `CustomEvent`.

    Raises:
        BadJSON: when it is not JSON.
        BadMessage: when a field is missing or of the wrong kind; the text names it.
    """
    envelope = _envelope(_event_envelope, text)
    cls = EVENTS.get(envelope.type, m.CustomEvent)
    fields: dict[str, Any] = {"type": envelope.type, "data": envelope.data}
    if cls is not m.CustomEvent:
        fields = decode_fields(cls, envelope.data)
    if envelope.request_id is not None and cls in (m.Acknowledged, m.CommandFailed):
        fields["request_id"] = envelope.request_id
    elif cls is m.Acknowledged:
        raise BadMessage(_missing("requestId"))
    return cls(
        task_id=envelope.task_id,
        position=None if envelope.id is None else Position.parse(envelope.id),
        timestamp=envelope.timestamp,
        replay=envelope.replay,
        **fields,
    )


def _envelope(decoder: msgspec.json.Decoder[T], text: str | bytes) -> T:
    try:
        return _checked(lambda: decoder.decode(text))
    except BadMessage:
        with suppress(BadMessage):  # what msgspec refused at its first byte may be no JSON at all
            _checked(lambda: _anything.decode(text))
        raise


def decode_fields(cls: type, data: Any, prefix: str = "data") -> dict[str, Any]:
    """The fields of a message out of its JSON object.

    Args:
        prefix: where the object stands in what the peer sent, for the error's text.

    Raises:
        BadMessage: when a field is missing or of the wrong kind; the text names it.
    """
    return _checked(lambda: _RECORDS[cls].from_wire({} if data is None else data), prefix)


def decode_json(text: str | bytes) -> Any:
    """Any JSON value.

    Raises:
        BadJSON: when it is not JSON (or not UTF-8, or nested beyond reason).
    """
    return _checked(lambda: _anything.decode(text))


def _request_id(text: str | bytes) -> str | None:
    try:
        return _answerable.decode(text).request_id
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return None


def _checked(decode: Callable[[], T], prefix: str = "") -> T:
    try:
        return decode()
    except msgspec.ValidationError as exc:
        raise BadMessage(_explain(str(exc), prefix)) from None
    except UnicodeError:
        raise BadJSON("not valid JSON: it is not UTF-8") from None
    except msgspec.DecodeError as exc:
        reason = str(exc).removeprefix("JSON is malformed: ")
        raise BadJSON(f"not valid JSON: {reason[:1].lower()}{reason[1:]}") from None
    except RecursionError:
        raise BadJSON("not valid JSON: nested too deeply") from None


_KINDS: Mapping[str, str] = {
    "str": "a string",
    "int": "a number",
    "float": "a number",
    "bool": "true or false",
    "null": "null",
    "object": "an object",
    "array": "a list",
    "whole": "a whole number",
}

_REQUIRED: Mapping[str, str] = {
    "type": "a string",
    "requestId": "a string",
    "task": "a string",
    "stepId": "a string",
    "approved": "true or false",
}
"""What is expected of the fields that a client cannot leave out."""


def _explain(text: str, prefix: str) -> str:
    """A complaint of msgspec in the contract's form: `data.task: expected …, got …`."""
    what, _, where = text.partition(" - at ")
    path = where.strip("`").removeprefix("$").removeprefix(".")
    absent = re.fullmatch(r"Object missing required field `(\w+)`", what)
    if absent:
        return ".".join(filter(None, (prefix, path, _missing(absent[1]))))
    path = ".".join(filter(None, (prefix, path))) or "message"
    if "got `float`" in what:
        what = what.replace("`int", "`whole")
    what = re.sub(r"`([\w | ]+)`", _kind, what[:1].lower() + what[1:])
    what = re.sub(r"string (matching regex .*|of length >= 1)$", "string that is not blank", what)
    what = re.sub(r"of length <= (\d+)", r"of at most \1 characters", what)
    what = re.sub(r"^invalid enum value (.{,64}).*", r"\1 is not among its values", what)
    return f"{path}: {what[:200]}"


def _missing(field: str) -> str:
    kind = _REQUIRED.get(field)
    return f"{field}: expected {kind}, got nothing" if kind else f"{field}: missing"


def _kind(match: re.Match[str]) -> str:
    kinds = [_KINDS.get(each.strip(), each.strip()) for each in match[1].split("|")]
    return " or ".join(kinds)
