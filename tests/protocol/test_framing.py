"""Frames as a peer's own parser reads them."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from wsproto.connection import Connection, ConnectionType
from wsproto.events import CloseConnection, Event, TextMessage

from tests.protocol.strategies import events, positions
from trio_agent_rt.protocol import (
    CloseCode,
    Position,
    decode_event,
    encode_event,
    sse_comment,
    sse_event,
    sse_retry,
    websocket_close_frame,
    websocket_text_frame,
)


def websocket_events(data: bytes, cuts: Iterable[int] = ()) -> list[Event]:
    """What a client reads from `data`, delivered in pieces."""
    client = Connection(ConnectionType.CLIENT)
    found: list[Event] = []
    for piece in pieces(data, cuts):
        client.receive_data(piece)
        found += client.events()
    return found


def pieces(data: bytes, cuts: Iterable[int]) -> list[bytes]:
    edges = [0, *sorted(each % (len(data) + 1) for each in cuts), len(data)]
    return [data[start:end] for start, end in itertools.pairwise(edges)]


def messages(found: Iterable[Event]) -> list[str]:
    """The text messages, each joined from its parts."""
    whole: list[str] = []
    parts: list[str] = []
    for event in found:
        assert isinstance(event, TextMessage)
        parts.append(event.data)
        if event.message_finished:
            whole.append("".join(parts))
            parts.clear()
    assert not parts
    return whole


@pytest.mark.parametrize("size", [0, 1, 125, 126, 127, 65535, 65536, 1024 * 1024])
def test_a_text_frame_of_any_size_is_read_by_a_client(size: int) -> None:
    frame = websocket_text_frame(b"x" * size)
    assert messages(websocket_events(frame)) == ["x" * size]
    header = 2 if size < 126 else 4 if size < 65536 else 10
    assert len(frame) == header + size


@given(st.lists(st.text(), max_size=5), st.lists(st.integers(0), max_size=10))
def test_frames_are_read_however_they_are_cut(texts: list[str], cuts: list[int]) -> None:
    data = b"".join(websocket_text_frame(text.encode()) for text in texts)
    assert messages(websocket_events(data, cuts)) == texts


@pytest.mark.parametrize("code", list(CloseCode))
def test_a_close_frame_is_read_by_a_client(code: CloseCode) -> None:
    assert websocket_events(websocket_close_frame(code, "why")) == [
        CloseConnection(code=code, reason="why")
    ]


@given(st.text(st.characters(), max_size=300))
@example("ä" * 200)
def test_a_close_frame_with_any_reason_is_read(reason: str) -> None:
    (event,) = websocket_events(websocket_close_frame(4000, reason))
    assert isinstance(event, CloseConnection)
    assert event.code == 4000


def test_a_close_frame_without_a_reason_is_read() -> None:
    (event,) = websocket_events(websocket_close_frame(CloseCode.NORMAL))
    assert isinstance(event, CloseConnection)
    assert (event.code, event.reason or "") == (1000, "")


def sse_events(chunks: Iterable[bytes]) -> list[dict[str, str]]:
    """What a browser's EventSource reads: fields by name, one dict per event."""
    found: list[dict[str, str]] = []
    fields: dict[str, str] = {}
    text = b"".join(chunks).decode()
    # A line ends with CR LF, LF or CR, and with nothing else that Python calls a line end.
    *lines, rest = re.split("\r\n|\n|\r", text)
    assert rest == "", "the last event has not ended"
    for line in lines:
        if not line:
            if "data" in fields:
                found.append(fields)
            fields = {}
        elif not line.startswith(":"):
            name, _, value = line.partition(":")
            value = value.removeprefix(" ")
            fields[name] = (
                f"{fields[name]}\n{value}" if name == "data" and name in fields else value
            )
    return found


@given(st.lists(st.tuples(events, st.none() | positions), max_size=4))
def test_an_sse_event_is_one_data_line_and_its_id(items: list[tuple]) -> None:
    texts = [encode_event(event, timestamp=1) for event, _ in items]
    chunks = [sse_event(text, at) for text, (_, at) in zip(texts, items, strict=True)]
    assert sse_events(chunks) == [
        {"data": text.decode()} | ({} if at is None else {"id": str(at)})
        for text, (_, at) in zip(texts, items, strict=True)
    ]


@given(st.text(st.characters(), max_size=40), st.none() | positions)
@example("error\n", None)
@example("a\r\n\r\ndata: b", Position("e", 1))
@example("\n\nevent: a", None)
@example("\ud800", None)
def test_no_name_of_an_sse_event_adds_or_ends_anything(name: str, at: Position | None) -> None:
    (event,) = sse_events([sse_event(b"{}", at, name=name)])
    assert event.pop("data") == "{}"
    assert event.pop("id", None) == (None if at is None else str(at))
    shown = re.split("[\r\n]", name)[0].encode("utf-8", "replace").decode()
    assert event == ({} if shown in {"error", "open"} else {"event": shown})


@pytest.mark.parametrize(
    ("made", "framed"),
    [
        (sse_event(b"{}"), b"data: {}\n\n"),
        (sse_event(b"{}", Position("e", 1)), b"id: e-1\ndata: {}\n\n"),
        (sse_event(b"{}", name="step:start"), b"event: step:start\ndata: {}\n\n"),
        (
            sse_event("任".encode(), Position("e", 1), name="任务"),
            "id: e-1\nevent: 任务\ndata: 任\n\n".encode(),
        ),
        (sse_event(b"{}", name="a\rb"), b"event: a\ndata: {}\n\n"),
        # What an EventSource says of its own connection, and none of ours may seem to be.
        (sse_event(b"{}", name="error"), b"data: {}\n\n"),
        (sse_event(b"{}", Position("e", 1), name="open"), b"id: e-1\ndata: {}\n\n"),
        (sse_event(b"{}", name="errors"), b"event: errors\ndata: {}\n\n"),
        (sse_comment(), b": \n\n"),
        (sse_comment("welcome"), b": welcome\n\n"),
        (sse_retry(871), b"retry: 871\n\n"),
    ],
)
def test_what_a_stream_is_made_of(made: bytes, framed: bytes) -> None:
    assert made == framed


def test_a_comment_and_a_retry_are_no_events() -> None:
    assert sse_events([sse_comment("data: x"), sse_retry(5), sse_event(b"{}")]) == [{"data": "{}"}]


def test_line_ends_inside_a_text_do_not_end_its_sse_event() -> None:
    from trio_agent_rt.protocol import StepOutput

    output = StepOutput(step_id="s", text="a\nb\r\nc\rd\u2028e\x85f\x00", timestamp=1)
    (event,) = sse_events([sse_event(encode_event(output), Position("e", 1))])
    assert decode_event(event["data"]) == output
    assert event["id"] == "e-1"
